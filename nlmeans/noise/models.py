"""What noise can be: plain descriptions, in the image's units.

A number left out (``None``) is to be estimated from the image.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from .. import _checks
from .._containers import unit_of

__all__ = ["Gaussian", "PoissonGaussian", "Rician"]

MOST_COILS = 128
"""For more, tables would grow and nothing would change: their noise is as good as Gaussian, on a pedestal."""


@dataclass(frozen=True, eq=False)
class Gaussian:
    """Additive noise with a normal distribution: x = y + σ·N(0, 1).

    Parameters
    ----------
    sigma : float, sequence of float or ndarray, optional
        Standard deviation in the image's units, at least 0: one number, a sequence with one a channel, or an array of
        two or more dimensions, a map with one a pixel. Estimated from the image by default.

    Raises
    ------
    TypeError
        For what is no number.
    ValueError
        For a number that is negative or not finite. Whether a map fits the image is seen where both are known.

    See Also
    --------
    nlmeans.estimate_sigma : the estimate.

    Examples
    --------
    >>> from nlmeans.noise import Gaussian
    >>> Gaussian(10)
    Gaussian(sigma=10.0)
    >>> Gaussian([5, 10, 5])
    Gaussian(sigma=(5.0, 10.0, 5.0))
    """

    sigma: Any = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "sigma", _numbers(self.sigma, "sigma", maps=True))

    @property
    def complete(self) -> bool:
        """Whether its numbers are there, not left to the image."""
        return self.sigma is not None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Gaussian):
            return NotImplemented
        return type(self.sigma) is type(other.sigma) and bool(np.array_equal(self.sigma, other.sigma))

    def __hash__(self) -> int:
        return hash((Gaussian, self.sigma.tobytes() if isinstance(self.sigma, np.ndarray) else self.sigma))

    def __repr__(self) -> str:
        if not isinstance(self.sigma, np.ndarray):
            return f"Gaussian(sigma={self.sigma!r})"
        shape = " x ".join(map(str, self.sigma.shape))
        return f"Gaussian(sigma=<map of {shape}, {self.sigma.min():.4g} to {self.sigma.max():.4g}>)"


@dataclass(frozen=True)
class PoissonGaussian:
    """Counted photons, amplified, and noise of reading them out: x = gain · Poisson(y) + offset + σ·N(0, 1).

    The variance grows with brightness, gain · (mean − offset) + σ², as in fluorescence microscopy, low light and
    unprocessed camera data. For a camera that multiplies electrons (EMCCD), whose multiplication is noisy itself, the
    gain is variance over mean: twice the gain of its register. For one whose pixels have each their own offset and read
    noise (sCMOS), subtract the map of offsets, mask the hot pixels, and give the root of the variance as a map,
    ``Gaussian(sigma)``, where read noise matters.

    Parameters
    ----------
    gain : float or sequence of float, optional
        Image units a count, above 0; a sequence has one a channel. By default all three numbers are fitted to the
        image (`estimate_noise`).
    offset : float or sequence of float, default 0
        What the camera reads without light, in the image's units.
    sigma : float or sequence of float, default 0
        Standard deviation of the read noise in the image's units, at least 0.

    Raises
    ------
    TypeError
        For what is no number.
    ValueError
        For a gain that is not above 0, a negative σ, numbers that are not finite, an offset or σ without a gain, or
        sequences of different lengths.

    Notes
    -----
    ``gain`` is the slope of variance over mean, so that an EMCCD, whose multiplication doubles the variance of its
    photons, has twice its EM gain (over the ADC's electrons a unit). An sCMOS camera differs from pixel to pixel:
    subtract its map of offsets, mask its hot pixels (``mask=``), and where read noise matters give a map of σ,
    sqrt(gain · mean + σ²) with each pixel's own read noise σ and a smooth guess of the mean.

    References
    ----------
    A. Foi, M. Trimeche, V. Katkovnik, K. Egiazarian, "Practical Poissonian-Gaussian noise modeling and fitting for
    single-image raw-data", IEEE TIP 2008, doi:10.1109/TIP.2008.2001399.

    Examples
    --------
    >>> from nlmeans.noise import PoissonGaussian
    >>> PoissonGaussian(gain=2.5, sigma=4)
    PoissonGaussian(gain=2.5, offset=0.0, sigma=4.0)
    """

    gain: Any = None
    offset: Any = None
    sigma: Any = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "gain", _numbers(self.gain, "gain"))
        for name in ("offset", "sigma"):
            value = getattr(self, name)
            object.__setattr__(self, name, 0.0 if value is None else _numbers(value, name))
        if self.gain is None and (self.offset, self.sigma) != (0.0, 0.0):
            raise ValueError(
                "offset and sigma must be left out where gain is, since all three are fitted to the image together; "
                f"got offset={self.offset} and sigma={self.sigma}"
            )
        lengths = {len(v) for v in (self.gain, self.offset, self.sigma) if isinstance(v, tuple)}
        if len(lengths) > 1:
            raise ValueError(f"gain, offset and sigma must have one number a channel each; got {self!r}")

    @property
    def complete(self) -> bool:
        """Whether its numbers are there, not left to the image."""
        return self.gain is not None


@dataclass(frozen=True)
class Rician:
    """Noise of magnitude images, as MRI makes them: x = |y + σ·N(0, 1) + i·σ·N(0, 1)|.

    Bright pixels have almost normal noise of σ; the darkest have the mean 1.25 σ and only 0.66 σ of noise, so what was
    black looks grey. The more so where several coils are put together as the root of their sum of squares (noncentral
    chi noise): with four, the darkest pixels have the mean 2.74 σ and 0.70 σ of noise.

    Parameters
    ----------
    sigma : float or sequence of float, optional
        Standard deviation in each of the two components of the complex image, in the image's units, at least 0; a
        sequence has one a channel. Estimated from the image by default.
    coils : int, default 1
        How many coils' images, of equal and independent noise, are put together as the root of their sum of squares:
        at least 1. Of an image that was put together in another way, the number that its background looks like.

    Raises
    ------
    TypeError
        For what is no number.
    ValueError
        For a number that is negative or not finite, or no coils.

    References
    ----------
    H. Gudbjartsson, S. Patz, "The Rician distribution of noisy MRI data", MRM 1995, doi:10.1002/mrm.1910340618;
    C. D. Constantinides, E. Atalar, E. R. McVeigh, "Signal-to-noise measurements in magnitude images from NMR phased
    arrays", MRM 1997, doi:10.1002/mrm.1910380524.

    Examples
    --------
    >>> from nlmeans.noise import Rician
    >>> Rician(12)
    Rician(sigma=12.0, coils=1)
    """

    sigma: Any = None
    coils: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "sigma", _numbers(self.sigma, "sigma"))
        object.__setattr__(self, "coils", _coils(self.coils))

    @property
    def complete(self) -> bool:
        """Whether its numbers are there, not left to the image."""
        return self.sigma is not None


TOO_STRONG = "sigma is more than the image's range: unless it is in other units, the image is noise and little else"
SAMPLE, BEYOND = 1 << 16, 0.001
"""Pixels that are looked at to see whether an image is one of −1 to 1, and the share of them that may be beyond."""
FEW = 1 << 10
"""Pixels that mostly have a wider range than σ already."""
_series: ContextVar[bool] = ContextVar("series", default=False)


@contextmanager
def in_series(several: bool) -> Iterator[None]:
    """Say whether images of the calls inside are some of several: a dark frame among them is no mistake of units."""
    token = _series.set(several)
    try:
        yield
    finally:
        _series.reset(token)


def given(
    sigma: Any,
    model: Any,
    array: np.ndarray,
    layout: _checks.Layout,
    low: float,
    high: float,
    of: _checks.Layout | None = None,
) -> Any:
    """Return a noise model whose numbers fit the image, a tuple with one for each separate image, or "auto".

    A map of σ comes as planes (N, C or 1, Z, Y, X). ``of`` is the layout of the image that the array is a sample of.
    """
    if isinstance(model, str) and model == "auto":
        return model
    if model is None:
        model = Gaussian(list(sigma) if isinstance(sigma, tuple) else sigma)
    if not isinstance(model, Gaussian | PoissonGaussian | Rician):
        raise TypeError(
            f"noise must be Gaussian, PoissonGaussian or Rician of nlmeans.noise, or 'auto'; got {_checks.short(model)}"
        )
    _check_units(model, array, of or layout, low, high)
    if isinstance(model, Gaussian) and isinstance(model.sigma, np.ndarray):
        return Gaussian(_checks.like(model.sigma, "sigma", array, layout))
    sides = dict(zip(layout.axes, array.shape, strict=True))
    models = each(model, sides.get("N", 1), sides.get("C", 1))
    return models[0] if len(models) == 1 else models


def check_magnitudes(model: Any, planes: np.ndarray) -> None:
    """Refuse negative pixels, of those that count, where the noise is said to be Rician."""
    if isinstance(model, Rician) and (low := float(np.fmin.reduce(planes, axis=None))) < 0:
        raise ValueError(f"magnitudes with Rician noise cannot be negative; got an image that starts at {low:g}")


def each(model: Any, images: int, channels: int) -> tuple[Any, ...]:
    """Return the models of separate images; one alone where it serves all of them.

    Raises
    ------
    ValueError
        For numbers that are as many as neither images nor channels, or as both.
    """
    if not isinstance(model, Gaussian | PoissonGaussian | Rician):
        return (model,)
    apart = {}
    for name, value in ((field.name, getattr(model, field.name)) for field in fields(model)):
        if not isinstance(value, tuple):
            continue
        if len(value) not in (1, channels, images):
            rule = f"one for each of {channels} channels" + (f" or {images} images" if images > 1 else "")
            raise ValueError(f"{name} must be one number, or {rule}; got {len(value)}")
        if len(value) == images == channels > 1:
            raise ValueError(
                f"{name} could be one for each of {channels} channels or one for each of {images} images: give an "
                f"array with all axes, of length 1 where it is the same; got {len(value)} numbers"
            )
        if len(value) == images > 1:
            apart[name] = value
        elif len(value) == 1 and isinstance(model, Gaussian):
            model = replace(model, **{name: value[0]})
    if not apart:
        return (model,)
    return tuple(replace(model, **{name: value[k] for name, value in apart.items()}) for k in range(images))


def _check_units(model: Any, array: np.ndarray, layout: _checks.Layout, low: float, high: float) -> None:
    """Refuse a σ that can only be meant for the same image in other units."""
    if model.sigma is None or not high > low:
        return
    top, limits = float(np.max(model.sigma)), _checks.saturation(array.dtype)
    alone = not (_series.get() or set(layout.axes) & set("NT"))
    if (alone and top > 1 and _within_one(array)) if limits is None else top > limits[1] - limits[0]:
        raise ValueError(
            f"sigma is in the image's units and cannot exceed its range; got {top:g} for an image that spans "
            f"{low:g} to {high:g}. If sigma was meant for 0 to 255, scale it as the image was"
        )


def _within_one(array: np.ndarray) -> bool:
    """Whether an image is one of −1 to 1, where a hot pixel or two may be more."""
    few = _few(array)
    return bool(np.count_nonzero(np.abs(few) > 1) <= BEYOND * few.size)


def _few(array: np.ndarray, most: int = SAMPLE) -> np.ndarray:
    """Return an even sample of an image's pixels; all of a small one's."""
    return array.ravel()[:: array.size // most | 1] if array.size > most else array.ravel()


def above_range(model: Any, planes: np.ndarray) -> bool:
    """Whether a model's σ is more than the range of an image, planes in which NaN marks what is missing."""
    if not isinstance(model, Gaussian | PoissonGaussian | Rician) or model.sigma is None:
        return False
    top = float(np.max(model.sigma))

    def spans(pixels: np.ndarray) -> float:
        low, high = float(np.fmin.reduce(pixels, axis=None)), float(np.fmax.reduce(pixels, axis=None))
        return high - low if math.isfinite(high) else 0.0

    return top > spans(_few(planes, FEW)) and top > spans(planes) > 0


def _numbers(value: Any, name: str, *, maps: bool = False) -> Any:
    """Return None, a float, a tuple of floats with one a channel, or a read-only map, all within the rules."""
    if value is None:
        return None
    if unit_of(value) is not None:
        raise TypeError(
            f"{name} must be plain numbers in the image's units; got {_checks.short(value)}: only sigma of denoise() "
            "may have a unit, with an image that has one"
        )
    if isinstance(value, np.ndarray) and value.ndim > 1:
        if not maps:
            raise ValueError(f"{name} must be one number, or one a channel; got an array of shape {value.shape}")
        return _map(value, name)
    if isinstance(value, Sequence | np.ndarray) and not isinstance(value, str) and np.ndim(value):
        if len(value) == 0:
            raise ValueError(f"{name} must be one number, or one a channel; got none")
        return tuple(_number(v, name) for v in value)
    return _number(value, name)


def _number(value: Any, name: str) -> float:
    number = _checks.real(value, name)
    if name == "sigma" and number < 0:
        raise ValueError(f"sigma must be at least 0; got {number:g}")
    if name == "gain" and number <= 0:
        raise ValueError(f"gain is in image units a count and must be above 0; got {number:g}")
    return number


def _coils(value: Any) -> int:
    number = _checks.real(value, "coils")
    if not 1 <= number <= MOST_COILS or number != int(number):
        raise ValueError(f"coils must be a whole number from 1 to {MOST_COILS}; got {number:g}")
    return int(number)


def check_map(value: np.ndarray, name: str = "sigma") -> None:
    """Refuse a map, or a piece of one, that does not hold standard deviations."""
    if value.dtype.kind not in "fiu":
        raise TypeError(f"a map of {name} must hold real numbers; got dtype {value.dtype}")
    if value.size == 0 or not np.isfinite(value).all():
        raise ValueError(f"a map of {name} must be finite everywhere; got shape {value.shape}")
    if value.min() < 0:
        raise ValueError(f"a map of {name} must be at least 0 everywhere; got {float(value.min()):g}")


def _map(value: np.ndarray, name: str) -> np.ndarray:
    if type(value) is np.ndarray and value.dtype == np.float64 and 0 in value.strides and not value.flags.writeable:
        return value  # one image's, spread along all: it was checked before
    value = _checks.beside(value, f"a map of {name}")
    check_map(value, name)
    result = value.astype(np.float64)
    result.flags.writeable = False
    return result
