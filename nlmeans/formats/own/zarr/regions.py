"""Zarr arrays and OME-Zarr images, a part at a time."""

from __future__ import annotations

import logging
import math
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
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
from ...separate import ImageTarget, SeparateTarget, one_of
from . import metadata
from .places import CODECS, METADATA, split

logger = logging.getLogger("nlmeans")

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
    number: int = 0  # of this image among those that the metadata of its group describe

    @classmethod
    def open(cls, request: Request) -> Image:
        """Read the metadata.

        Raises
        ------
        PictureError
            If there is no image.
        """
        path = request.path
        store, within = split(path)
        if not store.exists():
            raise FileNotFoundError(f"there is no {store}")
        try:
            node = zarr.open(store, path=within, mode="r")
        except Exception as error:  # whatever is wrong with metadata
            raise PictureError(f"{path} is no Zarr array or group that can be read: {quoted(error)}") from error
        if isinstance(node, zarr.Array):
            request.chosen([""])
            return cls(node, (), metadata.letters(metadata.dimensions(node), node.ndim), None, None, None)
        group, number = metadata.series(node, request)
        return cls(group, *metadata.multiscale(group, path, number), number)

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
    return split(path)[0] / image.finest.path


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
        image = Image.open(request)
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

    @property
    def others(self) -> list[Path]:
        """What else is in the folder of a group: labels, other images, metadata of a maker."""
        if not self.image.levels:
            return []
        place = split(self.path)[0] / self.image.node.path
        known = {*METADATA, *(level.partition("/")[0] for level in self.image.levels)}
        inside = sorted(place.iterdir())
        return [one for one in inside if one.name not in known and not one.name.startswith(".")]

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


def create(path: Path, info: ArrayInfo, source: Source, piece: int, side: int) -> Target:
    """Write all of a store but the pixels: of one image, or of several that came from no Zarr."""
    if isinstance(source, ZarrSource) or (one := one_of(info)) is None:
        return ZarrTarget.create(path, info, source, piece, side)
    zarr.create_group(path, attributes={"ome": metadata.SEVERAL})
    return SeparateTarget.of(path, info, lambda k: ZarrTarget.create(path / str(k), one, source, piece, side))


def reopen(path: Path, info: ArrayInfo, source: Source, piece: int) -> Target:
    """Go on with a store that was created."""
    if isinstance(source, ZarrSource) or (one := one_of(info)) is None:
        return ZarrTarget.reopen(path, info, source, piece)
    return SeparateTarget.of(path, info, lambda k: ZarrTarget.reopen(path / str(k), one, source, piece))


@dataclass(frozen=True, eq=False)
class ZarrTarget(ImageTarget):
    """A Zarr store that is written: like the source's, with its metadata and all its levels."""

    path: Path
    info: ArrayInfo
    levels: tuple[str, ...]
    consolidated: bool
    piece: int  # pixels of a finer level that are held at once for a coarser one
    new: bool = False  # whether it was made of another kind of file

    @classmethod
    def create(cls, path: Path, info: ArrayInfo, source: Source, piece: int, side: int) -> ZarrTarget:
        """Write all but the pixels."""
        if not isinstance(source, ZarrSource):
            return cls._create_new(path, info, piece, side)
        image, keeps = source.image, info.nodata is not None or source.info.nodata is None
        if image.levels:
            group = zarr.create_group(path, zarr_format=image.node.metadata.zarr_format)
            group.attrs.update(metadata.only(dict(image.node.attrs), image.number))
        for name in image.levels or (None,):
            array = image.node[name] if name else image.node
            if info.dtype != source.info.dtype:  # what packs whole numbers may not do for others: Zarr's own choice
                zarr.create_array(
                    path, name=name, shape=array.shape, dtype=info.dtype, chunks=array.chunks, shards=array.shards,
                    zarr_format=array.metadata.zarr_format, fill_value=array.fill_value if keeps else 0,
                    attributes={key: said for key, said in array.attrs.items() if keeps or key not in metadata.NODATA},
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
    def _create_new(cls, path: Path, info: ArrayInfo, piece: int, side: int) -> ZarrTarget:
        """Write an image that came from no Zarr: as OME-Zarr if its axes have names that this knows."""
        array: dict[str, Any] = {"dtype": info.dtype}
        if info.nodata is not None:
            array |= metadata.declaring(info.nodata, info.dtype)
        target = cls(path, info, (), False, piece, new=True)
        if not target._named:
            zarr.create_array(path, shape=info.shape, chunks=info.chunks, **array)
            return target
        shape, chunks = (tuple(sides[k] for k in target._order) for sides in (info.shape, info.chunks))
        axes = "".join((info.axes or "")[k] for k in target._order)
        shapes = metadata.smaller(shape, axes, metadata.spacing(info), side)
        group = zarr.create_group(path)
        group.attrs["ome"] = metadata.new(info, axes, shapes)
        for number, sides in enumerate(shapes):
            fitting = tuple(map(min, chunks, sides))
            group.create_array(str(number), shape=sides, chunks=fitting, dimension_names=list(axes.lower()), **array)
        return replace(target, levels=tuple(map(str, range(len(shapes)))))

    @property
    def _named(self) -> bool:
        """Whether a new image is OME-Zarr: its axes have names that this knows."""
        return bool(self.info.axes) and set(self.info.axes or "") <= set(metadata.AXES)

    @property
    def _order(self) -> list[int]:
        """The numbers of the axes in the order of the store."""
        numbers = range(self.info.ndim)
        axes, known = self.info.axes or "", [*metadata.AXES]
        return sorted(numbers, key=lambda k: known.index(axes[k])) if self._turns else [*numbers]

    @property
    def _turns(self) -> bool:
        return self.new and self._named

    def accompany(self, source: Source, how: str | None) -> None:
        """Copy what else is in the group of a source, link to it, or say that it is left out."""
        if not isinstance(source, ZarrSource):
            super().accompany(source, how)
            return
        others = source.others
        if others and how is None:
            names = ", ".join(other.name for other in others)
            logger.warning("%s: %s in it are not copied (--others copy or link brings them)", source.path, names)
        for other in others if how is not None else ():
            place = self.path / other.name
            if how == "link":
                place.symlink_to(os.path.relpath(other.resolve(), self.path.resolve()), other.is_dir())
            else:
                (shutil.copytree if other.is_dir() else shutil.copy2)(other, place)

    @classmethod
    def reopen(cls, path: Path, info: ArrayInfo, source: Source, piece: int) -> ZarrTarget:
        """Go on with a store that was created."""
        _sweep(path)
        image = source.image if isinstance(source, ZarrSource) else Image.open(Request(path, None, None, 0))
        target = cls(path, info, image.levels, image.consolidated, piece, new=not isinstance(source, ZarrSource))
        shape = tuple(info.shape[k] for k in target._order)
        if target._arrays[0].shape != shape or np.dtype(target._arrays[0].dtype).newbyteorder("=") != info.dtype:
            raise PictureError(f"it must have shape {info.shape} and dtype {info.dtype}")
        return target

    @cached_property
    def _arrays(self) -> list[Any]:
        node = zarr.open(self.path, mode="r+")
        return [node[name] for name in self.levels] if self.levels else [node]

    def write(self, slices: Slices, pixels: np.ndarray) -> None:
        """Write a part that is made of whole chunks."""
        order = self._order
        self._arrays[0][tuple(slices[k] for k in order)] = pixels.transpose(order)

    def read(self, slices: Slices) -> np.ndarray:
        """Return a part."""
        order = self._order
        return np.asarray(self._arrays[0][tuple(slices[k] for k in order)]).transpose(np.argsort(order))

    def finish(self, stop: Callable[[], None], spare: Path) -> Path:
        """Gather the metadata in one place, if the source had it so; return the path."""
        _sweep(self.path)
        if self._turns:
            self._show()
        if self.consolidated:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that not every reader of version 3 knows it
                zarr.consolidate_metadata(self.path)
        return self.path

    def _show(self) -> None:
        """Say in which range channels with names are shown, by the picture in the middle of the smallest level."""
        group = zarr.open_group(self.path, mode="r+")
        ome, array = dict(group.attrs["ome"]), self._arrays[-1]
        if "omero" in ome:
            axes = "".join((self.info.axes or "")[k] for k in self._order)
            middle = tuple(slice(None) if a in "CYX" else n // 2 for a, n in zip(axes, array.shape, strict=True))
            group.attrs["ome"] = metadata.shown(ome, list(np.asarray(array[middle])))

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
