"""The strength by what an image says of itself: pixels are hidden, predicted from the others, and compared.

What a plan makes of pixels that it does not see cannot follow their noise. So the mean squared difference between these
predictions and the noisy pixels is the predictions' error plus the noise's variance, which is the same for all
strengths: where the difference is least, so is the error. No more is asked of the noise than that it has the mean 0 and
that pixels do not share it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from .._notes import Note
from .._progress import Progress, shares_of
from ..noise.fitted import FittedNoise
from ..plan.averaging import AveragingPlan
from .average import average
from .search import MOST, lowest, places, search

APART = 4
"""Every so manieth pixel of every so manieth row is hidden at once."""
SHARED = Note(
    "j-invariant-shared", "strength 'j-invariant' is for noise that pixels do not share: the table's was taken"
)
AT_THE_END = Note("j-invariant-end", "strength 'j-invariant' is at the end of what was tried: the best may lie beyond")


def tuned(
    planes: np.ndarray,
    plan: AveragingPlan,
    noise: FittedNoise,
    guide: np.ndarray | None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> AveragingPlan:
    """Return the plan with the strengths that predict hidden pixels best.

    References
    ----------
    J. Batson, L. Royer, "Noise2Self: blind denoising by self-supervision", ICML 2019, arXiv:1901.11365.
    """
    if not any(noise.sigma):
        return plan
    if noise.bands is not None:
        return replace(plan, notes=(*plan.notes, SHARED))
    factors, risks = search(_blind(planes, plan, noise, guide, threads, progress))
    factor, _ = lowest(factors, risks)
    notes = (*plan.notes, AT_THE_END) if factor in (factors[0], factors[-1]) else plan.notes
    return replace(plan.times(factor), notes=notes)


def _blind(
    planes: np.ndarray,
    plan: AveragingPlan,
    noise: FittedNoise,
    guide: np.ndarray | None,
    threads: int | None,
    progress: Progress | None,
) -> Callable[[float], float]:
    """Return the mean squared difference of hidden pixels from their predictions, for a multiple of the strengths."""
    tries = iter(shares_of(progress, [1] * MOST))
    parts = []
    for k, place in enumerate(places(planes)):
        noisy = place.of(planes)
        hidden = np.zeros(noisy.shape[1:], bool)
        hidden[:, k % APART :: APART, k // APART % APART :: APART] = True
        seen = np.where(hidden, noisy.dtype.type(np.nan), noisy)
        parts.append((noisy, seen, hidden, noise.within(place), None if guide is None else place.of(guide)))

    def risk(factor: float) -> float:
        total, count, stages = 0.0, 0, shares_of(next(tries), [1] * len(parts))
        for (noisy, seen, hidden, here, lead), stage in zip(parts, stages, strict=True):
            guess, _ = average(seen, plan.times(factor), here, lead, threads=threads, progress=stage, missing=True)
            error = np.square(guess - noisy)[:, hidden]
            known = np.isfinite(error)
            total, count = total + float(error.sum(where=known, dtype=np.float64)), count + int(known.sum())
        return total / max(count, 1)

    return risk
