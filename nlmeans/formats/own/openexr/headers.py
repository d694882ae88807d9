"""What stands at the beginning of an OpenEXR file, read before its library takes memory for it, or prints.

Source: https://openexr.com/en/latest/OpenEXRFileLayout.html
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ...picture import PictureError, quoted

MAGIC = b"v/1\x01"
TILED, DEEP, MULTIPART = 0x200, 0x800, 0x1000
SIZES = {0: 4, 1: 2, 2: 4}  # of a sample: whole number, half, float
ROWS = {0: 1, 1: 1, 2: 1, 3: 16, 4: 32, 5: 16, 6: 32, 7: 32, 8: 32, 9: 256, 10: 256, 11: 32}
"""How many rows are compressed together, by the number of the compression."""
LONGEST = 1 << 24  # bytes of an attribute
MOST = 1 << 16  # attributes of a part, and parts


class Channel(NamedTuple):
    """One kind of sample."""

    name: str
    size: int
    across: int
    down: int


@dataclass(frozen=True)
class Part:
    """One image of a file."""

    attributes: dict[str, bytes]
    tiled: bool
    deep: bool

    @property
    def name(self) -> str:
        """What it is called; nothing where it is the only one."""
        return self.attributes.get("name", b"").decode("utf-8", "replace")

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width."""
        left, top, right, low = struct.unpack("<4i", self._said("dataWindow", 16))
        return low - top + 1, right - left + 1

    @property
    def channels(self) -> list[Channel]:
        """The channels, in the order of the file."""
        body, result, place = self._said("channels"), [], 0
        while body[place : place + 1] not in (b"\0", b""):
            end = body.index(b"\0", place)
            kind, _, across, down = struct.unpack_from("<iB3x2i", body, end + 1)
            if kind not in SIZES:
                raise PictureError(f"the file is damaged: a sample of an OpenEXR is of kind 0 to 2; got {kind}")
            result.append(Channel(body[place:end].decode("utf-8", "replace"), SIZES[kind], across, down))
            place = end + 17
        return result

    @property
    def size(self) -> int:
        """How many bytes its pixels take."""
        height, width = self.sides
        return height * width * sum(channel.size for channel in self.channels)

    @property
    def chunks(self) -> int | None:
        """How many pieces it is stored in; None where that is not known here."""
        if "chunkCount" in self.attributes:
            return int(struct.unpack("<i", self._said("chunkCount", 4))[0])
        (height, width), compression = self.sides, self._said("compression", 1)[0]
        if not self.tiled:
            return -(-height // ROWS[compression]) if compression in ROWS else None
        across, down, mode = struct.unpack("<IIB", self._said("tiles", 9))
        return -(-width // across) * -(-height // down) if across and down and not mode & 15 else None

    def _said(self, name: str, size: int | None = None) -> bytes:
        body = self.attributes.get(name)
        if body is None or size not in (None, len(body)):
            raise PictureError(f"the file is damaged: an OpenEXR must say its {name}")
        return body


def read(path: Path) -> list[Part]:
    """Return the parts of a file that can be read, of which all are there."""
    with path.open("rb") as file:
        (flags,) = struct.unpack("<4xI", _taken(file, 8))
        several = bool(flags & MULTIPART)
        parts: list[Part] = []
        while len(parts) < (MOST if several else 1) and (attributes := dict(_attributes(file))):
            kind = attributes.get("type", b"")
            parts.append(
                Part(attributes, bool(flags & TILED) or b"tile" in kind, bool(flags & DEEP) or b"deep" in kind)
            )
        if not parts:
            raise PictureError("the file is damaged: an OpenEXR must have a header")
        for part in parts:
            _check(part)
        size = path.stat().st_size
        for part in parts:
            _check_chunks(file, part, size)
    return parts


def _attributes(file: BinaryIO) -> Iterator[tuple[str, bytes]]:
    """Yield what a header says, to its end."""
    for _ in range(MOST):
        name = _text(file)
        if not name:
            return
        _text(file)  # its type
        (length,) = struct.unpack("<i", _taken(file, 4))
        if not 0 <= length <= LONGEST:
            raise PictureError(f"the file is damaged: {quoted(name)} says that it has {length:,} bytes")
        yield name, _taken(file, length)
    raise PictureError(f"the file is damaged: its header has more than {MOST:,} attributes")


def _text(file: BinaryIO) -> str:
    text = bytearray()
    while (letter := _taken(file, 1)) != b"\0":
        text += letter
        if len(text) > 255:
            raise PictureError("the file is damaged: a name in its header does not end")
    return text.decode("utf-8", "replace")


def _taken(file: BinaryIO, count: int) -> bytes:
    data = file.read(count)
    if len(data) < count:
        raise PictureError("the file is cut short: the header of an OpenEXR does not end")
    return data


def _check(part: Part) -> None:
    """Refuse deep pixels, and channels of different sizes."""
    if part.deep:
        raise PictureError("an OpenEXR must have one sample a pixel: this one is deep; flatten it first")
    channels = part.channels
    if not channels:
        raise PictureError("the file is damaged: an OpenEXR must have channels")
    fewer = [channel.name for channel in channels if (channel.across, channel.down) != (1, 1)]
    if fewer:
        raise PictureError(
            "channels must have one size: this OpenEXR holds luminance and chroma, with fewer samples of "
            f"{quoted(', '.join(fewer))}; convert it to RGB first (OpenImageIO, ImageMagick)"
        )


def _check_chunks(file: BinaryIO, part: Part, size: int) -> None:
    """Refuse a file that ends before its last piece, or was never finished."""
    count = part.chunks
    if count is None:
        return
    if count < 1 or file.tell() + 8 * count > size:
        raise PictureError(f"the file is damaged or cut short: {count:,} places of its pixels must be there")
    places = struct.unpack(f"<{count}Q", _taken(file, 8 * count))
    here = file.tell()
    if min(places) < here:
        raise PictureError("the file is not finished: it does not say where all its pixels are")
    last = max(places)
    skipped = (4 if "chunkCount" in part.attributes and part.attributes.get("name") else 0) + (16 if part.tiled else 4)
    if last + skipped + 4 > size:
        raise PictureError(f"the file is cut short: its last pixels begin at byte {last:,}, the file has {size:,}")
    file.seek(last + skipped)
    (length,) = struct.unpack("<I", _taken(file, 4))
    if last + skipped + 4 + length > size:
        raise PictureError(
            f"the file is cut short: its pixels end at byte {last + skipped + 4 + length:,}, the file at {size:,}"
        )
    file.seek(here)
