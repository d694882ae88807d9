"""WebP, by Pillow: without loss unless it is asked for, with the colour profile, EXIF and XMP.

Source: https://developers.google.com/speed/webp/docs/riff_container and webp_lossless_bitstream_specification
"""

from __future__ import annotations

import struct
from io import BytesIO
from pathlib import Path
from typing import Any

from .. import stills
from ..format import Format
from ..picture import Picture, PictureError, Request, full_range

LARGEST = 16383
PREFIX = b"Exif\0\0"


class WebP(Format):
    """One picture of 8 bits a sample in RGB, with or without alpha."""

    name, endings = "WebP", (".webp",)
    write_options = ("lossy",)
    loses = "the way it was compressed; animations are refused"

    def recognises(self, head: bytes, path: Path) -> bool:
        """Whether a file is a RIFF of the kind WEBP."""
        return head[:4] == b"RIFF" and head[8:12] == b"WEBP"

    def read(self, request: Request) -> Picture:
        """Read a still WebP."""
        from PIL import WebPImagePlugin

        data = request.path.read_bytes()
        size = _size(data)
        request.check_size(*size)
        request.check_claim(3 * size[0] * size[1], len(data), None)
        # Not `Image.open`: its limit on pixels is a global one and only warns.
        image = WebPImagePlugin.WebPImageFile(BytesIO(data))
        if image.is_animated:
            raise PictureError(f"a WebP must be a still picture: {stills.ANIMATED}")
        block = image.info.get("exif", b"").removeprefix(PREFIX) or None
        native = stills.Xmp(image.info.get("xmp", b""))
        samples = stills.unpacked(image, request)
        return stills.still(request, samples, icc=image.info.get("icc_profile"), exif=block, native=native)

    def check(self, picture: Picture) -> None:
        """Refuse what a WebP cannot hold."""
        stills.check_still(picture, "WebP", ("uint8",), LARGEST)

    def write(self, part: Path, picture: Picture, path: Path, **options: Any) -> None:
        """Write RGB of 8 bits; colours that cannot be seen are kept too."""
        self.check(picture)
        array = stills.samples(full_range(picture))
        if array.shape[-1] < 3:  # there is no grey
            array = array[..., [0, 0, 0, 1][: array.shape[-1] + 2]]
        lossy = options.get("lossy")
        given = {"lossless": True} if lossy is None else {"quality": lossy}
        said = {"icc_profile": picture.icc or b"", "exif": picture.exif or b"", "xmp": stills.xmp(picture)}
        stills.packed(array).save(part, "WEBP", exact=True, **said, **given)


FORMAT = WebP()


def _size(data: bytes) -> tuple[int, int]:
    """Return width and height, which a decoder would take memory for as soon as it opens a file."""
    (length,) = struct.unpack_from("<I", data, 4)
    if length + 8 > len(data):
        raise PictureError(f"the file is cut short: it says {length + 8:,} bytes, there are {len(data):,}")
    kind, body = data[12:16], data[20:30]
    if kind == b"VP8X":
        wide, high = (int.from_bytes(body[start : start + 3], "little") for start in (4, 7))
        return wide + 1, high + 1
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", body, 1)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        wide, high = struct.unpack_from("<HH", body, 6)
        return wide & 0x3FFF, high & 0x3FFF
    raise PictureError(f"the file is damaged: a WebP begins with its picture; got {kind!r}")
