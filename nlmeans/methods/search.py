"""The search for the strength of the least risk, whatever estimates the risk."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..pairwise.tiles import Tile, whole

STEP = 2.0**0.5
"""Strengths are tried at the plan's own and at these steps from them, until the risk rises."""
MOST = 6
"""How many are tried at most."""
BLOCK, PIXELS = 48, 1 / 24
"""Side of the square parts on which they are tried, and these parts' share of the image."""
FEWEST = 4
"""Least number of these parts: of one alone the risk scatters more than strengths differ."""


def search(risk: Callable[[float], float]) -> tuple[tuple[float, ...], list[float]]:
    """Walk from 1 in steps towards the lower risk; return the factors tried and their risks, in order."""
    risks = {k: risk(STEP**k) for k in (-1, 0, 1)}
    while len(risks) < MOST:
        best = min(risks, key=lambda k: risks[k])
        outward = best - 1 if best == min(risks) else best + 1
        if outward in risks:
            break
        risks[outward] = risk(STEP**outward)
    order = sorted(risks)
    return tuple(STEP**k for k in order), [risks[k] for k in order]


def places(planes: np.ndarray, times: int = 1) -> list[Tile]:
    """Return evenly spread parts of the image, ``times`` as many as usual, or all of a small one."""
    _, depth, height, width = planes.shape
    deep = min(depth, BLOCK // 5)
    cells = min(BLOCK, height) * min(BLOCK, width) * deep
    wanted = times * max(round(PIXELS * planes[0].size / cells), FEWEST)
    if planes[0].size <= times * FEWEST * cells:
        return [whole(planes.shape[1:])]
    down = max(round(math.sqrt(wanted * height / width)), 1)
    across = max(round(wanted / down), 1)
    middle = ((depth - deep) // 2, (depth - deep) // 2 + deep)

    def starts(side: int, count: int) -> list[tuple[int, int]]:
        block = min(BLOCK, side)
        return [(start, start + block) for start in ((2 * k + 1) * (side - block) // (2 * count) for k in range(count))]

    return [Tile(middle, y, x) for y in starts(height, down) for x in starts(width, across)]


def lowest(factors: tuple[float, ...], risks: list[float]) -> tuple[float, float]:
    """Return where a parabola through the lowest risk and its neighbours is lowest, and the risk there."""
    k = int(np.argmin(risks))
    if k in (0, len(risks) - 1):
        return factors[k], risks[k]
    left, middle, right = risks[k - 1 : k + 2]
    bend = left - 2 * middle + right
    shift = 0.5 * (left - right) / bend if bend > 0 else 0.0
    step = math.log(factors[k + 1] / factors[k])
    return factors[k] * math.exp(shift * step), middle - 0.25 * (left - right) * shift
