"""Camera metadata where it moves from one format to another. Within a format it is copied byte for byte."""

from __future__ import annotations

import logging
import os
import struct
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

logger = logging.getLogger("nlmeans")

ORIENTATION = 274
EXIF_IFD, GPS_IFD = 34665, 34853
MAKER_NOTE, COLOUR_SPACE, WIDTH, HEIGHT = 37500, 40961, 40962, 40963
SRGB = 1
#: Make, model, date, artist and copyright.
CREDITS = (271, 272, 306, 315, 33432)


def load(block: bytes | None) -> Any:
    """Return Pillow's reading of a block without prefix."""
    from PIL import Image

    parsed = Image.Exif()
    if block:
        parsed.load(b"Exif\0\0" + block)
    return parsed


def orientation(block: bytes | None) -> int:
    """Return how the stored pixels are to be turned: 1 to 8, where 1 is upright."""
    if not block:
        return 1
    try:
        value = load(block).get(ORIENTATION, 1)
    except Exception:  # a damaged block is carried along, but cannot be asked
        return 1
    return value if value in range(1, 9) else 1


def said_upright(block: bytes) -> bytes:
    """Return a block for pixels that have been turned: as it is, but for its orientation."""
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None or len(block) < 8:
        return block
    (start,) = struct.unpack_from(f"{order}I", block, 4)
    (count,) = struct.unpack_from(f"{order}H", block.ljust(start + 2, b"\0"), start)
    for place in range(start + 2, min(start + 2 + 12 * count, len(block) - 11), 12):
        if struct.unpack_from(f"{order}HHI", block, place) == (ORIENTATION, 3, 1):
            return block[: place + 8] + struct.pack(f"{order}H", 1) + block[place + 10 :]
    return block


def upright(array: np.ndarray, code: int) -> np.ndarray:
    """Turn and mirror an image of shape (y, x, ...) as its EXIF orientation says."""
    if code >= 5:
        array = array.swapaxes(0, 1)
    if code in (3, 4, 7, 8):
        array = array[::-1]
    if code in (2, 3, 6, 7):
        array = array[:, ::-1]
    return np.ascontiguousarray(array)


def from_tiff(path: Path) -> bytes | None:
    """Return EXIF, GPS, credits and orientation as the block that JPEG and PNG hold."""
    from PIL import Image

    source, block = Image.Exif(), Image.Exif()
    with path.open("rb") as file:
        try:
            source.load_from_fp(file)
            for code in (ORIENTATION, *CREDITS):
                if code in source:
                    block[code] = source[code]
            for code in (EXIF_IFD, GPS_IFD):
                if entries := source.get_ifd(code):
                    block[code] = dict(entries)
            return block.tobytes()[6:]
        except Exception as error:  # worth a word, not the picture
            logger.warning("%s: its camera metadata cannot be read: %s", path, error)
            return None


def from_jpeg(data: bytes) -> bytes | None:
    """Return the block of a JPEG in memory."""
    from PIL import Image

    with Image.open(BytesIO(data)) as image:
        block: bytes | None = image.info.get("exif")
    return block.removeprefix(b"Exif\0\0") if block else None


def developed(block: bytes, height: int, width: int) -> bytes:
    """Return what a camera said of its RAW file as it holds for a picture of it: upright, of this size, in sRGB.

    What the maker noted, in a form of its own and by places in that file, does not.
    """
    from PIL import Image

    source, result = load(block), Image.Exif()
    for code in CREDITS:
        if code in source:
            result[code] = source[code]
    entries = dict(source.get_ifd(EXIF_IFD))
    entries.pop(MAKER_NOTE, None)
    result[EXIF_IFD] = entries | {COLOUR_SPACE: SRGB, WIDTH: width, HEIGHT: height}
    if place := source.get_ifd(GPS_IFD):
        result[GPS_IFD] = dict(place)
    result[ORIENTATION] = 1
    return result.tobytes()[6:]


def directories(block: bytes | None) -> dict[int, dict[int, Any]]:
    """Return the entries of the EXIF and GPS directories of a block."""
    if not block:
        return {}
    parsed = load(block)
    ifds = {code: dict(parsed.get_ifd(code)) for code in (EXIF_IFD, GPS_IFD)}
    for entries in ifds.values():
        entries.pop(40965, None)  # a directory within the directory, of no use to a picture
    return {code: entries for code, entries in ifds.items() if entries}


def append(part: Path, ifds: dict[int, dict[int, Any]]) -> None:
    """Put directories into a little-endian TIFF, which tifffile does not write."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    def add(data: Callable[[int], bytes]) -> int:
        place = file.seek(0, os.SEEK_END)
        place += file.write(b"\0" * (place % 2))  # directories begin at even bytes
        file.write(data(place))
        return place

    with part.open("r+b") as file:
        file.seek(4)
        file.seek(*struct.unpack("<I", file.read(4)))
        (count,) = struct.unpack("<H", file.read(2))
        tags = [file.read(12) for _ in range(count)]
        following = file.read(4)
        for code, entries in ifds.items():
            directory = ImageFileDirectory_v2(b"II*\0\x08\0\0\0")
            for tag, value in entries.items():
                directory[tag] = value
            tags.append(struct.pack("<HHII", code, 4, 1, add(directory.tobytes)))
        tags.sort(key=lambda tag: struct.unpack("<H", tag[:2]))
        # The first directory has no room for more tags: a longer copy of it takes its place.
        place = add(lambda _: struct.pack("<H", len(tags)) + b"".join(tags) + following)
        file.seek(4)
        file.write(struct.pack("<I", place))
