"""Where a file says that it ends, so that one which is cut short is known before it is decoded."""

from __future__ import annotations

from pathlib import Path
from typing import IO

from ...picture import PictureError

SEGMENT = b"\x18\x53\x80\x67"
"""Begins the element of a Matroska file that holds all the rest."""
NEAR = 4096
"""Bytes at the start of a file in which that is."""


def check(path: Path, container: str | None) -> None:
    """Refuse a file that ends before it says so."""
    reader = {"mov": _boxes, "matroska": _segment, "avi": _chunks}.get(container or "")
    there = path.stat().st_size
    if reader is not None:
        with path.open("rb") as file:
            said = reader(file, there)
        if said > there:
            raise PictureError(f"the file is cut short: it says that it has {said:,} bytes, there are {there:,}")


def _boxes(file: IO[bytes], there: int) -> int:
    """Return where the last box of an MP4 or MOV ends."""
    place = 0
    while place < there:
        file.seek(place)
        head = file.read(16)
        size = int.from_bytes(head[:4], "big")
        if size == 0:  # to the end
            return there
        if size == 1:
            size = int.from_bytes(head[8:16], "big")
        place += max(size, 8)
    return place


def _segment(file: IO[bytes], there: int) -> int:
    """Return where the segment of a Matroska file ends; where the file does if that is not said."""
    head = file.read(NEAR)
    place = head.find(SEGMENT) + len(SEGMENT)
    if place < len(SEGMENT) or place >= len(head):
        return there
    width = 9 - head[place].bit_length()  # the first bit that is set says how many bytes there are
    bits = 7 * width
    size = int.from_bytes(head[place : place + width], "big") & ((1 << bits) - 1)
    return there if size == (1 << bits) - 1 else place + width + size


def _chunks(file: IO[bytes], there: int) -> int:
    """Return where the last RIFF of an AVI ends."""
    place = 0
    while place < there:
        file.seek(place)
        head = file.read(8)
        if head[:4] != b"RIFF" or not any(head[4:]):  # not known while it was written
            return max(place, there)
        place += 8 + int.from_bytes(head[4:], "little")
    return place
