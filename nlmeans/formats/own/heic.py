"""HEIC, by pillow-heif: 8, 10 and 12 bits, without loss unless it is asked for, with the profile, EXIF and XMP."""

from __future__ import annotations

import logging
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from .. import exif, stills
from ..foreign import STILL_BRANDS
from ..format import Format
from ..items import Items
from ..picture import Picture, Request
from .avif import BRANDS as AVIF_BRANDS
from .avif import Native

logger = logging.getLogger("nlmeans")

LARGEST = 65535
IDENTITY = 0  # the matrix of RGB as it is


class Heic(Format):
    """One picture of 8, 10 or 12 bits a sample, grey or RGB, with or without alpha."""

    name, endings = "HEIC", (".heic", ".heif", ".hif")
    needs, extra = "pillow_heif", "heic"
    write_options = ("lossy",)
    loses = "the way it was compressed; other pictures in it, maps of depth and thumbnails"

    def recognises(self, head: bytes, path: Path) -> bool:
        """Whether a file's brand is one of HEIF, and not of AVIF."""
        return head[4:8] == b"ftyp" and head[8:12] in set(STILL_BRANDS) - set(AVIF_BRANDS)

    def read(self, request: Request) -> Picture:
        """Read the picture that is shown, upright."""
        library = self.library()
        data = request.path.read_bytes()
        width, height = Items(data).sides
        request.check_size(height, width)
        request.check_claim(width * height, len(data), None)
        file = library.open_heif(BytesIO(data), convert_hdr_to_8bit=False, hdr_to_16bit=False)
        image = file[file.primary_index]
        if len(file) > 1:
            logger.warning("%s: only the one of the pictures in the file that is shown is kept", request.path)
        if image.info.get("depth_images"):
            logger.warning("%s: its map of depth is not kept", request.path)
        array = np.atleast_3d(np.asarray(image))
        meaning = image.info.get("nclx_profile") or {}
        block = (image.info.get("exif") or b"").removeprefix(b"Exif\0\0")
        return stills.still(
            request, array, icc=image.info.get("icc_profile"), exif=exif.said_upright(block) if block else None,
            maxval=None if array.dtype == np.uint8 else 2 ** image.info["bit_depth"] - 1,
            native=Native(
                meaning.get("color_primaries"), meaning.get("transfer_characteristics"), image.info.get("xmp") or b"",
            ),
        )  # fmt: skip

    def check(self, picture: Picture) -> None:
        """Refuse what a HEIC cannot hold."""
        self.library()
        stills.check_still(picture, "HEIC", ("uint8", "uint16"), LARGEST)
        stills.check_bits(picture, "a HEIC")

    def write(self, part: Path, picture: Picture, path: Path, **options: Any) -> None:
        """Write a picture, upright."""
        self.check(picture)
        array, bits = stills.samples_of_bits(picture)
        if array.shape[-1] == 2:  # there is no grey with alpha
            array = np.ascontiguousarray(array[..., [0, 0, 0, 1]])
        mode = {1: "L", 3: "RGB", 4: "RGBA"}[array.shape[-1]] + ("" if bits == 8 else f";{bits}")
        lossy = options.get("lossy")
        given = {"quality": -1, "matrix_coefficients": IDENTITY} if lossy is None else {"quality": lossy}
        said: dict[str, Any] = {"exif": picture.exif, "xmp": stills.xmp(picture), "icc_profile": picture.icc}
        if isinstance(picture.native, Native) and None not in picture.native[:2]:
            said |= {"color_primaries": picture.native.primaries, "transfer_characteristics": picture.native.transfer}
        image = self.library().from_bytes(mode, array.shape[1::-1], array.tobytes())
        with part.open("wb") as file:
            image.save(file, chroma=444, format="HEIF", **given, **{key: value for key, value in said.items() if value})


FORMAT = Heic()
