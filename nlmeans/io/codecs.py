"""What tifffile leaves to imagecodecs (80 MB installed) and photographs need: LZW, and the predictor of floats."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import Any

import numpy as np

LZW = 5
FLOAT_PREDICTOR = 3


def provide() -> None:
    """Teach tifffile what it cannot do."""
    from tifffile import TIFF

    known: Any
    for known, code, function in (
        (TIFF.DECOMPRESSORS, LZW, unpack_lzw),
        (TIFF.UNPREDICTORS, FLOAT_PREDICTOR, undo_float_predictor),
    ):
        if code not in known:
            known._codecs[code] = function


def unpack_lzw(data: bytes, /, *, out: int) -> bytes:
    """Unpack a strip or tile to ``out`` bytes by Pillow's libtiff, which sees the only row of a grey picture."""
    from PIL import TiffImagePlugin

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


def undo_float_predictor(data: np.ndarray, /, *, axis: int, out: np.ndarray) -> np.ndarray:
    """Add up the differences of a row's bytes, which stand sorted by significance, the highest first."""
    width, samples = data.shape[-2:]
    size = data.dtype.itemsize
    differences = np.ascontiguousarray(data).view(np.uint8).reshape(-1, width * size, samples)
    planes = np.cumsum(differences, axis=1, dtype=np.uint8).reshape(-1, size, width * samples)
    return np.ascontiguousarray(planes.swapaxes(1, 2)).view(data.dtype.newbyteorder(">")).reshape(data.shape)
