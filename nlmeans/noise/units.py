"""Mistakes of units: a σ that was meant for the same image in other numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from .. import _checks
from .._axes import Layout
from .._notes import Note

TOO_STRONG = Note(
    "too-strong",
    "sigma is more than the image's range: unless it is in other units, the image is noise and little else",
)
SAMPLE, BEYOND = 1 << 16, 0.001
"""Pixels by which an image is taken for one of −1 to 1, and the share of them that may be beyond."""
FEW = 1 << 10
"""Pixels that mostly have a wider range than σ already."""
_series: ContextVar[bool] = ContextVar("series", default=False)


@contextmanager
def in_series(several: bool) -> Iterator[None]:
    """Say whether images of the calls inside are some of several: a dark frame among them is no mistake of units."""
    token = _series.set(several)
    try:
        yield
    finally:
        _series.reset(token)


def check_units(sigma: float, array: np.ndarray, layout: Layout, low: float, high: float) -> None:
    """Refuse a σ that can only be meant for the same image in other units."""
    if not high > low:
        return
    limits, alone = _checks.saturation(array.dtype), not (_series.get() or set(layout.axes) & set("NT"))
    if (alone and sigma > 1 and _within_one(array)) if limits is None else sigma > limits[1] - limits[0]:
        raise ValueError(
            f"sigma is in the image's units and cannot exceed its range; got {sigma:g} for an image that spans "
            f"{low:g} to {high:g}. If sigma was meant for 0 to 255, scale it as the image was"
        )


def above_range(sigma: float, planes: np.ndarray) -> bool:
    """Whether σ is more than the range of an image, planes in which NaN marks what is missing."""

    def range_of(pixels: np.ndarray) -> float:
        low, high = float(np.fmin.reduce(pixels, axis=None)), float(np.fmax.reduce(pixels, axis=None))
        return high - low if math.isfinite(high) else 0.0

    return sigma > range_of(_even(planes, FEW)) and sigma > range_of(planes) > 0


def _within_one(array: np.ndarray) -> bool:
    """Whether an image is one of −1 to 1, where a hot pixel or two may be more."""
    sample = _even(array, SAMPLE)
    return bool(np.count_nonzero(np.abs(sample) > 1) <= BEYOND * sample.size)


def _even(array: np.ndarray, most: int) -> np.ndarray:
    """Return an even sample of an image's pixels; all of a small one's."""
    return array.ravel()[:: array.size // most | 1] if array.size > most else array.ravel()
