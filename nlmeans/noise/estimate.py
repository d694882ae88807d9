"""Estimation of the noise in an image from the image alone.

Patches are rotated into the orthonormal cosine basis, where white noise stays white and the bands are independent.
The patches with the least energy in the middle frequencies are the least textured ones. Their high frequencies
hold noise and the little texture that is left, and texture lives in few directions: the variance in the quietest
principal directions is the noise's. Patches are chosen by one band and measured in another, so the choice cannot
favour patches whose noise happens to be small; directions are taken from one half of the patches and measured in
the other, so they cannot fit the noise either.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from .patches import PATCH, Channel, Evidence
from .sparse import sparse

if TYPE_CHECKING:
    from .patches import Array, Flags, Indices, Limits

__all__ = ["NoiseEstimate", "estimate", "estimate_planes"]

# Values marked "tuned" were chosen by the error at σ = 2 to 50 on 80 photographs of BSD's training set and 50 crops
# of them; none is critical.

NORMAL_QUARTILE: Final = 0.6744897501960817  # of a standard normal variable
# Tuned. How many of the quietest directions are averaged. Few avoid texture, many scatter less.
DIRECTIONS: Final = (2, 4, 8, 16)
# Tuned. Sizes of the sets of flattest patches: the first, the growth to the next, the last as a share of all. Small
# sets find the flat corner of a textured picture, large ones scatter less.
FIRST_SET: Final = 300
GROWTH: Final = 2
LAST_SET: Final = 0.25
# Tuned. Standard errors to add to an estimate before the least is taken; less follows lucky small sets.
CAUTION: Final = 4.0
# Patches are compared across pieces of the picture this wide, more than a patch, so that the halves overlap little.
PIECE: Final = 16
# The greatest values that white noise of σ >= 5 reached on those photographs are 0.22 and 0.01; the least that
# noise blurred by half a pixel reaches is 0.33, that JPEG of quality 90 leaves of noise of σ = 3 to 25 is 0.06.
CORRELATED: Final = 0.27
BLOCKED: Final = 0.03


@dataclass(frozen=True)
class NoiseEstimate:
    """The noise of an image, one number a channel.

    Attributes
    ----------
    sigma : tuple of float
        Standard deviation in the image's units. Where the noise is correlated, that of its weakest frequencies only.
    correlated : bool
        Whether the noise is not white: resampled, demosaicked, smoothed or compressed by JPEG.
    correlation : tuple of float
        How much weaker than the average the quietest of the high frequencies are: 0 for white noise, towards 1 for
        blurred noise.
    blocking : tuple of float
        Excess share of coefficients near 0 in one of the 64 positions of a grid of 8 x 8 blocks: at most 0 but for
        chance without a grid, towards 1 where JPEG removed most of them.

    Examples
    --------
    >>> import numpy as np
    >>> from nlmeans.noise import estimate_planes
    >>> noisy = np.random.default_rng(0).normal(100, 10, (1, 1, 128, 128))
    >>> estimate = estimate_planes(noisy, None)
    >>> round(estimate.sigma[0]), estimate.correlated
    (10, False)
    """

    sigma: tuple[float, ...]
    correlated: bool
    correlation: tuple[float, ...] = ()
    blocking: tuple[float, ...] = ()


def estimate_planes(planes: Array, mask: Flags | None, *, saturation: Limits = None) -> NoiseEstimate:
    """Estimate the noise in planes (C, Z, Y, X) of floating-point numbers, ``mask`` (Z, Y, X) where a pixel counts.

    Parameters
    ----------
    planes : ndarray, shape (C, Z, Y, X)
        Floating-point numbers; NaN and infinity are left out.
    mask : ndarray of bool, shape (Z, Y, X), or None
        True where a pixel counts.
    saturation : tuple of 2 float, optional
        The values at or beyond which pixels are taken for clipped.

    Returns
    -------
    NoiseEstimate

    Notes
    -----
    Time grows with the pixels up to about 500 × 500, from where on an even sample is taken.

    Examples
    --------
    >>> import numpy as np
    >>> from nlmeans.noise import estimate_planes
    >>> noisy = np.random.default_rng(0).normal(100, [[[[10]]], [[[20]]]], (2, 1, 128, 128))
    >>> [round(sigma) for sigma in estimate_planes(noisy, None).sigma]
    [10, 20]
    """
    return estimate(Evidence.of(planes, mask, saturation))


def estimate(evidence: Evidence) -> NoiseEstimate:
    """Estimate the noise in each channel."""
    sigma, correlation, blocking = (tuple(numbers) for numbers in zip(*map(_of, evidence.channels), strict=True))
    sigma = tuple(evidence.factor * s for s in sigma)
    return NoiseEstimate(sigma, max(correlation) > CORRELATED or max(blocking) > BLOCKED, correlation, blocking)


def sigma_of(channel: Channel) -> float:
    """Return a channel's σ."""
    return _of(channel)[0]


def _of(channel: Channel) -> tuple[float, float, float]:
    """Return sigma, correlation and blocking of a channel."""
    if channel.constant:
        return 0.0, 0.0, 0.0
    if (counts := sparse(channel)) is not None:
        return counts.sigma, 0.0, 0.0
    patches = channel.patches
    if len(patches) == 0:
        return patches.scale * _from_differences(channel.unit[0], channel.known), 0.0, 0.0
    flattest = flattest_of(patches.texture)
    flattest = flattest[np.argsort(patches.texture[flattest], kind="stable")]
    z, y, x, noise = (part[flattest] for part in (patches.z, patches.y, patches.x, patches.noise))
    sigma, correlation = quietest(noise, z, y, x)
    if sigma == 0:
        return patches.scale * _from_differences(channel.unit[0], channel.known), 0.0, 0.0
    return patches.scale * sigma / _censored(patches.clipped), correlation, _blocking(noise, sigma, y, x)


def flattest_of(texture: Array) -> Indices:
    """Return the patches with the least texture, in order of their places."""
    count = max(FIRST_SET, int(LAST_SET * len(texture)))
    return np.sort(np.argpartition(texture, count - 1)[:count]) if count < len(texture) else np.arange(len(texture))


def quietest(noise: Array, z: Indices, y: Indices, x: Indices) -> tuple[float, float]:
    """Return sigma and correlation from patches in order of texture."""
    half = (z + y // PIECE + x // PIECE) % 2
    # Overlapping patches share their noise: a block of 8 x 8 counts once, however many patches begin in it. With
    # that the standard error of sigma is 1 / sqrt(2·blocks·directions) within a fifth, as simulated white noise shows.
    block = np.stack([z, y // PATCH, x // PATCH])
    new = np.zeros(len(noise), bool)
    new[np.unique(np.ravel_multi_index(block, block.max(1) + 1), return_index=True)[1]] = True
    blocks = np.cumsum(new)
    sizes = [min(FIRST_SET, len(noise))]
    while sizes[-1] < len(noise):
        sizes.append(min(GROWTH * sizes[-1], len(noise)))
    moments, counts = np.zeros((2, noise.shape[1], noise.shape[1])), np.zeros(2)
    least, sigma, correlation = math.inf, 0.0, 0.0
    for start, stop in itertools.pairwise([0, *sizes]):
        for side in (0, 1):
            part = noise[start:stop][half[start:stop] == side].astype(np.float64)
            moments[side] += part.T @ part
            counts[side] += len(part)
        variances = quietest_variances(moments, counts)
        for count in DIRECTIONS:
            deviation = math.sqrt(max(variances[count - 1], 0.0))
            bound = deviation * (1 + CAUTION / math.sqrt(2 * blocks[stop - 1] * count))
            if 0 < bound < least:  # one half's directions can miss the other's noise, where it is far from normal
                least, sigma = bound, deviation
                correlation = uneven(variances)
    return sigma, correlation


def uneven(variances: Array) -> float:
    """Return how much weaker than the average the quietest directions are."""
    return float(1 - max(variances[3], 0.0) / variances[-1]) if variances[-1] > 0 else 0.0


def quietest_variances(moments: Array, counts: Array) -> Array:
    """Return the mean variance in the 1, 2, 3 … quietest directions."""
    size = moments.shape[1]
    if not counts.all():
        return np.full(size, np.trace(moments.sum(0)) / (size * counts.sum()))
    total = np.zeros(size)
    for half, measured in ((0, 1), (1, 0)):
        directions = np.linalg.eigh(moments[half])[1]
        total += np.einsum("ij,ij->j", directions, moments[measured] @ directions)
    return np.cumsum(total) / (np.arange(1, size + 1) * counts.sum())


def _blocking(noise: Array, sigma: float, y: Indices, x: Indices) -> float:
    """Return how many more coefficients than usual are near 0 in the patches that lie on one grid of blocks."""
    near = (np.abs(noise) < 0.1 * sigma).mean(1)
    phase = y % PATCH * PATCH + x % PATCH
    count = np.bincount(phase)
    share = np.bincount(phase, near)[count > 0] / count[count > 0]
    usual = float(np.median(share))
    chance = 4 * np.sqrt(usual * (1 - usual) / (noise.shape[1] * count[count > 0]))
    return float((share - usual - chance).max())


def _censored(share: float) -> float:
    """Return the standard deviation left of a standard normal variable whose upper ``share`` was clipped."""
    share = min(share, 0.5)
    if share == 0:
        return 1.0
    from statistics import NormalDist  # slow to import, and seldom needed

    normal = NormalDist()
    level = normal.inv_cdf(1 - share)
    mean = share * level - normal.pdf(level)
    return math.sqrt(1 - share - level * normal.pdf(level) + share * level**2 - mean**2)


def _from_differences(volume: Array, known: Flags) -> float:
    """Return sigma where no patch can be had: from the median of second differences, or of first ones."""
    for order, gain in ((2, math.sqrt(6)), (1, math.sqrt(2))):
        parts = []
        for axis in (1, 2):
            whole = known
            for _ in range(order):
                last = whole.shape[axis] - 1
                whole = np.take(whole, range(1, last + 1), axis) & np.take(whole, range(last), axis)
            parts.append(np.abs(np.diff(volume, order, axis)[whole]))
        differences = np.concatenate(parts)
        if differences.size:
            return float(np.median(differences)) / (gain * NORMAL_QUARTILE)
    return 0.0
