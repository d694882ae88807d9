"""Linear combinations of similar patches: what follows non-local means under ``method="ridge"``.

A patch becomes Σ_j θ_ij x_j over the patches j most like it. Non-local means takes the weights from a fixed function of
their distances; here they are the solution of a least-squares problem, those of the least expected error.
"""

from __future__ import annotations

import numpy as np

from .._progress import Progress, shares_of
from ..groups.run import group_step
from ..groups.spec import RidgeSpec
from ..noise.colour import mix
from ..noise.fitted import FittedNoise
from ..pairwise.spec import Radii
from ..pairwise.tiles import Tile, moved, whole
from .average import keep_noiseless, known_nearest
from .scale import Units

SPAN = 256.0
"""Range of the image, in units of σ, up to which float32 holds the products of patches."""
WIDEST = 1e30
"""The same, up to which float64 does."""
WORK = (1, 4)
"""About how long the two steps take beside each other."""


def in_image_units(
    counts: np.ndarray, averages: np.ndarray, noise: FittedNoise, units: Units
) -> tuple[np.ndarray, np.ndarray, FittedNoise]:
    """Return an image, such as photon counts, averages of its stabilised pixels, and its noise, in the image's units.

    Each group has its own variance, and needs no transform, which at a few counts would stabilise little.
    """
    model = noise.model
    averages = noise.restore(averages, counts)
    if not units.noisy:
        return counts, averages, FittedNoise(model, units.channels)
    variance = model.variance(known_nearest(averages)) / np.square(units.channels).reshape(-1, 1, 1, 1)
    turn = units.turn
    if turn is not None:
        counts, averages, variance = turn.turned(counts), turn.turned(averages), turn.variance(variance)
    variance = variance.astype(averages.dtype)
    return counts, averages, FittedNoise(model, units.sigma, units.channels, variance, turn=turn)


def combine(
    planes: np.ndarray,
    averages: np.ndarray,
    spec: RidgeSpec,
    noise: FittedNoise,
    units: Units,
    *,
    origin: Radii = (0, 0, 0),
    sides: Radii | None = None,
    region: Tile | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> np.ndarray:
    """Estimate planes (C, Z, Y, X), where NaN marks missing pixels, led by what non-local means made of them.

    Parameters
    ----------
    planes, averages : ndarray, shape (C, Z, Y, X)
        The noisy image, and what `nlm.average` returned; NaN where that found nothing.
    spec : RidgeSpec
        The recipe.
    noise : FittedNoise
        The noise.
    units : Units
        What the image is taken in.
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
    Patches that are alike in all planes that the units part the channels into make a group, and each plane is estimated
    on its own.
    """
    asked, noisy, (depth, height, width) = region or whole(planes.shape[1:]), units.noisy, planes.shape[1:]
    sides = sides or (depth, height, width)
    if not noisy:
        if progress is not None:
            progress(1, 1)
        return asked.of(averages)
    unknown = np.isnan(averages)
    guess = known_nearest(averages)
    seen = np.where(np.isfinite(planes), planes, guess) if unknown.any() or np.isnan(planes.min()) else planes
    span = max(float(np.ptp(seen[c]) / sigma) for c, sigma in zip(noisy, units.deviations, strict=True))
    if not span <= WIDEST:
        raise ValueError(
            f"method 'ridge' needs an image whose range is at most {WIDEST:g} times σ; got {span:g} times: mask what "
            "is out of range, or take method 'nlm'"
        )
    dtype = np.float64 if max(span, units.span) > SPAN else np.float32

    def parted(source: np.ndarray) -> np.ndarray:
        numbers = zip(noisy, units.middles, units.deviations, strict=True)
        scaled = [((source[c] - middle) * (1 / deviation)).astype(dtype) for c, middle, deviation in numbers]
        return mix(units.parting, scaled)

    features, pilot, variance = parted(seen), parted(guess), None
    if noise.variance is not None:
        each = np.broadcast_to(noise.variance, (len(noise.sigma), *seen.shape[1:]))[noisy]
        variance = noise.variance if len(noise.variance) == 1 else mix(np.square(units.parting), each)
        variance = variance.astype(dtype, copy=False)

    tells, near = shares_of(progress, WORK), asked.grown(spec.second.halo, planes.shape[1:])
    first = group_step(
        features, features, None, spec.first,
        variance=variance, origin=origin, sides=sides, region=near, threads=threads, progress=tells[0],
    )  # fmt: skip
    features, pilot, variance = near.of(features), near.of(pilot), None if variance is None else near.of(variance)
    pilot -= first
    pilot *= dtype(spec.share)
    pilot += first
    del first, guess, seen
    place, inner = moved(origin, near.origin), asked.moved(near.origin)
    found = group_step(
        pilot, features, pilot, spec.second,
        variance=variance, origin=place, sides=sides, region=inner, threads=threads, progress=tells[1],
    )  # fmt: skip
    del features, pilot

    result = asked.of(averages).copy()
    numbers = zip(noisy, mix(units.parting.T, found), units.middles, units.deviations, strict=True)
    for c, plane, middle, deviation in numbers:
        np.multiply(plane, deviation, out=result[c], dtype=result.dtype, casting="same_kind")
        result[c] += result.dtype.type(middle)
    result[asked.of(unknown)] = np.nan
    keep_noiseless(result, asked.of(planes), noise.within(asked))
    return result
