"""The strength by Stein's unbiased risk estimate: the expected mean squared error of a plan, without the truth.

For the plain pixelwise pass the estimate is in closed form, on some rows of the image. Otherwise it comes from two runs
on parts of the image, the second with a little more noise: how much the result follows it is the divergence.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from .._notes import Note
from .._progress import Progress, shares_of
from ..noise.estimate import estimate_planes
from ..noise.fitted import FittedNoise
from ..plan.averaging import AveragingPlan
from .average import average, noisy_of
from .search import MOST, lowest, places, search

FACTORS = tuple(2.0 ** (k / 4) for k in range(-5, 6))
"""Multiples of the plan's own strengths that are tried."""
SHARE = 1 / 20
"""Share of the rows on which the closed form is evaluated."""
CLIPPED = 0.002
"""Share of pixels at an extreme beyond which noise is taken as clipped."""
FAR = 1.1
"""Ratio of given and estimated σ beyond which the estimated one is believed, and a note says so."""
COLOURED = Note("sure-coloured", "strength 'sure' is for white noise: the table's was taken")
CLIPS = Note("sure-clipped", "pixels are clipped: strength 'sure' is less certain, and the predicted MSE too low")
NO_RISK = Note(
    "sure-no-risk",
    "strength 'sure' expects no error at all, so that sigma must be too large: the table's strength was taken",
)
NO_ERROR = Note("sure-no-error", "the predicted MSE is below 0, so that sigma must be too large")
AT_THE_END = Note(
    "sure-end", "strength 'sure' is at the end of what was tried: the best may lie beyond, or sigma be wrong"
)
PROBE = 0.01
"""Standard deviation of the added noise, in units of σ."""


def tuned(
    planes: np.ndarray,
    plan: AveragingPlan,
    noise: FittedNoise,
    guide: np.ndarray | None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> AveragingPlan:
    """Return the plan with the strengths of the least estimated risk, and the predicted error.

    Raises
    ------
    ValueError
        Where the noise is not Gaussian: the estimate would be wrong.

    Notes
    -----
    Takes one to two and a half plain passes over the image, of a small one some more. A σ that is too small would have
    the least risk where most noise is left, and one that is too large takes it for texture: where the image shows more
    than a tenth more noise, the risk is that of the image's own, and where it shows less, no more is smoothed than by
    the table.

    References
    ----------
    S. Ramani, T. Blu, M. Unser, "Monte-Carlo SURE: a black-box optimization of regularization parameters for general
    denoising algorithms", IEEE TIP 2008, doi:10.1109/TIP.2008.2001404; see `pairwise.risk` for the closed form.
    """
    if not noise.plain:
        raise ValueError(f"strength='sure' needs Gaussian noise; got {noise.text}: give a number, or none")
    if not any(noise.sigma):
        return plan
    if noise.bands is not None or noise.mixes:
        return replace(plan, notes=(*plan.notes, COLOURED))
    plan = replace(plan, spread=None)
    shown = _shown(planes, plan, noise)
    # Of a σ that is too small the risk is least where much noise is left; too large, where it is taken for texture.
    true = np.maximum(shown, 1.0)
    if _plain(planes, plan, noise):
        factors, risks = FACTORS, _closed(planes, plan, noise, true, threads, progress)
    else:
        factors, risks = search(_monte_carlo(planes, plan, noise, true, guide, threads, progress))
    far = _far_off(noise, shown)
    notes = plan.notes + far
    if any(np.mean((channel == np.nanmin(channel)) | (channel == np.nanmax(channel))) > CLIPPED for channel in planes):
        notes = (*notes, CLIPS)
    factor, risk = lowest(factors, risks)
    if shown.min() < 1:
        factor = min(factor, 1.0)
    if risk <= 0:
        return replace(plan, predicted_mse=math.nan, notes=(*notes, NO_RISK))
    if factor in (factors[0], factors[-1]):
        risk, notes = math.nan if far else risk, (*notes, AT_THE_END)
    return replace(plan.times(factor), predicted_mse=risk, notes=notes)


def refined(
    planes: np.ndarray,
    result: np.ndarray,
    plan: AveragingPlan,
    noise: FittedNoise,
    guide: np.ndarray | None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> AveragingPlan:
    """Return the plan with the predicted error of its result; for Monte Carlo this takes one more run on the image."""
    if plan.predicted_mse is None or math.isnan(plan.predicted_mse) or _plain(planes, plan, noise):
        return plan
    true = np.maximum(_shown(planes, plan, noise), 1.0)
    total, count = _risk(planes, result, plan, noise, true, guide, np.random.default_rng(1), threads, progress)
    if total <= 0:
        return replace(plan, predicted_mse=math.nan, notes=(*plan.notes, NO_ERROR))
    return replace(plan, predicted_mse=total / count)


def _shown(planes: np.ndarray, plan: AveragingPlan, noise: FittedNoise) -> np.ndarray:
    """Return the σ of each plane that the image shows, in units of the given one; 1 where they do not differ by far."""
    if plan.estimated or noise.variance is not None:
        return np.ones(len(planes))
    given, shown = np.asarray(noise.sigma), np.asarray(estimate_planes(planes, None).sigma)
    ratio = np.where((given > 0) & (shown > 0), shown, 1) / np.where((given > 0) & (shown > 0), given, 1)
    return np.where(np.maximum(ratio, 1 / ratio) > FAR, ratio, 1.0)


def _far_off(noise: FittedNoise, shown: np.ndarray) -> tuple[Note, ...]:
    """Return a note where the given σ is far from the estimated one."""
    if (shown == 1).all():
        return ()
    channel = int(np.argmax(shown != 1))
    given, own = noise.sigma[channel], noise.sigma[channel] * shown[channel]
    what = "'sure' goes by the image" if own > given else "'sure' needs the true one"
    text = f"sigma was given as {given:.4g}, but the image looks like {own:.4g}: {what}"
    return (Note("sure-far-off", text),)


def _plain(planes: np.ndarray, plan: AveragingPlan, noise: FittedNoise) -> bool:
    """Return whether the closed form holds."""
    step = plan.passes[0]
    pixelwise = len(plan.passes) == 1 and step.aggregation == "pixel" and not step.wiener and not step.guided
    return pixelwise and not plan.motion and noise.variance is None and not bool(np.isnan(planes.min()))


def _closed(
    planes: np.ndarray,
    plan: AveragingPlan,
    noise: FittedNoise,
    true: np.ndarray,
    threads: int | None,
    progress: Progress | None,
) -> list[float]:
    from ..pairwise.risk import pairwise_risk

    sigma = np.asarray(noise.sigma)
    gains = 1 / np.where(sigma > 0, sigma, sigma[sigma > 0].min())
    spec = plan.spec_of(plan.passes[0], len(planes), noisy_of(noise.sigma))
    relative = pairwise_risk(
        planes, spec, FACTORS, gains=gains.tolist(), share=SHARE, variance=np.square(true).tolist(),
        threads=threads, progress=progress,
    )  # fmt: skip
    risks: list[float] = (relative * sigma**2).mean(axis=1).tolist()
    return risks


def _monte_carlo(
    planes: np.ndarray,
    plan: AveragingPlan,
    noise: FittedNoise,
    true: np.ndarray,
    guide: np.ndarray | None,
    threads: int | None,
    progress: Progress | None,
) -> Callable[[float], float]:
    parts = [
        (place.of(planes), noise.within(place), None if guide is None else place.of(guide)) for place in places(planes)
    ]

    tries = iter(shares_of(progress, [1] * MOST))

    def risk(factor: float) -> float:
        rng, here = np.random.default_rng(0), plan.times(factor)
        sums, stages = [], shares_of(next(tries), [1] * (2 * len(parts)))
        for k, (noisy, noise, lead) in enumerate(parts):
            result = average(noisy, here, noise, lead, threads=threads, progress=stages[2 * k])[0]
            sums.append(_risk(noisy, result, here, noise, true, lead, rng, threads, stages[2 * k + 1]))
        return sum(total for total, _ in sums) / sum(count for _, count in sums)

    return risk


def _risk(
    noisy: np.ndarray,
    result: np.ndarray,
    plan: AveragingPlan,
    noise: FittedNoise,
    true: np.ndarray,
    guide: np.ndarray | None,
    rng: np.random.Generator,
    threads: int | None,
    progress: Progress | None,
) -> tuple[float, int]:
    """Return the sum of the estimated squared errors, and their number; ``true`` is the noise in units of the given."""
    sigma = np.asarray(noise.sigma, noisy.dtype).reshape(-1, 1, 1, 1)
    signs = rng.choice(np.asarray([-1, 1], noisy.dtype), noisy.shape)
    probed = noisy + sigma * noisy.dtype.type(PROBE) * signs
    moved = average(probed, plan, noise, guide, threads=threads, progress=progress)[0]
    power = (sigma * true.reshape(-1, 1, 1, 1)) ** 2 * (1.0 if noise.variance is None else noise.variance)
    follows = signs * (moved - result) / np.where(sigma > 0, sigma * PROBE, 1)
    error = np.square(result - noisy) - power + 2 * power * follows
    known = np.isfinite(error)
    return float(error.sum(where=known, dtype=np.float64)), max(int(known.sum()), 1)
