"""What Zarr stores say about themselves: OME-Zarr images, names of axes, values that stand for no data."""

from __future__ import annotations

import base64
import binascii
import copy
import logging
import math
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ... import picture
from ...arrays import ArrayInfo
from ...picture import MOST_SHRUNK, PictureError, Request, declared, quoted, times

logger = logging.getLogger("nlmeans")

NAMES = {
    "t": "T", "time": "T", "c": "C", "channel": "C", "band": "C", "z": "Z", "depth": "Z", "lev": "Z", "level": "Z",
    "y": "Y", "lat": "Y", "latitude": "Y", "x": "X", "lon": "X", "longitude": "X",
}  # fmt: skip
"""Names of axes that are known, in small letters."""
CHOOSE = "choose one by its number from 0, or its name, with --series (series=)"
NODATA = ("_FillValue", "missing_value")
"""Attributes that declare a value to stand for no data."""
VERSION = "0.5"
"""Of OME-Zarr, for images that were none."""
SEVERAL = {"version": VERSION, "bioformats2raw.layout": 3}
"""What a group says that holds several images by their numbers."""
AXES = {"T": "time", "C": "channel", "Z": "space", "Y": "space", "X": "space"}
"""Types of axes, in the order in which OME-Zarr has them."""
UNITS = {
    "picometer": "pm", "angstrom": "Å", "nanometer": "nm", "micrometer": "µm", "millimeter": "mm", "centimeter": "cm",
    "meter": "m", "inch": "in",
}  # fmt: skip
"""Units of length as OME-Zarr names them."""


def series(group: Any, request: Request) -> tuple[Any, int]:
    """Return the group and the number within it of the image that is asked for.

    A group holds several images by its own metadata, or as groups with numbers, as Bio-Formats writes them.
    """
    own = described(group)
    if isinstance(own, dict) and "bioformats2raw.layout" in own:
        inside = [name for name in _inside(group) if name.isdigit()]
        inside.sort(key=int)
        if request.series is None and len(inside) != 1:
            raise PictureError(f"a group must hold one image: {request.path} holds {len(inside)}; {CHOOSE}")
        return group[inside[request.chosen(inside) or 0]], 0
    images = own.get("multiscales") if isinstance(own, dict) else None
    images = images if isinstance(images, list) and images else [{}]
    names = [str(image.get("name", "")) if isinstance(image, dict) else "" for image in images]
    number = request.chosen(names)
    if number is None and len(names) > 1:
        logger.warning("%s: the first of %d images is taken; %s", request.path, len(names), CHOOSE)
    return group, number or 0


def described(group: Any) -> Any:
    """Return what the attributes of a group say of images, in this version or before."""
    attributes = dict(group.attrs)
    return attributes.get("ome", attributes)


def only(attributes: dict[str, Any], number: int) -> dict[str, Any]:
    """Return the attributes of a group with one of the images that it was."""
    attributes = copy.deepcopy(attributes)
    own = attributes.get("ome", attributes)
    own["multiscales"] = [own["multiscales"][number]]
    return attributes


def multiscale(
    group: Any, path: Path, number: int
) -> tuple[tuple[str, ...], str | None, tuple[float, ...] | None, str | None, tuple[str, ...] | None]:
    """Return what the metadata of a group say of one of its images, as `Image` has it.

    That is levels, axes, scale, unit and names of channels.

    Raises
    ------
    PictureError
        If they are damaged, or name a level that is not there.
    """
    image = _images(group, path)[number]
    try:
        levels = _levels(image)
        arrays = [_array(group, level) for level in levels]
        count = arrays[0].ndim
        _require(all(array.ndim == count for array in arrays), "levels have different numbers of axes")
        given = image.get("axes", list("tczyx"[-count:]))
        _require(isinstance(given, list), f"axes is {quoted(given)}")
        axes = [axis if isinstance(axis, dict) else {"name": axis} for axis in given]
        scale = _scale(image, count)
    except PictureError as error:
        raise PictureError(f"the OME-Zarr metadata of {path} are damaged: {error}") from error.__cause__
    known = letters([axis.get("name") for axis in axes], count)
    units = {UNITS.get(str(axis.get("unit"))) for axis in axes if str(axis.get("name")).lower() in ("x", "y", "z")}
    channels = picture.naming(_channels(group), known, arrays[0].shape)
    return levels, known, scale, units.pop() if len(units) == 1 else None, channels


def _channels(group: Any) -> tuple[str, ...] | None:
    """Return the names of channels, if all have one."""
    own = described(group)
    shown = own.get("omero") if isinstance(own, dict) else None
    said = shown.get("channels") if isinstance(shown, dict) else None
    if not isinstance(said, list):
        return None
    names = [each.get("label") if isinstance(each, dict) else None for each in said]
    return tuple(map(str, names)) if all(isinstance(name, str) and name for name in names) else None


def naming(info: ArrayInfo) -> dict[str, Any]:
    """Return what OME-Zarr says of channels with names: with a colour and a range, without which it allows none."""
    channels = picture.naming(info.channels, info.axes, info.shape)
    if channels is None:
        return {}
    limits = None if info.dtype.kind == "f" else np.iinfo(info.dtype)
    low, high = (0, 1) if limits is None else (int(limits.min), int(limits.max))
    window = {"min": low, "max": high, "start": low, "end": high}
    return {"omero": {"channels": [{"label": name, "color": "FFFFFF", "window": window} for name in channels]}}


def shown(ome: dict[str, Any], planes: Sequence[np.ndarray]) -> dict[str, Any]:
    """Return the same metadata with ranges from what is in a plane of each channel, in which viewers show it."""
    ome = copy.deepcopy(ome)
    for channel, plane in zip(ome["omero"]["channels"], planes, strict=True):
        values = plane[np.isfinite(plane)]
        low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
        ends = {"min": low, "max": high} if plane.dtype.kind == "f" else {}
        channel["window"] |= {"start": low, "end": high} | ends
    return ome


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise PictureError(otherwise)


def _inside(group: Any) -> list[str]:
    """Return the names of what is in a group, as far as it can be read."""
    try:
        return sorted(name for name, _ in group.members())
    except Exception as error:  # what else is in it may be damaged
        logger.debug("%s: %s", group, error)
        return []


def _images(group: Any, path: Path) -> list[dict[str, Any]]:
    """Return the descriptions of the images that a group is."""
    own = described(group)
    images = own.get("multiscales") if isinstance(own, dict) else own
    if images is None or images == []:
        inside = ", ".join(_inside(group)[:6]) or "nothing"
        raise PictureError(f"a group must be an OME-Zarr image: name what is meant in {path}, which holds {inside}")
    if not isinstance(own, dict) or not isinstance(images, list) or not all(isinstance(one, dict) for one in images):
        raise PictureError(f"the OME-Zarr metadata of {path} are damaged: they describe no image but {quoted(images)}")
    return images


def _levels(image: dict[str, Any]) -> tuple[str, ...]:
    """Return the paths of the levels."""
    sets = image.get("datasets")
    if not isinstance(sets, list) or not sets or not all(isinstance(each, dict) for each in sets):
        raise PictureError(f"datasets is {quoted(sets)}")
    levels = [each.get("path") for each in sets]
    for level in levels:
        inner = isinstance(level, str) and all(part not in ("", ".", "..") for part in level.split("/"))
        _require(inner and "\\" not in level, f"{quoted(repr(level))} is no path of a level")
    _require(len(set(levels)) == len(levels), f"a level is named twice: {quoted(levels)}")
    return tuple(levels)


def _array(group: Any, level: str) -> Any:
    """Return a level."""
    try:
        array = group[level]
    except KeyError:
        raise PictureError(f"they name a level that is not there: {quoted(level)}") from None
    except Exception as error:  # whatever is wrong with metadata
        raise PictureError(f"level {quoted(level)} cannot be read: {quoted(error)}") from error
    _require(hasattr(array, "chunks"), f"they name a level that is no array: {quoted(level)}")
    return array


def _scale(image: dict[str, Any], count: int) -> tuple[float, ...] | None:
    """Return the sides of a pixel of the finest level; None where they are not said."""
    scale = None
    for steps in (image["datasets"][0].get("coordinateTransformations"), image.get("coordinateTransformations")):
        _require(steps is None or isinstance(steps, list), f"coordinateTransformations is {quoted(steps)}")
        for step in steps or ():
            if not isinstance(step, dict) or step.get("type") != "scale" or "scale" not in step:
                continue  # what is said in a file of its own, or another way
            try:
                sides = tuple(float(side) for side in step["scale"])
                fine = len(sides) == count and all(0 < side < math.inf for side in sides)
            except (TypeError, ValueError):
                fine = False
            _require(fine, f"scale is {quoted(step['scale'])}, for {count} axes")
            scale = sides if scale is None else tuple(a * b for a, b in zip(scale, sides, strict=True))
    return scale


def dimensions(array: Any) -> tuple[Any, ...]:
    """Return the names of an array's axes, in version 3 or by xarray's attribute; none where there are none."""
    said = getattr(array.metadata, "dimension_names", None) or array.attrs.get("_ARRAY_DIMENSIONS") or ()
    return tuple(said) if isinstance(said, list | tuple) and any(said) else ()


def letters(names: Any, count: int) -> str | None:
    """Return names of axes as one letter each; None where they are not all known."""
    axes = "".join(NAMES.get(str(name).lower(), "?") for name in names)
    return axes if len(axes) == count and "?" not in axes and len(set(axes)) == count else None


def advice(array: Any) -> str | None:
    """Return what to say of axes whose names are not known; None where there are no names."""
    names = dimensions(array)
    if not names:
        return None
    return (
        f"this has shape {array.shape}, axes {quoted(', '.join(map(str, names)))}; add --axes (axes=) with one letter "
        "a dimension: N separate images, T time, Z depth, C channels, Y, X"
    )


def new(info: ArrayInfo, axes: str, shapes: Sequence[tuple[int, ...]]) -> dict[str, Any]:
    """Return what a new OME-Zarr image says of itself: version, axes in their order, and levels of these shapes.

    A pixel of a level is as large as those of the finest that it is the mean of, and lies in their middle.
    """
    sides = dict(zip((axis for axis in axes if axis in "ZYX"), spacing(info) or (), strict=False))
    each = np.array([float(sides.get(axis, 1)) for axis in axes])
    sets = []
    for number, shape in enumerate(shapes):
        ratio = np.divide(shapes[0], shape)
        steps = [{"type": "scale", "scale": (each * ratio).tolist()}]
        if number:
            steps.append({"type": "translation", "translation": (each * (ratio - 1) / 2).tolist()})
        sets.append({"path": str(number), "coordinateTransformations": steps})
    image = {
        "axes": [{"name": axis.lower(), "type": AXES[axis]} | unit(info, axis) for axis in axes],
        "datasets": sets,
    } | ({"type": "mean"} if len(sets) > 1 else {})
    return {"version": VERSION, "multiscales": [image]} | naming(info)


def spacing(info: ArrayInfo) -> tuple[float, ...] | None:
    """Return the sides of a pixel along Z, Y and X, if all that there are of these are known."""
    count = sum(axis in "ZYX" for axis in info.axes or "")
    return info.spacing if info.spacing is not None and len(info.spacing) == count else None


def smaller(shape: tuple[int, ...], axes: str, sizes_of: tuple[float, ...] | None, side: int) -> list[tuple[int, ...]]:
    """Return the shapes of an image's levels, the finest first: the last picture is at most ``side`` pixels wide.

    Sides of space are halved, but for those along which pixels are already twice as large as others; and Z, where
    nothing is said of sizes.
    """
    space = [k for k, axis in enumerate(axes) if axis in "ZYX"]
    sizes = dict(zip(space, sizes_of or [math.inf if axes[k] == "Z" else 1.0 for k in space], strict=True))
    shapes = [shape]
    while max(shapes[-1][k] for k in space if axes[k] != "Z") > side:
        finest = min(size for k, size in sizes.items() if shapes[-1][k] > 1)
        halved = [k for k in space if sizes[k] < 2 * finest and shapes[-1][k] > 1]
        sizes |= {k: 2 * sizes[k] for k in halved}
        shapes.append(tuple(n // 2 if k in halved else n for k, n in enumerate(shapes[-1])))
    return shapes


def unit(info: ArrayInfo, axis: str) -> dict[str, str]:
    """Return what OME-Zarr says of an axis's unit."""
    names = {letter: name for name, letter in UNITS.items()}
    return {"unit": names[info.unit]} if info.unit in names and spacing(info) and axis in "XYZ" else {}


def check_size(array: Any, stored: int, there: int, request: Request, most: int = 2**24) -> int:
    """Return how many chunks, or shards, an array has, before anybody counts them one by one.

    From ``most`` on it is asked how many of them are there.

    Raises
    ------
    PictureError
        If it claims absurdly many, or so large ones that memory does not hold them.
    """
    shape, sides = tuple(array.shape), tuple(array.shards or array.chunks)
    if min(shape, default=0) < 1 or min(sides, default=0) < 1:
        raise PictureError(f"an image must have pixels: the metadata say {times(shape)}, in chunks of {times(sides)}")
    if math.prod(sides) > request.max_pixels:
        raise PictureError(
            f"a chunk of more than {request.max_pixels:,} pixels is taken for a decompression bomb: the metadata say "
            f"{times(sides)}; if you trust it, allow more with --max-pixels (max_pixels=)"
        )
    count = math.prod(-(-side // chunk) for side, chunk in zip(shape, sides, strict=True))
    if count > most and count > MOST_SHRUNK * stored:
        raise PictureError(f"the store is damaged: its metadata say {count:,} chunks, and {stored:,} are there")
    request.check_claim(math.prod(shape) * np.dtype(array.dtype).itemsize, there, None)
    return count


def nodata(array: Any, dtype: np.dtype, *, complete: bool) -> float | None:
    """Return the value that an array declares to be no data.

    That is what its attributes say, as of files that follow CF; or else the fill value, where chunks are left out, or
    where xarray keeps it as such in version 2. A fill value of 0 is none: it is what nobody chose, and dark pixels have
    it too.
    """
    for name in NODATA:
        said = array.attrs.get(name)
        value = declared(_decoded(said), dtype) if said is not None else None
        if value is not None:
            return value
    fill = array.fill_value
    masked = array.metadata.zarr_format == 2 and "_ARRAY_DIMENSIONS" in array.attrs
    if fill is None or (complete and not masked):
        return None
    value = declared(fill, dtype)
    return value or None


def _decoded(said: Any) -> Any:
    """Return a number from an attribute: xarray writes those of floats to version 3 as the bytes of a double."""
    if isinstance(said, list) and len(said) == 1:
        said = said[0]
    if isinstance(said, str):
        try:
            return struct.unpack("<d", base64.b64decode(said, validate=True))[0]
        except (binascii.Error, ValueError, struct.error):
            return said
    return said


def declaring(value: float, dtype: np.dtype) -> dict[str, Any]:
    """Return how a new array says that a value stands for no data, as `zarr.create_array` takes it."""
    number = int(value) if dtype.kind in "iu" else value
    said = number if math.isfinite(value) else base64.b64encode(struct.pack("<d", value)).decode()
    return {"fill_value": dtype.type(number), "attributes": {"_FillValue": said}}
