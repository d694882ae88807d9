"""GIF, by Pillow: stills. Only grey ones can be written: more than 256 colours would have to be merged."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import stills
from ..format import Format
from ..picture import Picture, PictureError, Request, full_range

LZW = 2560  # bytes that one byte can stand for: a code of 12 bits, the longest string of a full table


class Comment(NamedTuple):
    """What a file says of its picture."""

    text: bytes


class Gif(Format):
    """One picture of up to 256 colours, which are looked up."""

    name, endings, magic = "GIF", (".gif",), (b"GIF87a", b"GIF89a")
    loses = "a palette, which becomes RGB: only grey pictures are written, without transparency; animations are refused"

    def read(self, request: Request) -> Picture:
        """Read a still GIF; one whose colours are all greys is grey."""
        from PIL import GifImagePlugin

        data = request.path.read_bytes()
        # Not `Image.open`: its limit on pixels is a global one and only warns.
        image = GifImagePlugin.GifImageFile(BytesIO(data))
        request.check_size(*image.size)
        if image.is_animated:
            raise PictureError(f"a GIF must be a still picture: {stills.ANIMATED}")
        request.check_claim(image.width * image.height, len(data), LZW if _fills(image) else None)
        samples = stills.unpacked(image, request)
        count = samples.shape[-1]
        if count > 2 and (samples[..., :1] == samples[..., 1:3]).all():
            samples = samples[..., [0, 3][: count - 2]]
        return stills.still(request, samples, native=Comment(image.info.get("comment", b"")))

    def check(self, picture: Picture) -> None:
        """Refuse colours, of which there might be too many."""
        stills.check_still(picture, "GIF", ("uint8",), 65535, alphas=0)
        if "C" in picture.dimensions and picture.pixels.shape[picture.dimensions.index("C")] == 3:
            raise PictureError("a GIF is written in shades of grey: this picture has colours; write a PNG instead")

    def write(self, part: Path, picture: Picture, path: Path, **options: Any) -> None:
        """Write all shades of grey; upright, since a GIF cannot say otherwise."""
        self.check(picture)
        image = stills.packed(stills.samples(full_range(picture), turned=True))
        image.save(part, "GIF", comment=picture.native.text if isinstance(picture.native, Comment) else b"")


FORMAT = Gif()


def _fills(image: Any) -> bool:
    """Whether the frame is as large as the picture."""
    return bool(np.array_equal(image.tile[0][1], (0, 0, *image.size)))
