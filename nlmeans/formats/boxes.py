"""Boxes: the parts that files of the ISO base media format and its kin are made of (JPEG 2000, JPEG XL, AVIF, HEIC).

Source: ISO/IEC 14496-12, ISO/IEC 15444-1 annex I
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from .picture import PictureError


class Box(NamedTuple):
    """A part of a file, and where its content begins and ends."""

    kind: bytes
    start: int
    body: int
    end: int


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """Yield the boxes between two places of a file."""
    end = len(data) if end is None else end
    while start < end:
        if start + 8 > end:
            raise PictureError(f"the file is cut short: {end - start} bytes of a box's header are there")
        length, kind = struct.unpack_from(">I4s", data, start)
        body = start + 8
        if length == 1:
            if body + 8 > end:
                raise PictureError(f"the file is cut short: {end - start} bytes of a box's header are there")
            (length,) = struct.unpack_from(">Q", data, body)
            body += 8
        stop = start + length if length else end
        if stop > end or stop < body:
            name = kind.decode("latin-1")
            raise PictureError(
                f"the file is damaged or cut short: {name!r} says {length:,} bytes, {end - start:,} follow"
            )
        yield Box(kind, start, body, stop)
        start = stop


def named(data: bytes, kind: bytes, start: int = 0, end: int | None = None) -> Box | None:
    """Return the first box of a kind; None if there is none."""
    return next((box for box in boxes(data, start, end) if box.kind == kind), None)


def content(data: bytes, box: Box | None) -> bytes:
    """Return what a box holds; nothing of none."""
    return b"" if box is None else data[box.body : box.end]


def pack(kind: bytes, *parts: bytes) -> bytes:
    """Return a box as it stands in a file."""
    body = b"".join(parts)
    if len(body) + 8 < 2**32:
        return struct.pack(">I4s", len(body) + 8, kind) + body
    return struct.pack(">I4sQ", 1, kind, len(body) + 16) + body
