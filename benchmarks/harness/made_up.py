"""Volumes to tune on: tissue, vessels and texture, made up, and none of them the phantom that is measured."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle, islice

import numpy as np

SIDE = 40
WHITE = 255.0


def volumes(count: int, side: int = SIDE) -> list[np.ndarray]:
    """Return so many float32 cubes from 0 to 255: of each kind one, and on."""
    return list(islice(_all(side), count))


def _all(side: int) -> Iterator[np.ndarray]:
    for seed, make in enumerate(cycle((tissue, vessels, texture))):
        yield np.clip(make(np.random.default_rng(seed), side), 0, WHITE).astype(np.float32)


def field(random: np.random.Generator, side: int, width: float) -> np.ndarray:
    """Return smooth noise of variance 1, whose features are about ``width`` voxels wide."""
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(random.normal(size=(side,) * 3), width, mode="wrap")
    return (smooth - smooth.mean()) / smooth.std()


def tissue(random: np.random.Generator, side: int) -> np.ndarray:
    """Return regions of one level each with edges one voxel soft, smoothly shaded."""
    volume = np.full((side,) * 3, random.uniform(20, 60))
    for width in (8.0, 5.0, 5.0, 3.5):
        inside = np.clip(0.5 + width * (field(random, side, width) - random.uniform(-0.3, 0.9)), 0, 1)
        volume += inside * (random.uniform(30, 240) - volume)
    return volume * (1 + 0.08 * field(random, side, 14))


def vessels(random: np.random.Generator, side: int) -> np.ndarray:
    """Return bright tubes, two or three voxels wide, over a ground that changes slowly: where two fields are 0."""
    ground, pair = 80 + 25 * field(random, side, 9), [field(random, side, 4) for _ in range(2)]
    steepness = np.hypot(*(np.linalg.norm(np.gradient(each), axis=0) for each in pair))
    inside = np.clip(2 - np.hypot(*pair) / (steepness + 1e-3), 0, 1)
    return ground + inside * (random.uniform(180, 240) - ground)


def texture(random: np.random.Generator, side: int) -> np.ndarray:
    """Return texture of three sizes throughout."""
    parts = ((22, 1.6), (20, 3.0), (25, 7.0))
    return 120 + sum((height * field(random, side, width) for height, width in parts), np.zeros((side,) * 3))
