"""HDF5 and what is built on it (NeXus, NWB, NetCDF-4, MATLAB's newer files), by h5py: one dataset of a file.

Which one, is said after two colons, ``file.h5::/entry/data``; without them it is the one that NeXus says is to be
shown, or the only one that is an image. Written back, the file is copied, and the dataset alone has other numbers.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ... import atomic
from ...arrays import ArrayInfo, Slices, Source, Target, identity_of
from ...format import Format
from ...inside import MARK, split
from ...picture import Picture, PictureError, Request
from ...scaled import Blanked
from ..npy import FORMAT as NPY
from . import writing
from .content import Dataset, opened

logger = logging.getLogger("nlmeans")

MAGIC = (b"\x89HDF\r\n\x1a\n", b"MATLAB 7.3 MAT-file")
MOST_CODECS = 64 << 20
ANY = 2**62
"""Pixels, where there is no doubt of them."""


@dataclass(frozen=True)
class Origin:
    """Where an image came from, and how its numbers are stored."""

    dataset: Dataset
    identity: dict[str, Any]
    coding: Blanked

    def typed(self, dtype: np.dtype) -> Origin:
        """Return the same for a file with numbers of another type."""
        return replace(self, coding=Blanked(np.dtype(dtype)))

    def fits(self, picture: Picture) -> bool:
        """Whether a picture has the dataset's shape."""
        return self.dataset.turned(self.dataset.shape) == picture.pixels.shape


class Hdf5(Format):
    """A dataset; the file to write, and what in it, where that is known."""

    name = "HDF5"
    endings = (".h5", ".hdf5", ".hdf", ".he5", ".nxs", ".nwb", ".nc", ".nc4", ".mat", ".cxi")
    needs, extra = "h5py", "hdf5"
    loses = (
        "filters with loss, in whose place comes gzip; views of other files become datasets; room that chunks had "
        "before is not given back (h5repack does that)"
    )
    has_series = True
    codec_memory = MOST_CODECS

    def __init__(self, path: Path | None = None) -> None:
        self.path = path

    def at(self, path: Path) -> Format:
        """Return the format that writes to a path."""
        return Hdf5(path)

    def file(self, path: Path) -> Path:
        """Return the file, without what is named in it."""
        return split(path)[0]

    def recognises(self, head: bytes, path: Path) -> bool:
        """Whether a file begins as HDF5 does."""
        return head.startswith(MAGIC)

    def store(self, path: Path) -> Path | None:
        """Return the file in which a path names something."""
        file = split(path)[0]
        return file if file != path else None

    def read(self, request: Request) -> Picture:
        """Read real values."""
        source = self._source(request)
        info, dataset = source.info, source.dataset
        pixels = source.read((slice(None),) * info.ndim)
        named = request.names_axes and request.axes != info.axes
        axes = request.axes if request.names_axes else info.axes
        spacing = None if named or dataset.spacing is None else dataset.spaced(info.axes or "")
        return Picture(
            pixels, axes, request.channel_axis, spacing=spacing, unit=info.unit if spacing else None,
            nodata=info.nodata, native=Origin(dataset, identity_of(dataset.file), dataset.coding),
        )  # fmt: skip

    def check(self, picture: Picture) -> None:
        """Refuse what a dataset cannot say."""
        self.library()
        if picture.alpha is not None:
            raise PictureError("an HDF5 file holds images without opacity; write a TIFF or NPY instead")
        if len(picture.dimensions) != picture.pixels.ndim:
            raise PictureError(f"an HDF5 file must know the axes: this has shape {picture.pixels.shape}")

    def write(self, part: Path, picture: Picture, path: Path, **options: Any) -> None:
        """Write a copy of the file that the picture came from, or one with a dataset more, or a new one."""
        self.check(picture)
        origin = picture.native
        kept = origin if isinstance(origin, Origin) and origin.fits(picture) else None
        if kept is not None and _changed(kept):
            file = kept.dataset.file
            raise PictureError(f"the file that a picture came from must be there to be copied, as it was: {file}")
        pixels = picture.pixels
        info = ArrayInfo(
            pixels.shape, pixels.dtype, picture.dimensions, picture.spacing, pixels.shape, picture.unit, picture.nodata
        )
        coding, of = (Blanked(pixels.dtype), None) if kept is None else (kept.coding, kept.dataset)
        _write(part, path, info, of, coding, lambda: pixels)

    def open(self, request: Request) -> Source:
        """Read what is said of the dataset."""
        return self._source(request)

    def _source(self, request: Request) -> H5Source:
        file = split(request.path)[0]
        dataset = Dataset.of(self.library(), request)
        if dataset.lossy is not None:
            logger.warning(
                "%s: its numbers were stored with loss (%s): noise may be less, or of another kind, than it was",
                request.path.name, dataset.lossy,
            )  # fmt: skip
        chunks = dataset.turned(dataset.chunks or (1,) * len(dataset.shape))
        axes = None if dataset.axes is None else "".join(dataset.turned(dataset.axes))
        coding, spacing = dataset.coding, dataset.spaced("ZYX")
        info = ArrayInfo(
            dataset.turned(dataset.shape), coding.working, axes, spacing, chunks, dataset.unit, coding.nodata
        )
        return H5Source(file, info, dataset)

    def check_target(self, path: Path, overwrite: bool) -> None:
        """Refuse to replace a file, or what is named in one; another name in one is added to it."""
        file, inside = split(self.path or path)
        if inside and file.is_file():
            with opened(self.library(), file) as root:
                there = f"{file}{MARK}/{inside}"
                if isinstance(root.get(inside), self.library().Group):
                    raise PictureError(f"only a dataset can be replaced by one: {there} is a group")
                if inside in root and not overwrite:
                    raise FileExistsError(f"{there} exists already; --overwrite (overwrite=True) replaces it")
            overwrite = True
        atomic.check_target(file, overwrite)

    def replacing(self, path: Path, overwrite: bool) -> AbstractContextManager[Path]:
        """Yield a new file that takes the place of the one that a path names something in."""
        file, inside = split(path)
        self.check_target(path, overwrite)
        return atomic.replacing(file, overwrite=overwrite or bool(inside))

    def chunks(self, shape: tuple[int, ...], axes: str, source: Source) -> tuple[int, ...]:
        """Return those of single pixels: chunks are made at the end."""
        return (1,) * len(shape)

    def create(self, part: Path, info: ArrayInfo, source: Source) -> Target:
        """Take the room that the pixels need, in a file of their own."""
        target = self._target(part, info, source)
        NPY.create(part, replace(info, dtype=target.stored), source)
        return target

    def reopen(self, part: Path, info: ArrayInfo, source: Source) -> Target:
        """Go on with what was created."""
        target = self._target(part, info, source)
        NPY.reopen(part, replace(info, dtype=target.stored), source)
        return target

    def _target(self, part: Path, info: ArrayInfo, source: Source) -> H5Target:
        self.library()
        of = source.dataset if isinstance(source, H5Source) and source.info.shape == info.shape else None
        same = of is not None and of.coding.working == info.dtype
        return H5Target(part, info, of.coding if of and same else Blanked(info.dtype), of, self.path or part)


FORMAT = Hdf5()


@dataclass(frozen=True, eq=False)
class H5Source(Source):
    """A dataset that is read; its file is open only while it is."""

    codec_memory = MOST_CODECS
    path: Path
    info: ArrayInfo
    dataset: Dataset

    @property
    def advice(self) -> str | None:
        """What the caller can say of axes that the file leaves open."""
        if self.info.axes is not None:
            return None
        names = f", axes {', '.join(self.dataset.names)}" if self.dataset.names else ""
        return (
            f"this has shape {self.info.shape}{names}; add --axes (axes=) with one letter a dimension: "
            "N separate images, T time, Z depth, C channels, Y, X"
        )

    def read(self, slices: Slices) -> np.ndarray:
        """Return a part."""
        with opened(FORMAT.library(), self.path) as root:
            try:
                place = [slice(None)] * self.info.ndim
                for axis, cut in zip(self.dataset.order, slices, strict=True):
                    place[axis] = cut
                stored = root[self.dataset.name][tuple(place)].transpose(self.dataset.order)
            except OSError as error:  # of a chunk
                raise PictureError(f"{self.path} is damaged or cannot be unpacked: {error}") from error
        return self.dataset.coding.decode(stored).astype(self.info.dtype, copy=False)

    def identity(self) -> dict[str, Any]:
        """Return what changes when the file is another, or the dataset."""
        return identity_of(self.path) | {"dataset": self.dataset.name}


@dataclass(frozen=True, eq=False)
class H5Target(Target):
    """A dataset that is written: first by itself, then into its file."""

    path: Path
    info: ArrayInfo
    coding: Blanked
    dataset: Dataset | None
    final: Path

    @property
    def stored(self) -> np.dtype:
        """The type of what is written first."""
        return self.coding.dtype.newbyteorder("=")

    def write(self, slices: Slices, pixels: np.ndarray) -> None:
        """Write a part."""
        np.load(self.path, mmap_mode="r+", allow_pickle=False)[slices] = self.coding.encode(pixels)

    def finish(self, stop: Callable[[], None], spare: Path) -> Path:
        """Write the file in which it lies."""
        plain = Blanked(self.coding.dtype)

        def pixels() -> np.ndarray:
            stop()
            return np.asarray(np.load(self.path, mmap_mode="r", allow_pickle=False))  # anew: it counts as memory

        try:
            _write(spare, self.final, self.info, self.dataset, plain, pixels)
        except BaseException:
            spare.unlink(missing_ok=True)
            raise
        return spare

    def result(self, finished: Path) -> Source:
        """Return the dataset that was written."""
        inside = split(self.final)[1] or (writing.ENTRY if self.dataset is None else self.dataset.name.strip("/"))
        return FORMAT.open(Request(Path(f"{finished}{MARK}/{inside}"), None, None, ANY, whole=False))


def _write(
    part: Path, path: Path, info: ArrayInfo, of: Dataset | None, coding: Blanked, pixels: Callable[[], np.ndarray]
) -> None:
    """Write a file with an image: of the one that it came from a copy, unless another or a place in it is named."""
    library = FORMAT.library()
    file, inside = split(path)
    order = np.arange(info.ndim) if of is None else np.argsort(of.order)

    def stored(cut: Slices) -> np.ndarray:
        return coding.encode(np.array(pixels().transpose(order)[cut]))

    base = file if inside and file.is_file() else None
    same = of is not None and base is not None and base.samefile(of.file) and inside == of.name.strip("/")
    if of is not None and (same or not inside):
        writing.replaced(library, part, of, coding.dtype, stored)
    else:
        writing.added(library, part, base, inside or writing.ENTRY, of, info, coding.dtype, stored)


def _changed(origin: Origin) -> bool:
    """Whether the file that a picture came from is not there any more, or another."""
    try:
        return identity_of(origin.dataset.file) != origin.identity
    except OSError:
        return True
