"""Padding: large areas of one exact value at an end of the range, such as what surrounds a scan that was turned."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..pairwise.spec import Radii

SAMPLE = 1 << 12
"""Pixels by which it is judged whether there may be any."""
SIDE, BORDER = 7, 3
"""Padding is made of squares of so many pixels of one value; at the image's border this many rows may be beyond it."""
SHARE = 0.005
"""Least share of the image, and of what is not padding, that each of the two fills."""
CHANCE = 0.5
"""Share of padding's value close to its areas from which these come by chance: in counts, most of which are 0."""
GAP, STEPS = 0.05, 5
"""Share of the others' usual distance from padding's value, and smallest steps between them, that no pixel is within
where the value is padding's alone: so are single pixels of it then, such as the tips of a slanted border."""


class Padding(NamedTuple):
    """What areas are padded with.

    Attributes
    ----------
    value : tuple of float
        One number a channel.
    alone : bool
        Whether no pixel of the picture would have it.
    """

    value: tuple[float, ...]
    alone: bool

    def area(self, source: np.ndarray, origin: Radii, sides: Radii) -> np.ndarray:
        """Return which pixels (Z, Y, X) of a part of the image that begins at ``origin`` are padding."""
        same = _same(source, self.value)
        if self.alone or not same.any():
            return same
        ends = zip(origin[1:], same.shape[1:], sides[1:], strict=True)
        return opened(same, [(first == 0, first + length == side) for first, length, side in ends])


def _same(source: np.ndarray, value: tuple[float, ...]) -> np.ndarray:
    """Return where all channels (C, ...) have the value."""
    same: np.ndarray = source[0] == value[0]
    for plane, number in zip(source[1:], value[1:], strict=True):
        same = same & (plane == number)
    return same


def padding_of(source: np.ndarray, known: np.ndarray | None, sides: Radii) -> tuple[Padding, ...]:
    """Return what areas of the image are padded with: values at the ends of the range."""
    paddings = []
    whole = source.shape[1:] == sides
    there = None if known is None else np.logical_and.reduce(known)
    few = _few(source, there)
    for least in (True, False):
        value = tuple(float(plane.min() if least else plane.max()) for plane in few) if few.size else ()
        if not value or np.count_nonzero(_same(few, value)) < SHARE * few.shape[1]:
            continue
        same = _same(source, value) if there is None else _same(source, value) & there
        size = same.size if there is None else int(there.sum())
        if not SHARE * size < np.count_nonzero(same) < size or not _at_end(source, there, value, least):
            continue
        if not _may_hold(same, SHARE * size):
            continue
        area = opened(same, [(whole, whole)] * 2)
        if not SHARE * size < np.count_nonzero(area) < (1 - SHARE) * size:
            continue
        close = ~area if there is None else ~area & there
        close &= ~_all(_all(np.pad(~area, [(0, 0), (BORDER, BORDER), (BORDER, BORDER)], constant_values=True), 1), 2)
        if np.count_nonzero(same & close) <= CHANCE * np.count_nonzero(close):
            paddings.append(Padding(value, any(map(_alone, few, value))))
    return tuple(paddings)


def _alone(pixels: np.ndarray, value: float) -> bool:
    """Whether no noise reaches a value: all else is far from it, in steps that are smaller."""
    others = np.unique(pixels[pixels != value]).astype(np.float64)
    if others.size < 2:
        return False
    distances = np.abs(others - value)
    gap = distances.min()
    return bool(gap >= max(GAP * np.median(distances), STEPS * np.diff(others).min()))


def _few(source: np.ndarray, there: np.ndarray | None) -> np.ndarray:
    """Return a sample (C, pixels) of the pixels that are there in all channels."""
    steps = [max(n // math.isqrt(SAMPLE), 1) for n in source.shape[2:]]
    z = max(source.shape[1] // 8, 1)
    cut = (slice(None, None, z), slice(None, None, steps[0]), slice(None, None, steps[1]))
    few = source[:, *cut].reshape(len(source), -1)
    return few if there is None else few[:, there[cut].ravel()]


def _at_end(source: np.ndarray, there: np.ndarray | None, value: tuple[float, ...], least: bool) -> bool:
    """Whether no pixel is beyond a value."""
    for plane, number in zip(source, value, strict=True):
        pixels = plane if there is None else plane[there]
        if (pixels.min() < number) if least else (pixels.max() > number):
            return False
    return True


def _may_hold(flags: np.ndarray, pixels: float) -> bool:
    """Whether squares of flags within a slice (Z, Y, X), and beyond its border, may hold more than so many pixels.

    Few rows suffice: each square has one of every ``SIDE`` rows, or the last, and all that share a run of flags in one
    row lie within less than twice their height.
    """
    rows = flags[:, [*range(BORDER, flags.shape[1] - 1, SIDE), -1]]
    runs = _all(np.pad(rows, [(0, 0), (0, 0), (BORDER, BORDER)], constant_values=True), 2)
    return bool((2 * SIDE - 1) * SIDE * np.count_nonzero(runs) > pixels)


def opened(flags: np.ndarray, edges: list[tuple[bool, bool]]) -> np.ndarray:
    """Return the pixels (Z, Y, X) that lie in a square of flags within a slice.

    Flags go on for a few pixels beyond those ``edges`` (before and behind along y and x) that are the image's.
    """
    pads = [(BORDER * before, BORDER * behind) for before, behind in edges]
    area = np.pad(flags, [(0, 0), *pads], constant_values=True)
    for axis in (1, 2):
        area = _all(area, axis)
    area = np.pad(area, [(0, 0), (SIDE - 1, SIDE - 1), (SIDE - 1, SIDE - 1)])
    for axis in (1, 2):
        area = ~_all(~area, axis)
    (top, _), (left, _) = pads
    return flags & area[:, top : top + flags.shape[1], left : left + flags.shape[2]]


def _all(flags: np.ndarray, axis: int) -> np.ndarray:
    """Return whether all of each run of ``SIDE`` flags along an axis are set."""
    moved, done = np.moveaxis(flags, axis, 0), 1
    while done < SIDE and len(moved) > 1:  # runs double
        step = min(done, SIDE - done, len(moved) - 1)
        moved, done = moved[step:] & moved[:-step], done + step
    return np.moveaxis(moved if done == SIDE else moved[:0], 0, axis)
