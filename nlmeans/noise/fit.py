"""Fit of noise that depends on brightness, and the choice of a model, from one image."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from .. import _checks
from . import bins, curves, estimate
from .magnitude import rayleigh_background
from .models import Gaussian, PoissonGaussian, Rician

__all__ = ["PlanesFit", "choose", "estimate_noise", "fit_planes"]

Limits = tuple[float, float] | None

# Texture that goes with brightness looks like noise that grows. With Gaussian noise of σ = 5 in BSD68 and Set12 the
# lines that beat a level by so many squared errors a bin grow less than this; Poisson noise of 5 to 64 counts in white
# beats it by 5, and grows more in all but photographs of one brightness.
GAIN_A_BIN: Final = 3.5
GROWTH: Final = 3.0  # of the variance, from the darkest bin to the brightest
LEAST_BINS: Final = 4
FLAT: Final = 1e-3  # growth over the range, where there is none, as a share of the variance
# Counts, rather than a clipped signal: where zeros are many, and the gain is the step between grey levels within this.
ZEROS: Final = 0.02
STEP_AGREES: Final = 0.3


@dataclass(frozen=True)
class PlanesFit:
    """Poisson-Gaussian noise of planes, one number a channel.

    Attributes
    ----------
    gain : tuple of float
        0 where the variance does not grow with brightness.
    offset, sigma : tuple of float
        As in `PoissonGaussian`.
    grows : bool
        Whether the variance grows with brightness beyond doubt, in most channels.
    """

    gain: tuple[float, ...]
    offset: tuple[float, ...]
    sigma: tuple[float, ...]
    grows: bool

    def model(self, planes: np.ndarray) -> PoissonGaussian:
        """Return the model, with a gain too small to matter where it is 0."""
        gains = [g or _flat_gain(p, s) for g, p, s in zip(self.gain, planes, self.sigma, strict=True)]
        return PoissonGaussian(tuple(gains), self.offset, self.sigma)


def fit_planes(planes: np.ndarray, mask: np.ndarray | None, saturation: Limits = None) -> PlanesFit:
    """Fit gain, offset and σ to planes (C, Z, Y, X); mask and saturation as for `estimate_planes`."""
    found = [_fit_channel(volume, mask, saturation) for volume in planes]
    gain, offset, sigma, grows = zip(*found, strict=True)
    return PlanesFit(gain, offset, sigma, 2 * sum(grows) > len(grows))


def choose(
    planes: np.ndarray, mask: np.ndarray | None, saturation: Limits = None
) -> Gaussian | PoissonGaussian | Rician:
    """Choose and fit the model that planes (C, Z, Y, X) speak for.

    Rician noise needs data without a negative value and a background of Rayleigh noise, Poisson-Gaussian noise a
    variance that grows with brightness beyond doubt; all else is Gaussian.
    """
    if (sigma := rayleigh_background(planes, mask)) is not None:
        return Rician(sigma)
    fitted = fit_planes(planes, mask, saturation)
    if fitted.grows:
        return fitted.model(planes)
    return Gaussian(estimate.estimate_planes(planes, mask, saturation=saturation).sigma)


def estimate_noise(image: Any, *, axes: str | None = None, channel_axis: int | None = None, mask: Any = None) -> Any:
    """Fit noise that grows with brightness to one image: gain and read noise.

    Parameters
    ----------
    image : array_like
        As for `nlmeans.denoise`; slices of a volume and separate images are pooled. NaN and infinity are left out.
    axes : str, optional
        Names of the axes, as for `nlmeans.denoise`.
    channel_axis : int, optional
        The axis of colours or other channels; short for ``axes``.
    mask : array_like of bool, optional
        True where a pixel counts; of the image's shape, without the channels.

    Returns
    -------
    PoissonGaussian
        In the image's units; numbers for a grey image, tuples with one number a channel where there are channels.

    Raises
    ------
    TypeError, ValueError
        As for `nlmeans.denoise`, and for a mask of another shape or type.

    Notes
    -----
    The variance tells gain · mean + b, and b = σ² − gain · offset is all it tells of the two: a b of 0 or more is given
    as σ = sqrt(b) with offset 0, a negative one as the offset −b / gain with σ = 0. Know the camera's offset? Then
    subtract it first. Where the variance does not grow, the gain is as good as 0 and σ holds the noise.

    Measured in the flattest patches of each brightness. Saturated pixels are left out; so are zeros, unless they are
    those of a count. Bins that are textured throughout weigh little. Time grows with the pixels up to about 400 × 400,
    from where on an even sample is looked at.

    References
    ----------
    After A. Foi, M. Trimeche, V. Katkovnik, K. Egiazarian, "Practical Poissonian-Gaussian noise modeling and fitting
    for single-image raw-data", IEEE TIP 2008, doi:10.1109/TIP.2008.2001399.

    Examples
    --------
    >>> import numpy as np
    >>> from nlmeans.noise import estimate_noise
    >>> ramp = np.linspace(5, 100, 256) * np.ones((256, 1))
    >>> noisy = 2.0 * np.random.default_rng(0).poisson(ramp)
    >>> round(estimate_noise(noisy).gain, 1)
    2.0
    """
    array = _checks.image(image)
    layout = _checks.layout(array, axes, channel_axis)
    there = _checks.known(array, mask, layout)
    planes, known = estimate.pooled(layout.planes(array)), estimate._anywhere(there, layout)
    real = planes if planes.dtype in (np.float32, np.float64) else planes.astype(np.float64)
    model = fit_planes(real, known, _checks.saturation(array.dtype)).model(real)
    if layout.channel_axis is not None:
        return model
    return PoissonGaussian(model.gain[0], model.offset[0], model.sigma[0])


def _flat_gain(volume: np.ndarray, sigma: float) -> float:
    """Return a gain above 0 whose noise is nothing beside σ."""
    values = volume[np.isfinite(volume)]
    largest = float(np.abs(values).max()) if values.size else 0.0
    return max(FLAT * sigma**2 / largest if largest else 0.0, float(np.finfo(np.float32).tiny))


def _fit_channel(volume: np.ndarray, mask: np.ndarray | None, saturation: Limits) -> tuple[float, float, float, bool]:
    """Return gain, offset, σ, and whether the variance grows."""
    volume, known = bins.counting(volume, mask)
    values = volume[known].astype(np.float64)
    if values.size == 0 or values.min() == values.max():
        return 0.0, 0.0, 0.0, False
    low, high = estimate.clip_levels(values, saturation)
    bright = known & (volume >= high)
    dark = known & (volume <= low)
    if dark.sum() > ZEROS * values.size and low == 0:
        line, grows = _line(bins.sample(volume, known, bright))
        if grows and abs(line[0] / float(values[values > 0].min()) - 1) < STEP_AGREES:
            return *_folded(*line), True
    patches = bins.sample(volume, known, bright | dark)
    line, grows = _line(patches)
    if line == (0.0, 0.0):
        return 0.0, 0.0, bins.plain(volume, known, saturation), False
    return *_folded(*line), grows


def _line(patches: bins.Patches) -> tuple[tuple[float, float], bool]:
    """Return slope and intercept of the variance, and whether the slope is beyond doubt; zeros if nothing is known."""
    found = patches.bins()
    if len(found) < LEAST_BINS or found.variance.min() == 0:
        return (0.0, 0.0), False
    level, line = curves.fit_level(found), curves.fit_line(found)
    slope, intercept = line.numbers
    steep = slope > 0 and line.variance[-1] > GROWTH * line.variance[0]
    grows = bool(steep and level.cost - line.cost > GAIN_A_BIN * len(found))
    return (slope, intercept), grows


def _folded(slope: float, intercept: float) -> tuple[float, float, float]:
    """Return gain, offset and σ of a line."""
    if intercept >= 0:
        return slope, 0.0, math.sqrt(intercept)
    return slope, -intercept / slope, 0.0
