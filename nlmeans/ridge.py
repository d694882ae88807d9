"""Linear combinations of similar patches: what follows non-local means under ``method="ridge"``.

A patch becomes Σ_j θ_ij x_j over the patches j most like it. Non-local means takes the weights from a fixed function of
their distances; here they are the solution of a least-squares problem, those of the least expected error.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ._progress import Progress, shares_of
from .groups.run import group_step
from .groups.spec import RidgeSpec
from .nlm import colour_basis, keep_noiseless, known_nearest, mix
from .noise.setting import Setting

SPAN = 256.0
"""Range of the image, in units of σ, up to which float32 holds the products of patches."""
WIDEST = 1e30
"""The same, up to which float64 does."""
DARK = 0.05
"""Least variance of counted photons, in counts: no pixel is taken to be without noise."""
FEWEST = 0.5
"""Mean variance in counts of photons from which groups of patches do better than non-local means alone."""
FEW = "fewer than half a photon a pixel: groups of patches would do worse, and non-local means is all that was done"
WORK = (1, 4)
"""About how long the two steps take beside each other."""
SAMPLE = 1 << 16
"""Pixels that the grey scale and the colours are judged by."""


def in_image_units(averages: np.ndarray, planes: np.ndarray, setting: Setting) -> tuple[np.ndarray, Setting]:
    """Return averages of stabilised photon counts, and their noise, in the units of the image's ``planes``.

    Groups have a variance of their own, and need no transform, which at a few counts would stabilise little. The
    setting's σ is 0 everywhere where there are too few.
    """
    noise = setting.noise
    assert setting.stabiliser is not None
    averages = setting.stabiliser.inverse(averages)
    gain, offset, sigma = (np.reshape(number, (-1, 1, 1, 1)) for number in (noise.gain, noise.offset, noise.sigma))
    signal = np.maximum(known_nearest(averages) - offset, 0)
    variance = np.maximum(gain * signal + np.square(sigma), DARK * np.square(gain))
    if np.mean(variance / np.square(gain)) < FEWEST:
        return averages, Setting(noise, (0.0,) * len(planes), notes=(FEW,))
    power = variance.mean(axis=(1, 2, 3), keepdims=True)
    known = Setting(noise, tuple(np.sqrt(power[:, 0, 0, 0]).tolist()), (variance / power).astype(planes.dtype))
    return averages, known


def combine(
    planes: np.ndarray,
    averages: np.ndarray,
    spec: RidgeSpec,
    setting: Setting,
    *,
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
    setting : Setting
        The noise.
    threads, progress
        As for `groups.run.group_step`.

    Returns
    -------
    ndarray, shape (C, Z, Y, X)
        The estimate, NaN where there is nothing to estimate from.

    Raises
    ------
    ValueError
        If the image's range is beyond what can be squared, in units of σ.

    Notes
    -----
    Channels are parted into luma and differences of colours, whose noise is as independent as theirs, if these hold
    less than the channels; patches that are alike in all of them make a group, and each is estimated on its own.
    """
    noisy = [c for c, sigma in enumerate(setting.sigma) if sigma > 0]
    if not noisy:
        if progress is not None:
            progress(1, 1)
        return averages
    unknown = np.isnan(averages).any(axis=0)
    guess = known_nearest(averages)
    seen = np.where(np.isfinite(planes), planes, guess) if unknown.any() or np.isnan(planes.min()) else planes
    factor = 1.0 if setting.bands is None else spec.correlated
    deviations = [factor * setting.sigma[c] for c in noisy]
    basis = _basis([seen[c] for c in noisy], deviations)
    span = max(float(np.ptp(seen[c]) / sigma) for c, sigma in zip(noisy, deviations, strict=True))
    if not span <= WIDEST:
        raise ValueError(
            f"method 'ridge' needs an image whose range is at most {WIDEST:g} times σ; got {span:g} times: mask what "
            "is out of range, or take method 'nlm'"
        )
    dtype, middles = np.float64 if span > SPAN else np.float32, [_middle(seen[c]) for c in noisy]
    features, pilot = (_parted(basis, [source[c] for c in noisy], middles, dtype) for source in (seen, guess))
    variance = None
    if setting.variance is not None:
        each = np.broadcast_to(setting.variance, (len(setting.sigma), *seen.shape[1:]))[noisy]
        shares = np.square(basis * deviations)
        variance = setting.variance if len(setting.variance) == 1 else mix(shares, each)
        variance = variance.astype(dtype, copy=False)

    tells = shares_of(progress, WORK)
    first = group_step(features, features, None, spec.first, variance=variance, threads=threads, progress=tells[0])
    pilot -= first
    pilot *= dtype(spec.share)
    pilot += first
    del first, guess, seen
    found = group_step(pilot, features, pilot, spec.second, variance=variance, threads=threads, progress=tells[1])
    del features, pilot

    result = averages.copy()
    for c, plane, middle in zip(noisy, mix(np.linalg.inv(basis), found), middles, strict=True):
        np.add(plane, middle, out=result[c], casting="same_kind")
    result[:, unknown] = np.nan
    keep_noiseless(result, planes, setting)
    return result


def _basis(planes: list[np.ndarray], deviations: list[float]) -> np.ndarray:
    """Return what brings channels to units of their noise, and parts them where that leaves less in all but one."""
    sample = np.stack([_sample(plane) / sigma for plane, sigma in zip(planes, deviations, strict=True)])
    plain, parted = np.eye(len(planes)), colour_basis([1.0] * len(planes))

    def left(basis: np.ndarray) -> float:
        return float(np.log(np.maximum((basis @ sample.astype(np.float64)).var(axis=1), 1)).sum())

    return min((parted, plain), key=left) / np.asarray(deviations)


def _parted(basis: np.ndarray, planes: list[np.ndarray], middles: list[float], dtype: Any) -> np.ndarray:
    """Return basis · (planes − middles)."""
    return mix(basis, [(plane - middle).astype(dtype) for plane, middle in zip(planes, middles, strict=True)])


def _middle(plane: np.ndarray) -> float:
    """Return a grey value in the middle of those that there are, whatever the brightest one is."""
    return float(np.median(_sample(plane)))


def _sample(plane: np.ndarray) -> np.ndarray:
    pixels = plane.reshape(-1)
    return pixels[:: pixels.size // SAMPLE | 1]  # odd: in step with few patterns
