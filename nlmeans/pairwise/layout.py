"""How the pixels of a tile lie in the kernels' vectors (`kernels` says why), as index tables."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np

from ..simd.sizes import BYTES, aligned, lanes


def segments(origin: int, count: int, before: int, after: int, dtype: np.dtype) -> np.ndarray:
    """Return the position of each lane of a row's vectors, ``count`` a lane and some before and after them."""
    return origin + count * np.arange(lanes(dtype)) + np.arange(-before, count + after)[:, None]


def flat(numbers: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return whole vectors of numbers as an array of vectors."""
    array = aligned(numbers.size // lanes(dtype), dtype)
    array[:] = numbers.ravel()
    return array


def slice_offsets(channels: int, slices: int, deep: int, plane: int) -> np.ndarray:
    """Return how many channels and slices a patch has, and how far each but the first lies from that."""
    offsets = [(c * slices + k) * plane for c in range(channels) for k in range(deep)]
    return np.asarray([len(offsets), *offsets[1:]], np.intp)


class Buffers(threading.local):
    """A thread's arrays of vectors, made when its first task comes and kept as long as they are large enough."""

    arrays: tuple[np.ndarray, ...] | None = None

    def of(self, needed: Sequence[tuple[int, np.dtype]]) -> tuple[np.ndarray, ...]:
        """Return arrays of so many vectors and of these types."""
        held = self.arrays
        if held is None or any(a.nbytes < BYTES * n for a, (n, _) in zip(held, needed, strict=True)):
            held = self.arrays = tuple(aligned(n, dtype) for n, dtype in needed)
        return tuple(a[: n * BYTES // a.itemsize] for a, (n, _) in zip(held, needed, strict=True))
