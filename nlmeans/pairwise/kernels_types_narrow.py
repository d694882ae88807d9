"""What the kernels of `kernels_narrow` are given, beyond the types of `kernels_types`."""

from __future__ import annotations

from typing import Any, NamedTuple


class Unit(NamedTuple):
    """What scores and weights count.

    A squared difference is clipped at ``limit``. A value is a feature times ``share`` / 2**16. Of 16 bits are also
    ``one``, and ``least``, the least weight of the pixel itself, which weighs ``top`` times the largest weight plus
    ``own``; a weight of 1 counts ``whole``. ``half`` a step of a feature's last 16 bits counts -1, their unit is a
    ``fraction`` of a value's. ``single`` is 1.
    """

    limit: Any
    share: Any
    one: Any
    least: Any
    top: Any
    own: Any
    half: Any
    fraction: Any
    single: Any
    whole: Any


class NarrowRule(NamedTuple):
    """How pixels are averaged: radii along (z, y, x), displacements kept at once, units, the curve of a weight.

    ``slices`` are the distances of the channels and slices of a patch, a tuple.
    """

    patch: Any
    search: Any
    group: Any
    fixed: Any
    curve: Any
    slices: Any


class NarrowImage(NamedTuple):
    """Features, what brings a channel to whole numbers, planes whose pixels averages are added to, and their units."""

    features: Any
    feature_factors: Any
    offsets: Any
    kept: Any
    value_factors: Any


class Grid(NamedTuple):
    """How a tile lies in the lanes: in ``bands`` of ``height`` rows from ``first`` on, in segments of ``count``.

    ``rows`` (row, band) and ``columns`` (t, segment) of the image are mirrored at the border; those of a segment that
    follow each other lie in its ``plain`` [first, last). ``masks`` have a bit for each lane: for each displacement
    along x and t, where both ends are real. Lanes of ``forward`` have a neighbour after them, those of ``backward`` one
    before. ``halves`` are the lanes whose 32-bit numbers are in the lower and in the upper half.
    """

    bands: Any
    height: Any
    count: Any
    first: Any
    origin: Any
    planes: Any
    rows: Any
    columns: Any
    plain: Any
    masks: Any
    forward: Any
    backward: Any
    halves: Any


class NarrowScratch(NamedTuple):
    """Arrays of vectors: features, pairs of values, sums over columns, weights, sums of pixels; these as float32.

    ``lines`` are a row of each lane, of features; ``apart`` are such of half the lanes, as float32.
    """

    features: Any
    values: Any
    columns: Any
    weights: Any
    sums: Any
    reals: Any
    lines: Any
    apart: Any


class Paired(NamedTuple):
    """Pairs of neighbours' values: those of pixel t for displacement g are ``at + t + g * step``; two vectors each."""

    data: Any
    at: Any
    step: Any
    plane: Any


class Gathering(NamedTuple):
    """What a row of pixels gathers, and with which weights.

    Those for displacement g lie ``g * step`` on, those of two in turn at ``first`` and ``second``; the values for both
    are ``values``.
    """

    weights: Any
    step: Any
    first: Any
    second: Any
    values: Paired


class Lay(NamedTuple):
    """Where the planes, rows (row, band) and columns (t, segment) of the lanes come from, as in `Grid`."""

    bands: Any
    planes: Any
    rows: Any
    columns: Any
    plain: Any


class NarrowBlock(NamedTuple):
    """A block of displacements: ``size`` along x, and ``dy[0] <= dy < dy[1]`` along y, in ``bands``.

    Pixels i lie in segments of ``count`` from ``start[0]`` on, their rows as in ``near``; those that they meet for the
    first displacement from ``start[1]`` on, as in ``far``. So many ``rows`` of pixels i are taken at a time. ``masks``
    and ``halves`` are as in `Grid`, masks twice: from ``half`` on those for displacements downwards. ``real`` has the
    lanes of real pixels for each row of ``far``, from the first whose last band has one.
    """

    bands: Any
    size: Any
    count: Any
    rows: Any
    dy: Any
    start: Any
    near: Lay
    far: Lay
    masks: Any
    half: Any
    real: Any
    forward: Any
    halves: Any


class NarrowBlockScratch(NamedTuple):
    """As `NarrowScratch`, with sums for either end of the pairs, and the same as 32-bit numbers."""

    features: Any
    values: Any
    columns: Any
    weights: Any
    mine: Any
    theirs: Any
    mine_wholes: Any
    theirs_wholes: Any
    lines: Any
