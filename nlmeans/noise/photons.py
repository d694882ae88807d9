"""Counted photons: one camera's numbers for all pixels, or maps of them, calibrated for each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from .._notes import Note
from . import fit, vst
from .fitted import UNEVEN, FittedNoise
from .model import NoiseModel
from .numbers import numbers, over_pixels
from .patches import Evidence

if TYPE_CHECKING:
    from .._typing import Array, Numbers

__all__ = ["PoissonGaussian"]

FEW = Note(
    "few-photons",
    "fewer than half a photon a pixel: groups of patches would do worse, and non-local means is all that was done",
)
SHOWN = 100.0
"""Counts up to which noise is drawn."""
DARK = 0.05
"""Least variance of counted photons, in counts: no pixel is taken to be without noise."""
FEWEST = 0.5
"""Mean variance in counts of photons from which groups of patches do better than non-local means alone."""
DIMMED, FAINT = 0.0225, 0.08
"""Groups of photon counts believe the darker of two patches more, whose variance is taken to be less: what that takes
from the mean, in counts, and the counts at which it is half as much. Measured on constant signals of 0.02 to 20."""
AROUND = 3
"""Radius in which the light at a pixel is judged, and in which others stand in for one that tells nothing of it."""
SPARSE = 3.0
"""Mean counts up to which it matters that the stabiliser leaves less than a σ of 1 in the dark."""
ENOUGH, FARTHEST = 30.0, 9
"""Counts in the square by which the light at a pixel is judged, where photons are few, and its largest radius."""
LEAST = 0.4
"""Least variance after the stabiliser that is reckoned with: a single count in the dark is far from normal, and would
be taken for signal. Measured on constant signals of 0.1 to 0.5."""
HOT = 6.0
"""Ratio of a pixel's variance and the one that most would have in its light from which it tells nothing."""


@dataclass(frozen=True, eq=False, repr=False)
class PoissonGaussian(NoiseModel):
    """Counted photons, amplified, and noise of reading them out: x = gain · Poisson(y) + offset + σ·N(0, 1).

    The variance grows with brightness, excess · gain · (mean − offset) + σ², as in fluorescence microscopy, low light
    and unprocessed camera data. Pixels of an sCMOS camera differ: each number may be a map with one a pixel, and the
    result is what a camera would have read whose pixels all have the mean gain and the mean offset.

    Parameters
    ----------
    gain : float, sequence of float or ndarray, optional
        Image units a count, above 0; a sequence has one a channel, an array of two or more dimensions one a pixel. By
        default gain, offset and sigma are fitted to the image (`estimate_noise`).
    offset : float, sequence of float or ndarray, default 0
        What the camera reads without light, in the image's units; as many as of ``gain``.
    sigma : float, sequence of float or ndarray, default 0
        Standard deviation of the read noise in the image's units, at least 0; as many as of ``gain``.
    excess : float or sequence of float, default 1
        How many times the variance of the photons their amplifier makes of it, at least 1: 2 for a camera that
        multiplies electrons (EMCCD), whose multiplication is as noisy as the counting. ``gain`` is then the mean gain,
        of register and converter.

    Raises
    ------
    TypeError
        For what is no number.
    ValueError
        For a gain that is not above 0, a negative σ, an excess below 1, numbers that are not finite, an offset or σ
        without a gain, or sequences of different lengths. Whether a map fits the image is checked where both are known.

    See Also
    --------
    nlmeans.noise.read_calibration : the model of a camera's calibration images.
    nlmeans.noise.calibrate : the same from dark and evenly lit frames.

    Notes
    -----
    With maps, each pixel is brought to the mean gain and offset, and counts with the variance that it then has, in the
    light around it (7 × 7 pixels). One whose variance is more than 6 times what most would have there, a hot one, is
    replaced by the pixels around it, weighted by what they tell.

    References
    ----------
    A. Foi, M. Trimeche, V. Katkovnik, K. Egiazarian, "Practical Poissonian-Gaussian noise modeling and fitting for
    single-image raw-data", IEEE TIP 2008, doi:10.1109/TIP.2008.2001399. M. S. Robbins, B. J. Hadwen, "The noise
    performance of electron multiplying charge-coupled devices", IEEE TED 2003, doi:10.1109/TED.2003.813462. F. Huang
    et al., "Video-rate nanoscopy using sCMOS camera-specific single-molecule localization algorithms", Nature Methods
    2013, doi:10.1038/nmeth.2488.

    Examples
    --------
    >>> from nlmeans.noise import PoissonGaussian
    >>> PoissonGaussian(gain=2.5, sigma=4)
    PoissonGaussian(gain=2.5, offset=0.0, sigma=4.0)

    A camera whose pixels differ, one of which is hot:

    >>> import numpy as np, nlmeans
    >>> rng = np.random.default_rng(0)
    >>> offset, sigma = rng.normal(100, 20, (64, 64)), np.full((64, 64), 2.0)
    >>> sigma[30, 30] = 300
    >>> noisy = 2.0 * rng.poisson(10, (64, 64)) + offset + sigma * rng.normal(size=(64, 64))
    >>> clean = nlmeans.denoise(noisy, noise=PoissonGaussian(2, offset, sigma))
    >>> bool(abs(clean - (20 + offset.mean())).max() < 5)
    True
    """

    name: ClassVar[str] = "poisson"
    grouped: ClassVar[bool] = True
    gain: Any = None  # floats, tuples or maps, as given
    offset: Any = None
    sigma: Any = None
    excess: Any = 1.0

    if TYPE_CHECKING:

        def __init__(
            self,
            gain: Numbers | Array | None = None,
            offset: Numbers | Array | None = None,
            sigma: Numbers | Array | None = None,
            excess: Numbers = 1.0,
        ) -> None: ...

    def __post_init__(self) -> None:
        object.__setattr__(self, "gain", numbers(self.gain, "gain", maps=True))
        for name in ("offset", "sigma"):
            value = getattr(self, name)
            object.__setattr__(self, name, 0.0 if value is None else numbers(value, name, maps=True))
        object.__setattr__(self, "excess", 1.0 if self.excess is None else numbers(self.excess, "excess"))
        if self.gain is None and not all(isinstance(v, float) and v == 0 for v in (self.offset, self.sigma)):
            raise ValueError(
                "offset and sigma must be left out where gain is, since all three are fitted to the image together; "
                f"got {self!r}"
            )
        lengths = {len(v) for v in (self.gain, self.offset, self.sigma, self.excess) if isinstance(v, tuple)}
        if len(lengths) > 1:
            raise ValueError(f"gain, offset, sigma and excess must have one number a channel each; got {self!r}")

    def __repr__(self) -> str:
        return super().__repr__().replace(", excess=1.0)", ")")

    @property
    def text(self) -> str:
        """The model with its numbers, short; without the excess where there is none."""
        return super().text.removesuffix(", excess 1")

    @property
    def largest(self) -> float:
        """The largest σ of the read noise, of a map that of most pixels: some are hot."""
        return float(np.median(self.sigma) if "sigma" in self.maps else np.max(self.sigma))

    @property
    def slope(self) -> Any:
        """How the variance grows with the mean: the gain of photons without excess noise that vary as much."""
        return self.gain if self.excess == 1 else _together(np.multiply, self.gain, self.excess)

    def even(self) -> PoissonGaussian:
        """Return the model with the mean gain and offset in the place of maps, and the σ of most pixels."""
        if not self.maps:
            return self
        gain, offset, sigma = self.gain, self.offset, self.sigma
        if isinstance(gain, np.ndarray):
            gain = over_pixels(gain, lambda pixels: float(pixels.mean()))
            sigma = _along(sigma) * (_along(gain) / self.gain)
        if isinstance(offset, np.ndarray):
            offset = over_pixels(offset, lambda pixels: float(pixels.mean()))
        if isinstance(sigma, np.ndarray):
            sigma = over_pixels(sigma, lambda pixels: float(np.median(pixels)))
        return PoissonGaussian(gain, offset, sigma, self.excess)

    def stabiliser(self) -> vst.Stabiliser:
        """Return the generalised Anscombe transform."""
        even = self.even()
        return vst.anscombe(even.slope, even.offset, even.sigma)

    def estimate(self, evidence: Evidence) -> PoissonGaussian:
        """Return gain, offset and σ of each channel."""
        slope, offset, sigma = fit.fit(evidence)
        return PoissonGaussian(_together(np.divide, slope, self.excess), offset, sigma, self.excess)

    def seen(self, noise: FittedNoise, planes: np.ndarray) -> FittedNoise:
        """Return the noise with the σ that the stabiliser leaves of it, where photons are few."""
        even, brightness = self.even(), np.nanmean(planes, axis=(1, 2, 3)).reshape(-1, 1, 1, 1)
        counts = float(np.mean((brightness - _along(even.offset)) / _along(even.slope)))
        if counts >= SPARSE:
            return replace(noise, reach=AROUND if self.maps else 0)
        reach = int(np.clip(math.sqrt(ENOUGH / max(counts, 1e-9)) / 2, AROUND, FARTHEST))
        known = np.isfinite(planes)
        left = even._left(_mean_around(np.where(known, planes, 0), known.astype(float), reach))
        sigma = tuple(np.sqrt(left.mean(axis=(1, 2, 3))).tolist())
        return replace(noise, sigma=sigma, channels=sigma, reach=reach)

    def _left(self, signal: np.ndarray) -> np.ndarray:
        """Return the variance of a signal's counts after the stabiliser: less than 1 of few."""
        numbers = np.broadcast_arrays(*map(np.ravel, (self.slope, self.offset, self.sigma, np.ones(len(signal)))))
        each = zip(signal, *numbers[:3], strict=True)
        left = np.stack([vst.stabilised_variance(plane, *of) for plane, *of in each])
        return np.maximum(left, LEAST)

    def placed(
        self, noise: FittedNoise, maps: Mapping[str, np.ndarray], planes: np.ndarray
    ) -> tuple[FittedNoise, np.ndarray]:
        """Return the noise with each pixel's variance after the stabiliser, and pixels of one gain and one offset."""
        gain, offset, sigma = (_along(number) for number in (self.gain, self.offset, self.sigma))
        ratio = gain / maps.get("gain", gain)
        evened = (planes - maps.get("offset", offset)) * ratio + offset
        read = np.broadcast_to(maps.get("sigma", sigma) * ratio, evened.shape)
        typical, known = np.broadcast_to(sigma, evened.shape), np.isfinite(evened)
        trust = np.where(known, 1 / (np.square(read) + np.square(typical) + np.square(_along(self.slope))), 0)
        around = _mean_around(np.where(known, evened, 0), trust, noise.reach)
        variance = replace(self, sigma=read).variance(around) / self.variance(around)
        hot = known & (variance > HOT)
        if hot.any():
            beside = _mean_around(np.where(known, evened, 0), np.where(hot, 0, trust), AROUND)
            evened, read, variance = (
                np.where(hot, *pair) for pair in ((beside, evened), (typical, read), (1.0, variance))
            )
        if any(left != 1 for left in noise.channels):  # photons are few, as `seen`
            variance = variance * self._left(around) / np.square(noise.channels).reshape(-1, 1, 1, 1)
        mean = variance.mean(axis=0, keepdims=True)
        uneven = noise.uneven or bool(mean.max() > UNEVEN * mean.min())
        model = replace(self, sigma=read) if maps else self
        placed = replace(noise, model=model, variance=mean.astype(planes.dtype), uneven=uneven)
        return placed, evened.astype(planes.dtype)

    def variance(self, signal: np.ndarray) -> np.ndarray:
        """Return excess · gain · (signal − offset) + σ²."""
        slope, offset, sigma = (_along(number) for number in (self.slope, self.offset, self.sigma))
        light = np.maximum(signal - offset, 0)
        return np.maximum(slope * light + np.square(sigma), DARK * np.square(slope))

    def curves(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return brightnesses and the σ of the noise there, for each channel, of up to `SHOWN` counts."""
        even = self.even()
        numbers = np.broadcast_arrays(*map(np.ravel, (even.slope, even.offset, even.sigma)))
        counts = np.linspace(0, SHOWN, 60)
        return [
            (offset + slope * counts, np.sqrt(slope * slope * counts + sigma * sigma))
            for slope, offset, sigma in zip(*(values.tolist() for values in numbers), strict=True)
        ]

    def against_groups(self, variance: np.ndarray) -> Note | None:
        """Say where photons are too few."""
        return FEW if np.mean(variance / np.square(self.slope)) < FEWEST else None

    def brightened(self, result: np.ndarray, known: bool) -> np.ndarray:
        """Return a result with the mean that groups took from it.

        None is below what no light at all has, where the camera's numbers are known.
        """
        slope, offset = _along(self.slope), _along(self.offset)
        counts = np.maximum((result - offset) / slope, 0)
        brighter = result + (DIMMED * slope * counts / (counts + FAINT)).astype(result.dtype)
        return np.maximum(brighter, offset.astype(brighter.dtype)) if known else brighter


def _along(number: Any) -> np.ndarray:
    """Return one number, or one a channel, along the channels of planes (C, Z, Y, X); a map's planes as they are."""
    return number if np.ndim(number) > 1 else np.reshape(number, (-1, 1, 1, 1))


def _together(operation: Any, numbers: Any, factor: Any) -> Any:
    """Return numbers, one or one a channel, combined with others, as a float or a tuple; of a map the map."""
    result = operation(
        _along(numbers) if np.ndim(numbers) > 1 else numbers, factor if np.ndim(numbers) < 2 else _along(factor)
    )
    return tuple(result.tolist()) if result.ndim == 1 else result if result.ndim else float(result)


def _mean_around(planes: np.ndarray, trust: np.ndarray, reach: int) -> np.ndarray:
    """Return the weighted mean of planes (C, Z, Y, X) around each pixel of a slice; where no weight is, the plane."""
    from scipy.ndimage import uniform_filter

    size = (1, 1, 2 * reach + 1, 2 * reach + 1)
    total = uniform_filter(trust, size, mode="nearest")
    mean = uniform_filter(planes * trust, size, mode="nearest")
    enough = total > 1e-9 * trust.max(initial=0)
    return np.where(enough, mean / np.where(enough, total, 1), planes)
