"""What noise can be: plain descriptions, in the image's units.

A number left out (``None``) is to be estimated from the image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from .. import _checks
from .._notes import Note
from . import estimate, fit, magnitude, vst
from .bands import measure_bands
from .camera import Camera, shown
from .fitted import FittedNoise
from .model import NoiseModel
from .numbers import numbers
from .patches import Evidence

if TYPE_CHECKING:
    from .._typing import Array, Numbers

__all__ = ["Camera", "Gaussian", "PoissonGaussian", "Rician"]

CORRELATED = Note(
    "correlated",
    "the noise is spatially correlated (JPEG, demosaicking): its power was measured in each frequency",
)
GROWS = Note("grows", "the noise grows with brightness, which a Gaussian model cannot follow: try noise='auto'")
FEW = Note(
    "few-photons",
    "fewer than half a photon a pixel: groups of patches would do worse, and non-local means is all that was done",
)
DARK = 0.05
"""Least variance of counted photons, in counts: no pixel is taken to be without noise."""
FEWEST = 0.5
"""Mean variance in counts of photons from which groups of patches do better than non-local means alone."""
DIMMED, FAINT = 0.024, 0.08
"""Groups of photon counts believe the darker of two patches more, whose variance is taken to be less: what that takes
from the mean, in counts, and the counts at which it is half as much. Measured on constant signals of 0.02 to 20."""


@dataclass(frozen=True, eq=False)
class Gaussian(NoiseModel):
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
        For a number that is negative or not finite. Whether a map fits the image is checked where both are known.

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

    name: ClassVar[str] = "gaussian"
    sigma: Any = None  # None, a float, a tuple or a map, as given

    if TYPE_CHECKING:

        def __init__(self, sigma: Numbers | Array | None = None) -> None: ...

    def __post_init__(self) -> None:
        object.__setattr__(self, "sigma", numbers(self.sigma, "sigma", maps=True))

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

    @property
    def largest(self) -> float | None:
        """The largest σ."""
        return None if self.sigma is None else float(np.max(self.sigma))

    @property
    def map(self) -> np.ndarray | None:
        """The σ of each pixel, if that is what it is."""
        return self.sigma if isinstance(self.sigma, np.ndarray) else None

    def without_map(self, sigma: tuple[float, ...]) -> Gaussian:
        """Return the model with one σ a channel in the place of a map."""
        return self if self.map is None else Gaussian(sigma)

    def given(self, planes: np.ndarray) -> FittedNoise:
        """Return noise that needs no stabiliser."""
        if self.map is None:
            return FittedNoise(self, self.sigma if isinstance(self.sigma, tuple) else (self.sigma,) * len(planes))
        square = np.square(self.map, dtype=np.float64)
        power = square.mean(axis=(1, 2, 3))
        sigma = tuple(np.sqrt(np.broadcast_to(power, len(planes))).tolist())
        return FittedNoise(self, sigma).mapped(square, planes.dtype)

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
        sigma = tuple(evidence.factor * s for s in bands.sigma)
        return FittedNoise(
            Gaussian(sigma), sigma, bands=bands.power, turn=bands.turn, mixed=bands.mixed, estimated=True,
            outliers=evidence.outliers, notes=(CORRELATED,),
        )  # fmt: skip


@dataclass(frozen=True)
class PoissonGaussian(NoiseModel):
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

    name: ClassVar[str] = "poisson"
    grouped: ClassVar[bool] = True
    gain: Any = None  # floats or tuples, as given
    offset: Any = None
    sigma: Any = None

    if TYPE_CHECKING:

        def __init__(
            self, gain: Numbers | None = None, offset: Numbers | None = None, sigma: Numbers | None = None
        ) -> None: ...

    def __post_init__(self) -> None:
        object.__setattr__(self, "gain", numbers(self.gain, "gain"))
        for name in ("offset", "sigma"):
            value = getattr(self, name)
            object.__setattr__(self, name, 0.0 if value is None else numbers(value, name))
        if self.gain is None and (self.offset, self.sigma) != (0.0, 0.0):
            raise ValueError(
                "offset and sigma must be left out where gain is, since all three are fitted to the image together; "
                f"got offset={self.offset} and sigma={self.sigma}"
            )
        lengths = {len(v) for v in (self.gain, self.offset, self.sigma) if isinstance(v, tuple)}
        if len(lengths) > 1:
            raise ValueError(f"gain, offset and sigma must have one number a channel each; got {self!r}")

    @property
    def largest(self) -> float:
        """The largest σ of the read noise."""
        return float(np.max(self.sigma))

    def stabiliser(self) -> vst.Stabiliser:
        """Return the generalised Anscombe transform."""
        return vst.anscombe(self.gain, self.offset, self.sigma)

    def estimate(self, evidence: Evidence) -> PoissonGaussian:
        """Return gain, offset and σ of each channel."""
        return PoissonGaussian(*fit.fit(evidence))

    def variance(self, signal: np.ndarray) -> np.ndarray:
        """Return gain · (signal − offset) + σ²."""
        gain, offset, sigma = (_along(number) for number in (self.gain, self.offset, self.sigma))
        light = np.maximum(signal - offset, 0)
        return np.maximum(gain * light + np.square(sigma), DARK * np.square(gain))

    def against_groups(self, variance: np.ndarray) -> Note | None:
        """Say where photons are too few."""
        return FEW if np.mean(variance / np.square(self.gain)) < FEWEST else None

    def brightened(self, result: np.ndarray, known: bool) -> np.ndarray:
        """Return a result with the mean that groups took from it.

        None is below what no light at all has, where the camera's numbers are known.
        """
        gain, offset = _along(self.gain), _along(self.offset)
        counts = np.maximum((result - offset) / gain, 0)
        brighter = result + (DIMMED * gain * counts / (counts + FAINT)).astype(result.dtype)
        return np.maximum(brighter, offset.astype(brighter.dtype)) if known else brighter


@dataclass(frozen=True)
class Rician(NoiseModel):
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
class Auto(NoiseModel):
    """The model that an image speaks for: what ``noise="auto"`` means.

    Rician noise needs data without a negative value and a background of nothing else, that of a camera the traces of
    processing, Poisson-Gaussian noise a variance that grows with brightness beyond doubt; all else is Gaussian.
    """

    name: ClassVar[str] = "auto"

    @property
    def complete(self) -> bool:
        """Whether its numbers are there: they never are."""
        return False

    def fit(self, evidence: Evidence) -> FittedNoise:
        """Choose, and fit what was chosen."""
        ground = magnitude.background(evidence)
        if ground is not None:
            return Rician(*ground).fit(evidence)
        white = estimate.estimate(evidence)
        gaussian = Gaussian().of(evidence, white)
        if (processed := shown(evidence, white, gaussian.sigma)) is not None:
            return processed
        return PoissonGaussian().fit(evidence) if fit.grows(evidence) else gaussian


@dataclass(frozen=True)
class Unnamed(NoiseModel):
    """The noise of an image of which nothing is said: that of a processed photograph where it shows it, or Gaussian."""

    @property
    def complete(self) -> bool:
        """Whether its numbers are there: they never are."""
        return False

    def fit(self, evidence: Evidence) -> FittedNoise:
        """Choose, and fit what was chosen."""
        white = estimate.estimate(evidence)
        gaussian = Gaussian().of(evidence, white)
        return shown(evidence, white, gaussian.sigma) or gaussian

    def for_risk(self) -> NoiseModel:
        """Return Gaussian noise."""
        return Gaussian()


@dataclass(frozen=True)
class Counted(NoiseModel):
    """The noise that is fitted to an image of which nothing is said: of a processed photograph, or of counts."""

    @property
    def complete(self) -> bool:
        """Whether its numbers are there: they never are."""
        return False

    def fit(self, evidence: Evidence) -> FittedNoise:
        """Choose, and fit what was chosen."""
        white = estimate.estimate(evidence)
        gaussian = Gaussian().of(evidence, white)
        return shown(evidence, white, gaussian.sigma) or PoissonGaussian().fit(evidence)


MODELS: dict[str, type[NoiseModel]] = {kind.name: kind for kind in (Gaussian, PoissonGaussian, Rician, Camera)}
"""The models that can be named on the command line."""


def _along(number: Any) -> np.ndarray:
    """Return one number, or one a channel, along the channels of planes (C, Z, Y, X)."""
    return np.reshape(number, (-1, 1, 1, 1))


def _coils(value: Any) -> int:
    number = _checks.real(value, "coils")
    if not 1 <= number <= magnitude.MOST_COILS or number != int(number):
        raise ValueError(f"coils must be a whole number from 1 to {magnitude.MOST_COILS}; got {number:g}")
    return int(number)
