"""AVIF, by imagecodecs: 8, 10 and 12 bits, without loss unless it is asked for, with the profile, EXIF and XMP."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import exif, stills
from ..format import Format
from ..items import Items, with_said
from ..picture import Picture, PictureError, Request

SPEED = 6
"""How little the encoder tries, of 10: to try all takes minutes a megapixel, for a hundredth of the bytes."""
BRANDS = (b"avif", b"avis")
LARGEST = 65536


class Native(NamedTuple):
    """What numbers mean as colours: primaries and curve, by their numbers in ISO/IEC 23091-2; and the XMP."""

    primaries: int | None
    transfer: int | None
    xmp: bytes


class Avif(Format):
    """One picture of 8, 10 or 12 bits a sample, grey or RGB, with or without alpha."""

    name, endings = "AVIF", (".avif",)
    needs, extra = "imagecodecs", "codecs"
    write_options = ("lossy",)
    loses = "the way it was compressed; crops are refused, and animations"

    def recognises(self, head: bytes, path: Path) -> bool:
        """Whether one of a file's brands is that of AVIF."""
        end = min(int.from_bytes(head[:4], "big"), len(head))
        brands = {head[8:12], *(head[place : place + 4] for place in range(16, end, 4))}
        return head[4:8] == b"ftyp" and not brands.isdisjoint(BRANDS)

    def read(self, request: Request) -> Picture:
        """Read a still picture, upright."""
        data = request.path.read_bytes()
        if data[8:12] == b"avis":
            raise PictureError(f"an AVIF must be a still picture: {stills.ANIMATED}")
        items = Items(data)
        width, height = items.sides
        request.check_size(height, width)
        request.check_claim(width * height, len(data), None)
        array = np.atleast_3d(self.library().avif_decode(data, 0))
        if array.shape[:2] != (height, width):
            raise PictureError(f"the file is damaged: its header says {width}×{height} pixels")
        said = items.properties
        if b"clap" in said:
            raise PictureError("an AVIF must be shown as it is stored: this one is cropped (clap); convert it to PNG")
        depth = said[b"pixi"][5] if b"pixi" in said else 8 if array.dtype == np.uint8 else 10
        primaries, transfer = struct.unpack_from(">HH", said[b"nclx"], 4) if b"nclx" in said else (None, None)
        block = items.exif
        return stills.still(
            request, _upright(array, said), icc=items.icc, exif=block and exif.said_upright(block),
            maxval=None if array.dtype == np.uint8 else 2**depth - 1, native=Native(primaries, transfer, items.xmp),
        )  # fmt: skip

    def check(self, picture: Picture) -> None:
        """Refuse what an AVIF cannot hold."""
        self.library()
        stills.check_still(picture, "AVIF", ("uint8", "uint16"), LARGEST)
        stills.check_bits(picture, "an AVIF")

    def write(self, part: Path, picture: Picture, path: Path, **options: Any) -> None:
        """Write a picture, upright."""
        self.check(picture)
        array, bits = stills.samples_of_bits(picture)
        native = picture.native if isinstance(picture.native, Native) else None
        given: dict[str, Any] = {"primaries": native.primaries, "transfer": native.transfer} if native else {}
        lossy = options.get("lossy")
        if lossy is not None and array.shape[-1] < 3:  # the encoder takes no level for what comes to it as grey
            array = np.ascontiguousarray(array[..., [0, 0, 0, 1][: array.shape[-1] + 2]])
            given["pixelformat"] = "yuv400"
        array = array[..., 0] if array.shape[-1] == 1 else array
        data = self.library().avif_encode(array, lossy, speed=SPEED, bitspersample=bits, **given)
        part.write_bytes(with_said(data, picture.icc, picture.exif, stills.xmp(picture)))


FORMAT = Avif()


def _upright(array: np.ndarray, said: dict[bytes, bytes]) -> np.ndarray:
    """Turn and mirror as a file says; decoders leave that to those who show it."""
    if b"irot" in said:
        array = np.rot90(array, said[b"irot"][0] & 3)
    if b"imir" in said:
        array = array[:, ::-1] if said[b"imir"][0] & 1 else array[::-1]
    return array
