"""NumPy's own files: an array and nothing else, whole or by regions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import exif
from ..arrays import ArrayInfo, Slices, Source, Target
from ..atomic import reserve
from ..format import Format
from ..picture import Picture, PictureError, Request, times


class Npy(Format):
    """One array, and nothing that a picture says besides."""

    name, endings, magic = "NPY", (".npy",), (b"\x93NUMPY",)
    loses = "all but the pixels: there is no place for more"

    def read(self, request: Request) -> Picture:
        """Read an array; its axes are named only where two dimensions leave no choice."""
        shape, _ = _header(request.path)
        axes = request.axes or ("YX" if len(shape) == 2 and not request.names_axes else None)
        return Picture(np.load(request.path, allow_pickle=False), axes, request.channel_axis)

    def write(self, part: Path, picture: Picture, path: Path) -> None:  # type: ignore[override]
        """Write the array, alpha as its last channel; upright, since there is no place for an orientation."""
        pixels = exif.upright(picture.with_alpha(), exif.orientation(picture.exif))
        with part.open("wb") as file:  # given a name, np.save would add an ending
            np.save(file, pixels, allow_pickle=False)

    def open(self, request: Request) -> Source:
        """Read the header."""
        shape, dtype = _header(request.path)
        axes = "YX" if len(shape) == 2 else None
        return NpySource(request.path, ArrayInfo(shape, dtype, axes, None, (1,) * len(shape)))

    def create(self, part: Path, info: ArrayInfo, source: Source) -> Target:
        """Write the header, and take the room that the pixels need."""
        np.lib.format.open_memmap(part, mode="w+", dtype=info.dtype, shape=info.shape)
        reserve(part)
        return NpyTarget(part, info)

    def reopen(self, part: Path, info: ArrayInfo, source: Source) -> Target:
        """Go on with a file that was created."""
        if _header(part) != (info.shape, info.dtype):
            raise PictureError(f"it must have shape {info.shape} and dtype {info.dtype}")
        return NpyTarget(part, info)


FORMAT = Npy()


@dataclass(frozen=True)
class NpySource(Source):
    """An NPY file that is read."""

    path: Path
    info: ArrayInfo

    def read(self, slices: Slices) -> np.ndarray:
        """Return a part."""
        mapped = np.load(self.path, mmap_mode="r", allow_pickle=False)
        return np.array(mapped[slices], self.info.dtype)  # the mapping goes, and no longer counts as memory


@dataclass(frozen=True)
class NpyTarget(Target):
    """An NPY file that is written."""

    path: Path
    info: ArrayInfo

    def write(self, slices: Slices, pixels: np.ndarray) -> None:
        """Write a part."""
        np.load(self.path, mmap_mode="r+", allow_pickle=False)[slices] = pixels


def _header(path: Path) -> tuple[tuple[int, ...], np.dtype]:
    """Return shape and dtype of a file's array, if it holds as many plain numbers."""
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = reader(file)
        there = path.stat().st_size - file.tell()
    if dtype.hasobject:
        raise PictureError("an NPY file must hold plain numbers: this one holds Python objects")
    if min(shape, default=1) < 0 or not dtype.itemsize:
        raise PictureError(f"the file is damaged: its header says {times(shape)} pixels of {dtype}")
    # Checked before loading: `np.load` would first reserve what a damaged header asks for.
    size = math.prod(shape) * dtype.itemsize
    if there < size:
        raise PictureError(f"the file is cut short: {shape} pixels of {dtype} take {size:,} bytes, there are {there:,}")
    return shape, dtype
