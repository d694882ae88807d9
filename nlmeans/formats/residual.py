"""What was taken away: the type that holds a difference of pixels, and the difference."""

from __future__ import annotations

import numpy as np

WIDER = {"uint8": "int16", "int8": "int16", "uint16": "int32", "int16": "int32"}
"""Types that hold any difference of whole numbers; of larger ones it is in floating point."""


def difference_type(noisy: np.dtype, result: np.dtype) -> np.dtype:
    """Return the type of a difference, which has a sign."""
    if noisy.kind in "iu" and result.kind in "iu":
        return np.dtype(WIDER.get(noisy.name, "float64"))
    return np.result_type(noisy, result, np.float32)


def difference(noisy: np.ndarray, result: np.ndarray) -> np.ndarray:
    """Return what was taken away."""
    kind = difference_type(noisy.dtype, result.dtype)
    return np.subtract(noisy.astype(kind), result.astype(kind))
