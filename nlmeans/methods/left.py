"""The noise that is left in a result: how much it varies when the same image has other noise.

Weights depend on the noise that they average, patches overlap, a Wiener step keeps more of what looks like signal, and
a second pass starts where the first one ended: no formula of the weights says how much is left. So the plan is run
twice more, with fresh noise on what is taken for the image, and the two results are compared.
"""

from __future__ import annotations

import math

import numpy as np

from .._progress import Progress, shares_of
from ..noise.fitted import FittedNoise
from ..plan.averaging import AveragingPlan
from .average import average
from .region import Region

KEPT = 0.4
"""Share of the image's own noise that stays under the fresh one: the result alone is smoother than the truth, and less
would be left of its noise; the noisy image has all that weights follow, and more would."""
SEED = (19, 10, 2005)
"""No one's seed: of the noise that the image itself was made with, this would be no other."""
WINDOW = (5, 17, 17)
"""Sides of the surroundings over which the squared difference of two results is averaged."""


def remaining(
    region: Region,
    averages: np.ndarray,
    residual: np.ndarray,
    plan: AveragingPlan,
    threads: int | None = None,
    progress: Progress | None = None,
) -> np.ndarray:
    """Return the standard deviation (C, Z, Y, X) of the noise that is left in the ``averages`` of a whole image.

    Parameters
    ----------
    region : Region
        The whole image.
    averages : ndarray, shape (K, Z, Y, X)
        The result, before it is restored.
    residual : ndarray, shape (C, Z, Y, X)
        What independent weights would leave: from pixel to pixel, what is left is taken to go with it.
    plan, threads, progress
        As for `average`.

    Notes
    -----
    Takes two runs of the plan.
    """
    from scipy.ndimage import uniform_filter

    rng, noise = np.random.default_rng(SEED), region.noise
    mixed = KEPT * region.planes + (1 - KEPT) * averages
    results = []
    for stage in shares_of(progress, (1, 1)):
        noisy = mixed + math.sqrt(1 - KEPT**2) * fresh(mixed.shape, noise, rng).astype(mixed.dtype)
        results.append(_channels(average(noisy, plan, noise, region.guide, threads=threads, progress=stage)[0], region))
    power = np.nan_to_num(np.square(results[0] - results[1]) / (2 * (1 - KEPT**2)))
    size = (1, *WINDOW)
    seen, expected = (uniform_filter(values, size, mode="nearest") for values in (power, np.square(residual)))
    return residual * np.sqrt(np.maximum(seen, 0) / np.where(expected > 0, expected, 1)).astype(residual.dtype)


def _channels(result: np.ndarray, region: Region) -> np.ndarray:
    """Return a result in the channels of the image, still stabilised."""
    noise, planes = region.noise, region.measured
    if noise.turn is None:
        return result
    return noise.turn.channels(result, planes if noise.stabiliser is None else noise.stabiliser.forward(planes))


def fresh(shape: tuple[int, ...], noise: FittedNoise, rng: np.random.Generator, *, signs: bool = False) -> np.ndarray:
    """Return noise like that of planes of this shape, normal, or where it is white of one size and random ``signs``."""
    sigma = np.asarray(noise.sigma).reshape(-1, 1, 1, 1)
    fresh = rng.choice((-1.0, 1.0), shape) if signs else rng.normal(size=shape)
    if noise.bands is not None:
        noisy = [k for k, own in enumerate(noise.sigma) if own > 0]
        for k, power in zip(noisy, noise.bands, strict=True):
            fresh[k] = _coloured(fresh[k], power)
    return fresh * sigma * (1.0 if noise.variance is None else np.sqrt(noise.variance))


def _coloured(white: np.ndarray, power: np.ndarray) -> np.ndarray:
    """Return slices (Z, Y, X) of white noise, of this power in each cosine band, with a variance of 1."""
    from scipy.ndimage import map_coordinates

    side, (height, width) = len(power), white.shape[1:]
    down, across = np.abs(np.fft.fftfreq(height)), np.fft.rfftfreq(width)
    places = np.meshgrid(2 * side * down, 2 * side * across, indexing="ij")  # band k is that of k / 2 waves a patch
    wanted = map_coordinates(np.asarray(power, np.float64), places, order=1, mode="nearest")
    result = np.fft.irfft2(np.fft.rfft2(white) * np.sqrt(np.maximum(wanted, 0)), (height, width))
    spread = float(result.std())
    return result / spread if spread > 0 else white
