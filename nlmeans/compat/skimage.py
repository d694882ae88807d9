"""Non-local means and the noise estimate of `skimage.restoration`, with the arguments of scikit-image 0.26.

>>> from nlmeans.compat.skimage import denoise_nl_means, estimate_sigma
"""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from .. import _checks, noise
from .._axes import Layout
from .._defaults import or_default
from ..pairwise.spec import PairwiseSpec

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["denoise_nl_means", "estimate_sigma"]

WIDEST = 1 << 16
"""The greatest width of a patch and radius of a window."""
FARTHEST = 5.0
"""Distance, in units of h², from which scikit-image's weights are 0."""


@or_default
def denoise_nl_means(
    image: ArrayLike,
    patch_size: int = 7,
    patch_distance: int = 11,
    h: float = 0.1,
    fast_mode: bool = True,
    sigma: float = 0.0,
    *,
    preserve_range: bool = False,
    channel_axis: int | None = None,
) -> NDArray[np.floating]:
    """Denoise as `skimage.restoration.denoise_nl_means` is meant to.

    Parameters
    ----------
    image : array_like
        A picture or a volume, with channels or without. Whole numbers become floats of range 0 to 1, or −1 to 1 for
        signed types, unless ``preserve_range``; h and ``sigma`` are in the units of these floats.
    patch_size : int, default 7
        Width of the patches that are compared; an even one is made odd by adding 1.
    patch_distance : int, default 11
        Radius of the search window.
    h : float, default 0.1
        Strength: weights are exp(−max(d² − 2σ², 0) / h²) for patches that differ by d² in the mean square.
    fast_mode : bool, default True
        False drops a factor that scikit-image's fast mode has: there h counts as h · (s / (s − 1))^(d/2), for patches
        of width s in d dimensions, since its windows have s − 1 pixels on a side but are divided by s. The pixels
        of a patch count equally in both modes, where scikit-image's slow one weighs them by a Gaussian.
    sigma : float, default 0
        Standard deviation of the noise.
    preserve_range : bool, default False
        Keep the numbers of whole-number images.
    channel_axis : int, optional
        The axis of channels.

    Returns
    -------
    ndarray
        In the image's shape; float32 for float16 and float32, else float64.

    Raises
    ------
    TypeError, ValueError
        For an image or a number that cannot be meant.
    NotImplementedError
        For dimensions that scikit-image refuses: fewer than 2 or more than 4, with ``fast_mode=False`` more than 3, or
        than 2 besides channels.

    Notes
    -----
    Not reproduced: windows that are off their centre, mirrored pixels beyond the border as candidates, weights of
    0.971 for equal patches, axes of length 1 that vanish, NaN that spreads: such pixels are missing, and filled. Four
    dimensions besides channels are computed in NumPy, slowly, and must be finite.

    References
    ----------
    J. Darbon, A. Cunha, T. F. Chan, S. Osher, G. J. Jensen, "Fast nonlocal filtering applied to electron
    cryomicroscopy", ISBI 2008, doi:10.1109/ISBI.2008.4541250, is the fast mode's source.

    Examples
    --------
    >>> import numpy as np
    >>> noisy = np.random.default_rng(0).normal(0.5, 0.1, (64, 64))
    >>> bool(denoise_nl_means(noisy, h=0.08, sigma=0.1).std() < 0.02)
    True
    """
    from ..pairwise.run import pairwise_average
    from ..pixels.missing import as_float
    from .four import average
    from .scale import STRONG, factor_of, strength_of

    array, fast = _floats(image, preserve_range), bool(_checks.flag(fast_mode, "fast_mode"))
    space = _space(array, channel_axis, fast)
    width = _whole(patch_size, "patch_size", 1) // 2 * 2 + 1
    radius = _whole(patch_distance, "patch_distance", 0)
    strength, noise = _checks.real(h, "h"), _checks.real(sigma, "sigma")
    if not strength > 0:
        raise ValueError(f"h must be above 0; got {strength:g}")
    if noise < 0:
        raise ValueError(f"sigma must be at least 0; got {noise:g}")
    factor, top = factor_of(array)
    strength, noise = strength_of(strength * factor, top, array.dtype), min(noise * factor, STRONG * max(top, 1.0))
    array = array if factor == 1 else array * array.dtype.type(factor)
    channels = 1 if channel_axis is None else array.shape[channel_axis]
    terms = channels * width**space
    short = ((width - 1) / width) ** space if fast and width > 1 else 1.0
    scale, bias, vanish = short / (strength**2 * terms), 2 * noise**2 * terms, math.exp(-FARTHEST)
    if space == 4:
        planes = array[None] if channel_axis is None else np.moveaxis(array, channel_axis, 0)
        if not np.isfinite(planes).all():
            raise ValueError("an image of 4 dimensions must be finite everywhere; got NaN or infinity")
        result = average(planes, width // 2, radius, scale, bias, vanish)
        result = result if factor == 1 else result / factor
        return result[0] if channel_axis is None else np.ascontiguousarray(np.moveaxis(result, 0, channel_axis))
    layout = _layout(array, channel_axis)
    planes = as_float(layout.planes(array)[0])
    spec = PairwiseSpec(
        layout.radii((width // 2,) * space),
        layout.radii((radius,) * space),
        scale=scale,
        bias=bias,
        centre="one",
        vanish=vanish,
    )
    missing = not np.isfinite(planes).all()
    if missing:
        planes = np.where(np.isfinite(planes).all(axis=0), planes, np.nan)
    result = layout.array(pairwise_average(planes, planes, spec, missing=missing)[None])
    return np.ascontiguousarray(result if factor == 1 else result / result.dtype.type(factor))


@overload
def estimate_sigma(image: ArrayLike, average_sigmas: bool = False, *, channel_axis: None = None) -> float: ...
@overload
def estimate_sigma(image: ArrayLike, average_sigmas: Literal[True], *, channel_axis: int | None = None) -> float: ...
@overload
def estimate_sigma(
    image: ArrayLike, average_sigmas: bool = False, *, channel_axis: int | None = None
) -> float | list[float]: ...
@or_default
def estimate_sigma(
    image: ArrayLike, average_sigmas: bool = False, *, channel_axis: int | None = None
) -> float | list[float]:
    """Estimate the noise, called as `skimage.restoration.estimate_sigma` and returning what that returns.

    Parameters
    ----------
    image : array_like
        A picture or a volume, with channels or without.
    average_sigmas : bool, default False
        Return the channels' mean.
    channel_axis : int, optional
        The axis of channels.

    Returns
    -------
    float, or list of float
        Standard deviation of the noise in the image's units, one a channel if ``channel_axis`` is given, unless
        averaged. The estimate is `nlmeans.estimate_sigma`'s, which texture misleads less than scikit-image's.

    Raises
    ------
    TypeError, ValueError
        As `nlmeans.estimate_sigma`.

    Examples
    --------
    >>> import numpy as np
    >>> round(estimate_sigma(np.random.default_rng(0).normal(0, 5, (99, 99))))
    5
    """
    array = _checks.unmasked(image, "the image")
    if channel_axis is None and array.ndim and array.shape[-1] in (3, 4):
        warnings.warn(
            f"the last axis has {array.shape[-1]} pixels and channel_axis is None: it is taken for space, not colours",
            stacklevel=2,
        )
    layout = _layout(_checks.image(array), channel_axis)
    sigmas = np.atleast_1d(noise.estimate_sigma(array, axes=layout.axes)).tolist()
    if channel_axis is None:
        return sigmas[0]
    return float(np.mean(sigmas)) if _checks.flag(average_sigmas, "average_sigmas") else sigmas


def _floats(image: Any, preserve_range: bool) -> np.ndarray:
    """Return the image in floating-point numbers, as scikit-image scales them."""
    array = _checks.unmasked(image, "the image")
    if array.dtype.kind == "b":
        return array.astype(np.float64)
    if array.dtype.kind not in "iu":
        _checks.dtype(array.dtype)
    if array.size == 0:
        raise ValueError(f"the image must have pixels; got shape {array.shape}")
    if array.dtype.kind == "f":
        return array.astype(np.float32) if array.dtype.itemsize == 2 else array
    if _checks.flag(preserve_range, "preserve_range"):
        return array.astype(np.float64)
    return np.maximum(array / float(np.iinfo(array.dtype).max), -1.0)


def _space(array: np.ndarray, channel_axis: Any, fast: bool) -> int:
    """Return the number of spatial axes; refuse what scikit-image refuses."""
    if channel_axis is not None:
        axis = _checks.integer(channel_axis, "channel_axis")
        if not -array.ndim <= axis < array.ndim:
            raise ValueError(f"channel_axis must be one of the image's {array.ndim} dimensions; got {axis}")
    space = array.ndim - (channel_axis is not None)
    most = 4 if fast else 3 if channel_axis is None else 2
    if not 2 <= space <= most:
        mode = "" if fast else " with fast_mode=False"
        raise NotImplementedError(f"the image must have 2 to {most} dimensions besides channels{mode}; got {space}")
    return space


def _layout(array: np.ndarray, channel_axis: int | None) -> Layout:
    """Return the layout in which all axes but the channels' are space."""
    if channel_axis is not None:
        return _checks.layout(array, None, channel_axis)
    return _checks.layout(array, "ZYX"[-array.ndim :], None)


def _whole(value: Any, name: str, least: int) -> int:
    number = _checks.real(value, name)
    if number != int(number) or number < least:
        raise ValueError(f"{name} must be a whole number of at least {least}; got {number:g}")
    if number > WIDEST:
        raise ValueError(f"{name} must be at most {WIDEST}; got {number:g}")
    return int(number)
