"""The strength by what an image says of itself: pixels are hidden, predicted from the others, and compared.

What a plan makes of pixels that it does not see cannot follow their noise. So the mean squared difference between these
predictions and the noisy pixels is the predictions' error plus the noise's variance, which is the same for all
strengths: where the difference is least, so is the error. No more is asked of the noise than that it has the mean 0 and
that pixels do not share it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import numpy as np

from .._notes import Note
from .._progress import Progress, shares_of
from ..noise.fitted import FittedNoise
from ..plan.averaging import AveragingPlan
from .average import average
from .search import MOST, lowest, places, search

APART = 4
"""Every so manieth pixel of every so manieth row is hidden at once."""
FIRST = ((0, 0), (2, 2))
"""Where these pixels begin, in turn."""
PARTS = 4
"""How many times as many parts of the image are looked at as elsewhere: few of their pixels are hidden."""
AROUND = np.array([[0.5, 1, 0.5], [1, 0, 1], [0.5, 1, 0.5]])
"""Weights of the pixels that a hidden one is interpolated from."""
SMOOTHED = float(np.sqrt(1 - np.square(AROUND).sum() / AROUND.sum() ** 2))
"""Standard deviation of the noise that the interpolated pixel lacks, in units of σ."""
SHARED = Note(
    "j-invariant-shared", "strength 'j-invariant' is for noise that pixels do not share: the table's was taken"
)
LOST = 0.25
"""Error of the best prediction, in units of σ², from which it says nothing of pixels that are seen."""
UNPREDICTABLE = Note(
    "j-invariant-unpredictable",
    "strength 'j-invariant' finds pixels unlike what the others predict, as in fine texture, or where sigma is too "
    "small: the table's was taken",
)


def tuned(
    planes: np.ndarray,
    plan: AveragingPlan,
    noise: FittedNoise,
    guide: np.ndarray | None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> AveragingPlan:
    """Return the plan with the strengths that predict hidden pixels best.

    Notes
    -----
    Takes one to two plain passes over the image, of a small one some more. A hidden pixel is the mean of those around
    it, with new noise, so that its patch is as noisy as all others. Fine texture cannot be predicted, and so would be
    smoothed away: where the best predictions err by more than `LOST`, the table's strength is kept.

    References
    ----------
    J. Batson, L. Royer, "Noise2Self: blind denoising by self-supervision", ICML 2019, arXiv:1901.11365.
    """
    if not any(noise.sigma):
        return plan
    if noise.bands is not None or noise.model.processed:
        return replace(plan, notes=(*plan.notes, SHARED))
    factors, risks = search(_blind(planes, replace(plan, spread=None), noise, guide, threads, progress))
    factor, risk = lowest(factors, risks)
    if risk > (1 + LOST) * float(np.mean(np.square(noise.sigma))):
        return replace(plan, notes=(*plan.notes, UNPREDICTABLE))
    return plan.times(factor)


def _blind(
    planes: np.ndarray,
    plan: AveragingPlan,
    noise: FittedNoise,
    guide: np.ndarray | None,
    threads: int | None,
    progress: Progress | None,
) -> Callable[[float], float]:
    """Return the mean squared difference of hidden pixels from their predictions, for a multiple of the strengths."""
    tries, rng = iter(shares_of(progress, [1] * MOST)), np.random.default_rng(0)
    parts = []
    for place, (y, x) in product(places(planes, PARTS), FIRST):
        noisy = place.of(planes)
        hidden = np.zeros(noisy.shape[1:], bool)
        hidden[:, y::APART, x::APART] = True
        parts.append((noisy, hidden, noise.within(place), None if guide is None else place.of(guide)))
    seen = [_without(noisy, hidden, here, rng) for noisy, hidden, here, _ in parts]

    def risk(factor: float) -> float:
        total, count, stages = 0.0, 0, shares_of(next(tries), [1] * len(parts))
        for image, (noisy, hidden, here, lead), stage in zip(seen, parts, stages, strict=True):
            guess, _ = average(image, plan.times(factor), here, lead, threads=threads, progress=stage)
            error = np.square(guess - noisy)[:, hidden]
            known = np.isfinite(error)
            total, count = total + float(error.sum(where=known, dtype=np.float64)), count + int(known.sum())
        return total / max(count, 1)

    return risk


def _without(noisy: np.ndarray, hidden: np.ndarray, noise: FittedNoise, rng: np.random.Generator) -> np.ndarray:
    """Return planes whose hidden pixels are interpolated from the known ones around them, with new noise."""
    from scipy.ndimage import convolve

    known = np.isfinite(noisy)
    around = AROUND[None, None]
    total = convolve(np.where(known, noisy, 0).astype(np.float64), around, mode="constant")
    weights = convolve(known.astype(np.float64), around, mode="constant")
    guess = np.divide(total, weights, out=np.full_like(total, np.nan), where=weights > 0)
    deviation = np.reshape(noise.sigma, (-1, 1, 1, 1)) * (1.0 if noise.variance is None else np.sqrt(noise.variance))
    guess += SMOOTHED * deviation * rng.standard_normal(noisy.shape)
    return np.where(hidden & known, guess.astype(noisy.dtype), noisy)
