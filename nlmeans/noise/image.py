"""What a user asks of an image: how strong its noise is, by the fit that `denoise` makes."""

from __future__ import annotations

import dataclasses
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, overload

import numpy as np

from .. import _checks, _companions, _containers
from ..pixels.crops import crops, cut
from ..pixels.missing import Rules
from .fitted import FittedNoise
from .model import NoiseModel
from .models import Counted, Unnamed
from .patches import Evidence

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .._typing import Array, Companion, ImageLike, Rows

__all__ = ["estimate_noise", "estimate_sigma"]

logger = logging.getLogger("nlmeans")
Model = TypeVar("Model", bound=NoiseModel)


@overload
def estimate_sigma(
    image: Array | Rows, *, axes: None = None, channel_axis: None = None, mask: Companion | None = None
) -> float: ...
@overload
def estimate_sigma(
    image: ImageLike, *, axes: None = None, channel_axis: int, mask: Companion | None = None
) -> NDArray[np.float64]: ...
@overload
def estimate_sigma(
    image: ImageLike, *, axes: str | None = None, channel_axis: int | None = None, mask: Companion | None = None
) -> float | NDArray[np.float64]: ...
def estimate_sigma(
    image: ImageLike, *, axes: str | None = None, channel_axis: int | None = None, mask: Companion | None = None
) -> float | NDArray[np.float64]:
    """Estimate the standard deviation of additive noise, white or correlated, from the image alone.

    Parameters
    ----------
    image : array_like
        As for `denoise`; slices of a volume and separate images are pooled. NaN and infinity are left out.
    axes : str, optional
        Names of the axes, as for `denoise`.
    channel_axis : int, optional
        The axis of colours or other channels; short for ``axes``.
    mask : array_like of bool, optional
        True where a pixel counts; of the image's shape, without the channels.

    Returns
    -------
    float or ndarray
        In the image's units; one value a channel where there are channels. 0 for a constant image.

    Raises
    ------
    TypeError, ValueError
        As for `denoise`, and for a mask of another shape or type.

    Notes
    -----
    Parts without any variation and clipped parts show no noise and are left out. Where the noise is correlated, its
    power is measured in each frequency, and σ is that over all of them. Of a processed photograph it is the total that
    `estimate_noise` finds, by a model that leans towards what is usual; the log of "nlmeans" says so. Time grows with
    the pixels up to about 500 × 500, from where on an even sample is taken.

    References
    ----------
    After the observation that weak textures leave the quietest principal directions of patches to the noise:
    X. Liu, M. Tanaka, M. Okutomi, "Single-Image Noise Level Estimation for Blind Denoising", IEEE TIP 2013,
    doi:10.1109/TIP.2013.2283400; S. Pyatykh, J. Hesser, L. Zheng, IEEE TIP 2013, doi:10.1109/TIP.2012.2221728.

    Examples
    --------
    >>> import numpy as np, nlmeans
    >>> noisy = np.random.default_rng(0).normal(100, 10, (128, 128))
    >>> round(nlmeans.estimate_sigma(noisy))
    10
    """
    noise, coloured = _fitted(image, Unnamed(), axes, channel_axis, mask)
    for note in noise.notes:
        logger.info("%s", note)
    return np.array(noise.channels) if coloured else noise.channels[0]


@overload
def estimate_noise(
    image: ImageLike,
    *,
    noise: None = None,
    axes: str | None = None,
    channel_axis: int | None = None,
    mask: Companion | None = None,
) -> NoiseModel: ...
@overload
def estimate_noise(
    image: ImageLike,
    *,
    noise: Model,
    axes: str | None = None,
    channel_axis: int | None = None,
    mask: Companion | None = None,
) -> Model: ...
def estimate_noise(
    image: ImageLike,
    *,
    noise: NoiseModel | None = None,
    axes: str | None = None,
    channel_axis: int | None = None,
    mask: Companion | None = None,
) -> NoiseModel:
    """Fit a noise model to one image.

    Parameters
    ----------
    image : array_like
        As for `nlmeans.denoise`; slices of a volume and separate images are pooled. NaN and infinity are left out.
    noise : NoiseModel, optional
        The model to fit, without its numbers: ``Gaussian()``, ``PoissonGaussian()``, ``Rician()`` or ``Camera()``. By
        default `Camera` for a photograph that shows it was processed (demosaicking, JPEG), else `PoissonGaussian`.
    axes : str, optional
        Names of the axes, as for `nlmeans.denoise`.
    channel_axis : int, optional
        The axis of colours or other channels; short for ``axes``.
    mask : array_like of bool, optional
        True where a pixel counts; of the image's shape, without the channels.

    Returns
    -------
    NoiseModel
        With its numbers in the image's units; for a grey image, numbers, and where there are channels, tuples with one
        a channel. Those of `Camera` are of the mean of channels.

    Raises
    ------
    TypeError, ValueError
        As for `nlmeans.denoise`, for a mask of another shape or type, and for a model that has its numbers.

    See Also
    --------
    noise_profile : the noise as it is measured, without a model.

    Notes
    -----
    The variance shows gain · mean + b, and of the two others only b = σ² − gain · offset: a b of 0 or more is given
    as σ = sqrt(b) with offset 0, a negative one as the offset −b / gain with σ = 0. Know the camera's offset? Then
    subtract it first. Where the variance does not grow, the gain is as good as 0 and σ holds the noise.

    Measured in the flattest patches of each brightness. Saturated pixels are left out; so are zeros, unless they are
    those of a count. Bins that are textured throughout weigh little. Time grows with the pixels up to about 500 × 500,
    from where on an even sample is taken.

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
    if noise is not None and (not isinstance(noise, NoiseModel) or noise.complete):
        raise ValueError(f"noise must be a model without its numbers, such as Rician(); got {_checks.short(noise)}")
    fitted, coloured = _fitted(image, Counted() if noise is None else noise, axes, channel_axis, mask)
    model = fitted.model
    if coloured:
        return model
    one = {field.name: getattr(model, field.name) for field in dataclasses.fields(model)}
    return replace(model, **{name: value[0] for name, value in one.items() if isinstance(value, tuple)})


def _fitted(image: Any, model: NoiseModel, axes: Any, channel_axis: Any, mask: Any) -> tuple[FittedNoise, bool]:
    """Return the noise of all images in a stack together, and whether there are channels."""
    evidence, coloured = evidence_in(image, axes, channel_axis, mask)
    return model.fit(evidence), coloured


def evidence_in(image: Any, axes: Any, channel_axis: Any, mask: Any) -> tuple[Evidence, bool]:
    """Return what the noise of all images in a stack is judged by, and whether there are channels."""
    image, of = _containers.taken(image, {"axes": axes, "channel_axis": channel_axis, "mask": mask})
    array = _checks.image(image)
    layout = _checks.layout(array, of["axes"], of["channel_axis"])
    there = _companions.known(array, of["mask"], layout)
    _companions.limits(array, there)
    stack = layout.planes(array)
    images, channels, depth, *sides = stack.shape
    tiles = crops((images * depth, sides[0], sides[1]), channels)
    known = None if there is None else cut(layout.planes(there), tiles)
    return evidence_of(cut(stack, tiles), known), layout.channel_axis is not None


def evidence_of(source: np.ndarray, known: np.ndarray | None, nodata: float | None = None) -> Evidence:
    """Return the evidence in planes (C, Z, Y, X) as they are stored, of all that count as `denoise` would have it."""
    measured = Rules.of(source, known, nodata, True, source.shape[1:]).measure(source, known).planes
    return Evidence.of(measured, None, _checks.saturation(source.dtype))
