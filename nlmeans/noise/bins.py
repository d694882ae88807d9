"""How much noise there is at each brightness: what every model of noise is fitted to."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from . import estimate
from .patches import PATCH, Patches

# Bins are cut at evenly spaced grey levels and at quantiles, so that neither a rare brightness nor a
# crowded one is lost.
LEVELS: Final = 32
QUANTILES: Final = 12
LEAST_PATCHES: Final = 250
LEAST_BLOCKS: Final = 12  # of 8 x 8 pixels, which share no noise
# A bin's variance is believed within this, however many patches it has: texture is never quite gone.
TRUST: Final = 0.03
DIRECTIONS: Final = 8  # the quietest, which are averaged


@dataclass(frozen=True)
class Bins:
    """Noise by brightness, darkest first.

    Attributes
    ----------
    mean, variance : ndarray
        Of the flattest patches of each bin, in the image's units.
    error : ndarray
        Standard error of the variance, relative.
    white : ndarray of bool
        Whether these patches hold noise and nothing else: it is as strong in all directions.
    """

    mean: np.ndarray
    variance: np.ndarray
    error: np.ndarray
    white: np.ndarray

    def __len__(self) -> int:
        return len(self.mean)

    def where(self, chosen: np.ndarray) -> Bins:
        """Return the bins that are chosen."""
        return Bins(self.mean[chosen], self.variance[chosen], self.error[chosen], self.white[chosen])


def bins_of(patches: Patches) -> Bins:
    """Return the noise in the flattest patches of each brightness."""
    if len(patches) == 0:
        return Bins(np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0, bool))
    order = np.argsort(patches.mean, kind="stable")
    blocks = blocks_of(patches.z, patches.y, patches.x)
    rows, white = [], []
    for members in cut_of(order, patches.mean, blocks):
        flattest = members[estimate.flattest_of(patches.texture[members])]
        variances = _quiet(patches.noise[flattest], patches.z[flattest], patches.y[flattest], patches.x[flattest])
        variance = patches.scale**2 * max(float(variances[DIRECTIONS - 1]), 0.0)
        count = len(np.unique(blocks[flattest]))
        error = math.hypot(math.sqrt(2 / (DIRECTIONS * count)), TRUST)
        rows.append((patches.mean[flattest].mean(dtype=np.float64), variance, error))
        white.append(estimate.uneven(variances) < estimate.CORRELATED)
    means, noises, errors = np.array(rows, np.float64).reshape(-1, 3).T
    return Bins(means, noises, errors, np.array(white, bool))


def _quiet(noise: np.ndarray, z: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return the variances in the quietest directions, taken from one half of the patches and measured in the other."""
    half = (z + y // estimate.PIECE + x // estimate.PIECE) % 2
    parts = [noise[half == side].astype(np.float64) for side in (0, 1)]
    moments = np.stack([part.T @ part for part in parts])
    counts = np.array([len(part) for part in parts], np.float64)
    return estimate.quietest_variances(moments, counts)


def blocks_of(z: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return in which block of 8 x 8 pixels each patch begins."""
    index = np.stack([z, y // PATCH, x // PATCH])
    return np.ravel_multi_index(tuple(index), tuple(index.max(1) + 1))


def cut_of(order: np.ndarray, means: np.ndarray, blocks: np.ndarray) -> list[np.ndarray]:
    """Return the members of each bin, darkest first; a bin too small is joined with the next."""
    ranked = means[order]
    levels = np.linspace(ranked[0], ranked[-1], LEVELS + 1)[1:-1]
    quantiles = np.quantile(ranked, np.arange(1, QUANTILES) / QUANTILES)
    stops = [*np.searchsorted(ranked, np.unique(np.concatenate([levels, quantiles]))), len(ranked)]
    result: list[np.ndarray] = []
    start = 0
    for stop in stops:
        members = order[start:stop]
        if len(members) >= LEAST_PATCHES and len(np.unique(blocks[members])) >= LEAST_BLOCKS:
            result.append(members)
            start = stop
    return result
