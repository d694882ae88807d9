"""Compressed FITS images: tables, each row of which is a tile."""

from __future__ import annotations

import io
import re
from typing import Any

import numpy as np

from .content import Content, quiet

STRUCTURE = re.compile(
    r"(BITPIX|NAXIS\d*|PCOUNT|GCOUNT|TFIELDS|TTYPE\d+|TFORM\d+|THEAP|ZCMPTYPE|ZTILE\d+|ZNAME\d+|ZVAL\d+|ZQUANTIZ|ZDITHER0"
    r"|ZBLANK|ZSCALE|ZZERO|ZMASKCMP|ZBITPIX|ZHECKSUM|ZDATASUM|FZALGOR|FZQVALUE|FZDTHRSD)$"
)
"""Cards that say how the tiles are packed, and not what the image is."""
BITS = {"u1": 8, "i2": 16, "i4": 32, "i8": 64, "f4": -32, "f8": -64}
LOSSLESS = ("GZIP_1", "GZIP_2")  # of floats
CHECKSUM = -1  # the dither begins at a place that the pixels say


def stored(library: Any, content: Content, number: int) -> np.ndarray:
    """Return the numbers of a compressed image, not scaled."""
    with quiet(), library.open(content.path, memmap=False, do_not_scale_image_data=True) as hdus:
        return np.asarray(hdus[number].data)


def quantised(header: Any) -> bool:
    """Whether the image's floats were rounded."""
    return header.get("ZBITPIX", 0) < 0 and any(header.get(f"TTYPE{k}") == "ZSCALE" for k in range(1, 10))


def unit_of(library: Any, header: Any, pixels: np.ndarray, lossy: int | None) -> bytes:
    """Return header and data of a compressed image of these stored numbers, packed as before.

    Floats are packed without loss, unless ``lossy`` says by which part of the noise they may be rounded.
    """
    native = pixels.astype(pixels.dtype.newbyteorder("="))
    count = native.ndim
    way, tile = (
        str(header["ZCMPTYPE"]),
        tuple(int(header.get(f"ZTILE{k}", 1 if k > 1 else native.shape[-1])) for k in range(count, 0, -1)),
    )
    given: dict[str, Any] = {"compression_type": way, "tile_shape": tile, "do_not_scale_image_data": True}
    if native.dtype.kind == "f" and lossy is None:
        given |= {"compression_type": way if way in LOSSLESS else LOSSLESS[-1], "quantize_level": 0.0}
    elif native.dtype.kind == "f":
        given |= {"quantize_level": float(lossy or 0), "quantize_method": 1, "dither_seed": CHECKSUM}
    stream = io.BytesIO()
    with quiet():
        packed = library.CompImageHDU(native, **given)
        library.HDUList([library.PrimaryHDU(), packed]).writeto(stream)
        stream.seek(0)
        with library.open(stream, disable_image_compression=True) as hdus:
            place, made = hdus[1].fileinfo(), hdus[1].header.copy()
            stream.seek(place["datLoc"])
            data = stream.read()
        result = header.copy()
        for name in [name for name in result if STRUCTURE.match(name) and name not in made]:
            result.remove(name)
        result["ZBITPIX"] = BITS[native.dtype.str[1:]]
        for card in made.cards:
            if STRUCTURE.match(card.keyword):
                after = "TFIELDS" if card.keyword.startswith(("TTYPE", "TFORM")) else "ZCMPTYPE"
                place_after = {} if card.keyword in result else {"after": after}
                result.set(card.keyword, card.value, card.comment, **place_after)
        return bytes(result.tostring().encode("ascii")) + data
