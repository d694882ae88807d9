"""Linear combinations of similar patches: what follows non-local means under ``method="ridge"``.

A patch becomes Σ_j θ_ij x_j over the patches j most like it. Non-local means takes the weights from a fixed function of
their distances; here they are the solution of a least-squares problem, those of the least expected error.
"""

from __future__ import annotations

import numpy as np

from .._progress import Progress, shares_of
from .._workspace import empty
from ..groups.run import group_step
from ..groups.spec import RidgeSpec
from ..noise.colour import mix
from ..noise.fitted import FittedNoise
from ..pairwise.spec import Radii
from ..pairwise.tiles import Tile, moved, whole
from .average import keep_noiseless, known_nearest
from .scale import Scale

SPAN = 256.0
"""Range of the image, in units of σ, up to which float32 holds the products of patches."""
WIDEST = 1e30
"""The same, up to which float64 does."""
WORK = (1, 4)
"""Relative durations of the two steps."""


def in_image_units(
    counts: np.ndarray, averages: np.ndarray, noise: FittedNoise, scale: Scale
) -> tuple[np.ndarray, np.ndarray, FittedNoise]:
    """Return an image, such as photon counts, the averages of its stabilised pixels, and its noise, in its own units.

    Each group has its own variance and needs no transform, which would stabilise a few counts only poorly.
    """
    model = noise.model
    averages = noise.restore(averages, counts)
    if not scale.noisy:
        return counts, averages, FittedNoise(model, scale.channels)
    variance = model.variance(known_nearest(averages)) / np.square(scale.channels).reshape(-1, 1, 1, 1)
    turn = scale.turn
    if turn is not None:
        counts, averages, variance = turn.turned(counts), turn.turned(averages), turn.variance(variance)
    variance = variance.astype(averages.dtype)
    return counts, averages, FittedNoise(model, scale.sigma, scale.channels, variance, turn=turn)


def combine(
    planes: np.ndarray,
    averages: np.ndarray,
    spec: RidgeSpec,
    noise: FittedNoise,
    scale: Scale,
    *,
    origin: Radii = (0, 0, 0),
    sides: Radii | None = None,
    region: Tile | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> np.ndarray:
    """Estimate planes (C, Z, Y, X), where NaN marks missing pixels, with the averages of non-local means as pilot.

    Parameters
    ----------
    planes, averages : ndarray, shape (C, Z, Y, X)
        The noisy image, and the result of `average.average`, NaN where there is none.
    spec : RidgeSpec
        Both steps.
    noise : FittedNoise
        The noise.
    scale : Scale
        The scale on which patches are compared and combined.
    origin, sides, region, threads, progress
        As for `groups.run.group_step`.

    Returns
    -------
    ndarray, shape (C, Z, Y, X)
        The estimate of the region, by default the whole; NaN where there is nothing to estimate from.

    Raises
    ------
    ValueError
        If the image's range is beyond what can be squared, in units of σ.

    Notes
    -----
    The patches of a group are similar in all planes of the scale, and each plane is estimated on its own.
    """
    core, noisy, (depth, height, width) = region or whole(planes.shape[1:]), scale.noisy, planes.shape[1:]
    sides = sides or (depth, height, width)
    if not noisy:
        if progress is not None:
            progress(1, 1)
        return core.of(averages)
    unknown = np.isnan(averages)
    guess = known_nearest(averages)
    filled = np.where(np.isfinite(planes), planes, guess) if unknown.any() or np.isnan(planes.min()) else planes
    span = max(float(np.ptp(filled[c]) / sigma) for c, sigma in zip(noisy, scale.deviations, strict=True))
    if not span <= WIDEST:
        raise ValueError(
            f"method 'ridge' needs an image whose range is at most {WIDEST:g} times σ; got {span:g} times: mask what "
            "is out of range, or take method 'nlm'"
        )
    dtype = np.float64 if max(span, scale.span) > SPAN else np.float32

    def parted(source: np.ndarray) -> np.ndarray:
        scaled = empty((len(noisy), *source.shape[1:]), dtype)
        exact = empty(source.shape[1:], np.float64)
        for target, c, middle, deviation in zip(scaled, noisy, scale.middles, scale.deviations, strict=True):
            np.subtract(source[c], middle, out=exact)
            exact *= 1 / deviation
            target[...] = exact
        return mix(scale.parting, scaled)

    features, pilot, variance = parted(filled), parted(guess), None
    if noise.variance is not None:
        each = np.broadcast_to(noise.variance, (len(noise.sigma), *filled.shape[1:]))[noisy]
        variance = noise.variance if len(noise.variance) == 1 else mix(np.square(scale.parting), each)
        variance = variance.astype(dtype, copy=False)

    (early, late), near = shares_of(progress, WORK), core.grown(spec.second.halo, planes.shape[1:])
    first = group_step(
        features, features, None, spec.first,
        variance=variance, origin=origin, sides=sides, region=near, threads=threads, progress=early,
    )  # fmt: skip
    features, pilot, variance = near.of(features), near.of(pilot), None if variance is None else near.of(variance)
    pilot -= first
    pilot *= dtype(spec.share)
    pilot += first
    del first, guess, filled
    place, inner = moved(origin, near.origin), core.moved(near.origin)
    second = group_step(
        pilot, features, pilot, spec.second,
        variance=variance, origin=place, sides=sides, region=inner, threads=threads, progress=late,
    )  # fmt: skip
    del features, pilot

    averages = core.of(averages)
    result = empty(averages.shape, averages.dtype)
    result[...] = averages
    numbers = zip(noisy, mix(scale.parting.T, second), scale.middles, scale.deviations, strict=True)
    for c, plane, middle, deviation in numbers:
        np.multiply(plane, deviation, out=result[c], dtype=result.dtype, casting="same_kind")
        result[c] += result.dtype.type(middle)
    result[core.of(unknown)] = np.nan
    keep_noiseless(result, core.of(planes), noise.within(core))
    return result
