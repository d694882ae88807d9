"""Linear combinations of similar patches: what follows non-local means under ``method="ridge"``.

A patch becomes Σ_j θ_ij x_j over the patches j most like it. Non-local means takes the weights from a fixed function of
their distances; here they are the solution of a least-squares problem, those of the least expected error.
"""

from __future__ import annotations

import numpy as np

from ._progress import Progress, shares_of
from .groups.run import group_step
from .groups.spec import RidgeSpec
from .nlm import colour_basis, keep_noiseless, known_nearest, mix
from .noise.models import Gaussian
from .noise.setting import Setting

SPAN = 256.0
"""Range of the image, in units of σ, up to which float32 holds the products of patches."""
DARK = 0.05
"""Least variance of counted photons, in counts: no pixel is taken to be without noise."""
WORK = (1, 4)
"""About how long the two steps take beside each other."""


def in_image_units(averages: np.ndarray, planes: np.ndarray, setting: Setting) -> tuple[np.ndarray, Setting]:
    """Return averages of stabilised photon counts, and their noise, in the units of the image's ``planes``.

    Groups have a variance of their own, and need no transform, which at a few counts would stabilise little.
    """
    noise = setting.noise
    averages = setting.stabiliser.inverse(averages) if setting.stabiliser is not None else averages
    gain, offset, sigma = (np.reshape(number, (-1, 1, 1, 1)) for number in (noise.gain, noise.offset, noise.sigma))
    signal = np.maximum(known_nearest(averages) - offset, 0)
    deviation = np.sqrt(np.maximum(gain * signal + np.square(sigma), DARK * np.square(gain)))
    known = Setting.of(planes, Gaussian(np.broadcast_to(deviation, planes.shape)), None, None)
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

    Notes
    -----
    Channels are parted into luma and differences of colours, whose noise is as independent as theirs; patches that are
    alike in all of these make a group, and each is estimated on its own.
    """
    noisy = [c for c, sigma in enumerate(setting.sigma) if sigma > 0]
    unknown = np.isnan(averages).any(axis=0)
    guess = known_nearest(averages)[noisy]
    seen = np.where(np.isfinite(planes[noisy]), planes[noisy], guess)
    basis = colour_basis([setting.sigma[c] for c in noisy])
    middle = seen.mean(axis=(1, 2, 3), keepdims=True, dtype=np.float64).astype(seen.dtype)
    features, pilot = mix(basis, seen - middle), mix(basis, guess - middle)
    dtype = np.float64 if features.max() - features.min() > SPAN else np.float32
    features, pilot = features.astype(dtype, copy=False), pilot.astype(dtype, copy=False)
    variance = None if setting.variance is None else setting.variance.astype(dtype, copy=False)

    tells = shares_of(progress, WORK)
    first = group_step(features, features, None, spec.first, variance=variance, threads=threads, progress=tells[0])
    first += dtype(spec.share) * (pilot - first)
    found = group_step(first, features, first, spec.second, variance=variance, threads=threads, progress=tells[1])

    result = averages.copy()
    result[noisy] = mix(np.linalg.inv(basis), found.astype(planes.dtype, copy=False)) + middle
    result[:, unknown] = np.nan
    keep_noiseless(result, planes, setting)
    return result
