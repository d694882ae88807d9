"""What a second pass keeps of its pilot: the detail that averaging would lose.

Weights taken from a pilot see only what is left in it. Where it is flat they average many pixels and remove noise
that the pilot still has. Structure weaker than the noise is fainter in the pilot than it is: its patches look more
alike than they are, and the second average blurs them further. Either the pilot shows such structure, or what the
average takes off the image is more than noise: there the result moves towards the pilot.
"""

from __future__ import annotations

import numpy as np

from ..noise.fitted import FittedNoise
from ..pairwise.spec import Radii
from ..plan.averaging import AROUND

# Chosen on training pictures only; how much is kept at most is in `nlmeans.plan.defaults`.
FLAT = 0.016
"""Variance of a pilot around a pixel, over that of the noise, at which half of the most is kept for it."""
EXPECTED = 0.99
"""What an average takes off the image where there is no structure, at most, over the variance of the noise."""
EXCESS = 10.0
"""Share that is kept for each unit of what it takes off beyond that."""
NEAR: Radii = (0, 4, 4)
"""Radius of the windows in which the variance of a pilot is taken; what is taken off is measured in `AROUND`."""
STRONG, STRAY = 1e3, 4.0
"""What a pixel of the pilot, and one of what is taken off, counts for at most, in units of σ."""


def shares(pilot: np.ndarray, average: np.ndarray, planes: np.ndarray, noise: FittedNoise, most: float) -> np.ndarray:
    """Return the share of a pilot (C, Z, Y, X) that is kept at each pixel (Z, Y, X), from 0 to 1.

    It is ``most`` · v² / (v² + `FLAT`²) + `EXCESS` · max(r - `EXPECTED`, 0): v is the variance of the pilot around a
    pixel, r the mean square of what ``average`` takes off ``planes``, both over the variance of the noise; of several
    channels, their means. A missing pixel takes off what noise would.
    """
    noisy = [channel for channel, sigma in enumerate(noise.sigma) if sigma > 0]
    structure, taken = np.zeros_like(pilot[0]), np.zeros_like(pilot[0])
    for channel in noisy:
        scale = pilot.dtype.type(1 / noise.sigma[channel])
        structure += _variance(pilot[channel] * scale)
        off = (planes[channel] - average[channel]) * scale
        taken += np.square(np.clip(off, -STRAY, STRAY, out=off), out=off)
    for sums in (structure, taken):
        sums *= sums.dtype.type(1 / len(noisy))
        if noise.variance is not None:
            np.divide(sums, noise.variance[0], out=sums, where=noise.variance[0] > 0)
    taken[np.isnan(taken)] = 1
    excess = _means(taken, AROUND)
    excess -= excess.dtype.type(EXPECTED)
    excess *= excess.dtype.type(EXCESS)
    np.maximum(excess, 0, out=excess)
    with np.errstate(over="ignore"):  # nothing is kept for it then
        flat = np.square(FLAT / np.maximum(structure, np.finfo(structure.dtype).tiny))
    flat += 1
    excess += structure.dtype.type(most) / flat
    return np.minimum(excess, 1, out=excess)


def mixed(most: float) -> float:
    """Return how much less noise is left, at least, by mixing in a share of the pilot: half of it they share."""
    return float(np.sqrt(1 - most * (1 - most)))


def _variance(channel: np.ndarray) -> np.ndarray:
    """Return the mean square in each window of what differs from the mean of its own window."""
    apart = channel - _means(channel, NEAR)
    np.clip(apart, -STRONG, STRONG, out=apart)
    return _means(np.square(apart, out=apart), NEAR)


def _means(channel: np.ndarray, radii: Radii) -> np.ndarray:
    from scipy.ndimage import uniform_filter

    result: np.ndarray = uniform_filter(channel, [2 * radius + 1 for radius in radii], mode="nearest")
    return result
