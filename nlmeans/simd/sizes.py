"""What a vector of 64 bytes holds, for those who prepare its numbers without Numba; `lanes` computes with them."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

import numpy as np

from .._workspace import empty

BYTES = 64
MANTISSA = {np.dtype(np.float32): 23, np.dtype(np.float64): 52}
EXP2_ERROR = {np.dtype(np.float32): 1e-6, np.dtype(np.float64): 4e-15}
"""Bound of the relative error of `lanes.exp2_fixed`, by type."""


def lanes(dtype: Any) -> int:
    """Return how many numbers of ``dtype`` a vector holds."""
    return BYTES // int(np.dtype(dtype).itemsize)


def aligned(vectors: int, dtype: Any) -> np.ndarray:
    """Return an uninitialised flat array of ``vectors`` vectors that starts on a vector's boundary."""
    raw = empty(((vectors + 1) * BYTES,), np.uint8)
    start = -raw.ctypes.data % BYTES
    return raw[start : start + vectors * BYTES].view(dtype)


def wide_lanes() -> tuple[list[int], list[int]]:
    """Return which of 16-bit lanes the lower and the upper vector of as many 32-bit lanes hold, after interleaving.

    Processors interleave within 128 bits: of eight lanes, the first four go to the lower vector.
    """
    eights = range(0, lanes(np.int16), 8)
    lower = [first + k for first in eights for k in range(4)]
    return lower, [lane + 4 for lane in lower]


@cache
def has(feature: str) -> bool:
    """Say whether code may be compiled for a feature of the processor, by LLVM's name for it."""
    told = os.environ.get("NUMBA_CPU_FEATURES")
    if told is not None:
        return f"+{feature}" in told.split(",")
    if os.environ.get("NUMBA_CPU_NAME") or os.environ.get("NUMBA_ENABLE_AVX") == "0":
        return False
    import llvmlite.binding as llvm

    try:
        return bool(llvm.get_host_cpu_features().get(feature))
    except RuntimeError:  # not every system can be asked
        return False


TABLES = has("avx512bw")
"""Whether one instruction takes entries of a table of 16-bit numbers from a register."""
