"""Outliers: single pixels that stand out from all around them, as hot and dead ones do, and salt and pepper.

An outlier is beyond all but one of its eight neighbours, by much more than noise would be and than these differ. So
edges, lines and textures have none, and a pair of outliers next to each other is noticed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

STANDS_OUT = 10.0
"""Standard deviations of the noise, at least, that lie between an outlier and its neighbours."""
CONTRAST = 1.5
"""... and times what the neighbours differ, but for one at either end."""
FEWEST, SHARE = 6, 1e-4
"""Outliers that there must be, and their share of the pixels: fewer are details."""
MOST = 0.2
"""Share of pixels from which outliers are the picture."""
ONE_VALUE, ALONE = 0.9, 0.4
"""Share of outliers of one value, and of the pixels of that value that are outliers, from which all of these are."""
APART = 0.5
"""Share that outliers are of all pixels that stand out half as much, and share of them that do by twice the contrast:
details come in all strengths."""
NEAR, HEAP = 4.0, 1e-3
"""What is enough at either end of the range, if so many pixels have that very value, and few are near it."""
NORMAL = 1.4826
"""Standard deviation of a normal variable over its median distance from the middle."""
SECOND = math.sqrt(20.0)
"""Standard deviation of the second difference in both directions, 4 x less the 4 neighbours, of white noise of 1."""


class Limits(NamedTuple):
    """What makes a pixel of a channel an outlier.

    Attributes
    ----------
    far : float
        How far it must stand out; infinite where none does so far.
    near : float
        How far if it has one of the values ``ends``, which are those of the range's.
    ends : tuple of float
        Values at the ends of the range that single pixels have.
    always : tuple of float
        Values that all are outliers, wherever they are.
    """

    far: float = math.inf
    near: float = math.inf
    ends: tuple[float, ...] = ()
    always: tuple[float, ...] = ()

    def flags(self, plane: np.ndarray) -> np.ndarray:
        """Return which pixels (Z, Y, X) are outliers; NaN is none."""
        flags = np.isin(plane, self.always)
        if self.ends or math.isfinite(self.far):
            standing = Standing.of(plane)
            flags |= standing.out(self.far)
            if self.ends:
                flags |= np.isin(plane, self.ends) & standing.out(self.near)
        return flags


@dataclass(frozen=True)
class Outliers:
    """What makes a pixel an outlier.

    Attributes
    ----------
    channels : tuple of Limits
        In each channel.
    share : float
        Of the image's values, those that are outliers.
    """

    channels: tuple[Limits, ...]
    share: float

    @classmethod
    def of(cls, planes: np.ndarray) -> Outliers | None:
        """Find what stands out from planes (C, Z, Y, X), or a sample of them, where NaN is missing; None if nothing."""
        channels, counts = zip(*map(_limits_of, planes), strict=True)
        return cls(channels, sum(counts) / int(np.isfinite(planes).sum())) if any(counts) else None

    @property
    def text(self) -> str:
        """How many there are, in words."""
        numbers = sorted({value for limits in self.channels for value in limits.always})
        always = f", all of those of the value {' and '.join(f'{v:g}' for v in numbers)}" if numbers else ""
        return f"{self.share:.2%} of the pixels stand out from all around them{always}"

    def counting(self, planes: np.ndarray, known: np.ndarray | None) -> np.ndarray:
        """Return which pixels of planes (C, Z, Y, X) are no outliers; those that are not ``known`` are none."""
        there = planes if known is None else np.where(known, planes, planes.dtype.type(np.nan))
        return ~np.stack([limits.flags(plane) for limits, plane in zip(self.channels, there, strict=True)])


def _limits_of(plane: np.ndarray) -> tuple[Limits, int]:
    """Judge a channel (Z, Y, X); return its limits, and how many outliers there are."""
    known = int(np.isfinite(plane).sum())
    if not known:
        return Limits(), 0
    heaps = [(end, plane == end) for end in (float(np.nanmin(plane)), float(np.nanmax(plane)))]
    heaps = [(end, same) for end, same in heaps if max(FEWEST, HEAP * known) <= np.count_nonzero(same) <= MOST * known]
    level = _level(np.where(np.logical_or.reduce([same for _, same in heaps]), np.nan, plane) if heaps else plane)
    if not level > 0:
        return Limits(), 0
    standing, far, near = Standing.of(plane), STANDS_OUT * level, NEAR * level
    flags, weaker = standing.out(far), standing.out(near)
    count = np.count_nonzero(flags)
    few = count < max(FEWEST, SHARE * known, APART * np.count_nonzero(weaker))
    if few or count > MOST * known or np.count_nonzero(standing.out(far, 2 * CONTRAST)) < APART * count:
        flags, far = np.zeros_like(flags), math.inf
    always, ends = _heaps(plane, flags), list[float]()
    for end, same in heaps:
        alone, every = np.count_nonzero(weaker & same), np.count_nonzero(same)
        if end in always or alone < max(FEWEST, HEAP * known):
            continue
        near_end = np.count_nonzero(np.abs(plane - end) <= 2 * level) - every
        (always if alone >= ALONE * every > near_end else ends).append(end)
        flags |= same if end in always else weaker & same
    flags |= np.isin(plane, always)
    return Limits(far, near, tuple(ends), tuple(always)), int(flags.sum())


def _heaps(plane: np.ndarray, flags: np.ndarray) -> list[float]:
    """Return the values that nearly all outliers on one side of the others have."""
    if not flags.any():
        return []
    values, counts = np.unique(plane[flags], return_counts=True)
    middle = np.nanmedian(plane)
    heaps: list[float] = []
    for side in (values < middle, values > middle):
        k = int(np.argmax(np.where(side, counts, 0)))
        every = int(np.count_nonzero(plane == values[k]))
        if side.any() and counts[k] > max(FEWEST, ONE_VALUE * counts[side].sum(), ALONE * every):
            heaps.append(float(values[k]))
    return heaps


def _level(plane: np.ndarray) -> float:
    """Return about the standard deviation of the noise; of textures and few outliers somewhat more."""
    if min(plane.shape[1:]) < 3:
        return 0.0
    middle = plane[:, 1:-1, 1:-1]
    around = (plane[:, :-2, 1:-1] + plane[:, 2:, 1:-1]) + (plane[:, 1:-1, :-2] + plane[:, 1:-1, 2:])
    second = np.abs(4 * middle - around)
    second = second[np.isfinite(second)]
    return NORMAL * float(np.median(second)) / SECOND if second.size else 0.0


class Standing(NamedTuple):
    """How the pixels of a plane (Z, Y, X) stand among their neighbours in the slice; NaN is no neighbour.

    Attributes
    ----------
    beyond : ndarray
        How far a pixel is beyond all but one of them, above or below; -inf where too few are there.
    spread : ndarray
        What they differ, but for one at either end.
    """

    beyond: np.ndarray
    spread: np.ndarray

    @classmethod
    def of(cls, plane: np.ndarray) -> Standing:
        """Compare each pixel with its eight neighbours."""
        padded = np.pad(plane, [(0, 0), (1, 1), (1, 1)], constant_values=np.nan)
        _, height, width = plane.shape
        high = np.full((2, *plane.shape), -np.inf, plane.dtype)
        low = -high
        for y in range(3):
            for x in range(3):
                if (y, x) != (1, 1):
                    value = padded[:, y : y + height, x : x + width]
                    above = np.fmax(value, -np.inf)
                    below = np.fmin(value, np.inf)
                    np.maximum(high[1], np.minimum(high[0], above), out=high[1])
                    np.maximum(high[0], above, out=high[0])
                    np.minimum(low[1], np.maximum(low[0], below), out=low[1])
                    np.minimum(low[0], below, out=low[0])
        with np.errstate(invalid="ignore"):
            beyond = np.maximum(plane - high[1], low[1] - plane)
            return cls(np.where(np.isfinite(high[1]) & np.isfinite(low[1]), beyond, -np.inf), high[1] - low[1])

    def out(self, least: float, contrast: float = CONTRAST) -> np.ndarray:
        """Return which pixels stand out by more than ``least``, and ``contrast`` times what the neighbours differ."""
        with np.errstate(invalid="ignore"):
            stands: np.ndarray = self.beyond > np.maximum(contrast * self.spread, least)
        return stands
