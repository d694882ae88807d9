"""What the kernel of the Wiener step is given, as named tuples."""

from __future__ import annotations

from typing import Any, NamedTuple

SIDE, DEPTH = 8, 4
ONE, HALF, LONG, SHORT = 0, 1, 2, 3
"""Places in ``basis``: 1; then of the transform of four numbers, 1/2, cos(π/8) / √2, cos(3π/8) / √2."""
TILT, WIDE, NARROW, RATIO = 4, 5, 6, 7
"""Of the transform of eight: tan(π/8), tan(3π/16), tan(π/16), cos(π/16) / cos(3π/16)."""
SQUARES, FOURTHS = 8, 16
"""The squares of the factors of its coefficients; 1 over the fourth powers of the first four."""


class Rule(NamedTuple):
    """Slices of a window, and numbers of ``basis``; the noise's power in each coefficient of a plane.

    ``limits`` holds the power over the squared factors of both axes, ``powers`` over that of y alone.
    """

    deep: Any
    basis: Any
    limits: Any
    powers: Any


class Image(NamedTuple):
    """Slices of one channel, and where the averages go."""

    noisy: Any
    pilot: Any
    out: Any


class Field(NamedTuple):
    """The variance of each pixel's noise, and its array of vectors."""

    noise: Any
    tile: Any


class Tables(NamedTuple):
    """The slices, rows and columns that a tile reads, ``count`` columns a lane and some for the last; its first pixel.

    The image mirrors none of the columns in ``plain``. Windows begin where z + y + x, counted from the first pixel and
    plus ``odd``, is even.
    """

    slices: Any
    rows: Any
    columns: Any
    plain: Any
    lanes: Any
    count: Any
    corner: Any
    odd: Any


class Scratch(NamedTuple):
    """Arrays of vectors: pixels, sums of windows, a row as the image has it, those of `Windows`, the field's."""

    noisy: Any
    pilot: Any
    sums: Any
    line: Any
    noisy_bands: Any
    pilot_bands: Any
    bands: Any
    kept: Any
    weights: Any
    field: Any


class Windows(NamedTuple):
    """A row of windows: bands of columns, ``width`` vectors each; what is kept of two windows; the weights of each.

    There are ``count`` windows, an even number, of which every second is taken. Before and after their weights are
    `SIDE` - 1 zeros.
    """

    noisy: Any
    pilot: Any
    bands: Any
    kept: Any
    weights: Any
    width: Any
    count: Any


class Rows(NamedTuple):
    """The rows that windows hold: where the first begins, how far the next is, and the next slice, and how many."""

    at: Any
    width: Any
    plane: Any
    deep: Any
