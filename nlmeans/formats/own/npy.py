"""NumPy's own files: an array and nothing else."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from . import exif
from .picture import Picture, PictureError, Request, times


def header(path: Path) -> tuple[tuple[int, ...], np.dtype]:
    """Return shape and dtype of a file's array.

    Raises
    ------
    PictureError
        If it does not hold as many plain numbers.
    """
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = reader(file)
        there = path.stat().st_size - file.tell()
    if dtype.hasobject:
        raise PictureError("an NPY file must hold plain numbers: this one holds Python objects")
    if min(shape, default=1) < 0 or not dtype.itemsize:
        raise PictureError(f"the file is damaged: its header says {times(shape)} pixels of {dtype}")
    # Looked at before loading: `np.load` would first reserve what a damaged header asks for.
    size = math.prod(shape) * dtype.itemsize
    if there < size:
        raise PictureError(f"the file is cut short: {shape} pixels of {dtype} take {size:,} bytes, there are {there:,}")
    return shape, dtype


def read(request: Request) -> Picture:
    """Read an array; its axes are named only where two dimensions leave no choice."""
    shape, _ = header(request.path)
    axes = request.axes or ("YX" if len(shape) == 2 and not request.names_axes else None)
    return Picture(np.load(request.path, allow_pickle=False), axes, request.channel_axis)


def check(picture: Picture) -> None:
    """Refuse nothing: an NPY file holds any array."""


def write(part: Path, picture: Picture, jpeg_quality: int | None) -> None:
    """Write the array, alpha as its last channel; upright, since there is no place for an orientation."""
    pixels = exif.upright(picture.with_alpha(), exif.orientation(picture.exif))
    with part.open("wb") as file:  # given a name, np.save would add an ending
        np.save(file, pixels, allow_pickle=False)
