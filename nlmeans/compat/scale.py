"""Numbers of any size in the drop-ins: images and strengths brought to where their squares are numbers too."""

from __future__ import annotations

import math

import numpy as np

COMFORTABLE = 1e12
"""Up to this, and down to its inverse, pixels are not scaled."""
STRONG = 1e9
"""Ratio of h to the greatest pixel beyond which all pixels weigh the same."""


def factor_of(planes: np.ndarray) -> tuple[float, float]:
    """Return a power of two that brings pixels near 1, or 1 where they need none, and the greatest pixel thereafter."""
    top = float(np.fmax(np.fmax.reduce(planes, axis=None), -np.fmin.reduce(planes, axis=None)))
    if not 0 < top < math.inf or 1 / COMFORTABLE < top < COMFORTABLE:
        return 1.0, top
    power = max(min(-math.frexp(top)[1], 1000), -1000)
    return math.ldexp(1.0, power), math.ldexp(top, power)


def strength_of(h: float, top: float, dtype: np.dtype) -> float:
    """Return a strength equivalent to h for pixels up to ``top``, whose square neither overflows nor vanishes.

    Below a hundredth of the step between two numbers, only equal patches count.
    """
    return min(max(h, 0.01 * float(np.finfo(dtype).eps) * top), STRONG * top) if 0 < top < math.inf else 1.0
