"""What a vector of 64 bytes holds, for those who prepare its numbers without Numba; `lanes` computes with them."""

from __future__ import annotations

from typing import Any

import numpy as np

BYTES = 64
MANTISSA = {np.dtype(np.float32): 23, np.dtype(np.float64): 52}
EXP2_ERROR = {np.dtype(np.float32): 1e-6, np.dtype(np.float64): 4e-15}
"""Bound of the relative error of `lanes.exp2_fixed`, by type."""


def lanes(dtype: Any) -> int:
    """Return how many numbers of ``dtype`` a vector holds."""
    return BYTES // int(np.dtype(dtype).itemsize)


def aligned(vectors: int, dtype: Any) -> np.ndarray:
    """Return an uninitialised flat array of ``vectors`` vectors that starts on a vector's boundary."""
    raw = np.empty((vectors + 1) * BYTES, np.uint8)
    start = -raw.ctypes.data % BYTES
    return raw[start : start + vectors * BYTES].view(dtype)
