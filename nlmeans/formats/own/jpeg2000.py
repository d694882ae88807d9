"""JPEG 2000, by imagecodecs: up to 16 bits a sample as they are, and the boxes around the codestream.

Source: ISO/IEC 15444-1 (T.800), annexes A and I
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import stills
from ..boxes import Box, boxes, content, named, pack
from ..format import Format
from ..picture import Picture, PictureError, Request, full_range

SIGNATURE = b"\0\0\0\x0cjP  \r\n\x87\n"
CODESTREAM = b"\xff\x4f\xff\x51"
BARE = (".j2k", ".j2c", ".jpc")  # names of codestreams alone
BRAND = pack(b"ftyp", b"jp2 \0\0\0\0jp2 ")
ENUMERATED, PROFILE, ANY_PROFILE = 1, 2, 3  # ways to say colours
SRGB, GREY, YCC = 16, 17, 18
COLOURS = {SRGB: 3, GREY: 1, YCC: 3, b"RGB ": 3, b"GRAY": 1}
OPACITY = 1
KEPT = (b"uuid", b"xml ", b"jp2i", b"uinf", b"asoc", b"lbl ")
EXIF, XMP = b"JpgTiffExif->JP2", bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
INCH = 0.0254  # metres
MOST = 2**32 - 1


@dataclass(frozen=True)
class Native:
    """What stands around the pixels in a file, in boxes; ``roles`` of channels after the colours, if it says them."""

    colours: bytes
    resolution: bytes
    roles: tuple[int, ...] | None
    others: tuple[bytes, ...]

    @property
    def xmp(self) -> bytes:
        """The metadata in XMP."""
        return _of_uuid(self.others, XMP) or b""


class Size(NamedTuple):
    """What the first segment of a codestream says."""

    width: int
    height: int
    channels: int
    bits: int
    signed: bool


class Jpeg2000(Format):
    """One picture of up to 16 bits a sample, grey or RGB with or without alpha, or of any channels."""

    name, endings = "JPEG 2000", (".jp2", ".jpx", ".jpf", ".jph", *BARE)
    magic = (SIGNATURE, CODESTREAM)
    needs, extra = "imagecodecs", "codecs"
    write_options = ("lossy",)
    loses = "the way it was compressed, tiles, a palette, which becomes RGB; samples of different sizes are refused"

    def read(self, request: Request) -> Picture:
        """Read a codestream, or a file around one."""
        data = request.path.read_bytes()
        boxed = data.startswith(SIGNATURE)
        stream = named(data, b"jp2c") if boxed else None
        if boxed and stream is None:
            raise PictureError("the file is damaged: no box of a JPEG 2000 holds its pixels")
        size = _size(data, stream.body if stream else 0)
        request.check_size(size.height, size.width)
        request.check_claim(size.width * size.height * size.channels * (1 if size.bits <= 8 else 2), len(data), None)
        native = _native(data) if boxed else None
        array = np.atleast_3d(self.library().jpeg2k_decode(_without_profile(data) if boxed else data))
        full = size.signed or size.bits in (8, 16)
        said: dict[str, Any] = {"maxval": None if full else 2**size.bits - 1, "native": native}
        if native:
            said |= {"icc": _profile(native), "exif": _of_uuid(native.others, EXIF), "dpi": _dpi(native.resolution)}
        count = COLOURS[_space(native.colours)] if native else {1: 1, 2: 1, 3: 3, 4: 3}.get(array.shape[-1], 0)
        if count > array.shape[-1]:
            raise PictureError(f"the file is damaged: it has {array.shape[-1]} channels for {count} colours")
        if count:
            return stills.still(request, array, count, **said)
        return Picture(array, request.axes or (None if request.names_axes else "YXC"), request.channel_axis, **said)

    def check(self, picture: Picture) -> None:
        """Refuse what a JPEG 2000 cannot hold."""
        self.library()
        stills.check_still(picture, "JPEG 2000", ("uint8", "uint16", "int8", "int16"), MOST, alphas=MOST)

    def write(self, part: Path, picture: Picture, path: Path, **options: Any) -> None:
        """Write a codestream, and boxes around it if the name does not ask for it alone."""
        self.check(picture)
        if picture.maxval is not None and (picture.maxval + 1).bit_count() != 1:
            picture = full_range(picture)
        array = stills.samples(picture)
        bits = 8 * array.itemsize
        if picture.maxval is not None:
            bits, array = picture.maxval.bit_length(), np.minimum(array, picture.maxval)
        if array.shape[-1] == 1:
            array = array[..., 0]
        lossy = options.get("lossy")
        stream = self.library().jpeg2k_encode(
            array, lossy, codecformat="J2K", reversible=lossy is None, bitspersample=bits
        )
        bare = path.name.lower().endswith(BARE)
        part.write_bytes(stream if bare else b"".join((*_before(array, bits, picture), pack(b"jp2c", stream))))


FORMAT = Jpeg2000()


def _size(data: bytes, start: int) -> Size:
    """Return what the first segment says, whose samples must be alike."""
    if data[start : start + 4] != CODESTREAM:
        raise PictureError("the file is damaged: a codestream must begin with the size of its picture")
    right, low, left, top, _, _, _, _, count = struct.unpack_from(">8IH", data, start + 8)
    parts = data[start + 42 : start + 42 + 3 * count]
    if len(parts) < 3 * count or not count:
        raise PictureError("the file is damaged or cut short: it must say what samples it has")
    if len({parts[k : k + 3] for k in range(0, 3 * count, 3)}) > 1 or parts[1:3] != b"\1\1":
        raise PictureError("a JPEG 2000 must have channels of one size and type: this one's differ; convert it to RGB")
    bits, signed = (parts[0] & 0x7F) + 1, parts[0] > 0x7F
    if bits > 16:
        raise PictureError(f"a JPEG 2000 must have up to 16 bits a sample to be read: this one has {bits}")
    return Size(right - left, low - top, count, bits, signed)


def _native(data: bytes) -> Native:
    """Return what stands around the codestream."""
    header = named(data, b"jp2h")
    if header is None:
        raise PictureError("the file is damaged: a JPEG 2000 must have a header of boxes")

    def inner(kind: bytes) -> Box | None:
        return named(data, kind, header.body, header.end)

    colours = content(data, inner(b"colr"))
    resolution = content(data, inner(b"res "))
    channels, roles = content(data, inner(b"cdef"))[2:], None
    if channels:
        entries = struct.iter_unpack(">HHH", channels[: len(channels) // 6 * 6])
        roles = tuple(role for _, role, _ in sorted(entries) if role)
    others = tuple(data[box.start : box.end] for box in boxes(data) if box.kind in KEPT)
    native = Native(colours, resolution, roles, others)
    if _space(colours) not in COLOURS:
        raise PictureError(f"a JPEG 2000 must be grey or RGB: this one is of the kind {_space(colours)!r}")
    return native


def _space(colours: bytes) -> int | bytes:
    """Return the number of a space of colours, or the four letters of a profile's."""
    if colours[:1] == bytes([ENUMERATED]):
        return int.from_bytes(colours[3:7], "big")
    return colours[19:23]


def _profile(native: Native) -> bytes | None:
    return native.colours[3:] if native.colours[0] in (PROFILE, ANY_PROFILE) else None


def _without_profile(data: bytes) -> bytes:
    """Return a file whose pixels the decoder leaves as they are, which it would convert from a profile to sRGB."""
    kept = []
    for box in boxes(data):
        if box.kind == b"jp2h":
            inner = list(boxes(data, box.body, box.end))
            colours = next(content(data, part) for part in inner if part.kind == b"colr")
            number = {1: GREY, 3: SRGB}[COLOURS[_space(colours)]] if colours[0] != ENUMERATED else _space(colours)
            space = pack(b"colr", struct.pack(">BBBI", ENUMERATED, 0, 0, number))
            parts = (data[part.start : part.end] for part in inner if part.kind != b"colr")
            kept.append(pack(b"jp2h", *parts, space))
        elif box.kind in (b"jP  ", b"ftyp", b"jp2c"):
            kept.append(data[box.start : box.end])
    return b"".join(kept)


def _of_uuid(found: tuple[bytes, ...], identity: bytes) -> bytes | None:
    """Return what the box with an identity holds."""
    return next((box[24:] for box in found if box[4:8] == b"uuid" and box[8:24] == identity), None)


def _dpi(resolution: bytes) -> tuple[float, float] | None:
    """Return the resolution at which the picture was captured, or else is to be shown."""
    for box in sorted(boxes(resolution), key=lambda box: box.kind):
        down, down_by, across, across_by, high, wide = struct.unpack_from(">4H2b", resolution, box.body)
        if box.kind in (b"resc", b"resd") and down_by and across_by:
            sides = (across / across_by * 10.0**wide, down / down_by * 10.0**high)
            return (round(sides[0] * INCH, 3), round(sides[1] * INCH, 3))
    return None


def _before(array: np.ndarray, bits: int, picture: Picture) -> list[bytes]:
    """Return the boxes before the codestream."""
    count = 1 if array.ndim == 2 else array.shape[2]
    native = picture.native if isinstance(picture.native, Native) else None
    extra = 0 if picture.alpha is None else picture.alpha.shape[-1]
    space = struct.pack(">BBBI", ENUMERATED, 0, 0, GREY if count - extra == 1 else SRGB)
    if native is None and picture.icc and COLOURS.get(picture.icc[16:20]) == count - extra:
        space = bytes([PROFILE, 0, 0]) + picture.icc
    if native and _space(native.colours) != YCC:
        space = native.colours
    depth = bits - 1 | (0x80 if array.dtype.kind == "i" else 0)
    inner = [
        pack(b"ihdr", struct.pack(">IIHBBBB", *array.shape[:2], count, depth, 7, 0, 0)),
        pack(b"colr", space),
    ]
    roles = native.roles if native else (OPACITY,) * extra
    if roles and len(roles) == extra:
        entries = [(k, 0, k + 1) for k in range(count - extra)]
        entries += [(count - extra + k, role, 0) for k, role in enumerate(roles)]
        inner.append(pack(b"cdef", struct.pack(">H", count), *(struct.pack(">HHH", *entry) for entry in entries)))
    if resolution := native.resolution if native else _resolution(picture):
        inner.append(pack(b"res ", resolution))
    others = native.others if native else _others(picture)
    return [SIGNATURE, BRAND, pack(b"jp2h", *inner), *others]


def _resolution(picture: Picture) -> bytes:
    """Return the content of the box of resolutions, in fractions of 254 and powers of ten a metre."""
    across, down = picture.dpi or (0, 0)
    digits = next((n for n in (2, 1, 0) if 0.5 <= max(across, down) * 10**n < 65535), None)
    if digits is None or min(across, down) <= 0:
        return b""
    numbers = (round(down * 10**digits), 254, round(across * 10**digits), 254, 4 - digits, 4 - digits)
    return pack(b"resc", struct.pack(">4H2b", *numbers))


def _others(picture: Picture) -> list[bytes]:
    said = ((EXIF, picture.exif), (XMP, stills.xmp(picture)))
    return [pack(b"uuid", identity, block) for identity, block in said if block]
