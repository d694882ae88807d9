"""Zarr arrays and OME-Zarr images, a part at a time."""

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
import zarr

from ...arrays import ArrayInfo, Slices, Source, Target
from ...picture import PictureError, Request, quoted
from ...pyramid import means
from . import metadata
from .places import CODECS, METADATA, split

logger = logging.getLogger("nlmeans")

VERSION = "0.5"
"""Of OME-Zarr, for images that were none."""
AXES = {"T": "time", "C": "channel", "Z": "space", "Y": "space", "X": "space"}
UNWRITTEN = ".partial"
"""End of the names of files that Zarr is about to write; it leaves those of a process that was killed."""


@dataclass(frozen=True)
class Image:
    """An image in a store: an array, or the levels of an OME-Zarr image."""

    node: Any  # the array or group that was named
    levels: tuple[str, ...]  # paths of the arrays in a group, the finest first; none for an array
    axes: str | None  # names of the axes
    scale: tuple[float, ...] | None  # sides of a pixel along all axes
    unit: str | None  # their unit along the axes of space, where it is one
    channels: tuple[str, ...] | None  # their names

    @classmethod
    def open(cls, path: Path) -> Image:
        """Read the metadata.

        Raises
        ------
        PictureError
            If there is no image.
        """
        store, within = split(path)
        if not store.exists():
            raise FileNotFoundError(f"there is no {store}")
        try:
            node = zarr.open(store, path=within, mode="r")
        except Exception as error:  # whatever is wrong with metadata
            raise PictureError(f"{path} is no Zarr array or group that can be read: {quoted(error)}") from error
        if isinstance(node, zarr.Array):
            return cls(node, (), metadata.letters(metadata.dimensions(node), node.ndim), None, None, None)
        return cls(node, *metadata.multiscale(node, path))

    @property
    def consolidated(self) -> bool:
        """Whether a group's metadata are gathered in one place."""
        return bool(self.levels) and self.node.metadata.consolidated_metadata is not None

    @property
    def finest(self) -> Any:
        """The array with all pixels."""
        return self.node[self.levels[0]] if self.levels else self.node


def _place(path: Path, image: Image) -> Path:
    """Return the folder of an image's finest level."""
    store, within = split(path)
    return store / within / (image.levels[0] if image.levels else "")


def _stored(place: Path) -> tuple[int, int]:
    """Return how many chunks are in an array's folder, and how many bytes they have."""
    sizes = [
        (Path(folder) / name).stat().st_size
        for folder, _, files in os.walk(place)
        for name in files
        if name not in METADATA and not name.startswith(".") and not name.endswith(".partial")
    ]
    return len(sizes), sum(sizes)


@dataclass(frozen=True, eq=False)
class ZarrSource(Source):
    """An image in a Zarr store that is read."""

    codec_memory = CODECS
    path: Path
    info: ArrayInfo
    image: Image

    @classmethod
    def open(cls, request: Request) -> ZarrSource:
        """Read the metadata, refuse what nobody can count or hold, and warn of missing chunks."""
        path = request.path
        image = Image.open(path)
        array = image.finest
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
        info = ArrayInfo(array.shape, dtype, image.axes, spacing, whole, image.unit, nodata, image.channels)
        return cls(path, info, image)

    @property
    def advice(self) -> str | None:
        """What the caller can say of axes whose names are not known; None where there are no names."""
        return metadata.advice(self.image.finest) if self.info.axes is None else None

    @cached_property
    def _array(self) -> Any:
        return self.image.finest

    def read(self, slices: Slices) -> np.ndarray:
        """Return a part."""
        try:
            return np.asarray(self._array[slices], self.info.dtype)
        except (OSError, MemoryError):
            raise
        except Exception as error:  # codecs meet damaged chunks with exceptions of every kind
            where = ", ".join(f"{cut.start}:{cut.stop}" for cut in slices)
            raise PictureError(f"{self.path} is damaged at [{where}]: {quoted(error)}") from error

    def identity(self) -> dict[str, Any]:
        """Return what changes when a chunk is written again: a hash of the names, sizes and times of all."""
        digest = sha256()
        for folder, folders, files in os.walk(_place(self.path, self.image)):
            folders.sort()
            for name in sorted(files):
                status = (Path(folder) / name).stat()
                digest.update(f"{folder}/{name} {status.st_size} {status.st_mtime_ns}\n".encode())
        return {"path": str(self.path.resolve()), "files": digest.hexdigest()}


@dataclass(frozen=True, eq=False)
class ZarrTarget(Target):
    """A Zarr store that is written: like the source's, with its metadata and all its levels."""

    path: Path
    info: ArrayInfo
    levels: tuple[str, ...]
    consolidated: bool
    piece: int  # pixels of a finer level that are held at once for a coarser one

    @classmethod
    def create(cls, path: Path, info: ArrayInfo, source: Source, piece: int) -> ZarrTarget:
        """Write all but the pixels."""
        if not isinstance(source, ZarrSource):
            return cls._create_new(path, info, piece)
        image = source.image
        if image.levels:
            group = zarr.create_group(path, zarr_format=image.node.metadata.zarr_format)
            group.attrs.update(copy.deepcopy(dict(image.node.attrs)))
        for name in image.levels or (None,):
            array = image.node[name] if name else image.node
            if info.dtype != source.info.dtype:  # what packs whole numbers may not do for others: Zarr's own choice
                zarr.create_array(
                    path, name=name, shape=array.shape, dtype=info.dtype, chunks=array.chunks, shards=array.shards,
                    zarr_format=array.metadata.zarr_format, fill_value=array.fill_value, attributes=dict(array.attrs),
                    dimension_names=getattr(array.metadata, "dimension_names", None),
                )  # fmt: skip
                continue
            zarr.from_array(
                path, data=array, name=name, write_data=False, zarr_format=array.metadata.zarr_format,
                fill_value=array.fill_value, attributes=dict(array.attrs),
                dimension_names=getattr(array.metadata, "dimension_names", None),
            )  # fmt: skip
        return cls(path, info, image.levels, image.consolidated, piece)

    @classmethod
    def _create_new(cls, path: Path, info: ArrayInfo, piece: int) -> ZarrTarget:
        """Write an image that came from no Zarr: as OME-Zarr if its axes have names that this knows."""
        axes = info.axes if info.axes and set(info.axes) <= set(AXES) else None
        names = list(axes.lower()) if axes else None
        array: dict[str, Any] = {
            "shape": info.shape, "dtype": info.dtype, "chunks": info.chunks, "dimension_names": names,
        }  # fmt: skip
        if info.nodata is not None:
            array |= metadata.declaring(info.nodata, info.dtype)
        if axes is None:
            zarr.create_array(path, **array)
            return cls(path, info, (), False, piece)
        group = zarr.create_group(path)
        sides = dict(zip((axis for axis in "ZYX" if axis in axes), info.spacing or (), strict=False))
        scale = {"type": "scale", "scale": [float(sides.get(axis, 1)) for axis in axes]}
        image = {
            "axes": [{"name": axis.lower(), "type": AXES[axis]} | metadata.unit(info, axis) for axis in axes],
            "datasets": [{"path": "0", "coordinateTransformations": [scale]}],
        }
        group.attrs["ome"] = {"version": VERSION, "multiscales": [image]} | metadata.naming(info)
        group.create_array("0", **array)
        return cls(path, info, ("0",), False, piece)

    @classmethod
    def reopen(cls, path: Path, info: ArrayInfo, source: Source, piece: int) -> ZarrTarget:
        """Go on with a store that was created."""
        _sweep(path)
        image = source.image if isinstance(source, ZarrSource) else Image.open(path)
        target = cls(path, info, image.levels, image.consolidated, piece)
        if target._arrays[0].shape != info.shape or np.dtype(target._arrays[0].dtype).newbyteorder("=") != info.dtype:
            raise PictureError(f"it must have shape {info.shape} and dtype {info.dtype}")
        return target

    @cached_property
    def _arrays(self) -> list[Any]:
        node = zarr.open(self.path, mode="r+")
        return [node[name] for name in self.levels] if self.levels else [node]

    def write(self, slices: Slices, pixels: np.ndarray) -> None:
        """Write a part that is made of whole chunks."""
        self._arrays[0][slices] = pixels

    def finish(self, stop: Callable[[], None], spare: Path) -> Path:
        """Gather the metadata in one place, if the source had it so; return the path."""
        _sweep(self.path)
        if self.consolidated:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that not every reader of version 3 knows it
                zarr.consolidate_metadata(self.path)
        return self.path

    def coarser(self) -> Iterator[list[Slices]]:
        """Yield the parts of each level but the finest, the finer before the coarser."""
        for array in self._arrays[1:]:
            sides = array.shards or array.chunks
            cuts = [
                [slice(start, min(start + side, length)) for start in range(0, length, side)]
                for length, side in zip(array.shape, sides, strict=True)
            ]
            yield list(product(*cuts))

    def shrink(self, level: int, slices: Slices) -> None:
        """Fill a part of a level with the means of what it stands for in the one before."""
        finer, coarser = self._arrays[level - 1], self._arrays[level]
        ratios = [max(large / small, 1) for large, small in zip(finer.shape, coarser.shape, strict=True)]
        sides = [cut.stop - cut.start for cut in slices]
        lengths = list(sides)
        while math.prod(length * ratio for length, ratio in zip(lengths, ratios, strict=True)) > self.piece:
            longest = int(np.argmax(lengths))
            if lengths[longest] == 1:
                break
            lengths[longest] = (lengths[longest] + 1) // 2
        result = np.empty(sides, coarser.dtype)
        for first in product(*(range(0, side, length) for side, length in zip(sides, lengths, strict=True))):
            place = tuple(slice(f, min(f + n, side)) for f, n, side in zip(first, lengths, sides, strict=True))
            ends = [
                np.arange(cut.start + part.start, cut.start + part.stop + 1) * large // small
                for cut, part, large, small in zip(slices, place, finer.shape, coarser.shape, strict=True)
            ]
            pixels = finer[tuple(slice(int(end[0]), int(end[-1])) for end in ends)]
            result[place] = means(pixels, [end - end[0] for end in ends], self.info.nodata)
        coarser[slices] = result


def _sweep(path: Path) -> None:
    """Remove the files that Zarr has not written to their ends."""
    for folder, _, names in os.walk(path):
        for name in names:
            if name.endswith(UNWRITTEN):
                Path(folder, name).unlink()
