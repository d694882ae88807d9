"""What an HDF5 file holds: which of its datasets is meant, and what is said of it there."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...inside import MARK, split
from ...picture import PictureError, Request, declared, quoted, times
from ...scaled import Blanked
from ..zarr.metadata import letters
from . import filters

logger = logging.getLogger("nlmeans")

LEAST = 8
"""Two sides of an image have at least as many pixels, where nobody names it; what is smaller is a table."""
MOST, DEEP = 10_000, 32
"""Objects that are looked at, and groups within each other."""
LENGTHS = {
    "pm": "pm", "angstrom": "Å", "angstroms": "Å", "å": "Å", "nm": "nm", "nanometer": "nm", "um": "µm", "µm": "µm",
    "μm": "µm", "micrometer": "µm", "micron": "µm", "microns": "µm", "mm": "mm", "millimeter": "mm", "cm": "cm",
    "m": "m", "meter": "m", "metre": "m",
}  # fmt: skip
EVEN = 1e-3
"""By which part coordinates of evenly spaced pixels may differ from it."""
SERIES = {"TwoPhotonSeries", "OnePhotonSeries", "ImageSeries"}
"""Kinds of NWB whose data have time first, then x, y and z."""


@dataclass(frozen=True)
class Dataset:
    """What a file says of an image in it."""

    file: Path
    name: str
    shape: tuple[int, ...]
    chunks: tuple[int, ...] | None
    coding: Blanked
    axes: str | None
    names: tuple[str, ...]  # of the axes, as they are written
    spacing: tuple[float, ...] | None
    unit: str | None
    lossy: str | None

    @property
    def order(self) -> tuple[int, ...]:
        """The stored axis of each axis of the image: those with X before Y are turned."""
        axes = self.axes or ""
        if not 0 <= axes.find("X") < axes.find("Y"):
            return tuple(range(len(self.shape)))
        return tuple(sorted(range(len(axes)), key=lambda k: "NTZYXC".find(axes[k])))

    def spaced(self, axes: str) -> tuple[float, ...] | None:
        """Return the sides of a pixel along those of some axes that are space, in their order."""
        if self.spacing is None:
            return None
        sides = dict(zip((axis for axis in self.axes or "" if axis in "XYZ"), self.spacing, strict=True))
        return tuple(sides[axis] for axis in axes if axis in sides)

    def turned(self, stored: Sequence[Any]) -> tuple[Any, ...]:
        """Return what is said of each stored axis in the order of the image's."""
        return tuple(stored[axis] for axis in self.order)

    @classmethod
    def of(cls, library: Any, request: Request) -> Dataset:
        """Read it."""
        file, inside = split(request.path)
        with opened(library, file) as root:
            name, dataset = _chosen(library, root, inside, request)
            _check(library, dataset, request)
            filters.check(library, dataset)
            names = _names(dataset)
            axes = _axes(dataset, names)
            spacing, unit = _spacing(dataset, axes)
            return cls(
                file, name, dataset.shape, dataset.chunks, _coding(dataset), axes, names, spacing, unit,
                filters.lossy(dataset),
            )  # fmt: skip


@contextmanager
def opened(library: Any, file: Path, mode: str = "r") -> Iterator[Any]:
    """Yield a file that is open. What is written has a lock of ours."""
    try:
        root = library.File(file, mode, **({} if mode == "r" else {"locking": False}))
    except OSError as error:
        if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError):
            raise
        raise PictureError(f"the file is damaged or cut short, or in use: {quoted(error)}") from error
    with root:
        yield root


def text(said: Any) -> str:
    """Return a text attribute."""
    if isinstance(said, np.ndarray) and said.size == 1:
        said = said.reshape(-1)[0]
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)


def texts(said: Any) -> tuple[str, ...]:
    """Return an attribute of one or more texts."""
    return tuple(text(one) for one in np.atleast_1d(said).reshape(-1)) if said is not None else ()


def _chosen(library: Any, root: Any, inside: str, request: Request) -> tuple[str, Any]:
    """Return name and dataset: the one that is named, or the only one that is an image."""
    start, where = (f"/{inside}", _named(library, root, inside)) if inside else ("", root)
    if isinstance(where, library.Dataset):
        return start, where
    found, lost = _images(library, start, where)
    if request.series is not None and found:
        return found[request.chosen([name for name, _ in found]) or 0]
    shown = _shown(library, start, where, DEEP)
    if shown is not None:
        if any(one != shown[1] for _, one in found):
            logger.info("%s: of its %d images %s is taken, as it says", request.path.name, len(found), shown[0])
        return shown
    if not found:
        more = f"; {quoted(', '.join(lost))} lie in files that are not there" if lost else ""
        rule = "an HDF5 file must hold a dataset of two or more axes of numbers"
        raise PictureError(f"{rule}: {start or 'this'} holds none{more}")
    if len(found) > 1:
        listed = quoted(", ".join(f"{name} ({times(one.shape)})" for name, one in found))
        example = f"{split(request.path)[0].name}{MARK}{found[0][0]}"
        raise PictureError(f"one of {len(found)} datasets must be named, as in {example}: {listed}")
    return found[0]


def _named(library: Any, root: Any, inside: str) -> Any:
    """Return what has a name in a file."""
    try:
        return root[inside]
    except KeyError as error:
        link = root.get(inside, getlink=True)
        if isinstance(link, library.ExternalLink):
            raise PictureError(f"/{inside} lies in {quoted(link.filename)}, which is not there") from error
        listed = ", ".join(name for name, _ in _images(library, "", root)[0]) or "none"
        raise PictureError(f"there is no /{quoted(inside)} in it; its images: {quoted(listed)}") from error


def _images(library: Any, start: str, root: Any) -> tuple[list[tuple[str, Any]], list[str]]:
    """Return names and datasets of the images, and the names of links to files that are not there.

    What has several names goes by one that is no soft link.
    """
    found: list[tuple[str, Any]] = []
    lost: list[str] = []
    seen: set[tuple[int, int]] = set()
    left: list[tuple[str, Any, int]] = [(start, root, 0)]
    soft: list[tuple[str, Any, int]] = []
    while (left or soft) and len(seen) < MOST:
        path, item, depth = left.pop(0) if left else soft.pop(0)
        info = library.h5o.get_info(item.id)
        if (info.fileno, info.addr) in seen:
            continue
        seen.add((info.fileno, info.addr))
        if isinstance(item, library.Dataset) and _is_image(item):
            found.append((path, item))
        if not isinstance(item, library.Group) or depth == DEEP:
            continue
        for key in item:
            name = f"{path}/{key}"
            try:
                inner = (name, item[key], depth + 1)
            except (KeyError, OSError):
                lost.append(name)
                continue
            (soft if isinstance(item.get(key, getlink=True), library.SoftLink) else left).append(inner)
    return found, lost


def _is_image(dataset: Any) -> bool:
    """Whether numbers lie along two or more axes that are long enough to be those of an image."""
    sides = sorted(dataset.shape or (), reverse=True)
    return dataset.dtype.kind in "iuf" and len(sides) > 1 and sides[1] >= LEAST and not dataset.is_scale


def _shown(library: Any, path: str, group: Any, depth: int) -> tuple[str, Any] | None:
    """Return name and dataset of what NeXus says is to be shown; None where it says nothing."""
    key = text(group.attrs.get("signal", group.attrs.get("default", ""))).strip("/")
    item = group.get(key) if key else None
    if isinstance(item, library.Dataset):
        return f"{path}/{key}", item
    return _shown(library, f"{path}/{key}", item, depth - 1) if isinstance(item, library.Group) and depth else None


def _check(library: Any, dataset: Any, request: Request) -> None:
    """Refuse what is no image, or claims to be larger than what is there could hold."""
    shape, dtype = dataset.shape or (), dataset.dtype
    if dtype.kind not in "iuf" or dtype.itemsize > 8 or len(shape) < 2:
        raise PictureError(
            f"a dataset must hold real numbers of up to 64 bits along two or more axes: {dataset.name} has shape "
            f"{shape} and type {dtype}"
        )
    request.check_size(*shape[-2:])
    if min(shape) < 1:
        raise PictureError(f"a picture must have pixels: its header says {times(shape)}")
    if dataset.chunks is not None and math.prod(dataset.chunks) > request.max_pixels:
        raise PictureError(
            f"a chunk of more than {request.max_pixels:,} pixels is taken for a decompression bomb: its header says "
            f"{times(dataset.chunks)}; if you trust it, allow more with --max-pixels (max_pixels=)"
        )
    if dataset.is_virtual:
        here = Path(dataset.file.filename).parent
        for source in dataset.virtual_sources():
            if source.file_name != "." and not (here / source.file_name).exists():
                raise PictureError(f"{dataset.name} is made of {quoted(source.file_name)}, which is not there")
    there = sum(size for *_, size in dataset.external or ()) or dataset.id.get_storage_size()
    if dataset.is_virtual:
        request.check_size(*shape)
    else:
        request.check_claim(math.prod(shape) * dtype.itemsize, there, None)


def _coding(dataset: Any) -> Blanked:
    """Return how real values are stored, as files that follow CF say it."""
    attributes, dtype = dataset.attrs, dataset.dtype
    slope, inter = (
        _number(attributes.get(name), default) for name, default in (("scale_factor", 1), ("add_offset", 0))
    )
    said = (attributes.get(name) for name in ("_FillValue", "missing_value"))
    blanks = (
        declared(np.asarray(value).reshape(-1)[0], dtype) for value in said if np.size(value) and value is not None
    )
    blank = next((value for value in blanks if value is not None), None)
    if not slope or not math.isfinite(slope) or not math.isfinite(inter):
        raise PictureError(f"scale_factor and add_offset must be finite, and the first not 0; got {slope:g}, {inter:g}")
    return Blanked(dtype, slope, inter, blank)


def _number(said: Any, default: float) -> float:
    try:
        return default if said is None else float(np.asarray(said).reshape(-1)[0])
    except (TypeError, ValueError, IndexError):
        return math.nan


def _names(dataset: Any) -> tuple[str, ...]:
    """Return the names of the axes, from whatever convention has them; none where there are none."""
    attributes, parent, count = dataset.attrs, dataset.parent.attrs, dataset.ndim
    candidates = []
    if text(parent.get("NX_class", "")) == "NXdata" or "signal" in parent:
        candidates.append(texts(parent.get("axes")))
    candidates.append(tuple(_of_scale(dimension) for dimension in dataset.dims))
    if "axistags" in attributes:
        try:
            tags = json.loads(text(attributes["axistags"]))["axes"]
            candidates.append(tuple(str(tag["key"]) for tag in tags))
        except (ValueError, TypeError, KeyError):
            logger.debug("axistags that are none: %s", quoted(attributes["axistags"]))
    return next((names for names in candidates if len(names) == count and all(names)), ())


def _of_scale(dimension: Any) -> str:
    """Return the name of an axis, which may be that of its coordinates."""
    scales = [scale.name.rpartition("/")[2] for scale in dimension.values() if scale.name]
    return dimension.label or next(iter(scales), "")


def _axes(dataset: Any, names: tuple[str, ...]) -> str | None:
    """Return the letters of the axes; None where the file leaves them open."""
    count, attributes = dataset.ndim, dataset.attrs
    known = letters(names, count)
    if known and set("YX") <= set(known):
        return known
    kind = text(dataset.parent.attrs.get("neurodata_type", ""))
    if kind in SERIES and 3 <= count <= 4:
        return "TXYZ"[:count]
    if "MATLAB_class" in attributes and count <= 3:
        return ("XY", "ZXY")[count - 2]  # whose arrays are turned round in the file
    interlace = text(attributes.get("INTERLACE_MODE", ""))
    if count == 3 and text(attributes.get("IMAGE_SUBCLASS", "")) == "IMAGE_TRUECOLOR":
        return {"INTERLACE_PIXEL": "YXC", "INTERLACE_PLANE": "CYX"}.get(interlace)
    return "YX" if count == 2 else None


def _spacing(dataset: Any, axes: str | None) -> tuple[tuple[float, ...] | None, str | None]:
    """Return the sides of a pixel along space and their unit, as far as they are lengths."""
    if axes is None:
        return None, None
    space = [axis for axis in axes if axis in "XYZ"]
    said = np.ravel(dataset.attrs.get("element_size_um", ()))
    if said.size in (2, 3) and said.dtype.kind in "iuf" and (said > 0).all():
        sides = dict(zip("ZYX"[-said.size :], map(float, said), strict=True))
        return (tuple(sides[axis] for axis in space), "µm") if set(space) <= sides.keys() else (None, None)
    found = [_step(dataset, k) for k, axis in enumerate(axes) if axis in "XYZ"]
    units = {unit for _, unit in filter(None, found)}
    if not all(found) or len(units) != 1:
        return None, None
    return tuple(side for side, _ in filter(None, found)), units.pop()


def _step(dataset: Any, axis: int) -> tuple[float, str] | None:
    """Return the distance of an axis's coordinates and its unit, if they are evenly spaced."""
    scales = list(dataset.dims[axis].values())
    names = texts(dataset.parent.attrs.get("axes"))
    if not scales and len(names) == dataset.ndim:
        named = dataset.parent.get(names[axis])
        scales = [named] if named is not None else []
    for scale in scales:
        unit = LENGTHS.get(text(scale.attrs.get("units", "")).strip().lower())
        if unit is None or scale.shape != (dataset.shape[axis],) or scale.dtype.kind not in "iuf" or len(scale) < 2:
            continue
        steps = np.diff(scale[...].astype(np.float64))
        side = abs(float(steps.mean()))
        if side > 0 and np.ptp(steps) <= EVEN * side:
            return side, unit
    return None
