"""JPEG: decoded and encoded by Pillow; all that is not pixels is copied segment by segment."""

from __future__ import annotations

import logging
import struct
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from ..format import Format
from ..picture import Picture, PictureError, Request, check_plain, colours, full_range

logger = logging.getLogger("nlmeans")

START_OF_SCAN, JFIF, APP1, APP2, APP14, APP15, COMMENT = 0xDA, 0xE0, 0xE1, 0xE2, 0xEE, 0xEF, 0xFE
ARITHMETIC = {0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}  # frames
SEQUENTIAL = {0xC0, 0xC1}  # frames
FILLED = 128  # what a decoder makes of blocks that are not there
#: Horizontal and vertical sampling of the three components, and Pillow's number for it.
SAMPLINGS: dict[Any, int] = {((1, 1), (1, 1), (1, 1)): 0, ((2, 1), (1, 1), (1, 1)): 1, ((2, 2), (1, 1), (1, 1)): 2}


@dataclass(frozen=True)
class Coding:
    """How a file was compressed, and its segments other than pixels."""

    tables: list[list[int]]
    subsampling: int
    progressive: bool
    as_rgb: bool
    jfif: bytes | None
    segments: list[bytes]


class Jpeg(Format):
    """One picture of 8 bits a sample, grey or RGB."""

    name, endings, magic = "JPEG", (".jpg", ".jpeg", ".jpe", ".jfif"), (b"\xff\xd8\xff",)
    write_options = ("jpeg_quality",)
    loses = "what compression takes, at the quality of the file that was read; all pictures in it but the first"

    def read(self, request: Request) -> Picture:
        """Read a grey or colour JPEG."""
        from PIL import JpegImagePlugin

        data = request.path.read_bytes()
        # Not `Image.open`: its limit on pixels is a global one and only warns.
        image = JpegImagePlugin.JpegImageFile(BytesIO(data))
        request.check_size(*image.size)
        if image.mode not in ("L", "RGB"):
            raise PictureError(f"a JPEG must be grey or RGB: this one is {image.mode}; convert it to RGB first")
        segments = _segments(data)
        _check_claim(image, segments, len(data), request)
        pixels = np.array(image)
        _check_end(data, image, segments, pixels)
        grey = pixels.ndim == 2
        if any(_is(segment, APP2, b"MPF\0") for segment in segments):
            logger.warning("%s: only the first of the pictures in the file is kept", request.path)
        return Picture(
            pixels, request.axes or (None if request.names_axes else "YX" if grey else "YXC"), request.channel_axis,
            icc=image.info.get("icc_profile"), dpi=image.info.get("dpi"), native=_coding(image, segments, request.path),
            exif=next((segment[10:] for segment in segments if _is(segment, APP1, b"Exif\0\0")), None),
        )  # fmt: skip

    def check(self, picture: Picture) -> None:
        """Refuse what a JPEG cannot hold."""
        check_plain(picture, "JPEG", ("uint8",))
        if picture.alpha is not None:
            raise PictureError("a JPEG has no alpha: this picture has; write a PNG or TIFF instead")
        if max(picture.pixels.shape) > 65535:
            raise PictureError(f"a JPEG has at most 65535 pixels a side: this picture has shape {picture.pixels.shape}")

    def write(self, part: Path, picture: Picture, path: Path, **options: Any) -> None:
        """Write 8-bit grey or colour."""
        from PIL import Image

        self.check(picture)
        picture = full_range(picture)
        pixels = colours(picture)
        image = Image.fromarray(np.ascontiguousarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels))
        coding = picture.native if isinstance(picture.native, Coding) else None
        quality = options.get("jpeg_quality")
        given: dict[str, Any] = {"quality": 95 if quality is None else quality, "subsampling": 0}
        if coding:
            given |= {"subsampling": coding.subsampling, "progressive": coding.progressive, "keep_rgb": coding.as_rgb}
            if quality is None:
                del given["quality"]  # it would scale the tables
                given["qtables"] = coding.tables
        else:
            exif = b"Exif\0\0" + picture.exif if picture.exif else b""
            given |= {"icc_profile": picture.icc, "exif": exif, "dpi": picture.dpi or (0, 0)}
        stream = BytesIO()
        image.save(stream, "JPEG", **given)
        data = stream.getvalue()
        part.write_bytes(_with_segments(data, coding) if coding else data)


FORMAT = Jpeg()


def _check_claim(image: Any, segments: list[bytes], there: int, request: Request) -> None:
    """Refuse a header that claims more blocks of 64 values than there are bits; but arithmetic coding has no bound."""
    layers = [(across, down) for _, across, down, _ in image.layer]
    wide, high = (8 * max(sampling) for sampling in zip(*layers, strict=True))
    blocks = sum(-(-image.width * across // wide) * -(-image.height * down // high) for across, down in layers)
    arithmetic = any(segment[1] in ARITHMETIC for segment in segments)
    request.check_claim(64 * blocks, there, None if arithmetic else 8 * 64)


def _check_end(data: bytes, image: Any, segments: list[bytes], pixels: np.ndarray) -> None:
    """Refuse a scan that ends before its picture: the decoder fills what is left with grey, and only warns.

    Where the picture ends in blocks of that grey, they are either in the file, with 2 bits each at least, or not: then
    what is before the end belongs to other blocks, and to leave out a bit for each changes them.
    """
    if np.any(pixels[-1, -1] != FILLED) or not any(segment[1] in SEQUENTIAL for segment in segments):
        return
    layers = [component[1:3] if len(image.layer) > 1 else (1, 1) for component in image.layer]
    across, down = (8 * max(sampling) for sampling in zip(*layers, strict=True))

    def units(flags: np.ndarray, reduce: np.ufunc) -> np.ndarray:
        """Return flags of the groups of blocks that follow each other in the file."""
        rows = reduce.reduceat(flags.reshape(*flags.shape[:2], -1), np.arange(0, image.height, down), 0)
        columns: np.ndarray = reduce.reduceat(rows, np.arange(0, image.width, across), 1)
        return reduce.reduce(columns, axis=2).ravel()

    filled = units(pixels == FILLED, np.logical_and)
    tail = 0 if filled.all() else int(np.argmin(filled[::-1]))
    end, cut = data.rfind(b"\xff\xd9"), tail * sum(wide * high for wide, high in layers) // 8 - 1
    if cut < 1 or end < 0:
        return
    from PIL import JpegImagePlugin

    shorter = np.asarray(JpegImagePlugin.JpegImageFile(BytesIO(data[: end - cut] + data[end:])))
    changed = shorter != pixels
    for first in (0, -1):  # chroma reaches a pixel over the edge
        changed[first % down :: down] = changed[:, first % across :: across] = False
    if units(changed, np.logical_or)[:-tail].any():
        raise PictureError(
            f"the file is damaged or cut short: the last {tail:,} of {len(filled):,} groups of blocks are not there"
        )


def _segments(data: bytes) -> list[bytes]:
    """Return all segments before the pixels, each with its marker."""
    segments, position = [], 2
    while data[position + 1] != START_OF_SCAN:
        if data[position + 1] == 0xFF:  # fill bytes may precede a marker
            position += 1
            continue
        (length,) = struct.unpack_from(">H", data, position + 2)
        segments.append(data[position : position + 2 + length])
        position += 2 + length
    return segments


def _is(segment: bytes, marker: int, name: bytes) -> bool:
    return segment[1] == marker and segment[4:].startswith(name)


def _coding(image: Any, segments: list[bytes], path: Path) -> Coding:
    tables = [list(image.quantization[component[3]]) for component in image.layer]
    while len(tables) > 1 and tables[-1] == tables[-2]:
        tables.pop()  # the encoder uses the last one for all components that follow
    sampling = tuple(tuple(component[1:3]) for component in image.layer)
    if len(sampling) == 3 and sampling not in SAMPLINGS:
        logger.warning("%s: the unusual chroma subsampling is written back as none (4:4:4)", path)
    kept = [
        segment
        for segment in segments
        if JFIF < segment[1] <= APP15 or segment[1] == COMMENT
        # The encoder writes its own of the one; the other's offsets point to pictures that are not written.
        if not _is(segment, APP14, b"Adobe") and not _is(segment, APP2, b"MPF\0")
    ]
    as_rgb = len(sampling) == 3 and image.info.get("adobe_transform") == 0
    jfif = next((segment for segment in segments if _is(segment, JFIF, b"JFIF\0")), None)
    progressive = bool(image.info.get("progressive"))
    return Coding(tables, SAMPLINGS.get(sampling, 0), progressive, as_rgb, jfif, kept)


def _with_segments(data: bytes, coding: Coding) -> bytes:
    """Put the segments of the file that was read in place of the encoder's."""
    position, ours = 2, b""
    if data[position + 1] == JFIF:
        (length,) = struct.unpack_from(">H", data, position + 2)
        ours = data[position : position + 2 + length]
        position += 2 + length
    return b"".join((data[:2], coding.jfif or ours, *coding.segments, data[position:]))
