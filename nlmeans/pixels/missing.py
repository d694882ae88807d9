"""Which pixels of an image count: decided once for the image, then asked of any piece of it.

Missing is what is masked, NaN or infinite; it gets the average of what is around it. Some pixels are no part of the
picture though their values are numbers: those of a value that stands for no data, those beyond anything that could be
averaged with the others, and padding. They contribute to no one either, and stay as they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from .. import _checks
from .._notes import Note
from ..pairwise.spec import Radii
from ..pairwise.tiles import Tile, whole
from .outliers import Outliers
from .padding import SIDE, Padding, padding_of
from .stripes import Stripes

FAR = 2.0**20
"""Beyond so many times the spread of the others, a value swallows their noise in sums of float32."""
ORDINARY = 0.9
"""Share of the pixels whose distance from the median is the spread."""
OFFSET, SQUARE, LARGEST = 2.0**10, 1e15, 1e70
"""Offset, in units of the spread, and spread, from which float32 would not do; and the largest number for float64."""
SAMPLE = 1 << 12
"""Pixels of a channel from which bounds are taken."""
HEAP = 0.01
"""Share of pixels of one value at an end of the range from which they are left aside for the bounds."""


class Measured(NamedTuple):
    """An image, or a piece of it, in numbers that can be averaged.

    Attributes
    ----------
    planes : ndarray, shape (C, Z, Y, X)
        float32 or float64; NaN where a pixel does not count.
    stays : ndarray of bool, shape (C, Z, Y, X), or None
        Which of those stay as they are, though missing pixels be filled.
    complete : bool
        Whether all pixels count; False where that is not known.
    """

    planes: np.ndarray
    stays: np.ndarray | None
    complete: bool = False


@dataclass(frozen=True)
class Rules:
    """Which pixels of an image count.

    Attributes
    ----------
    nodata : float or None
        A value that stands for no data.
    low, high : tuple of float
        Bounds of each channel; empty where none are needed.
    beyond : int
        Values beyond these among those it was judged by.
    padding : tuple of Padding
        What areas are padded with, at either end of the range.
    outliers : Outliers or None
        What makes a pixel an outlier.
    fills : bool
        Whether outliers count as missing.
    wide : bool
        Whether float32 would not do: for an offset far beyond what varies, and at the ends of its range.
    sides : tuple of 3 int
        The image's (Z, Y, X).
    stripes : Stripes or None
        What is taken off whole rows or columns.
    """

    nodata: float | None = None
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    beyond: int = 0
    padding: tuple[Padding, ...] = ()
    outliers: Outliers | None = None
    fills: bool = False
    wide: bool = False
    sides: Radii = (0, 0, 0)
    stripes: Stripes | None = field(default=None, compare=False)

    @classmethod
    def of(
        cls,
        source: np.ndarray,
        known: np.ndarray | None,
        nodata: float | None,
        padding: bool,
        sides: Radii,
    ) -> Rules:
        """Decide from an image, planes (C, Z, Y, X) as they are stored, or from samples of it, stacked along z."""
        rules = cls(nodata=nodata, sides=sides)
        there = rules._known(source, known)
        if source.dtype.itemsize > 2:
            ordinary = [Ordinary.of(plane, None if there is None else there[c]) for c, plane in enumerate(source)]
            _check_squares(ordinary)
            low, high = tuple(one.low for one in ordinary), tuple(one.high for one in ordinary)
            bounded = any(math.isfinite(one.spread) for one in ordinary)
            wide = any(one.wide for one in ordinary)
            rules = cls(nodata, low if bounded else (), high if bounded else (), wide=wide, sides=sides)
            beyond = rules._beyond(source, there)
            if beyond is not None:
                there = ~beyond if there is None else there & ~beyond
                rules = replace(rules, beyond=int(beyond.sum()))
        values = padding_of(source, there, sides) if padding else ()
        return replace(rules, padding=values) if values else rules

    @property
    def reach(self) -> int:
        """How far around a pixel lies what decides whether it counts."""
        return max(SIDE - 1 if any(not one.alone for one in self.padding) else 0, 1 if self.fills else 0)

    @property
    def notes(self) -> tuple[Note, ...]:
        """What a user should know."""
        notes = []
        if self.beyond:
            ends = ", ".join(f"{low:.3g} to {high:.3g}" for low, high in zip(self.low, self.high, strict=True))
            text = f"values beyond {ends} cannot be averaged with the others: they stay as they are"
            notes.append(Note("beyond", text))
        if self.padding:
            values = " and ".join(" ".join(f"{v:g}" for v in dict.fromkeys(one.value)) for one in self.padding)
            text = (
                f"areas of the one value {values} are taken for padding, or for clipped: they stay as they are, and "
                "out of averages (padding=False: they are denoised)"
            )
            notes.append(Note("padding", text))
        if self.outliers is not None:
            advice = "they count as missing" if self.fills else "outliers='fill' takes them as missing"
            notes.append(Note("outliers", f"{self.outliers.text}: {advice}"))
        return tuple(notes)

    def measure(
        self,
        source: np.ndarray,
        known: np.ndarray | None,
        origin: Radii = (0, 0, 0),
        places: Sequence[Tile] | None = None,
    ) -> Measured:
        """Return planes (C, Z, Y, X) in numbers that can be averaged.

        ``known`` (C, Z, Y, X) is False where a pixel is missing, ``origin`` where the planes begin in the image; if
        they are tiles of it on top of each other, ``places`` are these.
        """
        planes, stays = as_float(source, self.wide), self._void(source, known)
        if self.stripes is not None:
            planes = self._unstriped(source, planes, places or [whole(source.shape[1:]).moved([-o for o in origin])])
        for one in self.padding:
            if (area := one.area(source, origin, self.sides)).any():
                stays = np.broadcast_to(area, source.shape) if stays is None else stays | area
        counts = known
        if stays is not None:
            counts = ~stays if known is None else known & ~stays
        if self.outliers is not None and self.fills:
            kept = self.outliers.counting(planes, counts)
            counts = kept if counts is None else counts & kept
        if counts is None or counts.all():
            return Measured(planes, stays, complete=True)
        return Measured(np.where(counts, planes, planes.dtype.type(np.nan)), stays)

    def _unstriped(self, source: np.ndarray, planes: np.ndarray, places: Sequence[Tile]) -> np.ndarray:
        """Return planes without stripes, which clipped pixels do not show."""
        assert self.stripes is not None
        result, limits = self.stripes.removed(planes, places), _checks.saturation(source.dtype)
        return result if limits is None else np.where(np.isin(source, limits), planes, result)

    def _void(self, source: np.ndarray, known: np.ndarray | None) -> np.ndarray | None:
        """Return which values are no data or beyond the bounds; None if none is."""
        declared, beyond = self._declared(source), self._beyond(source, known)
        if declared is None or beyond is None:
            return beyond if declared is None else declared
        return declared | beyond

    def _declared(self, source: np.ndarray) -> np.ndarray | None:
        """Return which values stand for no data, masked or not; None if none does."""
        if self.nodata is None:
            return None
        with np.errstate(over="ignore"):  # a number that the type cannot hold
            void = np.isnan(source) if math.isnan(self.nodata) else source == self.nodata
        return void if void.any() else None

    def _beyond(self, source: np.ndarray, known: np.ndarray | None) -> np.ndarray | None:
        """Return which values are beyond the bounds; None if none is."""
        if not self.low:
            return None
        ends = zip(self.low, source, self.high, strict=True)
        if all(low <= float(plane.min()) and float(plane.max()) <= high for low, plane, high in ends):  # and no NaN
            return None
        low, high = (np.reshape(ends, (-1, 1, 1, 1)) for ends in (self.low, self.high))
        beyond = np.isfinite(source) & ((source < low) | (source > high))
        if known is not None:
            beyond &= known
        return beyond if beyond.any() else None

    def _known(self, source: np.ndarray, known: np.ndarray | None) -> np.ndarray | None:
        void = self._void(source, known)
        if void is None:
            return known
        return ~void if known is None else known & ~void


def as_float(planes: np.ndarray, wide: bool = False) -> np.ndarray:
    """Return planes as C-contiguous float32, or float64 where float32 would lose bits or ``wide`` says so."""
    exact = (planes.dtype.kind == "f" and planes.dtype.itemsize <= 4) or planes.dtype.itemsize <= 2
    with np.errstate(invalid="ignore"):  # a signalling NaN
        return np.ascontiguousarray(planes, np.float32 if exact and not wide else np.float64)


def sampled(plane: np.ndarray, most: int) -> np.ndarray:
    """Return at most about ``most`` pixels, evenly spread."""
    pixels = plane.reshape(-1)
    return pixels[:: pixels.size // most | 1]  # odd: in step with few patterns


class Ordinary(NamedTuple):
    """The values of a channel but for what is far from nearly all of them.

    Attributes
    ----------
    middle, spread : float
        Median, and the distance from it that most values keep; infinite where all are alike.
    """

    middle: float
    spread: float

    @classmethod
    def of(cls, plane: np.ndarray, known: np.ndarray | None) -> Ordinary:
        """Judge by a sample; values that heap up at an end are left aside."""
        with np.errstate(invalid="ignore"):  # a signalling NaN
            values = sampled(plane, SAMPLE).astype(np.float64)
        there = np.isfinite(values)
        if known is not None:
            there &= sampled(known, SAMPLE)
        if not there.all():
            values = values[there]
        if values.size == 0:
            return cls(0.0, math.inf)
        inner = values
        for end in (values.min(), values.max()):
            heap = inner == end
            if HEAP < np.count_nonzero(heap) / inner.size < 1:
                inner = inner[~heap]
        middle = _ranked(inner, inner.size // 2)
        with np.errstate(over="ignore"):
            deviations = np.abs(inner - middle)
        spread = _ranked(deviations, int(ORDINARY * (deviations.size - 1)))
        if spread == 0:
            deviations = deviations[deviations > 0]
            spread = _ranked(deviations, deviations.size // 2) if deviations.size else math.inf
        return cls(middle, spread)

    @property
    def low(self) -> float:
        """The least value that can be averaged with the others."""
        return self.middle - FAR * self.spread

    @property
    def high(self) -> float:
        """The greatest."""
        return self.middle + FAR * self.spread

    @property
    def wide(self) -> bool:
        """Whether float32 would lose what varies, or its squares."""
        if math.isinf(self.spread):
            return False
        return abs(self.middle) > OFFSET * self.spread or not 1 / SQUARE < self.spread < SQUARE


def _ranked(values: np.ndarray, rank: int) -> float:
    """Return the value that so many are below."""
    return float(np.partition(values, rank)[rank])


def _check_squares(channels: list[Ordinary]) -> None:
    """Refuse an image whose squares are no numbers."""
    for one in channels:
        size = max(abs(one.middle), 0.0 if math.isinf(one.spread) else one.spread)
        if size > LARGEST or 0 < one.spread < 1 / LARGEST:
            raise ValueError(
                f"an image's values must be numbers that can be squared, {1 / LARGEST:g} to {LARGEST:g}; got about "
                f"{one.middle:g}, varying by {one.spread:g}: multiply it by a power of ten"
            )
