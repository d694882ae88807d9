"""Looking without denoising: the plan, and the weights that one pixel's estimate used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import _checks, _containers
from ._axes import Layout
from .methods.recipe import guide_of, prepare
from .plan.options import Options
from .plan.plan import Plan


def weight_map(image: Any, at: Sequence[int], sigma: Any = None, **options: Any) -> np.ndarray:
    """Return the weights with which one pixel was averaged: where `denoise` looked, and what it believed.

    Parameters
    ----------
    image : array_like
        As for `denoise`; not a stack of separate images.
    at : sequence of int
        The pixel, (y, x), (z, y, x) or (t, y, x) in the order of the image's axes; negative from the end.
    sigma, **options
        As for `plan`.

    Returns
    -------
    ndarray of float64, in the image's shape without channels
        Weights that sum to 1: those of the last pass's average. (A Wiener step, if any, comes after it.)

    Raises
    ------
    TypeError, ValueError
        As `denoise`, and for a pixel outside the image.

    Notes
    -----
    Time grows with the window and the patch, not with the image; with two passes, the first one runs.

    Examples
    --------
    >>> import numpy as np, nlmeans
    >>> image = np.tile([0.0, 9, 9, 0], (8, 3))
    >>> weights = nlmeans.weight_map(image, (4, 5), sigma=1, patch_radius=1, search_radius=4)
    >>> weights.shape, round(float(weights.sum()), 6)
    ((8, 12), 1.0)
    >>> bool(weights[4, 4] < 1e-6 < weights[4, 9])
    True
    """
    from dataclasses import replace

    from .methods.average import average, gains_of
    from .pairwise.weights import pixel_weights

    image, options = _containers.taken(image, options | {"sigma": sigma})
    array = _checks.image(image)
    parsed = Options.check(array, **options)
    if parsed.method != "nlm":
        raise ValueError(f"weights are those of non-local means, method 'nlm'; got {parsed.method!r}")
    if "N" in parsed.layout.axes:
        raise ValueError(f"weights are those of one image: pass one of the stack; got axes {parsed.layout.axes!r}")
    place = _checks.pixel(at, array, parsed.layout)
    source = parsed.layout.planes(array)[0]
    _, planes, recipe = prepare(source, parsed, 0)
    noise, plan = recipe.noise, recipe.plan
    *before, last = plan.passes
    guide = guide_of(planes, parsed, 0)
    features = planes if guide is None else guide
    if before:
        features = average(planes, replace(plan, passes=tuple(before)), noise, guide)[0]
    spec = plan.recipe(last, len(features))
    gains = np.asarray(gains_of(noise.sigma if features is not guide else noise.channels, len(features))).reshape(
        -1, 1, 1, 1
    )
    weights = pixel_weights(
        np.nan_to_num(features * gains), spec, place,
        valid=np.isfinite(planes).all(axis=0), variance=None if noise.variance is None else noise.variance[0],
    )  # fmt: skip
    return Layout(parsed.layout.axes.replace("C", "")).array(weights[None, None])


def plan(image: Any, sigma: Any = None, **options: Any) -> Plan:
    """Choose parameters as `denoise` would, without denoising.

    Parameters
    ----------
    image, sigma, **options
        As for `denoise`, but for the options about the work itself (fill, threads, progress, cancel, out,
        full_output); ``method`` is "nlm" or "ridge". A dask array is looked at in samples.

    Returns
    -------
    Plan
        What `denoise` would do; prints as a small table. Of separate images (axis N), the first one's.

    Raises
    ------
    TypeError, ValueError
        As `denoise`.

    Examples
    --------
    >>> import numpy as np, nlmeans
    >>> noisy = np.random.default_rng(0).normal(100, 10, (64, 64))
    >>> nlmeans.plan(noisy, sigma=10, strength=0.5).strength
    0.5
    """
    image, options = _containers.taken(image, options | {"sigma": sigma})
    if _checks.is_dask(image):
        from .large import lazy

        return lazy.plan(image, **options)
    array = _checks.image(image)
    parsed = Options.check(array, **options)
    return prepare(parsed.layout.planes(array)[0], parsed, 0)[2].plan
