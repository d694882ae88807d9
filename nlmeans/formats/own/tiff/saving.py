"""TIFF written: into a copy of the file that was read, or anew with what of it is carried over."""

from __future__ import annotations

import logging
import math
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ... import exif
from ...arrays import ArrayInfo
from ...picture import Picture, full_range, naming
from ...pyramid import shrunk
from ...separate import are_few
from . import ome, whole
from .whole import Origin, bright

logger = logging.getLogger("nlmeans")

# What is left of noise packs badly at any level; the higher ones take long for next to nothing.
PACKING = {"compression": "zlib", "compressionargs": {"level": 2}}
LEVEL = (
    *("photometric", "planarconfig", "extrasamples", "tile", "compression", "compressionargs", "predictor"),
    "maxworkers",
)
"""What the smaller copies of a picture share with it, of the options that tifffile takes."""
MOST_CLASSIC = 2**32 - 2**26  # bytes of pixels from which a file needs offsets of 64 bits


def write(part: Path, picture: Picture) -> None:
    """Write back into a copy of the file that was read, or a new file."""
    import tifffile

    origin = picture.native
    if not isinstance(origin, Origin):
        _write_new(part, picture)
        return
    array = _join(picture, origin)
    if origin.in_place:
        shutil.copyfile(origin.path, part)
        stored = tifffile.memmap(part, mode="r+")
        stored[...] = array.reshape(stored.shape)
        stored.flush()
        return
    tags = dict(origin.tags)
    if picture.nodata is None and whole.nodata_of(origin, array.dtype) is not None:
        del tags[whole.NODATA]  # of pixels that are none of those that were read
    nodata = stored_nodata(picture.nodata, origin)
    levels = [(shrunk(array, shape, nodata), shape) for shape in origin.levels]
    tiled = {} if origin.tile is None or origin.imagej is not None else {"tile": origin.tile}
    save(part, array, picture.exif, tags, options(origin, array.dtype) | tiled, levels)


def stored_nodata(nodata: float | None, origin: Origin) -> float | None:
    """Return the value for no data as a file has it that is written back."""
    if nodata is None or origin.white is None or origin.photometric != whole.MIN_IS_WHITE:
        return nodata
    return float(int(nodata) ^ origin.white)


def options(origin: Origin, dtype: np.dtype) -> dict[str, Any]:
    """Return what a file that is written anew says besides its pixels and tags, as tifffile takes it."""
    # A palette is left here only with ImageJ and OME, where it colours shades for display.
    shown = whole.MIN_IS_BLACK if origin.photometric == whole.PALETTE else origin.photometric
    given: dict[str, Any] = {"photometric": shown, "metadata": None}
    if "S" in origin.axes:
        given["planarconfig"] = "contig" if origin.axes.endswith("S") else "separate"
        given["extrasamples"] = origin.extrasamples
    if origin.imagej is not None:
        given |= {"imagej": True, "metadata": origin.imagej | {"axes": origin.axes}}
    elif origin.ome is not None:
        given["description"] = origin.ome
    elif len(origin.axes.replace("S", "")) > 2 and set(origin.axes) <= set("TZCYXS"):
        given["metadata"] = {"axes": origin.axes}
    if origin.resolution and origin.imagej is not None:
        given["resolution"] = origin.resolution
    elif origin.resolution:
        given |= {"resolution": origin.resolution, "resolutionunit": origin.unit}
    if origin.compressed and origin.imagej is None:
        given |= PACKING | {"predictor": dtype.kind in "iu"}
    return given


def _join(picture: Picture, origin: Origin) -> np.ndarray:
    """Undo `_split`, and what was turned round."""
    if origin.photometric == whole.MIN_IS_WHITE:
        picture = replace(picture, pixels=bright(picture.pixels, origin.white))
    array = picture.with_alpha()
    return np.moveaxis(array, -1, origin.axes.index("S")) if "S" in origin.axes else array


def _write_new(part: Path, picture: Picture) -> None:
    """Write pixels that did not come from a TIFF."""
    picture = full_range(picture)
    pixels, axes = picture.pixels, picture.dimensions
    channels = naming(picture.channels, axes, pixels.shape)
    rgb = axes in ("YXC", "CYX") and pixels.shape[axes.index("C")] == 3 and channels is None
    options: dict[str, Any] = {"photometric": "rgb" if rgb else "minisblack", "metadata": None}
    if rgb:
        options["planarconfig"] = "contig"
        pixels = np.moveaxis(pixels, axes.index("C"), -1)
    elif len(axes) > 2:
        options["metadata"] = {"axes": axes.replace("N", "I")}
    named = axes.replace("C", "S") if rgb else axes
    said = ome_options(named, picture.pixels, picture.spacing, picture.unit, channels)
    if pixels.dtype.name not in ome.TYPES and (picture.spacing or channels):
        logger.warning("OME knows no %s: a pixel's size and names of channels are not written", pixels.dtype)
    if said and not rgb:
        pixels = pixels.transpose([axes.index(axis) for axis in said["metadata"]["axes"]])
    options |= said
    if picture.alpha is not None:
        options |= {"extrasamples": ["unassalpha"], "planarconfig": "contig"}
        pixels = picture.with_alpha()
    if picture.dpi:
        options |= {"resolution": picture.dpi, "resolutionunit": "inch"}
    tags = declaring(picture.nodata)
    if picture.icc:
        tags[whole.PROFILE] = (7, len(picture.icc), picture.icc)
    if picture.exif:
        parsed = exif.load(picture.exif)
        tags |= {code: (2, None, str(parsed[code])) for code in exif.CREDITS if parsed.get(code)}
        tags[exif.ORIENTATION] = (3, 1, exif.orientation(picture.exif))
    save(part, pixels, picture.exif, tags, options)


def declaring(nodata: float | None) -> dict[int, tuple[int, Any, Any]]:
    """Return the tag that declares a value to be no data, as GDAL writes it; none where there is no such value."""
    return {} if nodata is None else {whole.NODATA: (2, None, f"{nodata:.17g}")}


def ome_options(
    axes: str,
    of: np.ndarray | ArrayInfo,
    spacing: tuple[float, ...] | None,
    unit: str | None,
    channels: tuple[str, ...] | None = None,
) -> dict[str, Any]:
    """Return how a new file says a pixel's size and channels, as tifffile takes it but for N, which goes first.

    That is in OME metadata, if they know its axes and type; there pages are pictures, or colours of one, and each of N
    is a series.
    """
    known = set("TZCYXS") | set("N" if are_few(axes, of.shape) else "")
    if (spacing is None and channels is None) or not set(axes) <= known or of.dtype.name not in ome.TYPES:
        return {}
    rows = "N" * ("N" in axes) + "".join(axis for axis in axes if axis in "TZC") + "YX" + "S" * ("S" in axes)
    return {"ome": True, "metadata": {"axes": rows} | ome.size(spacing, unit, axes) | ome.naming(channels)}


def save(
    part: Path,
    pixels: Any,
    block: bytes | None,
    tags: dict[int, tuple[int, Any, Any]],
    options: dict[str, Any],
    levels: Sequence[tuple[Any, tuple[int, ...]]] = (),
) -> None:
    """Write a TIFF: an array, or what tifffile takes in its place with ``shape`` and ``dtype``.

    ``levels`` are smaller copies, given likewise, and their shapes.
    """
    import tifffile

    given = {code: value for code, (_, _, value) in tags.items()}
    extra = [(code, dtype, count, value, True) for code, (dtype, count, value) in tags.items() if code in whole.KEPT]
    if options["metadata"] is None and "description" not in options:
        options["description"] = given.get(whole.DESCRIPTION)
    options = options | {
        "software": given.get(whole.SOFTWARE, "nlmeans"),
        "datetime": given.get(whole.DATE),
        "iccprofile": given.get(whole.PROFILE),
        "extratags": extra,
    }
    if levels:
        _save_levels(part, pixels, options, levels)
    elif options.get("ome") and "N" in options["metadata"]["axes"]:
        _save_separate(part, pixels, options)
    else:
        tifffile.imwrite(part, pixels, byteorder=">" if options.get("imagej") else "<", **options)
    # Their offsets have 32 bits; and ImageJ's files are big-endian, and have no camera.
    if (ifds := exif.directories(block)) and part.stat().st_size < 2**31 and not options.get("imagej"):
        exif.append(part, ifds)


def _save_separate(part: Path, pixels: Any, options: dict[str, Any]) -> None:
    """Write separate images, which are along the first axis, as series."""
    import tifffile

    shape, dtype = options.pop("shape", None) or pixels.shape, options.pop("dtype", None) or pixels.dtype
    metadata = options.pop("metadata")
    options |= {"metadata": metadata | {"axes": metadata["axes"].replace("N", "")}}
    big = math.prod(shape) * np.dtype(dtype).itemsize > MOST_CLASSIC
    with tifffile.TiffWriter(part, bigtiff=big, byteorder="<", ome=options.pop("ome")) as file:
        for image in [None] * shape[0] if pixels is None else pixels:
            file.write(image, shape=shape[1:], dtype=dtype, **options)


def _save_levels(
    part: Path, pixels: Any, options: dict[str, Any], levels: Sequence[tuple[Any, tuple[int, ...]]]
) -> None:
    """Write a picture with its smaller copies, each of its pages with those of its own."""
    import tifffile

    shape, dtype = options.get("shape") or pixels.shape, options.get("dtype") or pixels.dtype
    shared = {name: value for name, value in options.items() if name in LEVEL} | {"dtype": dtype}
    size = sum(math.prod(sides) for sides in (shape, *(sides for _, sides in levels))) * np.dtype(dtype).itemsize
    options = dict(options)
    big = options.pop("bigtiff", None) or size > MOST_CLASSIC
    with tifffile.TiffWriter(part, bigtiff=big, byteorder="<") as file:
        file.write(pixels, subifds=len(levels), **options)
        for level, sides in levels:
            file.write(level, shape=sides, subfiletype=1, metadata=None, **shared)
