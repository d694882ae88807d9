"""Zarr arrays and OME-Zarr images, a region at a time."""

from __future__ import annotations

import copy
import logging
import math
import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from . import MAX_PIXELS
from . import zarr_metadata as metadata
from .picture import PictureError, Request, quoted
from .store import About, Region

logger = logging.getLogger("nlmeans")

PIECE = 1 << 21
"""Pixels of a finer level that are held at once for a coarser one."""
VERSION = "0.5"
"""Of OME-Zarr, for images that were none."""
AXES = {"T": "time", "C": "channel", "Z": "space", "Y": "space", "X": "space"}
CHUNK = {"X": 256, "Y": 256, "Z": 32}
"""Sides of the chunks of an image that had none."""


UNWRITTEN = ".partial"
"""End of the names of files that Zarr is about to write; it leaves those of a process that was killed."""
METADATA = ("zarr.json", ".zgroup", ".zarray")
"""Files that a store or a group or array in it has one of."""


def split(path: Path) -> tuple[Path, str]:
    """Return the folder of a store, and what is named within it."""
    for place in (path, *path.parents):
        if place.suffix == ".zarr":
            return place, "/".join(path.parts[len(place.parts) :])
    return path, ""


def named(path: Path) -> bool:
    """Whether a path is that of a Zarr store or of something in one."""
    return split(path)[0].suffix == ".zarr" or is_node(path)


def is_node(path: Path) -> bool:
    """Whether there is a Zarr store, or a group or array in one."""
    return any((path / name).is_file() for name in METADATA)


@dataclass(frozen=True)
class Image:
    """An image in a store: an array, or the levels of an OME-Zarr image.

    Attributes
    ----------
    node : zarr.Array or zarr.Group
        What was named.
    levels : tuple of str
        Paths of the arrays in a group, the finest first; none for an array.
    axes : str or None
        Names of the axes.
    scale : tuple of float or None
        Sides of a pixel along all axes.
    unit : str or None
        Their unit along the axes of space, where it is one.
    """

    node: Any
    levels: tuple[str, ...]
    axes: str | None
    scale: tuple[float, ...] | None
    unit: str | None

    @classmethod
    def open(cls, path: Path) -> Image:
        """Look at the metadata.

        Raises
        ------
        PictureError
            If there is no image.
        """
        zarr = library()
        store, within = split(path)
        if not store.exists():
            raise FileNotFoundError(f"there is no {store}")
        try:
            node = zarr.open(store, path=within, mode="r")
        except Exception as error:  # whatever is wrong with metadata
            raise PictureError(f"{path} is no Zarr array or group that can be read: {quoted(error)}") from error
        if isinstance(node, zarr.Array):
            return cls(node, (), metadata.letters(metadata.dimensions(node), node.ndim), None, None)
        found = metadata.multiscale(node, path)
        return cls(node, found.levels, found.axes, found.scale, found.unit)

    @property
    def consolidated(self) -> bool:
        """Whether a group's metadata are gathered in one place."""
        return bool(self.levels) and self.node.metadata.consolidated_metadata is not None

    @property
    def finest(self) -> Any:
        """The array with all pixels."""
        return self.node[self.levels[0]] if self.levels else self.node


def library() -> Any:
    """Return zarr.

    Raises
    ------
    ImportError
        If it is not installed.
    """
    try:
        import zarr
    except ImportError:
        raise ImportError("Zarr needs the extra 'scale': pip install 'nlmeans[scale]'") from None
    return zarr


def _place(path: Path, image: Image) -> Path:
    """Return the folder of an image's finest level."""
    store, within = split(path)
    return store / within / (image.levels[0] if image.levels else "")


def _stored(place: Path) -> tuple[int, int]:
    """Return how many chunks are in an array's folder, and how many bytes they have."""
    found = [
        (Path(folder) / name).stat().st_size
        for folder, _, files in os.walk(place)
        for name in files
        if name not in METADATA and not name.startswith(".") and not name.endswith(".partial")
    ]
    return len(found), sum(found)


@dataclass(frozen=True, eq=False)
class ZarrSource:
    """An image in a Zarr store that is read."""

    path: Path
    about: About
    image: Image

    @classmethod
    def open(cls, path: Path, max_pixels: int = MAX_PIXELS) -> ZarrSource:
        """Look at the metadata, refuse what nobody can count or hold, and tell of chunks that are not there."""
        image = Image.open(path)
        array, request = image.finest, Request(path, None, None, max_pixels, whole=False)
        stored, there = _stored(_place(path, image))
        chunks = metadata.check_size(array, stored, there, request)
        dtype = np.dtype(array.dtype).newbyteorder("=")
        nodata = metadata.nodata(array, dtype, complete=stored >= chunks)
        if stored < chunks:
            logger.warning(
                "%s: %d of %d chunks are not in the store, and are read as %s%s", path, chunks - stored, chunks,
                array.fill_value, ", which counts as missing" if nodata == array.fill_value else ", as Zarr has it",
            )  # fmt: skip
        spacing = None
        if image.scale is not None and image.axes is not None:
            sides = dict(zip(image.axes, image.scale, strict=True))
            spacing = tuple(sides[axis] for axis in "ZYX" if axis in sides)
        whole = tuple(array.shards or array.chunks)
        return cls(path, About(array.shape, dtype, image.axes, spacing, whole, image.unit, nodata), image)

    @property
    def advice(self) -> str | None:
        """What the caller can say of axes whose names are not known; None where there are no names."""
        return metadata.advice(self.image.finest) if self.about.axes is None else None

    @cached_property
    def _array(self) -> Any:
        return self.image.finest

    def read(self, region: Region) -> np.ndarray:
        """Return a region."""
        try:
            return np.asarray(self._array[region], self.about.dtype)
        except (OSError, MemoryError):
            raise
        except Exception as error:  # codecs meet damaged chunks with exceptions of every kind
            where = ", ".join(f"{cut.start}:{cut.stop}" for cut in region)
            raise PictureError(f"{self.path} is damaged at [{where}]: {quoted(error)}") from error

    def identity(self) -> dict[str, Any]:
        """Return what changes when a chunk is written again: a hash of the names, sizes and times of all."""
        seen = sha256()
        for folder, folders, files in os.walk(_place(self.path, self.image)):
            folders.sort()
            for name in sorted(files):
                found = (Path(folder) / name).stat()
                seen.update(f"{folder}/{name} {found.st_size} {found.st_mtime_ns}\n".encode())
        return {"path": str(self.path.resolve()), "files": seen.hexdigest()}


def sweep(path: Path) -> None:
    """Remove the files that Zarr has not written to their ends."""
    for folder, _, names in os.walk(path):
        for name in names:
            if name.endswith(UNWRITTEN):
                Path(folder, name).unlink()


@dataclass(frozen=True, eq=False)
class ZarrTarget:
    """A Zarr store that is written: like the source's, with its metadata and all its levels."""

    path: Path
    about: About
    levels: tuple[str, ...]
    consolidated: bool

    @classmethod
    def create(cls, path: Path, about: About, source: Any) -> ZarrTarget:
        """Write all but the pixels."""
        zarr = library()
        if not isinstance(source, ZarrSource):
            return cls._create_new(path, about)
        image = source.image
        if image.levels:
            group = zarr.create_group(path, zarr_format=image.node.metadata.zarr_format)
            group.attrs.update(copy.deepcopy(dict(image.node.attrs)))
        for name in image.levels or (None,):
            array = image.node[name] if name else image.node
            if about.dtype != source.about.dtype:  # what packs whole numbers may not do for others: Zarr's own choice
                zarr.create_array(
                    path, name=name, shape=array.shape, dtype=about.dtype, chunks=array.chunks, shards=array.shards,
                    zarr_format=array.metadata.zarr_format, fill_value=array.fill_value, attributes=dict(array.attrs),
                    dimension_names=getattr(array.metadata, "dimension_names", None),
                )  # fmt: skip
                continue
            zarr.from_array(
                path, data=array, name=name, write_data=False, zarr_format=array.metadata.zarr_format,
                fill_value=array.fill_value, attributes=dict(array.attrs),
                dimension_names=getattr(array.metadata, "dimension_names", None),
            )  # fmt: skip
        return cls(path, about, image.levels, image.consolidated)

    @classmethod
    def _create_new(cls, path: Path, about: About) -> ZarrTarget:
        """Write an image that came from no Zarr: as OME-Zarr if its axes have names that this knows."""
        zarr = library()
        axes = about.axes if about.axes and set(about.axes) <= set(AXES) else None
        names = list(axes.lower()) if axes else None
        array: dict[str, Any] = {
            "shape": about.shape, "dtype": about.dtype, "chunks": about.chunks, "dimension_names": names,
        }  # fmt: skip
        if about.nodata is not None:
            array |= metadata.declaring(about.nodata, about.dtype)
        if axes is None:
            zarr.create_array(path, **array)
            return cls(path, about, (), False)
        group = zarr.create_group(path)
        sides = dict(zip((axis for axis in "ZYX" if axis in axes), about.spacing or (), strict=False))
        scale = {"type": "scale", "scale": [float(sides.get(axis, 1)) for axis in axes]}
        image = {
            "axes": [{"name": axis.lower(), "type": AXES[axis]} | metadata.unit(about, axis) for axis in axes],
            "datasets": [{"path": "0", "coordinateTransformations": [scale]}],
        }
        group.attrs["ome"] = {"version": VERSION, "multiscales": [image]}
        group.create_array("0", **array)
        return cls(path, about, ("0",), False)

    @classmethod
    def reopen(cls, path: Path, about: About, image: Image) -> ZarrTarget:
        """Go on with a store that was created."""
        target = cls(path, about, image.levels, image.consolidated)
        if target._arrays[0].shape != about.shape or np.dtype(target._arrays[0].dtype).newbyteorder("=") != about.dtype:
            raise PictureError(f"it must have shape {about.shape} and dtype {about.dtype}")
        return target

    @cached_property
    def _arrays(self) -> list[Any]:
        node = library().open(self.path, mode="r+")
        return [node[name] for name in self.levels] if self.levels else [node]

    def write(self, region: Region, pixels: np.ndarray) -> None:
        """Write a region that is made of whole chunks."""
        self._arrays[0][region] = pixels

    def finish(self, stop: Callable[[], None]) -> Path:
        """Gather the metadata in one place, if the source had it so; return the path."""
        sweep(self.path)
        if self.consolidated:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that not every reader of version 3 knows it
                library().consolidate_metadata(self.path)
        return self.path

    def coarser(self) -> Iterator[list[Region]]:
        """Yield the regions of each level but the finest, the finer before the coarser."""
        for array in self._arrays[1:]:
            sides = array.shards or array.chunks
            cuts = [
                [slice(start, min(start + side, length)) for start in range(0, length, side)]
                for length, side in zip(array.shape, sides, strict=True)
            ]
            yield list(product(*cuts))

    def shrink(self, level: int, region: Region) -> None:
        """Fill a region of a level with the means of what it stands for in the one before."""
        finer, coarser = self._arrays[level - 1], self._arrays[level]
        ratios = [max(large / small, 1) for large, small in zip(finer.shape, coarser.shape, strict=True)]
        sides = [cut.stop - cut.start for cut in region]
        lengths = list(sides)
        while math.prod(length * ratio for length, ratio in zip(lengths, ratios, strict=True)) > PIECE:
            longest = int(np.argmax(lengths))
            if lengths[longest] == 1:
                break
            lengths[longest] = (lengths[longest] + 1) // 2
        found = np.empty(sides, coarser.dtype)
        for first in product(*(range(0, side, length) for side, length in zip(sides, lengths, strict=True))):
            place = tuple(slice(f, min(f + n, side)) for f, n, side in zip(first, lengths, sides, strict=True))
            ends = [
                np.arange(cut.start + part.start, cut.start + part.stop + 1) * large // small
                for cut, part, large, small in zip(region, place, finer.shape, coarser.shape, strict=True)
            ]
            pixels = finer[tuple(slice(int(end[0]), int(end[-1])) for end in ends)]
            found[place] = means(pixels, [end - end[0] for end in ends], self.about.nodata)
        coarser[region] = found


def means(pixels: np.ndarray, ends: list[np.ndarray], nodata: float | None = None) -> np.ndarray:
    """Return the means of boxes of pixels, which begin at the ends along each axis; whole numbers are rounded.

    Pixels that are missing, NaN or ``nodata``, have no say; a box of them alone stays what it is.
    """
    sums = pixels.astype(np.float64)
    missing = np.isnan(sums)
    if nodata is not None:
        missing |= pixels == nodata
    if not missing.any():
        return _whole(_over(sums, ends, mean=True), pixels.dtype)
    empty = np.nan if nodata is None else nodata
    sums[missing] = 0
    counts = _over((~missing).astype(np.float64), ends)
    found = np.where(counts > 0, _over(sums, ends) / np.maximum(counts, 1), empty)
    return _whole(found, pixels.dtype)


def _over(values: np.ndarray, ends: list[np.ndarray], mean: bool = False) -> np.ndarray:
    """Return the sums, or means, of boxes."""
    for axis, edges in enumerate(ends):
        starts, widths = edges[:-1], np.diff(edges)
        if (widths == 1).all() and len(widths) == values.shape[axis]:
            continue
        values = np.add.reduceat(values, starts, axis)
        if mean:
            values /= widths.reshape([-1 if k == axis else 1 for k in range(values.ndim)])
    return values


def _whole(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    return (np.rint(values) if dtype.kind in "iu" else values).astype(dtype)


def chunks_for(shape: tuple[int, ...], axes: str) -> tuple[int, ...]:
    """Return the sides of chunks for an image that has none."""
    return tuple(min(side, CHUNK.get(axis, 1)) for side, axis in zip(shape, axes, strict=True))


def levels_of(path: Path) -> tuple[str, ...]:
    """Return the levels of a store that was written."""
    return Image.open(path).levels
