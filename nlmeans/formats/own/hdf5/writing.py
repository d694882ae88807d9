"""How an image gets into a file: a copy of the one that it came from, or a new one."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ...arrays import ArrayInfo, Slices
from ...picture import PictureError, quoted
from . import filters
from .content import Dataset, opened

logger = logging.getLogger("nlmeans")

ENTRY = "entry/data/data"
"""Where the image of a new file is, as NeXus has it."""
SLAB = 1 << 25
"""Bytes that are written at once, where there are no chunks."""
SCALES = ("DIMENSION_LIST", "REFERENCE_LIST")
SIDE = {"X": 256, "Y": 256, "Z": 32}
"""Sides of the chunks of an image that had none."""


def replaced(library: Any, part: Path, of: Dataset, dtype: np.dtype, stored: Callable[[Slices], np.ndarray]) -> None:
    """Write a copy of a file in which a dataset has other numbers."""
    shutil.copyfile(of.file, part)
    with opened(library, part, "r+") as root:
        dataset = root[of.name]
        _check_own(root, of.name)
        foreign = dataset.file.filename != root.filename or dataset.is_virtual or dataset.external
        packed = of.lossy is not None or not filters.writable(library, dataset)
        if foreign or packed or dataset.dtype != dtype:
            dataset = _anew(library, root, of, dataset, dtype)
        _fill(dataset, stored)


def added(
    library: Any,
    part: Path,
    base: Path | None,
    name: str,
    of: Dataset | None,
    info: ArrayInfo,
    dtype: np.dtype,
    stored: Callable[[Slices], np.ndarray],
) -> None:
    """Write a copy of a file, or a new one, with one more dataset, which says what the one that it came from says."""
    if base is not None:
        shutil.copyfile(base, part)
    with opened(library, part, "w" if base is None else "r+") as root:
        _check_own(root, name)
        if name in root:
            del root[name]
        if of is None:
            dataset = _new(root, name, info, dtype)
        else:
            with opened(library, of.file) as source:
                dataset = _like(library, root, name, source[of.name], of, dtype)
        _fill(dataset, stored)


def _check_own(root: Any, name: str) -> None:
    """Refuse a place that a link leads to in another file, which would be changed."""
    group = root
    for key in name.strip("/").split("/")[:-1]:
        group = group.get(key)
        if group is None:
            return
        if group.file.filename != root.filename:
            raise PictureError(
                f"a link must not lead to where is written: {name} lies in {quoted(group.file.filename)}"
            )


def _fill(dataset: Any, stored: Callable[[Slices], np.ndarray]) -> None:
    for slices in _parts(dataset):
        dataset[slices] = stored(slices)


def _parts(dataset: Any) -> Iterator[Slices]:
    """Yield the parts of a dataset, chunk by chunk where it has chunks."""
    if dataset.chunks is not None:
        yield from dataset.iter_chunks()
        return
    rows = max(1, SLAB * dataset.shape[0] // max(dataset.nbytes, 1))
    for start in range(0, dataset.shape[0], rows):
        yield (slice(start, min(start + rows, dataset.shape[0])), *(slice(0, side) for side in dataset.shape[1:]))


def _like(library: Any, root: Any, name: str, source: Any, of: Dataset, dtype: np.dtype) -> Any:
    """Make an empty dataset that is packed as another, without loss, and says the same."""
    given: dict[str, Any] = {"chunks": source.chunks, "maxshape": source.maxshape if source.chunks else None}
    lossless = of.lossy is None and filters.writable(library, source) and not source.is_virtual
    if source.chunks is not None and lossless and source.dtype == dtype:
        plain = source.id.get_create_plist().copy()
        space = library.h5s.create_simple(source.shape, source.maxshape)
        links = library.h5p.create(library.h5p.LINK_CREATE)
        links.set_create_intermediate_group(True)
        made = library.h5d.create(root.id, name.encode(), source.id.get_type(), space, dcpl=plain, lcpl=links)
        dataset = library.Dataset(made)
    else:
        if source.chunks is not None:
            given |= {"compression": "gzip", "shuffle": True} if filters.filters(source) else {}
        dataset = root.create_dataset(name, source.shape, dtype, **given)
        if of.lossy is not None:
            logger.warning("%s was stored with loss (%s), and is written without", of.name, of.lossy)
    for key in source.attrs:
        scaled = key in ("scale_factor", "add_offset") and source.dtype != dtype
        if key not in SCALES and not scaled and not key.startswith(filters.QUANTISED):
            identity = source.attrs.get_id(key)
            if key in ("_FillValue", "missing_value") and source.dtype != dtype:
                if of.coding.nodata is not None:
                    dataset.attrs[key] = np.array([of.coding.nodata]).astype(dtype)
            elif library.check_dtype(ref=identity.dtype) is None:  # what it refers to is elsewhere
                dataset.attrs.create(key, source.attrs[key], dtype=identity.dtype)
    for k, dimension in enumerate(source.dims):
        if dimension.label:
            dataset.dims[k].label = dimension.label
    return dataset


def _anew(library: Any, root: Any, of: Dataset, old: Any, dtype: np.dtype) -> Any:
    """Put a new dataset in the place of one, by all the names that it has, with the scales of its axes."""
    here = old.file.filename == root.filename
    names = _links(library, root, old) if here else []
    name = of.name
    dataset = _like(library, root, f"{name}.new", old, of, dtype)
    for k, dimension in enumerate(old.dims if here else ()):
        for scale in list(dimension.values()):
            dataset.dims[k].attach_scale(scale)
            old.dims[k].detach_scale(scale)
    for link in {*names, name}:
        if link in root:
            del root[link]
    root.move(f"{name}.new", name)
    for link in names:
        if link != name:
            root[link] = root[name]
    return root[name]


def _links(library: Any, root: Any, dataset: Any) -> list[str]:
    """Return all names of a dataset that are no soft links."""
    place, found, seen = library.h5o.get_info(dataset.id).addr, [], set()
    left = [("", root)]
    while left:
        path, group = left.pop()
        for name in group:
            if not isinstance(group.get(name, getlink=True), library.HardLink):
                continue
            item = group[name]
            address = library.h5o.get_info(item.id).addr
            if address == place:
                found.append(f"{path}/{name}")
            elif isinstance(item, library.Group) and address not in seen:
                seen.add(address)
                left.append((f"{path}/{name}", item))
    return found


def _new(root: Any, name: str, info: ArrayInfo, dtype: np.dtype) -> Any:
    """Make an empty dataset for an image from elsewhere, and say of it what is known."""
    axes = info.axes or ""
    if len(axes) != info.ndim:
        raise PictureError(
            f"an HDF5 file must know the axes: this has shape {info.shape}; name them with --axes (axes=)"
        )
    sides = tuple(min(side, SIDE.get(axis, 1)) for axis, side in zip(axes, info.shape, strict=True))
    dataset = root.create_dataset(name, info.shape, dtype, chunks=sides, compression="gzip", shuffle=True)
    for k, axis in enumerate(axes):
        dataset.dims[k].label = {"T": "time", "C": "channel", "N": "image"}.get(axis, axis.lower())
    if info.nodata is not None:
        dataset.attrs["_FillValue"] = np.array([info.nodata], dtype)
    if name == ENTRY:
        root.attrs["NX_class"], root.attrs["default"] = "NXroot", "entry"
        root["entry"].attrs["NX_class"], root["entry"].attrs["default"] = "NXentry", "data"
        group = root["entry/data"]
        names = [dimension.label for dimension in dataset.dims]
        group.attrs["NX_class"], group.attrs["signal"], group.attrs["axes"] = "NXdata", "data", names
    space = [axis for axis in axes if axis in "XYZ"] if info.unit is not None else []
    for axis, side in zip(space, info.spacing or (), strict=False):
        k = axes.index(axis)
        label = dataset.dims[k].label
        if label in dataset.parent:
            raise PictureError(f"coordinates go beside the image: {quoted(label)} is there already, beside {name}")
        scale = dataset.parent.create_dataset(label, data=np.arange(info.shape[k]) * side)
        scale.attrs["units"] = {"µm": "um", "Å": "angstrom"}.get(info.unit or "", info.unit)
        scale.make_scale(label)
        dataset.dims[k].attach_scale(scale)
    return dataset
