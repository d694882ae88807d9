"""Items: the pictures in a file of boxes, what is said of each, and the metadata beside them (AVIF, HEIC).

Source: ISO/IEC 14496-12, clauses on metadata; ISO/IEC 23008-12
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cached_property

from .boxes import Box, boxes, content, named, pack
from .picture import PictureError

EXIF, XMP = b"Exif", b"application/rdf+xml\0"


@dataclass(frozen=True)
class Items:
    """The items of a file."""

    data: bytes

    @cached_property
    def meta(self) -> dict[bytes, Box]:
        """The boxes that say what there is."""
        box = named(self.data, b"meta")
        if box is None:
            raise PictureError("the file is damaged: no box says what pictures it holds")
        return {inner.kind: inner for inner in boxes(self.data, box.body + 4, box.end)}

    @cached_property
    def primary(self) -> int:
        """The number of the picture that is shown."""
        body = content(self.data, self.meta.get(b"pitm"))
        return int.from_bytes(body[4:6] if body[:1] == b"\0" else body[4:8], "big")

    @cached_property
    def properties(self) -> dict[bytes, bytes]:
        """What is said of that picture, by the kind of what is said; a profile as ``prof``, not as ``colr``."""
        outer = self.meta.get(b"iprp")
        parts = {} if outer is None else {box.kind: box for box in boxes(self.data, outer.body, outer.end)}
        if not {b"ipco", b"ipma"} <= parts.keys():
            raise PictureError("the file is damaged: nothing is said of its picture")
        table = [box for box in boxes(self.data, parts[b"ipco"].body, parts[b"ipco"].end)]
        said = {}
        for index in self._associated(content(self.data, parts[b"ipma"])):
            if 0 < index <= len(table):
                box = table[index - 1]
                body = content(self.data, box)
                said[body[:4] if box.kind == b"colr" else box.kind] = body
        return said

    def _associated(self, body: bytes) -> list[int]:
        """Return the numbers of the properties of the picture that is shown."""
        wide, long, place = body[0] > 0, body[3] & 1, 8
        for _ in range(int.from_bytes(body[4:8], "big")):
            number, count = struct.unpack_from(">IB" if wide else ">HB", body, place)
            place += 5 if wide else 3
            size = 2 if long else 1
            if number == self.primary:
                parts = [body[place + size * k : place + size * (k + 1)] for k in range(count)]
                return [int.from_bytes(part, "big") & (0x7FFF if long else 0x7F) for part in parts]
            place += size * count
        return []

    @property
    def sides(self) -> tuple[int, int]:
        """Width and height of that picture."""
        width, height = struct.unpack_from(">II", self.properties.get(b"ispe", b""), 4)
        return width, height

    @property
    def icc(self) -> bytes | None:
        """Its colour profile."""
        return next((self.properties[kind][4:] for kind in (b"prof", b"rICC") if kind in self.properties), None)

    @property
    def exif(self) -> bytes | None:
        """Its metadata as EXIF, without what stands before it."""
        block = self._named(EXIF)
        return block[4 + int.from_bytes(block[:4], "big") :] or None if block else None

    @property
    def xmp(self) -> bytes:
        """Its metadata as XMP."""
        return self._named(b"mime", XMP)

    def _named(self, kind: bytes, said: bytes = b"") -> bytes:
        """Return the content of the first item of a kind."""
        outer = self.meta.get(b"iinf")
        if outer is None:
            return b""
        start = outer.body + (6 if self.data[outer.body] == 0 else 8)
        for box in boxes(self.data, start, outer.end):
            body = content(self.data, box)
            size = 2 if body[0] < 3 else 4
            if body[6 + size : 10 + size] == kind and said in body[10 + size :]:
                return self._content(int.from_bytes(body[4 : 4 + size], "big"))
        return b""

    def _content(self, item: int) -> bytes:
        """Return what an item holds, wherever it lies."""
        body = content(self.data, self.meta.get(b"iloc"))
        version, (sizes,) = body[0], struct.unpack_from(">H", body, 4)
        offset, length, base, index = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15, sizes & 15
        place = 6

        def take(size: int) -> int:
            nonlocal place
            place += size
            return int.from_bytes(body[place - size : place], "big")

        for _ in range(take(4 if version == 2 else 2)):
            number, inside = take(4 if version == 2 else 2), take(2) if version else 0
            take(2)
            start, parts = take(base), []
            for _ in range(take(2)):
                take(index if version else 0)
                at, count = start + take(offset), take(length)
                parts.append((at, count))
            if number == item:
                source = self.data if not inside else content(self.data, self.meta.get(b"idat"))
                return b"".join(source[at : at + count] for at, count in parts)
        return b""


def with_said(data: bytes, icc: bytes | None, exif: bytes | None, xmp: bytes) -> bytes:
    """Return a file of one picture, as libavif writes it, that has a profile and metadata too."""
    added = [(EXIF + b"\0", bytes(4) + exif)] if exif else []
    added += [(b"mime\0" + XMP, xmp)] if xmp else []
    if not icc and not added:
        return data
    items = Items(data)
    meta, rest = items.meta, items.primary
    number = 1 + max(struct.unpack_from(">H", data, box.body + 4)[0] for box in _infos(data, meta[b"iinf"]))
    numbers = range(number, number + len(added))
    infos = [
        pack(b"infe", struct.pack(">IHH", 2 << 24, n, 0), kind) for n, (kind, _) in zip(numbers, added, strict=True)
    ]
    refers = [pack(b"cdsc", struct.pack(">HHH", n, 1, rest)) for n in numbers]

    def remade(shift: int, end: int) -> bytes:
        """Return the box of metadata for a file that gets longer by so many bytes before its pixels."""
        parts = []
        for kind, box in meta.items():
            body = content(data, box)
            if kind == b"iloc":
                body = _moved(body, shift)
                count = struct.unpack_from(">H", body, 6)[0] + len(added)
                body = body[:6] + struct.pack(">H", count) + body[8:]
                for n, (_, block) in zip(numbers, added, strict=True):
                    body += struct.pack(">HHHII", n, 0, 1, end, len(block))
                    end += len(block)
            elif kind == b"iinf":
                count = struct.unpack_from(">H", body, 4)[0] + len(added)
                body = body[:4] + struct.pack(">H", count) + body[6:] + b"".join(infos)
            elif kind == b"iref":
                body += b"".join(refers)
            elif kind == b"iprp" and icc:
                body = _profiled(body, rest, icc)
            parts.append(pack(kind, body))
        if refers and b"iref" not in meta:
            parts.append(pack(b"iref", bytes(4), *refers))
        return pack(b"meta", bytes(4), *parts)

    old = named(data, b"meta")
    assert old is not None
    shift = len(remade(0, 0)) - (old.end - old.start)
    before, after = data[: old.start], data[old.end :]
    blocks = b"".join(block for _, block in added)
    return b"".join((before, remade(shift, len(data) + shift + 8), after, pack(b"mdat", blocks) if blocks else b""))


def _infos(data: bytes, box: Box) -> list[Box]:
    return list(boxes(data, box.body + 6, box.end))


def _moved(body: bytes, shift: int) -> bytes:
    """Return places of items that lie so many bytes further."""
    if body[0] or struct.unpack_from(">H", body, 4)[0] != 0x4400:
        raise PictureError("the encoder's file has items in an order that is not known")
    moved, place = bytearray(body), 8
    for _ in range(struct.unpack_from(">H", body, 6)[0]):
        (count,) = struct.unpack_from(">H", body, place + 4)
        place += 6
        for _ in range(count):
            (at,) = struct.unpack_from(">I", body, place)
            struct.pack_into(">I", moved, place, at + shift)
            place += 8
    return bytes(moved)


def _profiled(body: bytes, item: int, icc: bytes) -> bytes:
    """Return properties with a profile for an item."""
    table, associated = boxes(body)
    properties = list(boxes(body, table.body, table.end))
    links, place = bytearray(body[associated.body : associated.end]), 8
    if links[0] or links[3] & 1:
        raise PictureError("the encoder's file has properties in an order that is not known")
    while place < len(links):
        (number,), count = struct.unpack_from(">H", links, place), links[place + 2]
        if number == item:
            links[place + 2] += 1
            links.insert(place + 3 + count, len(properties) + 1)
            break
        place += 3 + count
    more = body[table.body : table.end] + pack(b"colr", b"prof", icc)
    return pack(b"ipco", more) + pack(b"ipma", bytes(links))
