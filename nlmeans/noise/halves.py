"""The noise of two halves of one measurement, which show the same: by their difference, where only noise is left."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .. import _checks
from ..pixels.missing import sampled
from ..pixels.still import still_in

if TYPE_CHECKING:
    from .._typing import ImageLike

CUT = 6.0
"""Standard deviations of the noise at its brightness from which a difference is something else: x-rays, what moved."""
BINS, LEAST = 64, 64
"""Brightnesses that are judged apart, and pixels of each; the first and the last are cut while there are so many."""
SAMPLE = 1 << 20
"""Pixels by which they are judged."""
CHANCE = 0.7
"""Share of equal neighbours from which areas where both halves are the same are those of few counts."""
NORMAL = 1.4826  # standard deviation over median absolute deviation


def sigma_of_halves(
    first: ImageLike,
    second: ImageLike,
    *,
    axes: str | None = None,
    channel_axis: int | None = None,
    nodata: float | None = None,
) -> float | tuple[float, ...]:
    """Return the standard deviation of the noise in each of two halves of one measurement.

    Parameters
    ----------
    first, second : array-like
        Two images of the same, with independent noise of the same strength: half-maps of an electron microscope, two
        exposures, odd and even frames.
    axes, channel_axis : optional
        As for `nlmeans.denoise`.
    nodata : float, optional
        The value that stands for "no data here".

    Returns
    -------
    float or tuple of float
        In the images' units; of images with channels one each. Their mean has noise of σ / √2.

    Raises
    ------
    TypeError, ValueError
        If the two are no images of one shape, or there is no difference to judge by.

    Notes
    -----
    Var(first − second) = 2σ², whatever the picture shows: texture, which misleads an estimate from a single image, is
    gone. Where noise grows with brightness, as that of counts, σ is its root mean square. Differences beyond 6 standard
    deviations of the noise at that brightness have no say. Areas of one exact difference amid others that vary, as
    around a particle that was cut out, hold no noise and are left out; single pixels that are equal by chance count.

    Examples
    --------
    >>> import numpy as np
    >>> from nlmeans.noise import sigma_of_halves
    >>> rng = np.random.default_rng(0)
    >>> texture = rng.normal(0, 50, (200, 200))
    >>> first, second = texture + rng.normal(0, 5, (2, 200, 200))
    >>> round(sigma_of_halves(first, second), 1)
    5.0
    """
    one, other = _checks.image(first), _checks.image(second)
    if one.shape != other.shape:
        raise ValueError(f"halves must have one shape; got {one.shape} and {other.shape}")
    layout = _checks.layout(one, axes, channel_axis)
    pair = [np.moveaxis(layout.planes(half), 1, 0) for half in (one, other)]
    slices = [half.reshape(len(half), -1, *half.shape[-2:]) for half in pair]
    sigmas = tuple(_sigma(a, b, nodata) for a, b in zip(*slices, strict=True))
    if not any(sigmas):
        raise ValueError("halves must differ by their noise; got 0 pixels that do")
    return sigmas if layout.channel_axis is not None else sigmas[0]


def _sigma(one: np.ndarray, other: np.ndarray, nodata: float | None) -> float:
    """Return the standard deviation of the noise in slices (N, Y, X) of one channel; 0 where the two are the same."""
    there = np.isfinite(one) & np.isfinite(other)
    if nodata is not None:
        there &= (one != nodata) & (other != nodata)
    difference = np.subtract(*(np.where(there, half, 0) for half in (one, other)), dtype=np.float64)
    there &= ~still_in(difference, there, CHANCE)
    brightness = np.empty_like(difference)
    for k, inside in enumerate(there):
        brightness[k] = np.minimum(*(_around(half[k], inside) for half in (one, other)))
    brightness, difference = brightness[there], difference[there]
    if not difference.any():
        return 0.0
    away = np.abs(difference - np.median(difference))
    return float(difference[away <= _bounds(away, brightness)].std()) / math.sqrt(2)


def _around(half: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Return the mean of each pixel (Y, X) and those around it, but for those that are not there."""
    total, weight = np.where(there, half, 0).astype(np.float64), there.astype(np.float64)
    for axis in (0, 1):
        total, weight = (_blurred(part, axis) for part in (total, weight))
    return total / np.where(there, weight, 1)


def _blurred(part: np.ndarray, axis: int) -> np.ndarray:
    """Return each number with half of its neighbours along an axis."""
    moved = np.moveaxis(np.pad(part, [(int(k == axis),) * 2 for k in range(part.ndim)]), axis, 0)
    return np.moveaxis(moved[1:-1] + 0.5 * (moved[:-2] + moved[2:]), 0, axis)


def _bounds(away: np.ndarray, brightness: np.ndarray) -> np.ndarray:
    """Return how far noise takes the difference of each pixel, by the median of those that are about as bright.

    What only one half shows is not in the darker half, whose ``brightness`` it is; the noise of the next brightness
    counts too, for those of an edge.
    """
    some, bright = sampled(away, SAMPLE), sampled(brightness, SAMPLE)
    ends = [2.0**-k / BINS for k in range(1, 64) if some.size * 2.0**-k >= BINS * LEAST]
    shares = np.array([*ends, *np.arange(1, BINS) / BINS, *(1 - share for share in ends)])
    edges = np.unique(np.quantile(bright, shares[np.minimum(shares, 1 - shares) * some.size >= LEAST]))
    bins = np.searchsorted(edges, bright, side="right").astype(np.uint8)
    parts = np.split(some[np.argsort(bins, kind="stable")], np.cumsum(np.bincount(bins))[:-1])
    scales = np.pad([_scale(part) for part in parts], 1)
    widest = np.maximum(scales[1:-1], np.maximum(scales[:-2], scales[2:]))
    bounds: np.ndarray = CUT * widest[np.searchsorted(edges, brightness, side="right")]
    return bounds


def _scale(away: np.ndarray) -> float:
    """Return the standard deviation of noise, or about the least difference where most are none, as of few counts."""
    middle = float(np.median(away)) if away.size else 0.0
    if middle:
        return NORMAL * middle
    some = away[away > 0]
    return float(np.median(some)) if some.size else 0.0
