"""TIFF, single pictures and stacks, by tifffile.

Where a file's pixels lie in one uncompressed piece, the file is copied and the pixels in it are replaced: all that any
program wrote into it stays. Other files are written anew, with what `Origin` carries over.
"""

from __future__ import annotations

import logging
import re
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ... import exif
from ...picture import Picture, PictureError, Request, declared, naming
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
# What is left of noise packs badly at any level; the higher ones take long for next to nothing.
PACKING = {"compression": "zlib", "compressionargs": {"level": 2}}
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
    tags: dict[int, tuple[int, Any, Any]] = field(repr=False)

    def typed(self, dtype: np.dtype) -> Origin:
        """Return what is written back of a file whose pixels become floating-point numbers."""
        name = "double" if dtype == np.float64 else "float"
        ome = None if self.ome is None else re.sub(r'(<Pixels\b[^>]*\sType=")[^"]*', rf"\g<1>{name}", self.ome)
        ome = None if ome is None else re.sub(r'\sSignificantBits="[^"]*"', "", ome)
        return replace(self, in_place=False, ome=ome)


def read(request: Request) -> Picture:
    """Read the one picture or stack of a TIFF."""
    from tifffile import TiffFile

    codecs.provide()
    with TiffFile(request.path) as tif:
        size = described(tif, request.path.name)
        series = only_series(tif)
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
    save(part, array, picture.exif, origin.tags, options(origin, array.dtype))


def options(origin: Origin, dtype: np.dtype) -> dict[str, Any]:
    """Return what a file that is written anew says besides its pixels and tags, as tifffile takes it."""
    # A palette is left here only with ImageJ and OME, where it colours shades for display.
    shown = MIN_IS_BLACK if origin.photometric == PALETTE else origin.photometric
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


def described(tif: Any, filename: str) -> ome.Described:
    """Return what OME or ImageJ metadata say of a pixel's size, and refuse them where they are damaged."""
    if tif.is_ome:
        return ome.described(tif.ome_metadata, filename)
    if not tif.is_imagej:
        return ome.Described({}, None)
    stated = tif.imagej_metadata
    x, y = (tif.pages[0].tags.valueof(code) for code in (282, 283))
    sides = {
        "X": x[1] / x[0] if x and x[0] else 0.0,
        "Y": y[1] / y[0] if y and y[0] else 0.0,
        "Z": stated.get("spacing", 0.0),
    }
    return ome.Described.of(sides, dict.fromkeys("XYZ", stated.get("unit")))


def bright(pixels: np.ndarray, white: int | None) -> np.ndarray:
    """Turn whole numbers round, if ``white`` says that 0 is white: then more light is more, as models of noise have it.

    Done twice, it changes nothing.
    """
    return pixels if white is None else pixels ^ pixels.dtype.type(white)


def nodata_of(origin: Origin, dtype: np.dtype) -> float | None:
    """Return the value that a file declares to be no data, as pixels have it that were read."""
    value = declared(origin.tags[NODATA][2], dtype) if NODATA in origin.tags else None
    return value if value is None or origin.white is None else float(int(value) ^ origin.white)


def only_series(tif: Any) -> Any:
    """Return the one picture or stack that a file holds."""
    first = tif.pages[0]
    if DNG_VERSION in first.tags or first.photometric in SENSOR:
        raise PictureError("camera RAW must be named as such: this is a DNG, whose name must end in .dng")
    series = [s for s in tif.series if s.keyframe is not None and not (s.keyframe.is_reduced or s.keyframe.is_mask)]
    if len(series) != 1:
        shapes = ", ".join(str(s.shape) for s in series[:4])
        raise PictureError(f"a TIFF must hold one picture or stack: this holds {len(series)}, of shapes {shapes}")
    if len(tif.series) > 1 or len(series[0].levels) > 1:
        logger.warning("%s: thumbnails, masks and smaller copies in the file are not written back", tif.filehandle.path)
    page = series[0].keyframe
    value = None if page.dtype is None else declared(page.tags.valueof(NODATA), page.dtype)
    if value is not None:  # for tiles that are left out; tifffile takes 0 for the least float32
        page.nodata = page.dtype.type(value)
    return series[0]


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
        _plain_ome(tif.ome_metadata) if tif.is_ome else None, white, tags,
    )  # fmt: skip


def _plain_ome(xml: str) -> str:
    """Return the metadata for a file whose pages follow each other in the order that it names."""
    from xml.etree import ElementTree

    root = ElementTree.fromstring(xml)
    space = root.tag.partition("}")[0] + "}"
    ElementTree.register_namespace("", space[1:-1])
    root.attrib.pop("UUID", None)
    for pixels in root.iter(f"{space}Pixels"):
        places = pixels.findall(f"{space}TiffData")
        for place in places[1:]:
            pixels.remove(place)
        for place in places[:1]:
            place.clear()
    return ElementTree.tostring(root, encoding="us-ascii", xml_declaration=True).decode()


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


def _join(picture: Picture, origin: Origin) -> np.ndarray:
    """Undo `_split`, and what was turned round."""
    if origin.photometric == MIN_IS_WHITE:
        picture = replace(picture, pixels=bright(picture.pixels, origin.white))
    array = picture.with_alpha()
    return np.moveaxis(array, -1, origin.axes.index("S")) if "S" in origin.axes else array


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


def _write_new(part: Path, picture: Picture) -> None:
    """Write pixels that did not come from a TIFF."""
    pixels, axes = picture.pixels, picture.dimensions
    channels = naming(picture.channels, axes, pixels.shape)
    rgb = axes in ("YXC", "CYX") and pixels.shape[axes.index("C")] == 3 and channels is None
    options: dict[str, Any] = {"photometric": "rgb" if rgb else "minisblack", "metadata": None}
    if rgb:
        options["planarconfig"] = "contig"
        pixels = np.moveaxis(pixels, axes.index("C"), -1)
    elif len(axes) > 2:
        options["metadata"] = {"axes": axes.replace("N", "I")}
    said = ome_options(axes.replace("C", "S") if rgb else axes, picture.spacing, picture.unit, channels)
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
        tags[PROFILE] = (7, len(picture.icc), picture.icc)
    if picture.exif:
        parsed = exif.load(picture.exif)
        tags |= {code: (2, None, str(parsed[code])) for code in exif.CREDITS if parsed.get(code)}
        tags[exif.ORIENTATION] = (3, 1, exif.orientation(picture.exif))
    save(part, pixels, picture.exif, tags, options)


def declaring(nodata: float | None) -> dict[int, tuple[int, Any, Any]]:
    """Return the tag that declares a value to be no data, as GDAL writes it; none where there is no such value."""
    return {} if nodata is None else {NODATA: (2, None, f"{nodata:.17g}")}


def ome_options(
    axes: str, spacing: tuple[float, ...] | None, unit: str | None, channels: tuple[str, ...] | None = None
) -> dict[str, Any]:
    """Return how a new file says a pixel's size and channels, as tifffile takes it.

    That is in OME metadata, if they know its axes; there pages are pictures, or colours of one.
    """
    if (spacing is None and channels is None) or not set(axes) <= set("TZCYXS"):
        return {}
    rows = "".join(axis for axis in axes if axis in "TZC") + "YX" + "S" * ("S" in axes)
    return {"ome": True, "metadata": {"axes": rows} | ome.size(spacing, unit, axes) | ome.naming(channels)}


def save(
    part: Path, pixels: Any, block: bytes | None, tags: dict[int, tuple[int, Any, Any]], options: dict[str, Any]
) -> None:
    """Write a TIFF: an array, or what tifffile takes in its place with ``shape`` and ``dtype``."""
    import tifffile

    given = {code: value for code, (_, _, value) in tags.items()}
    extra = [(code, dtype, count, value, True) for code, (dtype, count, value) in tags.items() if code in KEPT]
    if options["metadata"] is None and "description" not in options:
        options["description"] = given.get(DESCRIPTION)
    tifffile.imwrite(
        part, pixels, byteorder=">" if options.get("imagej") else "<", software=given.get(SOFTWARE, "nlmeans"),
        datetime=given.get(DATE), iccprofile=given.get(PROFILE), extratags=extra, **options,
    )  # fmt: skip
    # Their offsets have 32 bits; and ImageJ's files are big-endian, and have no camera.
    if (ifds := exif.directories(block)) and part.stat().st_size < 2**31 and not options.get("imagej"):
        exif.append(part, ifds)
