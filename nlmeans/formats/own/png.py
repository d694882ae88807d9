"""PNG, with all 16 bits of 16-bit colours.

Pillow unpacks such files to 8 bits and cannot write them. It unpacks them twice here, once for the high bytes and once
for the low ones; and the writer is our own, since a PNG is little more than a zlib stream.
"""

from __future__ import annotations

import logging
import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..format import Format
from ..picture import Picture, PictureError, Request, check_plain, colours, full_range

logger = logging.getLogger("nlmeans")

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
#: Chunks that stay true of the filtered picture. Not among them: tIME, sBIT (significant bits), bKGD and hIST.
KEPT = {b"cHRM", b"gAMA", b"iCCP", b"sRGB", b"cICP", b"mDCV", b"cLLI", b"pHYs", b"eXIf", b"tEXt", b"zTXt", b"iTXt"}
SAMPLES = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}
DEPTHS = {GREY: (1, 2, 4, 8, 16), RGB: (8, 16), PALETTE: (1, 2, 4, 8), GREY_ALPHA: (8, 16), RGBA: (8, 16)}
#: First column and row, and steps, of the passes of an interlaced file.
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
DEFLATE = 1032  # bytes that one byte can stand for
PIECE = 1 << 20  # bytes that are unpacked at a time
INCH = 0.0254  # metres


class Chunk(NamedTuple):
    """One piece of a PNG file."""

    name: bytes
    data: bytes

    def pack(self) -> bytes:
        """Return the chunk as it stands in a file."""
        length, crc = (struct.pack(">I", n) for n in (len(self.data), zlib.crc32(self.name + self.data)))
        return b"".join((length, self.name, self.data, crc))


class Header(NamedTuple):
    """The fields of IHDR."""

    width: int
    height: int
    depth: int
    colour: int
    compression: int = 0
    filter: int = 0
    interlace: int = 0

    def check(self) -> None:
        """Refuse what no PNG has."""
        if self.depth not in DEPTHS.get(self.colour, ()) or self.interlace > 1 or self.compression or self.filter:
            raise PictureError(f"the file is damaged: no PNG has a header of {self.depth} bits, {tuple(self[3:])}")

    @property
    def bytes(self) -> int:
        """How many bytes its rows have, each with its filter in front."""
        bits = self.depth * SAMPLES[self.colour]
        passes = PASSES if self.interlace else ((0, 0, 1, 1),)
        sizes = ((-(-(self.width - x) // across), -(-(self.height - y) // down)) for x, y, across, down in passes)
        return sum(high * (1 + -(-wide * bits // 8)) for wide, high in sizes if wide > 0 and high > 0)


class Png(Format):
    """One picture of 8 or 16 bits a sample, grey or RGB, with or without alpha."""

    name, endings, magic = "PNG", (".png",), (SIGNATURE,)
    loses = "a palette, which becomes RGB; fewer bits than 8, interlacing, the date and the background's colour"

    def __init__(self, band: int = 1 << 22) -> None:
        self.band = band  # bytes that are compressed at a time

    def read(self, request: Request) -> Picture:
        """Read a still PNG of any kind but black-and-white."""
        chunks = list(_chunks(request.path.read_bytes()))
        named = dict(chunks)  # of the chunks that matter singly, files have one
        header = Header(*struct.unpack(">IIBBBBB", named[b"IHDR"]))
        request.check_size(header.width, header.height)
        header.check()
        if b"acTL" in named:
            raise PictureError("a PNG must be a still picture: this one is animated")
        if header.depth == 1 and header.colour == GREY and not request.bilevel:
            raise PictureError("pixels must have shades: this PNG has 1 bit a pixel, black or white")

        key = named.get(b"tRNS")
        palette = [chunk for chunk in chunks if chunk.name == b"PLTE"]
        samples = _samples(header, palette + _inflated(header, chunks, request))
        alpha: np.ndarray | None = None
        if header.colour == PALETTE:
            logger.warning("%s: palette colours are written back as RGB", request.path)
            samples, alpha = _look_up(samples[..., 0], named[b"PLTE"], key)
        elif header.colour in (GREY_ALPHA, RGBA):
            samples, alpha = samples[..., :-1], samples[..., -1:].copy()
        elif key is not None:
            logger.warning("%s: the transparent colour is written back as an alpha channel", request.path)
            alpha = _match(samples, key, header)
        grey = samples.shape[-1] == 1
        return Picture(
            np.ascontiguousarray(samples[..., 0] if grey else samples),
            request.axes or (None if request.names_axes else "YX" if grey else "YXC"), request.channel_axis, alpha,
            icc=_profile(named.get(b"iCCP")), exif=named.get(b"eXIf"), dpi=_dpi(named.get(b"pHYs")),
            native=[chunk for chunk in chunks if chunk.name in KEPT],
        )  # fmt: skip

    def check(self, picture: Picture) -> None:
        """Refuse what a PNG cannot hold."""
        check_plain(picture, "PNG", ("uint8", "uint16"))
        if picture.alpha is not None and picture.alpha.shape[-1] != 1:
            count = picture.alpha.shape[-1]
            raise PictureError(f"a PNG holds one alpha: this picture has {count}; write a TIFF instead")

    def write(self, part: Path, picture: Picture, path: Path, **options: Any) -> None:
        """Write 8 or 16 bits a sample, with or without alpha."""
        self.check(picture)
        picture = full_range(picture)
        pixels = colours(picture)
        colour = GREY if pixels.shape[-1] == 1 else RGB
        if picture.alpha is not None:
            pixels = np.concatenate((pixels, picture.alpha), axis=-1)
            colour = GREY_ALPHA if colour == GREY else RGBA
        height, width, _ = pixels.shape
        header = Header(width, height, 8 * pixels.itemsize, colour)
        native = isinstance(picture.native, list)
        with part.open("wb") as file:
            file.write(SIGNATURE)
            file.write(Chunk(b"IHDR", struct.pack(">IIBBBBB", *header)).pack())
            for chunk in picture.native if native else _described(picture):
                file.write(chunk.pack())
            for data in _deflated(pixels, self.band):
                file.write(Chunk(b"IDAT", data).pack())
            file.write(Chunk(b"IEND", b"").pack())


FORMAT = Png()


def _chunks(data: bytes) -> Iterator[Chunk]:
    """Cut a file into its chunks and check them."""
    position, name = len(SIGNATURE), b""
    while name != b"IEND":
        if position + 12 > len(data):
            raise PictureError("the file is cut short: a PNG must end with IEND")
        (length,) = struct.unpack_from(">I", data, position)
        name, body = data[position + 4 : position + 8], data[position + 8 : position + 8 + length]
        if position + 12 + length > len(data):
            raise PictureError(
                f"the file is cut short: {len(body):,} bytes of {length:,} are left of {name.decode('latin-1')}"
            )
        (crc,) = struct.unpack_from(">I", data, position + 8 + length)
        if crc != zlib.crc32(body, zlib.crc32(name)):
            raise PictureError(f"the file is damaged: the checksum of {name.decode('latin-1')} is wrong")
        yield Chunk(name, body)
        position += 12 + length


def _inflated(header: Header, chunks: list[Chunk], request: Request) -> list[Chunk]:
    """Return the pixels' chunks without compression, when it is sure that all rows are there.

    Pillow would take memory first, and leave rows that are not there black. It gets what is unpacked here.
    """
    packed, left = [chunk.data for chunk in chunks if chunk.name == b"IDAT"], header.bytes
    request.check_claim(left, sum(map(len, packed)), DEFLATE)
    inflate, store, stored = zlib.decompressobj(), zlib.compressobj(0), []
    for data in (*packed, b""):  # the last time for what is on its way
        while left and not inflate.eof:
            rows = inflate.decompress(data, min(PIECE, left))
            data, left = inflate.unconsumed_tail, left - len(rows)
            stored.append(store.compress(rows))
            if not data:
                break
    if left:
        raise PictureError(
            f"the file is damaged or cut short: its rows have {header.bytes:,} bytes, {header.bytes - left:,} are there"
        )
    stored.append(store.flush())
    return [Chunk(b"IDAT", data) for data in stored if data]


def _samples(header: Header, pixels: list[Chunk]) -> np.ndarray:
    """Unpack to (height, width, samples), uint8 or uint16; fewer bits are spread over 8 unless they are indices."""
    if header.depth < 16:
        samples = np.atleast_3d(_unpack(header, pixels))
        return samples.view(np.uint8) * np.uint8(255) if samples.dtype == np.bool_ else samples
    if header.colour == GREY:
        return np.atleast_3d(_unpack(header, pixels)).astype(np.uint16, copy=False)
    if header.colour == GREY_ALPHA:  # two 16-bit samples are four of 8 bits, in the same order
        bytewise = _unpack(header._replace(depth=8, colour=RGBA), pixels)
        return np.ascontiguousarray(bytewise).view(">u2").astype(np.uint16)
    name = "RGB" if header.colour == RGB else "RGBA"
    # Told that the samples are little-endian, Pillow takes the low bytes for the high ones.
    samples = _unpack(header, pixels, f"{name};16B").astype(np.uint16)
    samples <<= 8
    samples |= _unpack(header, pixels, f"{name};16L")
    return samples


def _unpack(header: Header, pixels: list[Chunk], layout: str | None = None) -> np.ndarray:
    """Let Pillow unfilter a PNG that has nothing but pixels."""
    from PIL import PngImagePlugin

    chunks = [Chunk(b"IHDR", struct.pack(">IIBBBBB", *header)), *pixels, Chunk(b"IEND", b"")]
    # Not `Image.open`: its limit on pixels is a global one and only warns; ours has been checked.
    image = PngImagePlugin.PngImageFile(BytesIO(SIGNATURE + b"".join(chunk.pack() for chunk in chunks)))
    if layout:
        codec, box, offset, _ = image.tile[0]
        tile: Any = (codec, box, offset, layout)
        image.tile = [tile]
    return np.asarray(image)


def _look_up(indices: np.ndarray, palette: bytes, opacity: bytes | None) -> tuple[np.ndarray, np.ndarray | None]:
    table = np.zeros((256, 3), np.uint8)  # an index beyond the palette is black, as in browsers
    colours = np.frombuffer(palette, np.uint8).reshape(-1, 3)
    table[: len(colours)] = colours
    if opacity is None:
        return table[indices], None
    alphas = np.full(256, 255, np.uint8)
    alphas[: len(opacity)] = np.frombuffer(opacity, np.uint8)
    return table[indices], alphas[indices, None]


def _match(samples: np.ndarray, key: bytes, header: Header) -> np.ndarray:
    """Return 0 where a pixel has the transparent colour, and full opacity elsewhere."""
    full = np.iinfo(samples.dtype).max
    colour = np.frombuffer(key, ">u2").astype(np.int64)
    if header.depth < 8:
        colour = colour * full // (2**header.depth - 1)
    return np.where((samples == colour).all(axis=-1, keepdims=True), 0, full).astype(samples.dtype)


def _profile(data: bytes | None) -> bytes | None:
    """Return an ICC profile from its chunk, where it is compressed; None for one that unpacks to an absurd size."""
    if data is None:
        return None
    stream = zlib.decompressobj()
    try:
        profile = stream.decompress(data[data.index(b"\0") + 2 :], 1 << 24)
    except (ValueError, zlib.error):
        return None
    return profile if stream.eof else None


def _dpi(data: bytes | None) -> tuple[float, float] | None:
    if data is None:
        return None
    x, y, unit = struct.unpack(">IIB", data)
    return (round(x * INCH, 3), round(y * INCH, 3)) if unit == 1 else None


def _described(picture: Picture) -> Iterator[Chunk]:
    """Yield what a picture from another format says about itself."""
    if picture.icc:
        yield Chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(picture.icc))
    if picture.dpi:
        yield Chunk(b"pHYs", struct.pack(">IIB", *(round(value / INCH) for value in picture.dpi), 1))
    if picture.exif:
        yield Chunk(b"eXIf", picture.exif)


def _deflated(pixels: np.ndarray, band: int) -> Iterator[bytes]:
    """Filter and compress, some rows at a time.

    Level 4: on photographs within 2 % of level 6, in half the time.
    """
    stride = pixels.shape[-1] * pixels.itemsize
    rows = max(1, band // (pixels.shape[1] * stride))
    above = np.zeros(pixels.shape[1] * stride, np.uint8)
    stream = zlib.compressobj(4)
    for start in range(0, len(pixels), rows):
        ordered = np.ascontiguousarray(pixels[start : start + rows], np.dtype(pixels.dtype).newbyteorder(">"))
        lines = ordered.view(np.uint8).reshape(len(ordered), -1)
        yield stream.compress(_filtered(lines, above, stride).data)
        above = lines[-1]
    yield stream.flush()


def _filtered(lines: np.ndarray, above: np.ndarray, stride: int) -> np.ndarray:
    """Return lines with the filter in front that leaves the smallest differences, as the PNG standard advises."""
    up = np.vstack((above[None], lines[:-1]))
    left, corner = np.zeros_like(lines), np.zeros_like(lines)
    left[:, stride:], corner[:, stride:] = lines[:, :-stride], up[:, :-stride]
    a, b, c = (part.astype(np.int16) for part in (left, up, corner))
    to_left, to_up, to_corner = abs(b - c), abs(a - c), abs(a + b - 2 * c)
    nearest = np.where((to_left <= to_up) & (to_left <= to_corner), left, np.where(to_up <= to_corner, up, corner))
    result = np.empty((len(lines), lines.shape[1] + 1), np.uint8)
    least = np.full(len(lines), np.iinfo(np.int64).max)
    for kind, expected in ((0, None), (1, left), (2, up), (4, nearest)):
        rest = lines if expected is None else lines - expected
        cost = np.minimum(rest, 0 - rest).sum(axis=1, dtype=np.int64)
        better = cost < least
        least[better] = cost[better]
        result[better, 0] = kind
        result[better, 1:] = rest[better]
    return result
