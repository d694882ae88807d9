"""The definition of motion in plain NumPy: the oracle of the kernels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .spec import CELL, CHANCE, FARTHEST, LARGEST, LOUD, MARGIN, NEAR, NOISE, STEP, TILE, candidates

Place = tuple[int, int]
"""A pixel, or a displacement, along (y, x)."""
MIRRORED = CELL + MARGIN + FARTHEST
"""Mirrored pixels around frames: more than a cell that reaches beyond them can meet."""


def sizes(planes: np.ndarray, gains: Sequence[float]) -> list[np.ndarray]:
    """Return the frames (T, Y, X) of planes (C, T, Y, X) at full, half and quarter size, in whole numbers, mirrored."""
    grey = sum(plane * gain for plane, gain in zip(planes, gains, strict=True)) / np.sqrt(len(planes))
    frames = []
    for k in range(3):
        numbers = np.clip(np.rint(grey * (STEP << k)), -LARGEST, LARGEST)
        frames.append(np.pad(numbers, [(0, 0), (MIRRORED, MIRRORED), (MIRRORED, MIRRORED)], mode="reflect"))
        grey = np.pad(grey, [(0, 0), *((0, side % 2) for side in grey.shape[1:])], mode="edge")
        grey = (grey[:, ::2] + grey[:, 1::2])[:, :, ::2] / 4 + (grey[:, ::2] + grey[:, 1::2])[:, :, 1::2] / 4
    return frames


def difference(here: np.ndarray, there: np.ndarray, start: Place, side: int, margin: int, shift: Place) -> float:
    """Return the sum of absolute differences of a square, with a margin, and where a shift leads."""
    (y, x), (dy, dx), whole = (first + MIRRORED - margin for first in start), shift, side + 2 * margin
    apart = here[y : y + whole, x : x + whole] - there[y + dy : y + dy + whole, x + dx : x + dx + whole]
    return float(np.abs(apart).sum())


def sought(frames: list[np.ndarray], here: int, there: int, cell: Place) -> Place:
    """Return where a cell of one frame lies in another, from where it is; (0, 0) where that is not clearly so."""

    def apart(k: int, shift: Place) -> float:
        start = (cell[0] * CELL >> k, cell[1] * CELL >> k)
        return difference(frames[k][here], frames[k][there], start, CELL >> k, MARGIN >> k, shift)

    def best(k: int, shifts: list[Place]) -> Place:
        return min(shifts, key=lambda shift: apart(k, shift))  # the first of equal ones

    whole = [frame.shape[1] - 2 * MIRRORED for frame in frames], [frame.shape[2] - 2 * MIRRORED for frame in frames]

    def pixels(k: int) -> int:
        """Return how many pixels of the image are compared at a size: mirrored ones tell nothing new."""
        ends = [((first * CELL - MARGIN) >> k, ((first + 1) * CELL + MARGIN) >> k) for first in cell]
        return math.prod(min(last, side[k]) - max(first, 0) for (first, last), side in zip(ends, whole, strict=True))

    sums = [(CELL + 2 * MARGIN) ** 2 >> 2 * k for k in range(3)]
    still = [apart(k, (0, 0)) for k in range(3)]
    if all(still[k] <= NOISE * (1 + LOUD / math.sqrt(pixels(k))) * sums[k] for k in range(3)):
        return 0, 0
    shift, left = best(2, [(int(y), int(x)) for y, x in candidates()]), []
    for k in (1, 0):
        y, x = 2 * shift[0], 2 * shift[1]
        steps = [(v, u) for v in (-1, 0, 1) for u in (-1, 0, 1)]
        shift = best(k, [(y, x), *((y + v, x + u) for v, u in steps)])
        left.append(apart(k, shift) <= (1 - CHANCE / math.sqrt(pixels(k))) * still[k])
    return shift if any(left) else (0, 0)


def motion(planes: np.ndarray, gains: Sequence[float], here: int, there: int) -> np.ndarray:
    """Return where the tiles (rows, columns) of one frame lie in another, from where they are (rows, columns, 2)."""
    frames = sizes(planes, gains)
    rows, columns = (-(-side // CELL) for side in planes.shape[2:])
    found = {(v, u): sought(frames, here, there, (v, u)) for v in range(rows) for u in range(columns)}
    result = np.zeros((2 * rows, 2 * columns, 2), int)
    for y, x in np.ndindex(2 * rows, 2 * columns):
        beside = [found.get((v, u), (0, 0)) for v in ((y - 1) // 2, (y + 1) // 2) for u in ((x - 1) // 2, (x + 1) // 2)]
        result[y, x] = min(
            [(0, 0), *beside],
            key=lambda shift: difference(frames[0][here], frames[0][there], (y * TILE, x * TILE), TILE, NEAR, shift),
        )
    return result


def followed(planes: np.ndarray, there: int, shifts: np.ndarray) -> np.ndarray:
    """Return a frame of planes (C, T, Y, X) as it would lie without motion: each pixel from where its tile went.

    Where that is outside the image, it is from where it is.
    """
    _, _, height, width = planes.shape
    y, x = np.mgrid[:height, :width]
    dy, dx = np.moveaxis(shifts[y // TILE, x // TILE], -1, 0)
    inside = (y + dy >= 0) & (y + dy < height) & (x + dx >= 0) & (x + dx < width)
    return planes[:, there, np.where(inside, y + dy, y), np.where(inside, x + dx, x)]
