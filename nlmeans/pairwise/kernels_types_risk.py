"""What the kernel of the risk estimate is given, as named tuples."""

from __future__ import annotations

from typing import Any, NamedTuple

from .kernels_types import Places


class Rule(NamedTuple):
    """How pixels are averaged: the radii of a patch, the decays, and what the pixel itself weighs as in the core.

    A score less ``bias`` times a decay counts steps; a weight has vanished ``far`` of them beyond, or where a squared
    difference exceeds ``limit``. ``one`` and ``shift`` are as in `Fixed`, ``end`` is ``far`` as a whole number.
    ``floor`` is taken off a weight. ``slope`` times a decay is the slope of what it was taken off, along half the
    difference; ``unit`` is 1.
    """

    patch: Any
    decays: Any
    top: Any
    alone: Any
    constant: Any
    floor: Any
    bias: Any
    far: Any
    limit: Any
    one: Any
    shift: Any
    end: Any
    slope: Any
    unit: Any


class Partners(NamedTuple):
    """Displacements: vectors on, columns on, a number above 0 for a name, and 1 for those within a patch, else 0."""

    ahead: Any
    columns: Any
    names: Any
    near: Any


class Tables(NamedTuple):
    """Where the vectors come from, which columns are real and counted, and the row's plane, row and first vector."""

    places: Places
    slices: Any
    real: Any
    inside: Any
    start: Any


class Scratch(NamedTuple):
    """Arrays of vectors: features, sums, scores and weights by displacements, and what `weigh` notes."""

    features: Any
    sums: Any
    scores: Any
    weights: Any
    tops: Any


class Line(NamedTuple):
    """A row: scores and weights by displacements, what `weigh` notes, and which columns are real from ``at`` on."""

    scores: Any
    weights: Any
    tops: Any
    count: Any
    real: Any
    at: Any
