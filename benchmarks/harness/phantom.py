"""A made-up volume."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .cases import PEAK

FLOOR = 64.0
"""Black in the volume: DIPY averages squares and takes the root, which fails where noise goes below 0."""


@lru_cache(maxsize=2)
def phantom(side: int = 128) -> np.ndarray:
    """Return a read-only float32 cube from `FLOOR` to 255: nested ellipsoids, smoothly shaded, and fine tubes.

    The ellipsoids grow with the side, the tubes are two to three voxels wide in any; edges are one voxel soft.
    """
    random = np.random.default_rng(0)
    z, y, x = grid = np.meshgrid(*[np.linspace(-1, 1, side)] * 3, indexing="ij", sparse=True)
    volume = np.zeros((side, side, side))

    def paint(outside: np.ndarray, level: float) -> None:
        """Blend in a level where ``outside``, the distance from an edge in voxels, is negative."""
        share = np.clip(0.5 - outside, 0, 1)
        volume[...] += share * (level - volume)

    shells = [(np.zeros(3), *shell) for shell in ((0.92, 210.0), (0.86, 45.0), (0.80, 130.0), (0.62, 165.0))]
    inner = [(random.uniform(-0.4, 0.4, 3), random.uniform(0.06, 0.2), random.uniform(20, 235)) for _ in range(14)]
    for centre, radius, level in (*shells, *inner):
        radii = radius * random.uniform(0.85, 1, 3)
        distance = np.sqrt(sum(((axis - c) / r) ** 2 for axis, c, r in zip(grid, centre, radii, strict=True)))
        paint((distance - 1) * radius * side / 2, level)
    volume *= 1 + 0.12 * np.sin(2.5 * z + 1) * np.cos(2 * y) + 0.06 * x
    for _ in range(10):
        places = []
        for axis in (y, x):
            middle, swing, turns, start = random.uniform((-0.5, 0.05, 2, 0), (0.5, 0.3, 6, 7))
            places.append((axis - middle - swing * np.sin(turns * z + start)) * side / 2)
        paint(np.hypot(*places) - random.uniform(1, 1.5), random.uniform(215, 255))
    cube = (FLOOR + (PEAK - FLOOR) / PEAK * np.clip(volume, 0, PEAK)).astype(np.float32)
    cube.setflags(write=False)
    return cube
