"""weight_map(): what one pixel of the result is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Unpack

import numpy as np

from .. import _checks, _containers
from .._axes import Layout
from ..pairwise.tiles import whole
from ..pairwise.weights import pixel_weights
from ..plan.averaging import AveragingPlan
from ..plan.options import Options
from . import registry
from .average import average, gains_of, motion_in, noisy_of
from .sample import Sample

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .._typing import ImageLike, Sigma
    from ..plan.options import MapArguments


def weight_map(
    image: ImageLike, at: Sequence[int], sigma: Sigma = None, **options: Unpack[MapArguments]
) -> NDArray[np.float64]:
    """Return the weights with which one pixel is averaged: which pixels contribute to it, and how much.

    Parameters
    ----------
    image : array_like
        As for `denoise`; not a stack of separate images.
    at : sequence of int
        The pixel: (y, x), (z, y, x) or (t, y, x), in the order of the image's axes; negative numbers count from the
        end.
    sigma, **options
        As for `plan`, and ``method``, which must be non-local means.

    Returns
    -------
    ndarray of float64, in the image's shape without channels
        The weights of the last pass, which sum to 1. (A Wiener step, if any, comes after them.)

    Raises
    ------
    TypeError, ValueError
        As `denoise`; also for a pixel outside the image, and a method without such weights.

    Notes
    -----
    Time grows with window and patch, not with the image; of two passes, the first is run on all of it.

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
    method = registry.method_of(options.pop("method", None))
    if "maps" not in method.options:
        raise ValueError(f"weights are those of non-local means, method 'nlm'; got {method.name!r}")
    pixels, given = _containers.taken(image, options | {"sigma": sigma}, method.options)
    array = _checks.image(pixels)
    registry.check(method, given)
    parsed = Options.check(array, **given)
    if parsed.layout.separate:
        raise ValueError(f"weights are those of one image: pass one of the stack; got axes {parsed.layout.axes!r}")
    place = _checks.pixel(at, array, parsed.layout)
    sample = Sample.of(parsed.layout.planes(array)[0], parsed, 0)
    weights = _weights(sample, method.decide(sample, parsed).plan, place)
    return Layout(parsed.layout.axes.replace("C", "")).array(weights[None, None])


def _weights(sample: Sample, plan: AveragingPlan, place: tuple[int, int, int]) -> np.ndarray:
    """Return the weights (Z, Y, X) of the last pass's average at one pixel of a whole image."""
    *before, last = plan.passes
    planes, noise, guide = sample.planes, sample.noise, sample.guide
    features = planes if guide is None else guide
    if before:
        features = average(planes, replace(plan, passes=tuple(before)), noise, guide)[0]
    gains = np.asarray(gains_of(noise.sigma if features is not guide else noise.channels, len(features)))
    scaled, valid = np.nan_to_num(features * gains.reshape(-1, 1, 1, 1)), np.isfinite(planes).all(axis=0)
    variance = None if noise.variance is None else noise.variance[0]
    spec = plan.spec_of(last, len(features), 1.0 if features is guide else noisy_of(noise.sigma))
    if not plan.motion:
        return pixel_weights(scaled, spec, place, valid=valid, variance=variance)
    length, (frame, *_) = planes.shape[1], place
    others = range(max(frame - spec.halo[0], 0), min(frame + spec.halo[0] + 1, length))
    motion, every = motion_in(planes, plan, noise, (0, 0, 0)), whole(planes.shape[1:])

    def laid(one: np.ndarray) -> np.ndarray:
        return motion.followed(one.astype(np.float64), frame, others, every, (0, 0, 0))

    weights = pixel_weights(
        laid(scaled), spec, (frame - others[0], *place[1:]),
        valid=laid(valid[None])[0] > 0, variance=None if variance is None else laid(variance[None])[0],
    )  # fmt: skip
    pixels = laid(np.arange(valid.size).reshape(1, *valid.shape))[0]  # where each came from
    return np.bincount(pixels.ravel().astype(np.intp), weights.ravel(), valid.size).reshape(valid.shape)
