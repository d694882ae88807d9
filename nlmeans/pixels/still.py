"""Still areas: large ones of one exact value amid pixels that vary, such as what lies outside the circle of a scan."""

from __future__ import annotations

import numpy as np

from .padding import BORDER, SIDE
from .squares import all_in, around

SHARE = 0.001
"""Least share of the pixels that areas of one value fill."""
CHANCE = 0.7
"""Share of equal neighbours close to areas from which these come by chance, or by rounding: of counts, and of pictures
with less noise than a step between grey levels."""


def still_in(plane: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return which pixels (Z, Y, X) of those that are ``known`` lie in areas of one exact value amid others that vary.

    Areas are made of squares within a slice, and go on for a few pixels beyond its border.
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
    area &= np.isin(plane, values[counts >= SHARE * np.count_nonzero(known)])
    close = ~around(~area, 2 * BORDER + 1)[:, BORDER:-BORDER, BORDER:-BORDER] & known & ~area
    pairs = close[:, :, 1:] & close[:, :, :-1]
    alike = np.count_nonzero(pairs & (plane[:, :, 1:] == plane[:, :, :-1]))
    return area if alike < CHANCE * np.count_nonzero(pairs) else none
