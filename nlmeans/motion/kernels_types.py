"""What the kernels of motion are given, as named tuples."""

from __future__ import annotations

from typing import Any, NamedTuple


class Level(NamedTuple):
    """Frames of whole numbers at one size, as floats in a flat array.

    They have so many lines of so many pixels, and begin ``padding`` pixels before the first cell. Of a part, ``side``
    pixels and ``margin`` more around are compared.
    """

    frames: Any
    lines: Any
    line: Any
    padding: Any
    side: Any
    margin: Any


class Rule(NamedTuple):
    """Which displacements are tried at a quarter of the size, in this order, and when one counts.

    It must leave at most this ``half`` or ``full`` share of the sum of differences at one of these sizes, and is sought
    only where the mean difference is above ``quiet`` at one.
    """

    candidates: Any
    half: Any
    full: Any
    quiet: Any


class Pair(NamedTuple):
    """The frame whose parts move, and the one in which they are found."""

    here: Any
    there: Any
