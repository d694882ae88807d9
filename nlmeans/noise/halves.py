"""The noise of two halves of one measurement, which show the same: by their difference, where only noise is left."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .. import _checks

if TYPE_CHECKING:
    from .._typing import ImageLike

CUT = 3.0
"""Standard deviations from which a difference is taken for something else than noise: a hot pixel, what moved."""
LEFT = math.sqrt(1 - 2 * CUT * math.exp(-(CUT**2) / 2) / math.sqrt(2 * math.pi) / math.erf(CUT / math.sqrt(2)))
"""What that cut leaves of the standard deviation of Gaussian noise."""
NORMAL = 1.4826  # standard deviation over median absolute deviation
ROUNDS = 50


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
    gone. Differences beyond 3 standard deviations have no say, with what that takes from Gaussian noise given back.
    Where floating-point numbers are exactly the same in both, as around a particle that was cut out, there is no noise.

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
    sigmas = tuple(_sigma(a, b, nodata) for a, b in zip(*pair, strict=True))
    return sigmas if layout.channel_axis is not None else sigmas[0]


def _sigma(one: np.ndarray, other: np.ndarray, nodata: float | None) -> float:
    """Return the standard deviation of one channel's noise."""
    there = np.isfinite(one) & np.isfinite(other)
    if nodata is not None:
        there &= (one != nodata) & (other != nodata)
    if one.dtype.kind == other.dtype.kind == "f":
        there &= one != other
    difference = one[there].astype(np.float64) - other[there]
    if difference.size < 2:
        raise ValueError(f"halves must differ by their noise; got {difference.size} pixels that do")
    difference -= np.median(difference)
    away = np.abs(difference)
    sigma = NORMAL * float(np.median(away)) or float(difference.std())
    for _ in range(ROUNDS):
        last, sigma = sigma, float(difference[away <= CUT * sigma].std()) / LEFT
        if abs(sigma - last) <= 1e-6 * last:
            break
    return sigma / math.sqrt(2)
