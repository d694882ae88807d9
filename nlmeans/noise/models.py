"""What noise can be: plain descriptions, in the image's units.

A number left out (``None``) is to be estimated from the image.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import InitVar, dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from .. import _checks
from .._notes import Note
from . import estimate, fit, magnitude, vst
from .bands import measure_bands
from .camera import Camera, shown
from .fitted import FittedNoise
from .model import NoiseModel
from .numbers import numbers, root_mean_square
from .patches import Evidence, cosines
from .photons import PoissonGaussian
from .shared import turn_of
from .spectrum import Spectrum, bands_of, check_sample, spectrum_of, white

if TYPE_CHECKING:
    import numpy.typing as npt

    from .._typing import Array, Numbers

__all__ = ["Camera", "Gaussian", "PoissonGaussian", "Rician"]

CORRELATED = Note(
    "correlated",
    "the noise is spatially correlated (JPEG, demosaicking): its power was measured in each frequency",
)
SHOWN, STEP = 6.0, 0.2
"""Signal, in σ, up to which a magnitude's noise is drawn: it hardly changes from there on; and the step of sums."""
GROWS = Note("grows", "the noise grows with brightness, which a Gaussian model cannot follow: try noise='auto'")


@dataclass(frozen=True, eq=False, repr=False)
class Gaussian(NoiseModel):
    """Additive noise with a normal distribution: x = y + σ·N(0, 1).

    Parameters
    ----------
    sigma : float, sequence of float or ndarray, optional
        Standard deviation in the image's units, at least 0: one number, a sequence with one a channel, or an array of
        two or more dimensions, a map with one a pixel. By default that of the spectrum or the covariance, or without
        these estimated from the image.
    psd : array_like, shape (Y, X) or (C, Y, X), optional
        Power spectrum of noise that is not white, at the frequencies of `numpy.fft.fft2`, whatever the image's sides:
        the mean of ``abs(fft2(noise))**2 / noise.size``. Its mean is the variance, unless ``sigma`` is given. Frames
        of a video and slices of a volume have noise of their own.
    covariance : array_like, shape (C, C) or (C, C, rows, columns), optional
        In place of a spectrum: the covariance of channels, or of channels and of pixels by how far they lie apart, with
        lag 0 in the middle of odd sides; (1, 1, rows, columns) is an autocovariance for any number of independent
        channels. `measured` takes both from a sample of pure noise.

    Raises
    ------
    TypeError
        For what is no number.
    ValueError
        For a number that is negative or not finite, a psd that is negative somewhere, or a covariance that is not
        symmetric and positive semidefinite. Whether a map, or channels, fit the image is checked where both are known.

    See Also
    --------
    nlmeans.estimate_sigma : the estimate.

    Notes
    -----
    With a spectrum, distances of patches scatter more than in white noise and strengths follow that; Wiener steps take
    the power in each of their coefficients; channels that share noise are turned until they share none; and method
    "ridge" parts the image into bands of similar power, and takes into account what the patches of a group share.

    Examples
    --------
    >>> from nlmeans.noise import Gaussian
    >>> Gaussian(10)
    Gaussian(sigma=10.0)
    >>> Gaussian([5, 10, 5])
    Gaussian(sigma=(5.0, 10.0, 5.0))

    Two channels that share half of their noise:

    >>> Gaussian(covariance=[[25, 50], [50, 400]]).sigma
    (5.0, 20.0)
    """

    name: ClassVar[str] = "gaussian"
    sigma: Any = None  # None, a float, a tuple or a map, as given
    psd: InitVar[Any] = None
    covariance: InitVar[Any] = None
    spectrum: Spectrum | None = None  # what either of them says

    if TYPE_CHECKING:

        def __init__(
            self,
            sigma: Numbers | Array | None = None,
            psd: npt.ArrayLike | None = None,
            covariance: npt.ArrayLike | None = None,
            spectrum: Spectrum | None = None,
        ) -> None: ...

    def __post_init__(self, psd: Any, covariance: Any) -> None:
        object.__setattr__(self, "sigma", numbers(self.sigma, "sigma", maps=True))
        if given := {"psd": psd, "covariance": covariance, "spectrum": self.spectrum}.items():
            spectrum = spectrum_of({name: value for name, value in given if value is not None})
            object.__setattr__(self, "spectrum", spectrum)
            if self.sigma is None and spectrum is not None:
                own = spectrum.sigma
                object.__setattr__(self, "sigma", own if len(own) > 1 else own[0])

    @classmethod
    def measured(
        cls,
        sample: npt.ArrayLike,
        sigma: Numbers | Array | None = None,
        *,
        axes: str | None = None,
        channel_axis: int | None = None,
    ) -> Gaussian:
        """Return the noise that a sample of nothing else shows, such as a dark frame, or the difference of two frames.

        Parameters
        ----------
        sample : array_like
            Pure noise, with or without a constant: of the image's channels, at least 16 × 16 pixels. The larger, and
            the more frames it has, the better.
        sigma : float, sequence of float or ndarray, optional
            As for `Gaussian`: where the image's noise is as the sample's, but stronger or weaker. Of the difference of
            two frames, the sample's is √2 times that of one.
        axes, channel_axis
            Of the sample, as for `nlmeans.denoise`.

        Raises
        ------
        TypeError, ValueError
            For a sample that is too small, constant or not finite, and for axes as `nlmeans.denoise`.

        Examples
        --------
        >>> import numpy as np
        >>> from nlmeans.noise import Gaussian
        >>> white = np.random.default_rng(0).normal(0, 10, (257, 256))
        >>> noise = Gaussian.measured((white[1:] + white[:-1]) / 2)
        >>> round(noise.sigma), noise.spectrum
        (7, <1 channel, 128 x 128 frequencies>)
        """
        array = _checks.image(sample)
        planes = _checks.layout(array, axes, channel_axis).planes(array).astype(np.float64)
        planes = np.concatenate(list(planes), axis=1)
        check_sample(planes)
        return cls(sigma, spectrum=Spectrum.of_sample(planes))

    @property
    def complete(self) -> bool:
        """Whether σ is there."""
        return self.sigma is not None

    def shown(self) -> dict[str, Any]:
        """Return its numbers by their names, without a spectrum of white noise."""
        return {"sigma": self.sigma} if self.spectrum is None else super().shown()

    @property
    def largest(self) -> float | None:
        """The largest σ."""
        return self.sigma if isinstance(self.sigma, float | None) else float(np.max(self.sigma))

    def even(self) -> Gaussian:
        """Return the model with the root of a map's mean square, one a channel, in its place."""
        return replace(self, sigma=root_mean_square(self.sigma)) if self.maps else self

    def check_channels(self, count: int) -> None:
        """Refuse an image that has other channels than the covariance."""
        if self.spectrum is not None:
            self.spectrum.check(count)

    def given(self, planes: np.ndarray) -> FittedNoise:
        """Return noise that needs no stabiliser."""
        if isinstance(self.sigma, float):
            return self._correlated(FittedNoise(self, (self.sigma,) * len(planes)), planes)
        sigma = root_mean_square(self.sigma) if self.maps else self.sigma
        each = sigma if isinstance(sigma, tuple) and len(sigma) == len(planes) else np.broadcast_to(sigma, len(planes))
        return self._correlated(FittedNoise(self, tuple(float(s) for s in each)), planes)

    def _correlated(self, noise: FittedNoise, planes: np.ndarray) -> FittedNoise:
        """Return noise with what the spectrum says of the planes (C, Z, Y, X) that have any."""
        noisy = noise.noisy(planes) if self.spectrum is not None else []
        if not noisy or self.spectrum is None:
            return noise
        own, sigma = self.spectrum.of(noisy), np.asarray([noise.sigma[c] for c in noisy])
        turned = turn_of(own.shared(len(noisy)), sigma, planes[noisy], least=0.0)
        if turned is None:
            basis, power = cosines(len(noisy)), own.mixed(np.eye(len(noisy)))
            noise = replace(noise, mixed=tuple(sigma.tolist()))
            return noise if white(power) else replace(noise, bands=bands_of(own.mixed(basis)), power=power)
        turn, variance = turned
        each = (turn.forward * sigma)[variance > 0]  # of channels over their sigma
        power = own.mixed(each)
        power /= power.mean(axis=(1, 2), keepdims=True)
        noise = replace(noise, turn=turn, mixed=tuple(np.sqrt(variance).tolist()))
        return noise if white(power) else replace(noise, bands=bands_of(power), power=power)

    def placed(
        self, noise: FittedNoise, maps: Mapping[str, np.ndarray], planes: np.ndarray
    ) -> tuple[FittedNoise, np.ndarray]:
        """Return the noise with the variance of each pixel; the pixels stay."""
        sigma = maps["sigma"]
        if not any(noise.channels) and sigma.any():
            raise ValueError("a map of sigma must be above 0 somewhere in the sample that noise is judged by; got 0")
        return noise.mapped(np.square(sigma, dtype=np.float64), planes.dtype), planes

    def fit(self, evidence: Evidence) -> FittedNoise:
        """Fit one number a channel, and where the noise is correlated its power in each band."""
        return self.of(evidence, estimate.estimate(evidence))

    def of(self, evidence: Evidence, white: estimate.NoiseEstimate) -> FittedNoise:
        """Fit what is left to fit where the white noise is known."""
        bands = None
        if white.correlated:
            bands = measure_bands(evidence.planes, evidence.known, saturation=evidence.saturation)
        if bands is None:
            notes = (GROWS,) if fit.grows(evidence) else ()
            return FittedNoise(
                Gaussian(white.sigma), white.sigma, estimated=True, outliers=evidence.outliers, notes=notes
            )
        sigma, mixed = (tuple(evidence.factor * s for s in each) for each in (bands.sigma, bands.mixed))
        return FittedNoise(
            Gaussian(sigma), sigma, bands=bands.power, turn=bands.turn, mixed=mixed, estimated=True,
            outliers=evidence.outliers, notes=(CORRELATED,),
        )  # fmt: skip


@dataclass(frozen=True)
class Rician(NoiseModel):
    """Noise of magnitude images, as MRI makes them: ``x = |y + σ·N(0, 1) + i·σ·N(0, 1)|``.

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

    name: ClassVar[str] = "rician"
    sigma: Any = None  # None, a float or a tuple, as given
    coils: int = 1

    if TYPE_CHECKING:

        def __init__(self, sigma: Numbers | None = None, coils: int = 1) -> None: ...

    def __post_init__(self) -> None:
        object.__setattr__(self, "sigma", numbers(self.sigma, "sigma"))
        object.__setattr__(self, "coils", _coils(self.coils))

    @property
    def largest(self) -> float | None:
        """The largest σ."""
        return None if self.sigma is None else float(np.max(self.sigma))

    def check(self, planes: np.ndarray) -> None:
        """Refuse negative pixels, of those that count."""
        if (low := float(np.fmin.reduce(planes, axis=None))) < 0:
            raise ValueError(f"magnitudes with Rician noise cannot be negative; got an image that starts at {low:g}")

    def curves(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return brightnesses and the σ of magnitudes there, for each channel."""
        signals = np.linspace(0, SHOWN, 40)
        levels = np.arange(0, SHOWN + 6 + math.sqrt(2 * self.coils), STEP)
        density = vst.magnitudes(levels, signals, self.coils) * STEP
        deviation = np.sqrt(density @ np.square(levels) - np.square(density @ levels))
        return [(sigma * signals, sigma * deviation) for sigma in np.ravel(self.sigma)]

    def stabiliser(self) -> vst.Stabiliser:
        """Return the transform that is tabulated for so many coils."""
        return vst.rician(self.sigma, self.coils)

    def estimate(self, evidence: Evidence) -> Rician:
        """Return σ of each channel, from a background of noise or the noise at each brightness."""
        return Rician(magnitude.fit(evidence, self.coils), self.coils)

    def given(self, planes: np.ndarray) -> FittedNoise:
        """Return the noise, or none at all where a channel has none: there is no transform for it."""
        return super().given(planes) if np.min(self.sigma) > 0 else Gaussian(0.0).given(planes)


@dataclass(frozen=True)
class Chosen(NoiseModel):
    """The noise of an image that chooses the model itself: that of a processed photograph where it shows it."""

    @property
    def complete(self) -> bool:
        """Whether its numbers are there: they never are."""
        return False

    def fit(self, evidence: Evidence) -> FittedNoise:
        """Choose, and fit what was chosen."""
        white = estimate.estimate(evidence)
        gaussian = Gaussian().of(evidence, white)
        return shown(evidence, white, gaussian.sigma) or self.otherwise(evidence, gaussian)

    def otherwise(self, evidence: Evidence, gaussian: FittedNoise) -> FittedNoise:
        """Return the noise of any other image, of which Gaussian noise is fitted."""
        return gaussian


@dataclass(frozen=True)
class Auto(Chosen):
    """The model that an image speaks for: what ``noise="auto"`` means.

    Rician noise needs data without a negative value and a background of nothing else, that of a camera the traces of
    processing, Poisson-Gaussian noise a variance that grows with brightness beyond doubt; all else is Gaussian.
    """

    name: ClassVar[str] = "auto"

    def fit(self, evidence: Evidence) -> FittedNoise:
        """Choose, and fit what was chosen."""
        ground = magnitude.background(evidence)
        return super().fit(evidence) if ground is None else Rician(*ground).fit(evidence)

    def otherwise(self, evidence: Evidence, gaussian: FittedNoise) -> FittedNoise:
        """Return that of counts, if it grows with brightness."""
        return PoissonGaussian().fit(evidence) if fit.grows(evidence) else gaussian


@dataclass(frozen=True)
class Unnamed(Chosen):
    """The noise of an image of which nothing is said: that of a processed photograph where it shows it, or Gaussian."""

    def for_risk(self) -> NoiseModel:
        """Return Gaussian noise."""
        return Gaussian()


@dataclass(frozen=True)
class Counted(Chosen):
    """The noise that is fitted to an image of which nothing is said: of a processed photograph, or of counts."""

    def otherwise(self, evidence: Evidence, gaussian: FittedNoise) -> FittedNoise:
        """Return that of counts."""
        return PoissonGaussian().fit(evidence)


MODELS: dict[str, type[NoiseModel]] = {kind.name: kind for kind in (Gaussian, PoissonGaussian, Rician, Camera)}
"""The models that can be named on the command line."""


def of_planes(noise: FittedNoise, chosen: Sequence[int]) -> FittedNoise:
    """Return the noise of some of the planes that a filter takes, as of an image: Gaussian, of its own σ each."""
    sigma, still = tuple(noise.sigma[k] for k in chosen), noise.still
    if still is not None and len(still) > 1:
        still = np.asarray(still[list(chosen)] if len(still) == len(noise.sigma) else still.all(axis=0, keepdims=True))
    return FittedNoise(Gaussian(sigma), sigma, variance=noise.variance, still=still, uneven=noise.uneven)


def _coils(value: Any) -> int:
    number = _checks.real(value, "coils")
    if not 1 <= number <= magnitude.MOST_COILS or number != int(number):
        raise ValueError(f"coils must be a whole number from 1 to {magnitude.MOST_COILS}; got {number:g}")
    return int(number)
