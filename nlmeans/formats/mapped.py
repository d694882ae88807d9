"""Arrays that lie in a file as they are stored: mapped into memory a part at a time, or read to their end."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .picture import PictureError
from .scaled import Scaling

SLAB = 2**24
"""Bytes that are read at once."""


@dataclass(frozen=True)
class Laid:
    """How an array lies in a file.

    Attributes
    ----------
    offset : int
        Its first byte.
    shape : tuple of int
        Its sides as they are stored, the slowest first.
    dtype : numpy.dtype
        The type, in the file's order of bytes.
    order : tuple of int
        The stored axis of each axis of the image.
    """

    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype
    order: tuple[int, ...]

    @property
    def end(self) -> int:
        """The first byte after it."""
        return self.offset + math.prod(self.shape) * self.dtype.itemsize

    @property
    def turned(self) -> tuple[int, ...]:
        """The sides in the order of the image's axes."""
        return tuple(self.shape[axis] for axis in self.order)

    def view(self, path: Path, mode: Any = "r") -> np.ndarray:
        """Return the file's array with the image's axes. It counts as memory as long as it is held."""
        return np.memmap(path, self.dtype, mode, self.offset, self.shape).transpose(self.order)

    def stored(self, pixels: np.ndarray) -> np.ndarray:
        """Return an image as it is stored, but for its type."""
        return pixels.reshape(self.turned).transpose(np.argsort(self.order))

    def check_end(self, size: int) -> None:
        """Refuse a file of ``size`` bytes that ends before the array does."""
        if self.end > size:
            raise PictureError(f"the file is cut short: its pixels end at byte {self.end:,}, the file at {size:,}")


def fill(file: Any, array: np.ndarray, begun: bytes = b"") -> np.ndarray:
    """Read a new array's bytes, of which some have been read before, and return it; it takes memory as it is filled."""
    room = array.reshape(-1).view(np.uint8).data
    begun = begun[: len(room)]
    room[: len(begun)] = begun
    done = len(begun)
    while done < len(room):
        block = file.read(min(SLAB, len(room) - done))
        if not block:
            raise PictureError(f"the file is cut short: its pixels take {len(room):,} bytes, there are {done:,}")
        room[done : done + len(block)] = block
        done += len(block)
    return array


def put(file: Any, pixels: np.ndarray, scaling: Scaling) -> None:
    """Write an array as it is stored, its first axis fastest; a slab at a time is made."""
    for k in range(pixels.shape[-1]):
        file.write(scaling.encode(pixels[..., k]).tobytes(order="F"))
