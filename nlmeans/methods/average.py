"""Non-local means of one image: the passes of a plan over the core, and the Wiener step between them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from .._progress import Progress, shares_of
from ..motion import Motion, motion_of
from ..noise.colour import colour_basis, mix
from ..noise.fitted import FittedNoise
from ..pairwise.run import pairwise_average
from ..pairwise.spec import PairwiseSpec, Radii
from ..pairwise.tiles import Tile, moved, whole
from ..plan.averaging import GUESS, AveragingPlan, Pass, total
from ..wiener.run import wiener
from .keeping import mixed, shares
from .moving import Moving


def average(
    planes: np.ndarray,
    plan: AveragingPlan,
    noise: FittedNoise,
    guide: np.ndarray | None = None,
    *,
    threads: int | None = None,
    progress: Progress | None = None,
    maps: bool = False,
    origin: Radii = (0, 0, 0),
    region: Tile | None = None,
    missing: bool | None = None,
    motion: Motion | None = None,
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray] | None]:
    """Run a plan on planes (C, Z, Y, X), where NaN marks missing pixels, from ``origin`` on in the image.

    Each step computes only what later steps need of the ``region``, by default the whole image. Where it is known
    whether there is NaN, ``missing`` says so, and ``motion`` where what the plan follows goes.

    Returns
    -------
    ndarray, shape (C, Z, Y, X)
        The estimate of the region; missing pixels are filled in, and NaN where they have no valid neighbour.
    tuple of ndarray, or None
        If ``maps``: effective number of pixels (Z, Y, X) and residual noise (C, Z, Y, X).
    """
    if missing is None:
        missing = bool(np.isnan(planes.min()))  # the least of numbers with NaN is NaN, and needs no array of flags
    core = region or whole(planes.shape[1:])
    result, averaged, reaches = planes, None, plan.reaches(missing)
    shrinks = any(noise.sigma)
    steps = [n for s in plan.passes for n in _work(s, maps and s is plan.passes[-1], shrinks)]
    following, *stages = shares_of(progress, [4 if plan.motion and motion is None else 0, *steps])
    if plan.motion and motion is None:
        motion = motion_in(planes, plan, noise, origin, threads, following)
    moving = None if motion is None else Moving(motion, origin)
    for k, step in enumerate(plan.passes):
        mapping, averaging, shrinking = stages[3 * k : 3 * k + 3]
        features = (planes if guide is None else guide) if k == 0 else result
        spec = plan.spec_of(step, len(features), 1.0 if features is guide else noisy_of(noise.sigma))
        factors = gains_of(noise.sigma if features is not guide else noise.channels, len(features))
        if maps and step is plan.passes[-1]:
            averaged = _maps(planes, features, spec, factors, noise, missing, threads, mapping, moving)
            averaged[1][...] *= mixed(step.kept)
        here = core.grown(total(reaches[2 * k + 1 :]), planes.shape[1:])
        result = _averaged(
            features, planes, spec, missing or (features is not planes and bool(np.isnan(features.min()))),
            gains=factors, variance=noise.variance, threads=threads, progress=averaging, region=here,
            spread=plan.spread, moving=moving,
        )  # fmt: skip
        if missing:
            _fill(planes, result, spec, here)
        planes, noise, core = here.of(planes), noise.within(here), core.moved(here.origin)
        origin, moving = moved(origin, here.origin), None if moving is None else moving.within(here)
        if step.wiener and shrinks:
            if step.kept:
                pilot, mean = (known_nearest(a) if missing else a for a in (here.of(features), result))
                share = shares(pilot, mean, planes, noise, step.kept)
            here = core.grown(total(reaches[2 * k + 2 :]), planes.shape[1:])
            result = wiener_step(planes, result, step.wiener, noise, missing, threads, shrinking, origin, here, moving)
            if step.kept:
                result += here.of(share) * (here.of(pilot) - result)
            planes, noise, core = here.of(planes), noise.within(here), core.moved(here.origin)
            origin, moving = moved(origin, here.origin), None if moving is None else moving.within(here)
    keep_noiseless(result, planes, noise)
    return result, averaged


def motion_in(
    planes: np.ndarray,
    plan: AveragingPlan,
    noise: FittedNoise,
    origin: Radii,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Motion:
    """Return where the tiles of planes go that begin at ``origin`` in the image."""
    gains = gains_of(noise.sigma, len(planes))
    return motion_of(planes, gains, plan.frames, origin=origin, threads=threads, progress=progress)


def _work(step: Pass, maps: bool, shrinks: bool) -> tuple[int, int, int]:
    """Return the relative durations of the maps, the average and the Wiener step of a pass."""
    return 8 if maps else 0, 12 if step.aggregation == "patch" else 4, 1 if step.wiener and shrinks else 0


def keep_noiseless(result: np.ndarray, planes: np.ndarray, noise: FittedNoise) -> None:
    """Put channels and pixels without noise, where they are known, back into a result."""
    for channel, sigma in enumerate(noise.sigma):
        if sigma == 0:
            _restore(result[channel], planes[channel], None)
    if noise.still is not None:
        for k, still in enumerate(np.broadcast_to(noise.still, result.shape)):
            _restore(result[k], planes[k], still)


def gains_of(sigma: Sequence[float], channels: int) -> list[float]:
    """Return factors that bring channels of features to units of σ; a guide may have other channels than the image."""
    # A channel without noise is compared as strictly as the least noisy one that has some.
    least = min((s for s in sigma if s > 0), default=1.0)
    gains = [1 / (s or least) for s in sigma]
    return gains if channels == len(gains) else [min(gains)] * channels


def noisy_of(sigma: Sequence[float]) -> float:
    """Return the share of channels that have noise: of those alone a part of each distance is noise's."""
    return sum(s > 0 for s in sigma) / len(sigma) or 1.0


def _restore(target: np.ndarray, source: np.ndarray, where: np.ndarray | None) -> None:
    """Copy the known pixels without noise."""
    known = np.isfinite(source) if where is None else np.isfinite(source) & where
    np.copyto(target, source, where=known)


def _averaged(
    features: np.ndarray,
    planes: np.ndarray,
    spec: PairwiseSpec,
    missing: bool,
    *,
    progress: Progress | None,
    moving: Moving | None,
    **how: Any,
) -> np.ndarray:
    """Average planes; those whose missing pixels are not the common ones are averaged one by one."""
    unknown, mean = np.isnan(planes) if missing else None, pairwise_average if moving is None else moving.average
    if unknown is None or (unknown.all(axis=0) == unknown.any(axis=0)).all():
        return mean(features, planes, spec, missing=missing, progress=progress, **how)
    nowhere = unknown.all(axis=0)
    alone = [c for c, lost in enumerate(unknown) if (lost != nowhere).any()]
    together = [c for c in range(len(planes)) if c not in alone]
    groups = [group for group in (together, *([c] for c in alone)) if group]
    features = _guessed(features)
    results = [
        mean(features, np.ascontiguousarray(planes[group]), spec, missing=True, progress=stage, **how)
        for group, stage in zip(groups, shares_of(progress, [1] * len(groups)), strict=True)
    ]
    return np.concatenate(results)[np.argsort(np.concatenate(groups))]


def _guessed(features: np.ndarray) -> np.ndarray:
    """Return features (F, Z, Y, X) where pixels missing in only some channels are local averages.

    So a patch can be compared by the channels it has. A channel without a known pixel nearby becomes 0.
    """
    from scipy.ndimage import uniform_filter

    unknown = np.isnan(features)
    partly = unknown & ~unknown.all(axis=0)
    result = features.copy()
    size = [2 * r + 1 for r in GUESS]
    for channel, lost, holes in zip(result, unknown, partly, strict=True):
        if holes.any():
            share = uniform_filter((~lost).astype(np.float64), size, mode="constant")
            mean = uniform_filter(np.where(lost, 0, channel).astype(np.float64), size, mode="constant")
            near = holes & (share * math.prod(size) > 0.5)
            channel[holes] = 0
            channel[near] = mean[near] / share[near]
    return result


def _fill(planes: np.ndarray, result: np.ndarray, spec: PairwiseSpec, region: Tile) -> None:
    """Give missing pixels of a region that nothing resembles the plain average of their window."""
    from scipy.ndimage import uniform_filter

    size = [2 * min(r, n) + 1 for r, n in zip(spec.window, planes.shape[1:], strict=True)]
    before = None
    for channel, target in zip(planes, result, strict=True):
        holes = np.isnan(target)
        if not holes.any():
            continue
        known = np.isfinite(channel)
        if before is None or not np.array_equal(known, before):  # most often channels miss the same pixels
            before, share = known, region.of(uniform_filter(known.astype(np.float64), size, mode="constant"))
        near = holes & (share * math.prod(size) > 0.5)
        sums = region.of(uniform_filter(np.where(known, channel, 0).astype(np.float64), size, mode="constant"))
        target[near] = sums[near] / share[near]


def wiener_step(
    planes: np.ndarray,
    pilot: np.ndarray,
    share: float,
    noise: FittedNoise,
    missing: bool,
    threads: int | None,
    progress: Progress | None,
    origin: Radii,
    region: Tile,
    moving: Moving | None,
) -> np.ndarray:
    """Mix a pilot with its Wiener step by a share, in units of σ and in the cosine domain along the channels."""
    noisy = [c for c, sigma in enumerate(noise.sigma) if sigma > 0]
    deviations = [noise.sigma[c] for c in noisy]
    basis = np.diag(1 / np.asarray(deviations)) if noise.mixes else colour_basis(deviations)
    unknown = region.of(np.isnan(pilot[noisy])) if missing else None
    guess = known_nearest(pilot) if missing else pilot
    filled = np.where(np.isfinite(planes), planes, guess) if missing else planes
    variance = 1.0 if noise.variance is None else noise.variance
    pilots = mix(basis, guess[noisy] if len(noisy) < len(guess) else guess, reuse=True)
    shrink = partial(wiener, origin=origin) if moving is None else moving.wiener
    clean = shrink(
        mix(basis, [filled[c] for c in noisy]), pilots, variance,
        bands=noise.bands, threads=threads, progress=progress, region=region,
    )  # fmt: skip
    pilots = region.of(pilots)
    if share < 1:
        clean *= share
        pilots *= 1 - share
        clean += pilots
    clean = mix(np.linalg.inv(basis), clean, reuse=True)
    if unknown is not None:
        clean[unknown] = np.nan
    if len(noisy) == len(planes):
        return clean
    pilot = region.of(pilot)
    pilot[noisy] = clean
    return pilot


def known_nearest(planes: np.ndarray) -> np.ndarray:
    """Return planes where each unknown pixel repeats the nearest known one, so that none is drawn to 0.

    Parameters
    ----------
    planes : ndarray, shape (C, Z, Y, X)
        Floating-point numbers, NaN where a pixel is unknown.

    Returns
    -------
    ndarray, shape (C, Z, Y, X)
        The planes themselves if all is known; 0 throughout a plane that is unknown everywhere.

    Examples
    --------
    >>> import numpy as np
    >>> from nlmeans.extend import known_nearest
    >>> known_nearest(np.array([[[[1.0, np.nan, np.nan, 4.0]]]])).ravel().tolist()
    [1.0, 1.0, 4.0, 4.0]
    """
    unknown = np.isnan(planes)
    if not unknown.any():
        return planes
    from scipy.ndimage import distance_transform_edt

    result, before = np.zeros_like(planes), None
    for channel, lost, target in zip(planes, unknown, result, strict=True):
        if lost.all():
            continue
        if before is None or not np.array_equal(lost, before):  # most often channels miss the same pixels
            before = lost
            nearest = tuple(distance_transform_edt(lost, return_distances=False, return_indices=True))
        target[...] = channel[nearest]
    return result


def _maps(
    planes: np.ndarray,
    features: np.ndarray,
    spec: PairwiseSpec,
    gains: Sequence[float],
    noise: FittedNoise,
    missing: bool,
    threads: int | None,
    progress: Progress | None,
    moving: Moving | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the effective number of averaged pixels and the residual noise.

    The square of a weight is the weight at twice the decay, so that Σ w² is one more pass. With a soft end, of
    w = e − v, that pass has e² − v² = w² + 2v·w, and the second term is known from the first pass. Where rounding
    could show, it is bounded by the numbers that are possible.
    """
    sums, own, mean = [], [], pairwise_average if moving is None else moving.average
    for factor, stage in zip((1, 2), shares_of(progress, (1, 1)), strict=True):
        shares = np.empty((2, *planes.shape[1:]), planes.dtype)
        mean(
            features, planes, replace(spec, scale=factor * spec.scale, vanish=spec.vanish**factor, aggregation="pixel"),
            gains=gains,
            variance=noise.variance, missing=missing, threads=threads, progress=stage, shares=shares,
        )  # fmt: skip
        sums.append(1 / shares[0])
        own.append(shares[1])
    if spec.soft:
        if missing:  # what is missing has no weight of its own, unless it is all that there is
            valid = np.isfinite(planes).all(axis=0)
            own = [np.where(valid | ((w == 1) & (total == 1)), w, 0) for w, total in zip(own, sums, strict=True)]
        sums[1] += np.square(own[0]) - own[1] - 2 * spec.vanish * (sums[0] - own[0])
        most = math.prod(2 * r + 1 for r in spec.window)
        np.clip(sums[1], np.square(sums[0]) / most, np.square(sums[0]), out=sums[1])
    effective = np.square(sums[0]) / sums[1]
    sigma = np.asarray(noise.channels).reshape(-1, 1, 1, 1)
    deviation = sigma if noise.variance is None else sigma * np.sqrt(noise.variance)
    return effective, (deviation / np.sqrt(effective)).astype(planes.dtype)
