"""What the kernel that finds groups is given, as named tuples."""

from __future__ import annotations

from typing import Any, NamedTuple

TOGETHER = 4
"""Vectors of distances that are summed up at once."""


class Rule(NamedTuple):
    """The radii of the window, the last places where a patch begins, and how far slices and lines are apart.

    Patches are compared by the pixels that lie ``offsets`` from their first one; ``far`` is farther than any of them.
    """

    search: Any
    ends: Any
    slice: Any
    line: Any
    offsets: Any
    far: Any


class Scratch(NamedTuple):
    """Where pieces of the window begin, the distances there, their bits, one number of these, and the lanes."""

    starts: Any
    distances: Any
    bits: Any
    edge: Any
    lanes: Any
