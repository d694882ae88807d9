"""JPEG XL, by imagecodecs: 8 to 16 bits and floats, without loss unless it is asked for, with EXIF and XMP.

The library says nothing of a codestream's header, which is read here.

Source: ISO/IEC 18181-1, clause 9 and annexes; ISO/IEC 18181-2 for the boxes
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import exif, stills
from ..boxes import boxes, content, pack
from ..format import Format
from ..picture import Picture, PictureError, Request, full_range

logger = logging.getLogger("nlmeans")

SIGNATURE = b"\0\0\0\x0cJXL \r\n\x87\n"
CODESTREAM = b"\xff\x0a"
BRAND = pack(b"ftyp", b"jxl \0\0\0\0jxl ")
KEPT = (b"Exif", b"xml ", b"jumb", b"brob")
HEADER = 4096  # bytes of a codestream that its header may take
RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
MOST = 2**30 - 1
D65, SRGB_PRIMARIES, SRGB_CURVE, LINEAR = 1, 1, 13, 8
RGB, GREY = 0, 1
ALPHA = 0

Choice = tuple[int, int]
"""What a number begins at, and how many bits are added to it."""


class Native(NamedTuple):
    """Boxes besides the pixels' in a file."""

    others: tuple[bytes, ...]

    @property
    def xmp(self) -> bytes:
        """The metadata in XMP."""
        return next((box[8:] for box in self.others if box[4:8] == b"xml "), b"")


@dataclass(frozen=True)
class Header:
    """What a codestream says of its picture."""

    width: int
    height: int
    animated: bool
    bits: int
    floats: bool
    extra: int
    usual: bool = True
    """Whether its colours are those of sRGB, or grey like them; of floats also linear."""
    curve: int | None = None
    """The bit where the number of a curve of linear light begins, if it is that."""


class JpegXl(Format):
    """One picture of up to 16 bits a sample, or of floats, grey or RGB, with or without alpha."""

    name, endings = "JPEG XL", (".jxl",)
    magic = (SIGNATURE, CODESTREAM)
    needs, extra = "imagecodecs", "codecs"
    write_options = ("lossy",)
    loses = "the colour profile, of which a line warns; the way it was compressed; animations are refused"

    def read(self, request: Request) -> Picture:
        """Read a still picture, upright."""
        data = request.path.read_bytes()
        others = _others(data)
        header = _header(_codestream(data))
        request.check_size(header.height, header.width)
        request.check_claim(header.width * header.height * -(-header.bits // 8), len(data), None)
        if header.animated:
            raise PictureError(f"a JPEG XL must be a still picture: {stills.ANIMATED}")
        if not header.usual:
            logger.warning("%s: its colour profile is not kept; its pixels are taken for sRGB", request.path)
        array = np.atleast_3d(self.library().jpegxl_decode(data))
        block = next((box[12:] for box in others if box[4:8] == b"Exif"), None)
        return stills.still(
            request, array, array.shape[-1] - header.extra, exif=block and exif.said_upright(block),
            maxval=None if header.floats or header.bits in (8, 16) else 2**header.bits - 1,
            native=Native(others),
        )  # fmt: skip

    def check(self, picture: Picture) -> None:
        """Refuse what a JPEG XL cannot hold."""
        self.library()
        stills.check_still(picture, "JPEG XL", ("uint8", "uint16", "float16", "float32"), MOST)

    def write(self, part: Path, picture: Picture, path: Path, **options: Any) -> None:
        """Write a codestream, and boxes around it where there is something to say."""
        self.check(picture)
        if picture.icc:
            logger.warning("%s: the colour profile is not written: imagecodecs cannot", path)
        if picture.maxval is not None and (picture.maxval + 1).bit_count() != 1:
            picture = full_range(picture)
        array, bits = stills.samples(picture), None
        if picture.maxval is not None:
            bits, array = picture.maxval.bit_length(), np.minimum(array, picture.maxval)
        lossy = options.get("lossy")
        if lossy is not None and array.dtype == np.uint16:
            raise PictureError("a JPEG XL of more than 8 bits is written without loss: leave out --lossy (lossy=)")
        data = self.library().jpegxl_encode(
            array[..., 0] if array.shape[-1] == 1 else array, lossy, lossless=lossy is None, bitspersample=bits
        )
        if array.dtype == np.uint16:
            data = _as_srgb(_codestream(data))
        others = picture.native.others if isinstance(picture.native, Native) else tuple(_said(picture))
        if others:
            data = b"".join((SIGNATURE, BRAND, pack(b"jxlc", _codestream(data)), *others))
        part.write_bytes(data)


FORMAT = JpegXl()


def _codestream(data: bytes) -> bytes:
    """Return the codestream, which may be in several boxes."""
    if data.startswith(CODESTREAM):
        return data
    found = [box for box in boxes(data) if box.kind in (b"jxlc", b"jxlp")]
    if not found:
        raise PictureError("the file is damaged: no box of a JPEG XL holds its pixels")
    return b"".join(data[box.body + (4 if box.kind == b"jxlp" else 0) : box.end] for box in found)


def _others(data: bytes) -> tuple[bytes, ...]:
    if data.startswith(CODESTREAM):
        return ()
    found = (pack(box.kind, content(data, box)) for box in boxes(data) if box.kind in KEPT)
    return tuple(found)


def _said(picture: Picture) -> list[bytes]:
    said = [pack(b"Exif", bytes(4), picture.exif)] if picture.exif else []
    return said + ([pack(b"xml ", xmp)] if (xmp := stills.xmp(picture)) else [])


class Bits:
    """Numbers in a codestream, from the lowest bit on."""

    def __init__(self, data: bytes) -> None:
        self.left, self.there = int.from_bytes(data, "little"), 8 * len(data)
        self.place = 0

    def take(self, count: int) -> int:
        """Return a number of so many bits."""
        self.place += count
        if self.place > self.there:
            raise PictureError("the file is cut short: the header of a JPEG XL does not end")
        value = self.left & (1 << count) - 1
        self.left >>= count
        return value

    def one(self, *choices: Choice) -> int:
        """Return a number of one of four kinds."""
        start, count = choices[self.take(2)]
        return start + self.take(count)

    def kind(self) -> int:
        """Return the number of something that has a name."""
        return self.one((0, 0), (1, 0), (2, 4), (18, 6))


def _header(data: bytes) -> Header:
    """Return what stands at the beginning of a codestream."""
    bits = Bits(data[len(CODESTREAM) : HEADER])
    height, width = _sides(bits)
    if bits.take(1):  # all is as usual
        return Header(width, height, False, 8, False, 0)
    animated = False
    if bits.take(1):
        bits.take(3)  # the orientation, which the decoder undoes
        if bits.take(1):
            _sides(bits)
        if bits.take(1):
            _preview(bits)
        animated = bool(bits.take(1))
        if animated:
            bits.one((100, 0), (1000, 0), (1, 10), (1, 30))
            bits.one((1, 0), (1001, 0), (1, 8), (1, 10))
            bits.one((0, 0), (0, 3), (0, 16), (0, 32))
            bits.take(1)
    depth, floats = _depth(bits)
    bits.take(1)
    extra = bits.one((0, 0), (1, 0), (2, 4), (1, 12))
    for _ in range(extra):
        _extra(bits)
    bits.take(1)
    return Header(width, height, animated, depth, floats, extra, *_colours(bits, floats))


def _sides(bits: Bits) -> tuple[int, int]:
    small = bits.take(1)

    def side() -> int:
        return 8 * (bits.take(5) + 1) if small else bits.one((1, 9), (1, 13), (1, 18), (1, 30))

    height, ratio = side(), bits.take(3)
    if not ratio:
        return height, side()
    across, down = RATIOS[ratio - 1]
    return height, height * across // down


def _preview(bits: Bits) -> None:
    whole = bits.take(1)
    choices = ((16, 0), (32, 0), (1, 5), (33, 9)) if whole else ((1, 6), (65, 8), (321, 10), (1345, 12))
    bits.one(*choices)
    if not bits.take(3):
        bits.one(*choices)


def _depth(bits: Bits) -> tuple[int, bool]:
    """Return how many bits a sample has, and whether it is a float."""
    if not bits.take(1):
        return bits.one((8, 0), (10, 0), (12, 0), (1, 6)), False
    depth = bits.one((32, 0), (16, 0), (24, 0), (1, 6))
    bits.take(4)
    return depth, True


def _extra(bits: Bits) -> None:
    """Go past what is said of a channel that is no colour."""
    if bits.take(1):
        return
    kind = bits.kind()
    _depth(bits)
    bits.one((0, 0), (3, 0), (4, 0), (1, 3))
    bits.take(8 * bits.one((0, 0), (0, 4), (16, 5), (48, 10)))
    if kind == ALPHA:
        bits.take(1)
    elif kind == 2:  # a spot colour
        bits.take(64)
    elif kind == 5:  # of a mosaic
        bits.one((1, 0), (0, 2), (3, 4), (19, 8))


def _colours(bits: Bits, floats: bool) -> tuple[bool, int | None]:
    """Return whether colours are usual ones, and where it is said that they are linear."""
    if bits.take(1):
        return True, None
    if bits.take(1):  # a profile
        return False, None
    space = bits.kind()
    if space not in (RGB, GREY) or bits.kind() != D65 or (space == RGB and bits.kind() != SRGB_PRIMARIES):
        return False, None
    if bits.take(1):  # a power
        return False, None
    place, curve = bits.place, bits.kind()
    return curve == SRGB_CURVE or (floats and curve == LINEAR), place if curve == LINEAR else None


def _as_srgb(stream: bytes) -> bytes:
    """Return a codestream without loss, of whole numbers that the encoder says are linear, as the sRGB that they are.

    The numbers of the two curves take as many bits.
    """
    place = _header(stream).curve
    if place is None:
        return stream
    place += 8 * len(CODESTREAM) + 2
    number = int.from_bytes(stream[:HEADER], "little") ^ (LINEAR - 2 ^ SRGB_CURVE - 2) << place
    return number.to_bytes(len(stream[:HEADER]), "little") + stream[HEADER:]
