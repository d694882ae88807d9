"""Squares of flags: which of them are set throughout, and what lies in those that are."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def all_in(flags: np.ndarray, height: int, width: int) -> np.ndarray:
    """Whether all flags of each window along the last two axes are set."""
    for step in _doubling(width):
        flags = flags[..., step:] & flags[..., :-step]
    for step in _doubling(height):
        flags = flags[..., step:, :] & flags[..., :-step, :]
    return flags


def around(squares: np.ndarray, side: int) -> np.ndarray:
    """Whether all squares (Z, Y, X; by their first pixel) that hold a pixel are set, for each pixel."""
    edge = (side - 1, side - 1)
    return all_in(np.pad(squares, ((0, 0), edge, edge), constant_values=True), side, side)


def _doubling(size: int) -> Iterator[int]:
    """Return by how much to move windows of 1, that grow each time as they are joined, until they have this size."""
    done = 1
    while done < size:
        step = min(done, size - done)
        yield step
        done += step
