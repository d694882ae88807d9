"""What the kernel that estimates groups is given, as named tuples."""

from __future__ import annotations

from typing import Any, NamedTuple


class Numbers(NamedTuple):
    """1, the share of the noise in the matrix, the pixels of a patch, and how little may be added to the diagonal.

    The last in units of the matrix's trace: rounding would make it indefinite with less.
    """

    one: Any
    noise: Any
    pixels: Any
    rounding: Any


class Images(NamedTuple):
    """Flat planes: the noisy image, the pilot, and the power of the noise in the patch at each pixel, if it differs."""

    noisy: Any
    pilot: Any
    powers: Any


class Pieces(NamedTuple):
    """A patch in pieces of a vector: where they begin in each channel, and in the patch; and how wide they are."""

    offsets: Any
    places: Any
    widths: Any


class Shape(NamedTuple):
    """The numbers that a patch takes, in whole vectors, and those that a vector holds."""

    length: Any
    lanes: Any


class Group(NamedTuple):
    """Where the ``count`` patches begin; ``size`` is ``count`` in whole vectors, ``share`` 1 over it."""

    positions: Any
    count: Any
    size: Any
    share: Any


class Sums(NamedTuple):
    """Flat planes: the estimates times their certainty, and that."""

    total: Any
    weights: Any


class Scratch(NamedTuple):
    """Arrays of vectors that hold one group."""

    patches: Any
    guess: Any
    mean: Any
    pixels: Any
    matrix: Any
    panel: Any
    swept: Any
    power: Any
    certainty: Any
    number: Any


class Lags(NamedTuple):
    """The rows and columns of a channel's table of covariances by lag, whose middle is lag 0, and the image's slices.

    ``slice`` and ``line`` are how far slices and rows of the padded planes lie apart; ``slices`` and ``places`` hold
    where each patch of a group begins.
    """

    rows: Any
    columns: Any
    deep: Any
    slice: Any
    line: Any
    slices: Any
    places: Any


class Shared(NamedTuple):
    """Covariances by lag, flat, and matrices of a group: its noise, and its weights."""

    table: Any
    lags: Any
    noise: Any
    weights: Any
