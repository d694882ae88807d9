"""How the pixels of a tile lie in the kernels' vectors (`kernels` says why), as index tables."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from itertools import accumulate

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
    """A thread's arrays of vectors, in one piece of memory that is kept as long as it is large enough."""

    memory: np.ndarray | None = None

    def of(self, needed: Sequence[tuple[int, np.dtype]]) -> tuple[np.ndarray, ...]:
        """Return arrays of so many vectors and of these types."""
        ends = list(accumulate(BYTES * vectors for vectors, _ in needed))
        held = self.memory
        if held is None or held.size < ends[-1]:
            held = self.memory = aligned(ends[-1] // BYTES, np.uint8)
        return tuple(
            held[first:last].view(dtype) for first, last, (_, dtype) in zip([0, *ends], ends, needed, strict=False)
        )
