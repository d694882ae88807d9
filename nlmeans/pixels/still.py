"""Still areas: large ones of one exact value amid pixels that vary, such as what lies outside the circle of a scan."""

from __future__ import annotations

import numpy as np

from .padding import BORDER, SIDE
from .squares import all_in, around

SHARE, MOST = 0.001, 0.5
"""Least share of the pixels, and of those in squares of one value, that areas of the same value fill: what rounding and
compression leave of a picture has many values."""
HEAP = 2.0
"""Times that the value is as frequent as the next one on either side: all are values of the picture otherwise."""
CHANCE = 0.4
"""Share of equal neighbours close to areas from which these come from rounding or compression, or are graphics."""


def still_in(plane: np.ndarray, known: np.ndarray, chance: float = CHANCE) -> np.ndarray:
    """Return which pixels (Z, Y, X) of those that are ``known`` lie in areas of one exact value amid others that vary.

    Areas are made of squares within a slice, and go on for a few pixels beyond its border. Close to them less than a
    share ``chance`` of neighbours are equal.
    """
    none = np.zeros(plane.shape, bool)
    height, width = plane.shape[1:]
    if min(height, width) <= BORDER:
        return none
    edges = [(0, 0), (BORDER, BORDER), (BORDER, BORDER)]
    pixels, there = np.pad(plane, edges, mode="edge"), np.pad(known, edges, mode="edge")
    down, across = pixels[:, 1:] == pixels[:, :-1], pixels[:, :, 1:] == pixels[:, :, :-1]
    squares = all_in(there, SIDE, SIDE) & all_in(down, SIDE - 1, SIDE) & all_in(across, SIDE, SIDE - 1)
    if not squares.any():
        return none
    area = ~around(~squares, SIDE)[:, BORDER : BORDER + height, BORDER : BORDER + width]
    values, counts = np.unique(plane[area], return_counts=True)
    few = values[counts >= max(SHARE * np.count_nonzero(known), MOST * np.count_nonzero(area))]
    area &= np.isin(plane, [value for value in few if _heaped(plane[known], value)])
    if not area.any():
        return none
    close = ~around(~area, 2 * BORDER + 1)[:, BORDER:-BORDER, BORDER:-BORDER] & known & ~area
    pairs = close[:, :, 1:] & close[:, :, :-1]
    alike = np.count_nonzero(pairs & (plane[:, :, 1:] == plane[:, :, :-1]))
    return area if alike < chance * np.count_nonzero(pairs) else none


def _heaped(pixels: np.ndarray, value: float) -> bool:
    """Whether a value is far more frequent than the next ones."""
    sides = (pixels[pixels < value].max(initial=-np.inf), pixels[pixels > value].min(initial=np.inf))
    most = max(np.count_nonzero(pixels == side) for side in sides)
    return bool(np.count_nonzero(pixels == value) > HEAP * most)
