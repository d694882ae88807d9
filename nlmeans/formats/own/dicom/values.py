"""Stored values and real ones: rescaled, padded, and within the bits that are stored.

Source: PS3.3 C.7.6.3.1 (bits), C.7.5.1.1.2 (padding), C.11.1 (modality), C.8.8.3 (dose), C.7.6.16.2.9 (of frames).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...picture import PictureError

WHOLE = ("int16", "uint16")
"""Types of real values that are whole numbers: the first that holds them all."""
PERIOD = 2**16
"""How far a value is off that a file has with the wrong sign."""
EXACT = 2**22
"""Steps of a grid that float32 is exact for."""


@dataclass(frozen=True)
class Grid:
    """How a file stores values: all of a frame is stored · slope + intercept.

    Attributes
    ----------
    dtype : numpy.dtype
        Of what is stored.
    low, high : int
        The least and the largest value that the stored bits hold.
    slopes, inters : tuple of float
        One for each frame.
    padding : tuple of int or None
        The ends of the stored values that stand for no data, the declared one first.
    """

    dtype: np.dtype
    low: int
    high: int
    slopes: tuple[float, ...]
    inters: tuple[float, ...]
    padding: tuple[int, int] | None

    @classmethod
    def of(cls, dataset: Any, stored: np.ndarray) -> Grid:
        """Return that of a file whose frames are these."""
        frames, bits = len(stored), int(dataset.get("BitsStored") or 8 * stored.dtype.itemsize)
        signed = stored.dtype.kind == "i"
        low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
        if stored.ndim == 4 or stored.dtype.kind == "f":
            return cls(stored.dtype, low, high, (1.0,) * frames, (0.0,) * frames, None)
        scales = [_scale(dataset, k) for k in range(frames)]
        for slope, inter in scales:
            if slope == 0 or not math.isfinite(slope) or not math.isfinite(inter):
                raise PictureError(f"a rescale slope must not be 0, nor infinite: got {slope}, intercept {inter}")
        slopes, inters = zip(*scales, strict=True)
        return cls(stored.dtype, low, high, slopes, inters, _padding(dataset, low, high))

    @property
    def plain(self) -> bool:
        """Whether stored values are the real ones."""
        return set(self.slopes) == {1.0} and set(self.inters) == {0.0}

    def padded(self, frame: np.ndarray) -> np.ndarray | None:
        """Return where a stored frame has no data; None where it has everywhere."""
        if self.padding is None:
            return None
        there = (frame >= min(self.padding)) & (frame <= max(self.padding))
        return there if there.any() else None

    def encode(self, real: np.ndarray, k: int, missing: np.ndarray | None, kept: Any) -> tuple[np.ndarray, int]:
        """Return what is stored for the k-th frame, and how many values were clipped.

        ``kept`` is what was stored where there is no data, which is where ``missing`` is.
        """
        if self.dtype.kind == "f":
            return real.astype(self.dtype, copy=False), 0
        stored = real.astype(np.float64)
        if not self.plain:
            stored = (stored - self.inters[k]) / self.slopes[k]
        stored = np.rint(stored)
        if missing is not None:
            stored[missing] = kept
        clipped = int(np.count_nonzero((stored < self.low) | (stored > self.high)))
        stored = np.clip(stored, self.low, self.high)
        if self.padding is not None:
            least, most = min(self.padding), max(self.padding)
            taken = (stored >= least) & (stored <= most)
            if missing is not None:
                taken &= ~missing
            stored[taken] = most + 1 if most < self.high else least - 1
        return stored.astype(self.dtype), clipped


def _scale(dataset: Any, k: int) -> tuple[float, float]:
    """Return the slope and the intercept of a frame."""
    group = frame_group(dataset, k, "PixelValueTransformationSequence") or dataset
    if "DoseGridScaling" in dataset:
        return float(dataset.DoseGridScaling), 0.0
    slope, inter = group.get("RescaleSlope"), group.get("RescaleIntercept")
    return 1.0 if slope is None else float(slope), 0.0 if inter is None else float(inter)


def frame_group(dataset: Any, k: int, name: str) -> Any:
    """Return what is said in a group of the k-th frame, or of all frames; None if nothing is."""
    own = dataset.get("PerFrameFunctionalGroupsSequence")
    shared = dataset.get("SharedFunctionalGroupsSequence")
    for item in (own[k] if own and k < len(own) else None, shared[0] if shared else None):
        found = item.get(name) if item is not None else None
        if found:
            return found[0]
    return None


def _padding(dataset: Any, low: int, high: int) -> tuple[int, int] | None:
    """Return the ends of what stands for no data, as the pixels' type holds them."""
    value = dataset.get("PixelPaddingValue")
    if value is None:
        return None
    ends = [int(value), int(dataset.get("PixelPaddingRangeLimit", value))]
    ends = [end - PERIOD if low < 0 <= high < end else end + PERIOD if end < low == 0 else end for end in ends]
    return (ends[0], ends[1]) if all(low <= end <= high for end in ends) else None


def working(stored: Sequence[np.ndarray], grids: Sequence[Grid]) -> np.dtype:
    """Return the type that holds all real values: what is stored comes back from it."""
    kinds = {part.dtype.newbyteorder("=") for part in stored}
    if all(grid.plain for grid in grids) and len(kinds) == 1:
        return kinds.pop()
    steps = [(inter, slope) for grid in grids for slope, inter in zip(grid.slopes, grid.inters, strict=True)]
    if all(slope == 1 and inter.is_integer() for inter, slope in steps):
        low = min(int(part.min()) + min(grid.inters) for part, grid in zip(stored, grids, strict=True))
        high = max(int(part.max()) + max(grid.inters) for part, grid in zip(stored, grids, strict=True))
        for name in WHOLE:
            if np.iinfo(name).min <= low and high <= np.iinfo(name).max:
                return np.dtype(name)
    reach = max(max(-grid.low, grid.high) for grid in grids) + max(abs(inter / slope) for inter, slope in steps)
    return np.dtype(np.float32 if reach < EXACT else np.float64)


def decode(frame: np.ndarray, slope: float, inter: float, dtype: np.dtype) -> np.ndarray:
    """Return the real values of a stored frame."""
    if (slope, inter) == (1.0, 0.0):
        return frame.astype(dtype)
    return (frame.astype(np.float64) * slope + inter).astype(dtype)
