"""What the kernel for query, key and value apart is given, as named tuples."""

from __future__ import annotations

from typing import Any, NamedTuple

GAUSSIAN, EXP, LINEAR, RELU = range(4)
FORWARD, QUERY_SIDE, KEY_SIDE = range(3)


class Power(NamedTuple):
    """How `exp2_minus` counts: unit, limit and scale as floats, shift and end as integers."""

    unit: Any
    limit: Any
    scale: Any
    shift: Any
    end: Any


class Rule(NamedTuple):
    """What is computed, from scores times ``factor``, less ``bias``; and numbers that a loop cannot make itself.

    A pixel left out has the score ``outcast``; one that is not real has minus ``big``, with the weight exp.
    """

    mode: Any
    kind: Any
    power: Power
    factor: Any
    bias: Any
    zero: Any
    big: Any
    one: Any
    outcast: Any


class Window(NamedTuple):
    """Radii along (z, y, x), or all of the domain, and whether a pixel does not meet itself.

    Of the partners ``group`` are scored at once, of the domain ``block`` are spread at once; ``ones`` are factors.
    """

    radii: Any
    domain: Any
    alone: Any
    group: Any
    block: Any
    ones: Any


class Scratch(NamedTuple):
    """Arrays of vectors: either side of a tile, which columns are real, and those of `Row`."""

    near: Any
    far: Any
    real: Any
    scores: Any
    gains: Any
    rescale: Any
    sums: Any


class Row(NamedTuple):
    """A near row of ``count`` vectors: scores, or weights, and gains of a group; factors of earlier sums; sums."""

    scores: Any
    gains: Any
    rescale: Any
    sums: Any
    lanes: Any
    count: Any


class Far(NamedTuple):
    """What near pixel t meets as partner g of a group: ``data[at + t * along + g]``, in planes ``plane`` apart."""

    data: Any
    at: Any
    plane: Any
    along: Any


class Stats(NamedTuple):
    """Four planes that lie with i: ``data[at + t * along + g * step]`` for near pixel t and partner g.

    They are 1/C_i, ⟨G_i, y_i⟩, the largest score or weight, and what the pixel gains where its own is the largest.
    """

    data: Any
    at: Any
    plane: Any
    along: Any
    step: Any
