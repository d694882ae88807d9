"""What the kernel of the Wiener step is given, as named tuples."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..pairwise.kernels_types import Places

SIDE, DEPTH = 8, 4
LONG, SHORT, POWER, ONE = 8, 9, 10, 11
"""Places in ``basis`` after eight numbers cos(k π / 16) / 2: cos(π/8) / √2, cos(3π/8) / √2, the noise's variance, 1."""


class Rule(NamedTuple):
    """Slices of a window, the distance of windows, the noise's power in each coefficient of a plane, and the basis."""

    deep: Any
    step: Any
    powers: Any
    basis: Any


class Image(NamedTuple):
    """Planes of one channel, the factors that they come with, and where the averages go."""

    noisy: Any
    pilot: Any
    ones: Any
    out: Any


class Field(NamedTuple):
    """The variance of each pixel's noise, and its array of vectors."""

    noise: Any
    tile: Any


class Tables(NamedTuple):
    """Where a tile's vectors come from, and its first pixel."""

    places: Places
    corner: Any


class Scratch(NamedTuple):
    """Arrays of vectors: pixels, sums of windows and of their weights, and those of `Windows`."""

    noisy: Any
    pilot: Any
    sums: Any
    noisy_bands: Any
    pilot_bands: Any
    kept: Any
    bands: Any
    energy: Any
    spread: Any


class Windows(NamedTuple):
    """A row of windows: bands of columns, ``width`` vectors each; what is kept of every window; how much that is.

    Windows begin at every ``step``-th of ``count`` vectors. ``spread`` adds up weights over the columns they cover.
    """

    noisy: Any
    pilot: Any
    kept: Any
    bands: Any
    energy: Any
    spread: Any
    width: Any
    count: Any
    step: Any
