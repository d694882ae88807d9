"""What tifffile leaves to imagecodecs (80 MB installed): LZW, the predictor of floats, packed samples of few bits."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np

from ...picture import PictureError

LZW, LZMA = 5, 34925
DEFLATE = (8, 32946, 50013)
FLOAT_PREDICTOR = 3
MOST_LZW = 2560  # a code of 12 bits, the longest string of a full table


def provide() -> None:
    """Teach tifffile what it cannot do without imagecodecs, and to unpack no more than a strip or tile has."""
    from tifffile import TIFF

    try:
        import imagecodecs  # noqa: F401
    except ImportError:
        from tifffile import _imagecodecs

        _imagecodecs.packints_decode = unpack_bits
        TIFF.DECOMPRESSORS._codecs.update({code: unpack_deflate for code in DEFLATE} | {LZMA: unpack_lzma})
    known: Any
    for known, code, function in (
        (TIFF.DECOMPRESSORS, LZW, unpack_lzw),
        (TIFF.UNPREDICTORS, FLOAT_PREDICTOR, undo_float_predictor),
    ):
        if code not in known:
            known._codecs[code] = function


def lacking(error: Exception, page: Any) -> PictureError | None:
    """Return what to do where an error while unpacking a page means that imagecodecs is not there, else None."""
    small = page.compression == LZW and page.bitspersample < 8  # tifffile asks for too much of our LZW there
    if not small and not isinstance(error, ImportError) and "imagecodecs" not in str(error):
        return None
    name = str(getattr(page.compression, "name", page.compression))
    bits = f"packed to {page.bitspersample} bits a sample"
    what = bits if page.compression == 1 else f"compressed by {name}" + f" and {bits}" * small
    return PictureError(
        f"a TIFF that is {what} needs imagecodecs: install it with pip install imagecodecs, or save the file "
        "uncompressed"
    )


def unpack_deflate(data: bytes, /, *, out: int) -> bytes:
    """Unpack ``out`` bytes and no more; an end before them is an error."""
    stream = zlib.decompressobj()
    return _whole(stream.decompress(data, out), out, stream.eof)


def unpack_lzma(data: bytes, /, *, out: int) -> bytes:
    """Unpack ``out`` bytes and no more; an end before them is an error."""
    import lzma

    stream = lzma.LZMADecompressor()
    return _whole(stream.decompress(data, out), out, stream.eof)


def _whole(data: bytes, size: int, ended: bool) -> bytes:
    """Return what was unpacked if it is whole: tiles at an edge may hold less, but are never cut off."""
    if len(data) < size and not ended:
        raise PictureError(f"the file is damaged or cut short: {len(data):,} of {size:,} bytes of a strip are there")
    return data


def unpack_lzw(data: bytes, /, *, out: int) -> bytes:
    """Unpack a strip or tile to ``out`` bytes by Pillow's libtiff, which sees the only row of a grey picture."""
    from PIL import TiffImagePlugin

    if out > MOST_LZW * len(data):
        raise PictureError(f"the file is damaged or cut short: {len(data):,} bytes of LZW cannot hold {out:,}")
    entries = (
        (256, 4, out),  # width
        (257, 4, 1),  # height
        (258, 3, 8),  # bits
        (259, 3, LZW),
        (262, 3, 1),  # grey
        (273, 4, 8),  # where the strip begins
        (277, 3, 1),  # samples
        (278, 4, 1),  # rows in the strip
        (279, 4, len(data)),
    )
    # A value of type 3 has two bytes, left in a field of four: in little-endian order that makes no difference.
    directory = b"".join(struct.pack("<HHII", code, kind, 1, value) for code, kind, value in entries)
    padding = b"\0" * (len(data) % 2)  # directories begin at even bytes
    start = struct.pack("<2sHI", b"II", 42, 8 + len(data) + len(padding))
    file = b"".join((start, data, padding, struct.pack("<H", len(entries)), directory, b"\0\0\0\0"))
    return np.asarray(TiffImagePlugin.TiffImageFile(BytesIO(file))).tobytes()


def unpack_bits(
    data: bytes, /, dtype: Any, bitspersample: int, runlen: int = 0, *, out: np.ndarray | None = None
) -> np.ndarray:
    """Return whole numbers of any count of bits up to their type's; a row of ``runlen`` of them begins with a byte."""
    stored, kind = np.frombuffer(data, np.uint8), np.dtype(dtype)
    if bitspersample == 8 * kind.itemsize:
        return stored.view(kind)
    count = runlen or 8 * len(stored) // bitspersample
    width = -(-count * bitspersample // 8)
    rows = np.unpackbits(stored[: len(stored) // width * width].reshape(-1, width), axis=1)
    bits = rows[:, : count * bitspersample].reshape(-1, bitspersample)
    wide = 8 * kind.itemsize
    whole = np.packbits(np.pad(bits, ((0, 0), (wide - bitspersample, 0))), axis=1)
    return whole.reshape(-1).view(kind.newbyteorder(">")).astype(kind)


def undo_float_predictor(data: np.ndarray, /, *, axis: int, out: np.ndarray) -> np.ndarray:
    """Add up the differences of a row's bytes, which stand sorted by significance, the highest first."""
    width, samples = data.shape[-2:]
    size = data.dtype.itemsize
    differences = np.ascontiguousarray(data).view(np.uint8).reshape(-1, width * size, samples)
    planes = np.cumsum(differences, axis=1, dtype=np.uint8).reshape(-1, size, width * samples)
    return np.ascontiguousarray(planes.swapaxes(1, 2)).view(data.dtype.newbyteorder(">")).reshape(data.shape)
