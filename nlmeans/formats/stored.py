"""Whole numbers that stand for real values: read as those, and written back on the same grid."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .picture import PictureError

MOST_EXACT = 2**53
"""Whole numbers that float64 holds."""
SLAB = 2**24
"""Bytes that are unpacked at once."""


@dataclass(frozen=True)
class Stored:
    """What a file stores: real values are stored · slope + intercept.

    Attributes
    ----------
    dtype : numpy.dtype
        Of what is stored, in the file's order of bytes.
    slope, inter : float
        One step, and what 0 stands for.
    """

    dtype: np.dtype
    slope: float = 1.0
    inter: float = 0.0

    @property
    def scaled(self) -> bool:
        """Whether stored values are not the real ones."""
        return (self.slope, self.inter) != (1.0, 0.0)

    @property
    def working(self) -> np.dtype:
        """The type that holds the real values: stored values come back from it unchanged."""
        if self.dtype.kind == "f" or (not self.scaled and self.dtype.itemsize < 8):
            return self.dtype.newbyteorder("=")
        info = np.iinfo(self.dtype)
        steps = max(abs(info.min), info.max) + abs(self.inter / self.slope)
        return np.dtype(np.float32 if steps < 2**22 else np.float64)

    def decode(self, stored: np.ndarray) -> np.ndarray:
        """Return real values: stored · slope + intercept."""
        if self.dtype.itemsize == 8 and self.dtype.kind in "iu":
            low, high = int(stored.min()), int(stored.max())
            if max(-low, high) > MOST_EXACT:
                raise PictureError(f"64-bit whole numbers must be within ±2**53: these span {low} to {high}")
        if not self.scaled:
            return stored.astype(self.working, copy=False)
        real = np.empty(stored.shape, self.working, order="F")
        for k in range(stored.shape[-1]):
            real[..., k] = stored[..., k].astype(np.float64) * self.slope + self.inter
        return real

    def encode(self, real: np.ndarray) -> np.ndarray:
        """Return stored values, for whole numbers rounded and clipped."""
        if not self.scaled and real.dtype == self.dtype.newbyteorder("="):
            return real.astype(self.dtype, copy=False)
        stored = (real.astype(np.float64) - self.inter) / self.slope
        if self.dtype.kind == "f":
            return stored.astype(self.dtype)
        info = np.iinfo(self.dtype)
        return np.clip(np.rint(stored), max(info.min, -MOST_EXACT), min(info.max, MOST_EXACT)).astype(self.dtype)


def filled(file: Any, shape: tuple[int, ...], dtype: np.dtype, begun: bytes = b"") -> np.ndarray:
    """Read an array whose first axis runs fastest, the first bytes of which are there; no more than it takes."""
    array = np.empty(math.prod(shape), dtype)  # takes memory as it is filled
    room = array.data.cast("B")
    begun = begun[: len(room)]
    room[: len(begun)] = begun
    done = len(begun)
    while done < len(room):
        block = file.read(min(SLAB, len(room) - done))
        if not block:
            raise PictureError(f"the file is cut short: its pixels take {len(room):,} bytes, there are {done:,}")
        room[done : done + len(block)] = block
        done += len(block)
    return array.reshape(shape, order="F")


def put(file: Any, pixels: np.ndarray, stored: Stored) -> None:
    """Write an array, its first axis fastest."""
    for k in range(pixels.shape[-1]):  # a slab at a time
        file.write(stored.encode(pixels[..., k]).tobytes(order="F"))
