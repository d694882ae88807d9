"""How motion is followed: the sizes and bounds that the kernels and their oracle share."""

from __future__ import annotations

import math

import numpy as np

from ..pairwise.spec import Radii

TILE = 16
"""Side of a tile, whose pixels move together."""
CELL = 2 * TILE
"""Side of a cell, for which a displacement is sought: a tile takes that of its own, or of one that it lies beside."""
MARGIN = 16
"""How many pixels around a cell are compared with it."""
NEAR = 8
"""The same of a tile."""
SEARCHED = 8
"""Displacements from -8 to 7 along y and x are tried at a quarter of the size: as many as a vector has lanes."""
FARTHEST = 4 * SEARCHED + 3
"""Largest displacement in pixels, with one more at half and at full size each."""
PADDING = 64
"""Mirrored pixels around frames: at least a margin and the largest displacement, a multiple of a cell."""
REACH = CELL + TILE - 1 + MARGIN + FARTHEST + 3
"""How far from a pixel the image decides where its tile goes."""
STEP = 8
"""What is compared are whole numbers that count so many steps in the noise's standard deviation, at each size."""
LARGEST = 1 << 15
"""Bound of these numbers: as floats of 32 bits, their differences add up exactly."""
SPREAD = math.sqrt(math.pi / 2 - 1)
"""Standard deviation of the absolute difference of noise, over its mean."""
CHANCE = 5 * SPREAD
"""By how many such deviations of their mean, over the root of the pixels, a displacement must do better than chance."""
NOISE = STEP * 2 / math.sqrt(math.pi)
"""Mean absolute difference of white noise."""
LOUD = 4 * SPREAD
"""By how many the mean difference must be above that of noise, at one size, for a displacement to be sought."""


def candidates() -> np.ndarray:
    """Return the displacements (n, 2) that are tried at a quarter of the size, near ones first."""
    y, x = (axis.ravel() for axis in np.mgrid[-SEARCHED:SEARCHED, -SEARCHED:SEARCHED])
    return np.stack([y, x], axis=1)[np.lexsort((x, y, y * y + x * x))]


def first_cell(origin: Radii) -> tuple[int, int]:
    """Return the row and column of the image where the first cell begins that a piece from ``origin`` on meets."""
    return origin[1] // CELL * CELL, origin[2] // CELL * CELL


def cells(origin: Radii, sides: Radii) -> tuple[int, int]:
    """Return how many rows and columns of cells a piece meets."""
    y, x = (math.ceil((start + side) / CELL) - start // CELL for start, side in zip(origin[1:], sides[1:], strict=True))
    return y, x
