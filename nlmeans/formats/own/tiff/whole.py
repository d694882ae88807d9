"""TIFF, single pictures and stacks, by tifffile.

Where a file's pixels lie in one uncompressed piece, the file is copied and the pixels in it are replaced: all that any
program wrote into it stays. Other files are written anew, with what `Origin` carries over.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ... import exif
from ...picture import Picture, PictureError, Request, declared, naming, quoted
from . import codecs, ome, segments

logger = logging.getLogger("nlmeans")

MIN_IS_WHITE, MIN_IS_BLACK, RGB, PALETTE = 0, 1, 2, 3
DESCRIPTION, SOFTWARE, DATE, SUB_IFDS, LAYERS, PROFILE = 270, 305, 306, 330, 37724, 34675
NODATA, DNG_VERSION = 42113, 50706
SENSOR = {32803, 34892}  # colour filter array and linear raw
#: Tags that stay true of the filtered picture: names, credits, orientation, XMP, IPTC, Photoshop's resources, GeoTIFF.
KEPT = (
    *(269, 271, 272, 274, 285, 315, 316, 33432, 700, 33723, 34377),
    *(33550, 33922, 34264, 34735, 34736, 34737, 42112, NODATA),
)
PER_INCH = {2: 1.0, 3: 2.54}  # resolution units


@dataclass(frozen=True)
class Origin:
    """The file that a picture was read from, and what of it is written back."""

    path: Path
    kind: str
    axes: str
    in_place: bool
    compressed: bool
    photometric: int
    extrasamples: tuple[int, ...]
    resolution: tuple[float, float] | None
    unit: int
    imagej: dict[str, Any] | None
    ome: str | None
    white: int | None
    tile: tuple[int, int] | None  # sides of tiles
    levels: tuple[tuple[int, ...], ...]  # shapes of the smaller copies that belong to it, the largest first
    tags: dict[int, tuple[int, Any, Any]] = field(repr=False)

    def typed(self, dtype: np.dtype) -> Origin:
        """Return what is written back of a file whose pixels become numbers of another type, and 0 black."""
        name = {"float64": "double", "float32": "float"}.get(dtype.name, dtype.name)
        ome = None if self.ome is None else re.sub(r'(<Pixels\b[^>]*\sType=")[^"]*', rf"\g<1>{name}", self.ome)
        ome = None if ome is None else re.sub(r'\sSignificantBits="[^"]*"', "", ome)
        shown = MIN_IS_BLACK if self.photometric == MIN_IS_WHITE else self.photometric
        return replace(self, in_place=False, ome=ome, white=None, photometric=shown)


def read(request: Request) -> Picture:
    """Read the one picture or stack of a TIFF, or that which is asked for."""
    from tifffile import TiffFile

    codecs.provide()
    with TiffFile(request.path) as tif:
        said = described(tif, request.path.name)
        series = chosen_series(tif, request)
        size = of_series(said, tif, series)
        page = series.keyframe
        check_series(tif, series, page, request)
        try:
            array = series.asarray()
        except Exception as error:
            if (known := codecs.lacking(error, page)) is not None:
                raise known from None
            raise
        origin = origin_of(tif, series, page, request)
        lookup = page.colormap if page.photometric == PALETTE and origin.kind not in ("imagej", "ome") else None
        entries = {274, exif.EXIF_IFD, exif.GPS_IFD} & set(page.tags.keys())
        if lookup is not None:
            logger.warning("%s: palette colours are written back as RGB", request.path)
            array, origin = _look_up(array, lookup, origin)
    pixels, alpha, axes = _split(array, origin)
    if not request.names_axes and not set(axes) <= set("TZCYX"):
        raise PictureError(
            "a file with several pages must say what they are, by OME or ImageJ metadata, or else you must: this has "
            f"shape {pixels.shape}; {advice(axes)}"
        )
    pixels = bright(pixels, origin.white)
    if pixels.dtype == np.bool_:
        pixels = pixels.view(np.uint8) * np.uint8(255)
    profile = origin.tags.get(PROFILE)
    scale = PER_INCH.get(origin.unit)
    picture = Picture(
        pixels, request.axes or (None if request.names_axes else axes), request.channel_axis, alpha,
        icc=bytes(profile[2]) if profile else None, exif=exif.from_tiff(request.path) if entries else None,
        dpi=(origin.resolution[0] * scale, origin.resolution[1] * scale) if origin.resolution and scale else None,
        nodata=nodata_of(origin, array.dtype), native=origin,
    )  # fmt: skip
    spacing = ome.in_rows(size, picture.dimensions)  # of the axes as whoever asks names them
    channels = naming(size.channels, series.axes, series.shape)
    return replace(picture, spacing=spacing, unit=None if spacing is None else size.unit, channels=channels)


def of_series(said: list[ome.Described], tif: Any, series: Any) -> ome.Described:
    """Return what is said of one of the pictures of a file."""
    number = tif.series.index(series)
    return said[number] if len(said) == len(tif.series) else ome.Described({}, None)


def described(tif: Any, filename: str) -> list[ome.Described]:
    """Return what OME or ImageJ metadata say of each picture, and refuse them where they are damaged."""
    if tif.is_ome:
        return ome.described(tif.ome_metadata, filename)
    if not tif.is_imagej:
        return []
    stated = tif.imagej_metadata
    x, y = (tif.pages[0].tags.valueof(code) for code in (282, 283))
    sides = {
        "X": x[1] / x[0] if x and x[0] else 0.0,
        "Y": y[1] / y[0] if y and y[0] else 0.0,
        "Z": stated.get("spacing", 0.0),
    }
    return [ome.Described.of(sides, dict.fromkeys("XYZ", stated.get("unit")))]


def bright(pixels: np.ndarray, white: int | None) -> np.ndarray:
    """Turn whole numbers round, if ``white`` says that 0 is white: then more light is more, as models of noise have it.

    Done twice, it changes nothing.
    """
    return pixels if white is None else pixels ^ pixels.dtype.type(white)


def nodata_of(origin: Origin, dtype: np.dtype) -> float | None:
    """Return the value that a file declares to be no data, as pixels have it that were read."""
    value = declared(origin.tags[NODATA][2], dtype) if NODATA in origin.tags else None
    return value if value is None or origin.white is None else float(int(value) ^ origin.white)


def chosen_series(tif: Any, request: Request) -> Any:
    """Return the one picture or stack that a file holds, or that which is asked for; thumbnails and masks are none."""
    first = tif.pages[0]
    if DNG_VERSION in first.tags or first.photometric in SENSOR:
        raise PictureError("camera RAW must be named as such: this is a DNG, whose name must end in .dng")
    series = [s for s in tif.series if s.keyframe is not None and not (s.keyframe.is_reduced or s.keyframe.is_mask)]
    number = request.chosen([s.name for s in series])
    if number is None and len(series) != 1:
        shapes = ", ".join(str(s.shape) + f" {quoted(s.name)}" * bool(s.name) for s in series[:4])
        raise PictureError(
            f"a TIFF must hold one picture or stack: this holds {len(series)}, of shapes {shapes}; choose one by its "
            "number from 0, or its name, with --series (series=)"
        )
    picked = series[number or 0]
    lost = ["other pictures"] * (len(series) > 1) + ["thumbnails and masks"] * (len(tif.series) > len(series))
    lost += ["smaller copies"] * (len(picked.levels) > 1 and not (request.whole and levels_of(picked)))
    if lost:
        logger.warning("%s: %s in the file are not written back", tif.filehandle.path, " and ".join(lost))
    page = picked.keyframe
    value = None if page.dtype is None else declared(page.tags.valueof(NODATA), page.dtype)
    if value is not None:  # for tiles that are left out; tifffile takes 0 for the least float32
        page.nodata = page.dtype.type(value)
    return picked


def levels_of(series: Any) -> tuple[tuple[int, ...], ...]:
    """Return the shapes of the smaller copies of a picture; none where they are something else."""
    shapes = [tuple(level.shape) for level in series.levels]
    alike = all(level.axes == series.axes and level.dtype == series.dtype for level in series.levels)
    smaller = all(
        0 < small <= large for one, next_ in pairwise(shapes) for large, small in zip(one, next_, strict=False)
    )
    return tuple(shapes[1:]) if alike and smaller else ()


def check_series(tif: Any, series: Any, page: Any, request: Request) -> None:
    """Refuse what cannot be filtered, and what would fill the memory, before it is unpacked."""
    request.check_size(page.imagewidth, page.imagelength)
    if page.photometric not in (MIN_IS_WHITE, MIN_IS_BLACK, RGB, PALETTE):
        kind = getattr(page.photometric, "name", page.photometric)
        raise PictureError(f"a TIFF must be grey, RGB or palette: this one is {kind}; convert it to RGB first")
    if page.bitspersample == 1 and not request.bilevel:
        raise PictureError("pixels must have shades: this TIFF has 1 bit a pixel, black or white")
    if page.dtype is None or page.dtype.kind not in "biuf":
        raise PictureError(f"pixels must be real numbers: this TIFF has {page.bitspersample} bits of another kind")
    if getattr(series, "is_multifile", False):
        raise PictureError("a stack must be in one file: this one names others")
    size = tif.filehandle.size
    if series.dataoffset is not None:
        end = series.dataoffset + series.nbytes
        if end > size:
            raise PictureError(f"the file is cut short: its pixels end at byte {end:,}, the file at {size:,}")
        return
    pages = list(series.pages)
    if None in pages:
        raise PictureError(f"a stack must be complete: {pages.count(None)} of {len(pages)} pages are missing")
    segments.check(page, pages, size, request)


def origin_of(tif: Any, series: Any, page: Any, request: Request) -> Origin:
    """Return what is carried over to the file that is written."""
    tags = {
        tag.code: (int(tag.dtype), tag.count, tag.value)
        for tag in page.tags.values()
        if tag.code in (*KEPT, DESCRIPTION, SOFTWARE, DATE, PROFILE)
    }
    if LAYERS in page.tags:
        logger.warning("%s: Photoshop's layers are not written back, only the picture", request.path)
    alone = len(tif.series) == 1 and len(series.levels) == 1 and not {SUB_IFDS, LAYERS} & set(page.tags.keys())
    x, y = (page.tags.valueof(code) for code in (282, 283))
    resolution = (x[0] / x[1], y[0] / y[1]) if x and y and x[1] and y[1] else None
    fewer = page.bitspersample < 8 * page.dtype.itemsize  # 1, 2 or 4 bits, which are written as 8
    white = None
    if page.photometric == MIN_IS_WHITE and page.dtype.kind == "f":
        logger.warning("%s: white is 0 in it, or so it says: its numbers are taken as they are", request.path)
    elif page.photometric == MIN_IS_WHITE:
        white = -1 if page.dtype.kind == "i" else 2**page.bitspersample - 1
    photometric = MIN_IS_BLACK if white is not None and fewer else int(page.photometric)
    return Origin(
        request.path.resolve(), series.kind.lower(), series.axes, series.dataoffset is not None and alone,
        page.compression != 1, photometric, tuple(int(sample) for sample in page.extrasamples), resolution,
        int(page.tags.valueof(296, default=2)), dict(tif.imagej_metadata) if tif.is_imagej else None,
        ome.plain(tif.ome_metadata, tif.series.index(series)) if tif.is_ome else None, white,
        (page.tilelength, page.tilewidth) if page.is_tiled else None, levels_of(series), tags,
    )  # fmt: skip


def _split(array: np.ndarray, origin: Origin) -> tuple[np.ndarray, np.ndarray | None, str]:
    """Return pixels without alpha, the alpha, and the pixels' axes. Samples go last."""
    if "S" in origin.axes and "C" in origin.axes:
        raise PictureError(f"a stack must have one axis of channels: this has colours and channels, axes {origin.axes}")
    if "S" not in origin.axes:
        return array, None, origin.axes
    array = np.moveaxis(array, origin.axes.index("S"), -1)
    axes = origin.axes.replace("S", "")
    if origin.photometric == RGB:
        pixels, alpha = array[..., :3], array[..., 3:]
    elif origin.extrasamples in ((1,), (2,)):
        return array[..., 0], array[..., 1:], axes
    else:
        return array, None, axes + "C"
    return pixels, alpha if alpha.shape[-1] else None, axes + "C"


def _look_up(indices: np.ndarray, lookup: np.ndarray, origin: Origin) -> tuple[np.ndarray, Origin]:
    """Return colours for indices; of 8 bits where the entries' 16 say no more."""
    high = lookup >> 8
    if np.isin(lookup & 255, 0).all() or ((lookup & 255) == high).all():
        lookup = high.astype(np.uint8)
    tags = {code: tag for code, tag in origin.tags.items() if code != DESCRIPTION or origin.kind != "shaped"}
    return lookup.T[indices], replace(origin, axes=origin.axes + "S", photometric=RGB, in_place=False, tags=tags)


def advice(axes: str) -> str:
    """Return what --axes may be for a file with pages of unknown kind."""
    if sum(axis not in "CYX" for axis in axes) > 1:
        return "add --axes with one letter a dimension: N separate images, T time, Z depth, C channels, Y, X"
    volume, video, images = ("".join(axis if axis in "CYX" else letter for axis in axes) for letter in "ZTN")
    return f"add --axes {volume} for a volume, {video} for a video, {images} for separate images"
