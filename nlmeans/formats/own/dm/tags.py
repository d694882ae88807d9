"""The tags that a DM3 or DM4 is made of, walked over without reading what they hold.

Source: https://www.er-c.org/cbb/info/dmformat, a description of both versions.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from ...picture import PictureError

GROUP, DATA = 20, 21
STRUCT, TEXT, ARRAY = 15, 18, 20
SIZES = {2: 2, 3: 4, 4: 2, 5: 4, 6: 4, 7: 8, 8: 1, 9: 1, 10: 1, 11: 8, 12: 8}
"""Bytes of plain types."""
DELIMITER = b"%%%%"
MOST_FIELDS = 1000
MOST_DEEP = 100
LONGEST = 2**16
"""Bytes of a text; longer ones are arrays."""


def begin(head: bytes) -> bool:
    """Whether a file begins with a version, a length, an order of bytes, and a group that is sorted or not."""
    start = {b"\0\0\0\3": 8, b"\0\0\0\4": 12}.get(head[:4])
    if start is None or len(head) < start + 6:
        return False
    return head[start : start + 3] == bytes(3) and max(head[start + 3 : start + 6]) < 2


def check(file: Any) -> None:
    """Raise `PictureError` where tags say that they are more than there is, or are of no kind that there is."""
    version = struct.unpack(">I", file.read(4))[0]
    walk = Walk(file, ">Q" if version == 4 else ">I", file.seek(0, 2))
    file.seek(16 if version == 4 else 12)
    walk.group(0)


@dataclass
class Walk:
    """The way through a file's tags."""

    file: Any
    number: str  # how numbers are written
    end: int  # of the file

    def group(self, depth: int, *, inner: bool = False) -> None:
        """Pass a group; those of version 4 but the outermost say their length."""
        self._skip(2)
        if inner and self.number == ">Q":
            self._number()
        count = self._number()
        self._require(depth < MOST_DEEP and count <= self.end - self.file.tell(), f"a group has {count:,} tags")
        for _ in range(count):
            self._tag(depth)

    def _tag(self, depth: int) -> None:
        kind, length = struct.unpack(">BH", self._read(3))
        self._skip(length)
        if kind == GROUP:
            self.group(depth + 1, inner=True)
            return
        self._require(kind == DATA, f"a tag is of kind {kind}")
        self._skip(8 if self.number == ">Q" else 0)
        self._require(self._read(4) == DELIMITER, "a tag has no delimiter")
        words = self._number()
        self._require(0 < words <= 2 * MOST_FIELDS, f"a tag is described by {words:,} numbers")
        self._skip(self._sized(self._number()))

    def _sized(self, kind: int) -> int:
        """Return how many bytes what is described next takes."""
        if kind in SIZES:
            return SIZES[kind]
        if kind == TEXT:
            length = self._number()
            self._require(length <= LONGEST, f"a text has {length:,} bytes")
            return length
        if kind == STRUCT:
            self._number()
            count = self._number()
            self._require(count <= MOST_FIELDS, f"a structure has {count:,} fields")
            fields = [self._number() for _ in range(2 * count)][1::2]
            return sum(self._sized(field) for field in fields)
        self._require(kind == ARRAY, f"a value is of kind {kind}")
        size = self._sized(self._number())
        return size * self._number()

    def _number(self) -> int:
        number: int = struct.unpack(self.number, self._read(struct.calcsize(self.number)))[0]
        return number

    def _read(self, count: int) -> bytes:
        data: bytes = self.file.read(count)
        self._require(len(data) == count, f"its tags end at byte {self.file.tell():,}")
        return data

    def _skip(self, count: int) -> None:
        self._require(self.file.tell() + count <= self.end, f"a value has {count:,} bytes")
        self.file.seek(count, 1)

    def _require(self, holds: bool, otherwise: str) -> None:
        if not holds:
            raise PictureError(f"the file is damaged or cut short: {otherwise}")
