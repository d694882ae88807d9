"""A mosaic's four planes, and a picture of them: LibRaw unpacks the file, and develops what was made of the planes.

Pixels are what was read above the level of black, in the sensor's own steps: no white balance and no curve has touched
their noise, which is that of counted photons, white, and not cut off at black. LibRaw's own steps begin where the
result is put back into its mosaic, as many times as light as 16 bits hold: whole steps of a camera with 12 would show
as bands. A whole number of times, so that what is put back unchanged is developed as the file itself, bit for bit.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ... import exif
from ...picture import Picture, PictureError, Request, quoted
from .dng import is_dng

logger = logging.getLogger("nlmeans")

AXES = "CYX"
PLACES = ((0, 0), (0, 1), (1, 0), (1, 1))
"""First row and column of each plane."""
TOP = 65535
"""The largest number of a mosaic."""
BELOW, HEAP = 0.75, 64
"""Where LibRaw's table says more than the sensor can read, white is the largest value, if it is above this share of
what the table says, and so many pixels have it: noise makes no such heap. Too high a white turns what is white pink."""
DEVELOPING = {
    "output_bps": 16,
    "use_camera_wb": True,
    "no_auto_bright": True,  # which clips the lightest hundredth, and makes each photograph of a series another one
    "adjust_maximum_thr": 0.0,  # `BELOW`: not by a lone pixel, which noise may have made
    "gamma": (2.4, 12.92),  # sRGB's own
    "user_black": 0,
    "user_cblack": [0, 0, 0, 0],
}
"""How the mosaic is developed: sRGB with the camera's white balance, as light as it was exposed."""


@dataclass(frozen=True)
class Mosaic:
    """The file that planes were read from, and where they lie in it.

    Attributes
    ----------
    path : Path
    stamp : tuple of int
        Size of the file and time of its last change.
    sides : tuple of 2 int
        Rows and columns of the mosaic, without the margins that no light falls on.
    black : tuple of 4 int
        What each plane reads without light.
    white : int
        What is read from saturated pixels, or more than that.
    """

    path: Path
    stamp: tuple[int, int]
    sides: tuple[int, int]
    black: tuple[int, ...]
    white: int

    def blank(self, picture: Picture) -> Picture:
        """Return a black picture of the kind that is written for planes."""
        return Picture(np.broadcast_to(np.zeros((), np.uint16), (*self.sides, 3)), "YXC")

    def developed(self, picture: Picture) -> Picture:
        """Return the colours (Y, X, C) of planes that were made of those that were read; what is saturated stays so."""
        planes = picture.pixels
        if not np.isfinite(planes).all():
            raise PictureError(f"planes must be finite; got {np.count_nonzero(~np.isfinite(planes))} that are not")
        with _opened(self.path) as raw:
            raw.unpack()
            if _stamp(self.path) != self.stamp or raw.raw_image_visible.shape != self.sides:
                raise PictureError("camera RAW must stay as it is until it is developed: this has changed meanwhile")
            light = self.white - min(self.black)
            scale = max(TOP // light, 1)
            for plane, black, (row, column) in zip(planes, self.black, PLACES, strict=True):
                stored = raw.raw_image_visible[row::2, column::2]
                saturated = stored >= self.white
                level = scale * plane[: stored.shape[0], : stored.shape[1]]
                level[saturated] = scale * (stored[saturated] - np.float32(black))
                stored[...] = np.rint(np.clip(level, 0, TOP))
            colours = raw.postprocess(**DEVELOPING, user_sat=scale * light)
        said = None if picture.exif is None else exif.developed(picture.exif, *colours.shape[:2])
        return Picture(colours, "YXC", exif=said)


def read(request: Request) -> Picture:
    """Read the four planes of a mosaic, in the order in which they lie in it, as what is above black."""
    path = request.path
    if request.names_axes and (request.axes or "").upper() != AXES:
        raise PictureError(f"the planes of camera RAW have the axes {AXES}: leave out --axes and --channel-axis")
    stamp, dng = _stamp(path), is_dng(path)
    with _opened(path) as raw:
        sizes = raw.sizes
        request.check_size(sizes.raw_width, sizes.raw_height)
        request.check_claim(2 * sizes.raw_width * sizes.raw_height, stamp[0], None)
        raw.unpack()
        colours, stored = _pattern(raw), raw.raw_image_visible
        each = raw.black_level_per_channel
        black = tuple(int(each[colour]) for colour in colours)
        white = int(raw.white_level) if dng else seen_white(stored, int(raw.white_level))
        if white <= max(black):
            raise PictureError(f"white must be above black: the file says {white} and {max(black)}")
        odd = [(0, side % 2) for side in stored.shape]  # of the same colours as the last but one
        whole = np.pad(stored, odd, "reflect") if any(map(any, odd)) else stored
        planes = np.empty((4, *(side // 2 for side in whole.shape)), np.float32)
        for plane, level, (row, column) in zip(planes, black, PLACES, strict=True):
            plane[...] = whole[row::2, column::2]
            np.minimum(plane, white, out=plane)
            plane -= level
        native = Mosaic(path.resolve(), stamp, stored.shape, black, white)
        return Picture(planes, AXES, exif=_exif(raw, path), white=float(white - max(black)), native=native)


def seen_white(stored: np.ndarray, white: int) -> int:
    """Return what saturated pixels read: what they heap up at, or what LibRaw's table of cameras says."""
    largest = int(stored.max())
    if BELOW * white < largest < white and np.count_nonzero(stored == largest) >= HEAP:
        return largest
    return white


def _pattern(raw: Any) -> tuple[int, ...]:
    """Return the colours of the four planes; refuse what is no mosaic of 2 x 2 colours."""
    import rawpy

    rule = "camera RAW must be a mosaic of 2 × 2 colours"
    if raw.raw_type != rawpy.RawType.Flat or raw.raw_image is None or raw.raw_image.ndim != 2:
        raise PictureError(
            f"{rule}: this has three colours in each pixel (linear DNG, Foveon, sRAW): develop it to a 16-bit TIFF"
        )
    pattern = raw.raw_pattern
    if pattern is None or raw.num_colors < 3:
        raise PictureError(f"{rule}: this has no colours: develop it to a 16-bit TIFF")
    colours = raw.raw_colors_visible
    if pattern.shape != (2, 2) or any((colours[y::2, x::2] != colours[y, x]).any() for y, x in PLACES):
        kind = "X-Trans" if pattern.shape == (6, 6) else "another one"
        raise PictureError(f"{rule}: this is {kind}: develop it, without denoising, to a 16-bit TIFF")
    return tuple(int(colours[place]) for place in PLACES)


def _exif(raw: Any, path: Path) -> bytes | None:
    """Return what a TIFF says of the camera, or of other files the photograph in small within it."""
    import rawpy

    with path.open("rb") as file:
        head = file.read(4)
    if head in (b"II*\0", b"MM\0*"):
        return exif.from_tiff(path)
    try:
        small = raw.extract_thumb()
        return exif.from_jpeg(small.data) if small.format == rawpy.ThumbFormat.JPEG else None
    except Exception as error:  # worth a word, not the photograph
        logger.warning("%s: its camera metadata cannot be read: %s", path, _said(error))
        return None


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a file with LibRaw, whose exceptions come out as ours: their texts are bytes."""
    import rawpy

    try:
        with rawpy.RawPy() as raw:
            raw.open_file(str(path))
            yield raw
    except rawpy.LibRawFileUnsupportedError:
        raise PictureError("camera RAW must be of a kind that LibRaw knows: this is not, or it is damaged") from None
    except (rawpy.LibRawUnsufficientMemoryError, rawpy.LibRawTooBigError) as error:
        raise MemoryError(_said(error)) from None
    except rawpy.LibRawError as error:
        raise PictureError(f"the file is damaged or cut short: LibRaw says {_said(error)}") from error


def _said(error: Exception) -> str:
    first = error.args[0] if error.args else ""
    return quoted(first.decode(errors="replace") if isinstance(first, bytes) else error)
