"""BMP, read by Pillow and written here: Pillow's has no alpha and no colour profile.

Source: https://learn.microsoft.com/windows/win32/api/wingdi/ns-wingdi-bitmapv5header
"""

from __future__ import annotations

import logging
import struct
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from .. import stills
from ..format import Format
from ..picture import Picture, Request, full_range

logger = logging.getLogger("nlmeans")

RLE8, RLE4, MASKS = 1, 2, 3
FILE_HEADER, OLDEST, PLAIN, V5 = 14, 12, 40, 124  # lengths of headers
BLUE_FIRST = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)  # masks of red, green, blue and alpha
EMBEDDED, SRGB = b"DEBM", b"BGRs"  # a header's words for its colours
INCH = 0.0254  # metres


class Bmp(Format):
    """One picture of 8 bits a sample, grey or RGB, with or without alpha."""

    name, endings, magic = "BMP", (".bmp", ".dib"), (b"BM",)
    loses = "a palette, which becomes RGB, or grey; runs and fewer bits than 8"

    def read(self, request: Request) -> Picture:
        """Read a BMP of any kind but black-and-white."""
        from PIL import BmpImagePlugin

        data = request.path.read_bytes()
        # Not `Image.open`: its limit on pixels is a global one and only warns.
        image = BmpImagePlugin.BmpImageFile(BytesIO(data))
        request.check_size(*image.size)
        (bits,) = struct.unpack_from("<H", data, FILE_HEADER + (10 if data[FILE_HEADER] == OLDEST else 14))
        runs = image.info.get("compression") in (RLE8, RLE4)
        request.check_claim(image.width * image.height * bits // 8, len(data), None if runs else 1)
        if image.mode == "P":
            logger.warning("%s: palette colours are written back as RGB", request.path)
        dpi, icc = image.info.get("dpi"), _profile(data)
        return stills.still(request, stills.unpacked(image, request), dpi=dpi, icc=icc)

    def check(self, picture: Picture) -> None:
        """Refuse what a BMP cannot hold."""
        stills.check_still(picture, "BMP", ("uint8",), 2**31 - 1)

    def write(self, part: Path, picture: Picture, path: Path, **options: Any) -> None:
        """Write 8 bits a sample; upright, since a BMP cannot say otherwise."""
        self.check(picture)
        array = stills.samples(full_range(picture), turned=True)
        with part.open("wb") as file:
            file.writelines(_pieces(array, picture))


FORMAT = Bmp()


def _pieces(array: np.ndarray, picture: Picture) -> list[bytes]:
    """Return headers, a palette of greys, rows from the bottom up, and the colour profile."""
    height, width, depth = array.shape
    if depth == 2:  # there is no grey with alpha
        array, depth = array[..., [0, 0, 0, 1]], 4
    if depth > 2:
        array = array[..., [2, 1, 0, 3][:depth]]
    padding = ((0, 0), (0, -width * depth % 4))
    rows = np.pad(array[::-1].reshape(height, -1), padding).tobytes()
    greys = np.arange(256, dtype=np.uint8)[:, None].repeat(4, axis=1) * np.array([1, 1, 1, 0], np.uint8)
    palette, icc = greys.tobytes() if depth == 1 else b"", picture.icc or b""
    length = V5 if icc or depth == 4 else PLAIN
    start = FILE_HEADER + length + len(palette)
    dots = [round(value / INCH) for value in picture.dpi or (0, 0)]
    compression = MASKS if depth == 4 else 0
    header = struct.pack(
        "<IiiHHIIiiII", length, width, height, 1, 8 * depth, compression, len(rows), *dots, 256 * (depth == 1), 0
    )
    if length == V5:
        masks, kind = BLUE_FIRST if depth == 4 else (0, 0, 0, 0), EMBEDDED if icc else SRGB
        place = start - FILE_HEADER + len(rows) if icc else 0
        header += struct.pack("<4I4s48xIIII", *masks, kind, 4, place, len(icc), 0)
    first = struct.pack("<2sIHHI", b"BM", start + len(rows) + len(icc), 0, 0, start)
    return [first, header, palette, rows, icc]


def _profile(data: bytes) -> bytes | None:
    """Return the colour profile in a header of the fifth kind."""
    kind = data[FILE_HEADER + 56 : FILE_HEADER + 60]
    if struct.unpack_from("<I", data, FILE_HEADER)[0] < V5 or kind != EMBEDDED:
        return None
    start, count = struct.unpack_from("<II", data, FILE_HEADER + 112)
    profile = data[FILE_HEADER + start : FILE_HEADER + start + count]
    return profile if len(profile) == count else None
