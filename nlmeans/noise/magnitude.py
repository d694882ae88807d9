"""Noise of magnitude images: from the background where there is one, else from the noise at each brightness."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from . import bins, curves, estimate

__all__ = ["estimate_rician", "rayleigh_background"]

# Of Rayleigh noise, which is all that a background holds: mean in units of σ, mean over standard deviation.
RAYLEIGH_MEAN: Final = math.sqrt(math.pi / 2)
RAYLEIGH_RATIO: Final = math.sqrt(math.pi / (4 - math.pi))
NEAR: Final = 0.25  # relative; the mean of a patch scatters by a quarter of that, its ratio by half
ROUNDS: Final = 5
# A background is Rayleigh noise where it fills this share of the pixels, its patches have the ratio of Rayleigh noise,
# next to none is darker, its distribution function stays this close, and it is as skewed: a normal variable has a
# skewness of 0, Rayleigh noise of 0.63. Of six photographs that pass all else, none has more than 0.79 of its patches
# alike; an MRI volume has 0.91.
SHARE: Final = 0.04
LEAST: Final = 1000  # pixels
ALIKE: Final = 0.85
DARKER: Final = 0.05
DISTANCE: Final = 0.06
SKEW: Final = 0.35
ZEROS: Final = 0.03  # more would be clipped noise
GREYS: Final = 10  # fewer below 2 σ would be counts, whose distribution at a mean of 3.7 is much like Rayleigh's


def estimate_rician(planes: np.ndarray, mask: np.ndarray | None) -> tuple[float, ...]:
    """Return the σ of Rician noise, one a channel of planes (C, Z, Y, X); a background set to 0 is left out.

    A background of Rayleigh noise tells σ by its mean square, even if the noise is correlated.
    """
    return tuple(_background(volume, mask) or _by_brightness(volume, mask) for volume in planes)


def rayleigh_background(planes: np.ndarray, mask: np.ndarray | None) -> tuple[float, ...] | None:
    """Return the σ of Rician noise where every channel has a background of nothing else."""
    sigmas = tuple(_background(volume, mask) for volume in planes)
    return sigmas if all(sigmas) else None


def _counting(volume: np.ndarray, mask: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    volume, known = bins.counting(volume, mask)
    return volume, known & ~_blank(volume)


def _background(volume: np.ndarray, mask: np.ndarray | None) -> float:
    """Return σ from a background of Rayleigh noise; 0 where there is none."""
    volume, known = _counting(volume, mask)
    tiles = _tiles(volume)[_tiles(known).all(1)].astype(np.float64)
    if len(tiles) == 0 or volume[known].min() < 0:
        return 0.0
    mean, spread = tiles.mean(1), tiles.std(1)
    alike = np.abs(mean - RAYLEIGH_RATIO * spread) < NEAR * mean
    if not alike.any():
        return 0.0
    sigma = float(np.median(mean[alike])) / RAYLEIGH_MEAN
    for _ in range(ROUNDS):
        near = np.abs(mean / (RAYLEIGH_MEAN * sigma) - 1) < NEAR
        values = tiles[near]
        if values.size < max(SHARE * known.sum(), LEAST):
            return 0.0
        sigma = math.sqrt(np.square(values).mean() / 2)
    darker = np.count_nonzero(mean < (1 - NEAR) * RAYLEIGH_MEAN * sigma)
    if alike[near].mean() < ALIKE or darker > DARKER * near.sum():
        return 0.0
    return sigma if _is_rayleigh(np.sort(values, axis=None) / sigma) else 0.0


def _is_rayleigh(values: np.ndarray) -> bool:
    """Whether sorted values have the distribution of Rayleigh noise of σ = 1."""
    centred = values - values.mean()
    if (centred**3).mean() < SKEW * (centred**2).mean() ** 1.5 or (values == 0).mean() > ZEROS:
        return False
    if len(np.unique(values[values < 2])) < GREYS:
        return False
    expected = 1 - np.exp(-np.square(values) / 2)
    ranks = np.searchsorted(values, values, "left") + np.searchsorted(values, values, "right")
    return bool(np.abs(expected - ranks / (2 * len(values))).max() < DISTANCE)


def _by_brightness(volume: np.ndarray, mask: np.ndarray | None) -> float:
    """Return σ from the noise at each brightness."""
    volume, known = _counting(volume, mask)
    values = volume[known].astype(np.float64)
    if values.size == 0 or values.min() == values.max():
        return 0.0
    high = estimate.clip_levels(values, None)[1]
    found = bins.sample(volume, known, known & (volume >= high)).bins()
    if len(found) == 0 or found.variance.min() == 0:
        sigma = bins.plain(volume, known)
        found = bins.Bins(np.array([values.mean()]), np.array([sigma**2]), np.ones(1))
    return curves.fit_rician(found).numbers[0] if found.variance.max() > 0 else 0.0


def _blank(volume: np.ndarray) -> np.ndarray:
    """Return which pixels lie in a square of 2 x 2 zeros: set to 0, rather than 0 by chance."""
    zero = np.pad(volume == 0, ((0, 0), (1, 1), (1, 1)))
    square = zero[:, 1:, 1:] & zero[:, 1:, :-1] & zero[:, :-1, 1:] & zero[:, :-1, :-1]
    return square[:, 1:, 1:] | square[:, 1:, :-1] | square[:, :-1, 1:] | square[:, :-1, :-1]


def _tiles(volume: np.ndarray) -> np.ndarray:
    """Return the tiles of a volume that do not overlap, a row each."""
    size = estimate.PATCH
    z, y, x = volume.shape[0], volume.shape[1] // size, volume.shape[2] // size
    tiles = volume[:, : y * size, : x * size].reshape(z, y, size, x, size)
    return tiles.swapaxes(2, 3).reshape(z * y * x, size**2)
