"""What the kernels are given, as named tuples: Numba takes them at no cost, and every number has its name.

Rows of vectors are given by the address ``data`` and a place ``at`` in it; places and distances count vectors.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Fixed(NamedTuple):
    """A score in fixed point (`fixed.fixed_point`): the unit of its last place as a float, and five of its numbers.

    A sum is bounded by ``clip``; ``bias`` is free; a weight ends at ``end``; shifting left by ``shift`` puts the
    exponent's whole part where a float keeps its exponent. ``floor`` is taken off a weight for a soft end, else None.
    """

    one: Any
    clip: Any
    bias: Any
    shift: Any
    end: Any
    floor: Any


class Places(NamedTuple):
    """The planes, rows and columns (t, lane) of an image that a tile holds, mirrored at the border."""

    planes: Any
    rows: Any
    columns: Any


class Real(NamedTuple):
    """1 where a column lies in the image, else 0; from ``at`` on, the columns ``first <= t < last`` do in all lanes."""

    data: Any
    at: Any
    first: Any
    last: Any


class Image(NamedTuple):
    """Planes, their channels' factors in a tile, the planes whose pixels stay where nothing is like them, and ones."""

    features: Any
    feature_factors: Any
    values: Any
    value_factors: Any
    kept: Any
    ones: Any


class Rule(NamedTuple):
    """How pixels are averaged: radii along (z, y, x), displacements kept at once, whether the features are the values.

    The pixel itself weighs ``top`` times the largest weight, at least ``alone``, plus ``constant``. Patchwise, pixels
    are made of no less than ``least`` of a patch.
    """

    patch: Any
    search: Any
    group: Any
    shared: Any
    fixed: Any
    top: Any
    alone: Any
    constant: Any
    least: Any


class Tables(NamedTuple):
    """Where a tile's vectors come from: ``slices`` is as in `Pair`, ``origin`` the first column of lane 0."""

    places: Places
    real: Any
    inner: Any
    slices: Any
    origin: Any


class Block(NamedTuple):
    """Displacements along z and, ``first <= dx < last``, along x; ``start`` is the first pixel that has a partner."""

    dz: Any
    first: Any
    last: Any
    start: Any


class BlockTables(NamedTuple):
    """As `Tables`; the columns of the pixels that are met are ``partners``."""

    places: Places
    partners: Any
    real: Any
    slices: Any


class BlockScratch(NamedTuple):
    """As `Scratch`, with sums for either end of the pairs."""

    features: Any
    values: Any
    columns: Any
    weights: Any
    mine: Any
    theirs: Any


class Scratch(NamedTuple):
    """Arrays of vectors: features, values, sums over columns of patches, weights, and what is summed up of them.

    Patchwise also 1 / C_i and own weights, and the arrays of `Boxes`.
    """

    features: Any
    values: Any
    columns: Any
    weights: Any
    sums: Any
    shares: Any = None
    ring: Any = None
    boxes: Any = None


class UnevenTile(NamedTuple):
    """Missing pixels and the noise of each patch (`run.Uneven`), and arrays of vectors for them."""

    known: Any
    valid: Any
    scales: Any
    known_tile: Any
    counts: Any
    valid_tile: Any


class Target(NamedTuple):
    """The output, and each pixel's 1 / C_i and own weight, which patchwise averaging reads."""

    out: Any
    shares: Any


class Pair(NamedTuple):
    """Rows of pixels i and of those that they meet for the first displacement, ``step`` vectors from row to row.

    ``slices[0]`` is the number of channels and slices of a patch, the others say how far each is from the first.
    """

    features: Any
    slices: Any
    i: Any
    j: Any
    step: Any


class Columns(NamedTuple):
    """Sums over ``height`` rows of ``count`` columns, for one displacement after the other; a patch has ``width``."""

    sums: Any
    count: Any
    height: Any
    width: Any


class Known(NamedTuple):
    """What `UnevenTile` holds, as vectors: see `kernels_uneven.known_difference` and `weigh_uneven`."""

    data: Any
    valid: Any
    shape: Any
    counts: Any
    middle: Any
    scales: Any


class Planes(NamedTuple):
    """Rows of several planes: that of plane p begins at ``at + p * plane``."""

    data: Any
    at: Any
    plane: Any


class Run(NamedTuple):
    """What pixel t has for displacement g: ``data[at + t + g * step]``."""

    data: Any
    at: Any
    step: Any


class Span(NamedTuple):
    """The pixels ``first <= t < last``, and of displacements those of ``0 <= g < count``, ``start <= t - g < end``."""

    first: Any
    last: Any
    start: Any
    end: Any
    count: Any


class Segments(NamedTuple):
    """How a row lies in the lanes: pixel ``origin + lane * count + t`` is lane ``lane`` of vector t."""

    origin: Any
    count: Any
    lanes: Any


class Boxes(NamedTuple):
    """Sums over rows of a patch (``ring``, as many as it is high), and over those (``columns``), of normalised weights.

    A row has ``count`` pixels, and ``radius`` more at each end. The sums for end j lie ``ring_j`` and ``columns_j``
    behind those for end i.
    """

    ring: Any
    columns: Any
    count: Any
    radius: Any
    ring_j: Any
    columns_j: Any
