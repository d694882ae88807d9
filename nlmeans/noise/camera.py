"""The noise of a picture that a camera has processed: demosaicked, denoised, toned and compressed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from .._notes import Note
from . import estimate
from .fitted import FittedNoise
from .model import NoiseModel
from .numbers import numbers
from .patches import cosines
from .shared import CONSTANT, Turn, first_of_each
from .windows import Windows

if TYPE_CHECKING:
    from .._typing import Numbers
    from .estimate import NoiseEstimate
    from .patches import Array, Evidence

PROCESSED = Note(
    "processed",
    "the noise is that of a processed photograph (demosaicking, camera, JPEG): it is removed at three scales",
)
SMALL = Note("small", "the image is too small to show the noise of a processed photograph: white noise was estimated")

# Tuned on every second scene of real photographs and on simulated cameras; none is critical.
STRENGTH: Final = (0.76, 0.59, 0.57)
"""σ that each scale is denoised with, in units of its noise: part of that is gone already with the coarser scales."""
COLOUR: Final = 1.28
"""The same for differences of channels, in units of that of their mean: what noise there is has no detail beside it."""
FLOOR: Final = 0.02
"""Share of the windows whose energy the level is read from."""
SLOPE, OFFSET = 0.37, 0.99
"""Logarithm of the level over that of the floor, and where the floor is 1: texture lies in the floor of busy pictures,
and cameras remove noise where it is flat, so the floor says less the further it is from what is usual."""
BUSY: Final = 4.0
"""Floor beyond which there is nothing but texture, unless it is even."""
EVEN, BAND = 1.35, 1.25
"""Where the floor grows less from a fiftieth to three tenths of the windows, and is high, it is noise and nothing else:
that at half size is so much more, since the band leaves out what is coarser."""
SURE, DOUBT = 1.8, 1.0
"""How much the floor may grow there before it is doubted, and the power by which the level falls then."""
RATIOS: Final = ((0.74, 0.91, 0.35, 0.5, 0.9), (0.66, 0.66, 0.5, 0.5, 0.8))
"""Noise at half size to that at full size, and at quarter size to that at half: the usual one, that of the flattest
windows where it is usual, the power by which they follow each other, and limits; white noise has 0.5."""
CURVE: Final = np.array(
    [[0, 16, 48, 80, 112, 144, 176, 208, 240, 255], [0.5, 0.7, 0.95, 1.08, 1.1, 1.05, 0.9, 0.65, 0.45, 0.35]]
)
"""Noise after a tone curve, in units of its mean, at brightnesses of 0 to 255."""
ENDS: Final = (12, 243)
"""Darker and brighter windows are left out where there are others."""
PEAKS: Final = (1, 255, 1023, 4095, 16383, 65535)
DARKEST: Final = 4095
"""Largest number in 16 bits up to which fewer of them are used."""
BLOCKED, SMOOTH = 0.01, 1.75
"""Excess of coefficients near 0 on a grid of blocks, and growth of the noise of colours from full to half size, from
which a picture in colours has been processed."""
GREY_BLOCKED, GREY_EVEN, GREY_MOST = 0.03, 1.5, 4.0
"""The excess from which a grey one has, and the most that its floor may grow, and be: there are no colours to ask."""
ROUNDED: Final = 0.45
"""Noise, in 255ths of the range, that may be no more than rounding: it says nothing of what else there is."""
HIDDEN: Final = 1.2
"""Noise at full size, in units of what single patches show, from which part of it is hidden from them."""
NOTHING: Final = 1e-6
"""Energy, in 255ths of the range, that rounding alone leaves where a picture is constant."""
LEAST, MOST = 0.6, 8.0
"""Floor, in 255ths of the range, from which noise is worth removing at all scales, and beyond which it is texture,
unless it is even."""


@dataclass(frozen=True)
class Camera(NoiseModel):
    """Noise of processed photographs: demosaicked, denoised in the camera, toned, resized and compressed.

    Such noise is smooth, so that means of 2 × 2 pixels hold most of it: it lies below the frequencies of a patch, and
    channels share it. It is described by its standard deviation at three scales, and removed at each of them, the
    coarsest first. It grows with brightness and falls again; that is measured (`noise_profile`) but not used, since
    results were no better for it.

    Parameters
    ----------
    full, half, quarter : float or sequence of float, optional
        Standard deviation, in the image's units, of the mean of the channels: of pixels, of means of 2 × 2 and of
        means of 4 × 4 pixels; a sequence has one for each of separate images. All are estimated from the image by
        default.

    Raises
    ------
    TypeError
        For what is no number.
    ValueError
        For a number that is negative or not finite, or if only some of the three are given.

    Notes
    -----
    What an image shows of its noise is its flattest parts, and there cameras remove most. So the estimate leans
    towards what is usual, and errs by a factor of up to two; results change little over that.

    References
    ----------
    M. Lebrun, M. Colom, J.-M. Morel, "Multiscale Image Blind Denoising", IEEE TIP 2015,
    doi:10.1109/TIP.2015.2439041, whose pyramid this follows.

    Examples
    --------
    >>> from nlmeans.noise import Camera
    >>> Camera(5, 4, 3)
    Camera(full=5.0, half=4.0, quarter=3.0)
    """

    name: ClassVar[str] = "camera"
    processed: ClassVar[bool] = True
    full: Any = None  # None, floats or tuples, as given
    half: Any = None
    quarter: Any = None

    if TYPE_CHECKING:

        def __init__(
            self, full: Numbers | None = None, half: Numbers | None = None, quarter: Numbers | None = None
        ) -> None: ...

    def __post_init__(self) -> None:
        for name in ("full", "half", "quarter"):
            object.__setattr__(self, name, numbers(getattr(self, name), name))
        given = [name for name in ("full", "half", "quarter") if getattr(self, name) is not None]
        if len(given) in (1, 2):
            raise ValueError(
                f"full, half and quarter must be given together, or left out: all are estimated then; got {self!r}"
            )

    @property
    def largest(self) -> float | None:
        """The largest σ."""
        return None if self.full is None else float(np.max(self.full))

    def for_risk(self) -> NoiseModel:
        """Refuse: Stein's estimate is one of white noise."""
        raise ValueError(f"strength='sure' takes the noise as white; got noise={self!r}: leave one of them out")

    def given(self, planes: Array) -> FittedNoise:
        """Return the noise at the three scales, of the mean of channels and of their differences.

        Channels that are constant have none, and are left alone.
        """
        forward, back, rest = _colours(planes)
        levels = (self.quarter, self.half, self.full)
        if not len(forward) or not any(levels):
            return FittedNoise(self, (0.0,) * len(planes), (0.0,) * len(planes))
        live = back[:, 0] > 0
        factors = len(planes) / back[:, 0].sum() * np.where(np.arange(len(forward)) > 0, COLOUR, 1.0)
        result = None
        for level, strength in zip(levels, reversed(STRENGTH), strict=True):
            sigma = strength * level * factors
            covariance = back @ np.diag(np.square(sigma)) @ back.T
            own = np.sqrt(np.maximum(np.diag(covariance), np.finfo(float).tiny))
            turn = None if len(planes) == 1 else Turn(forward, back, rest, covariance / np.outer(own, own))
            result = FittedNoise(
                self, tuple(sigma.tolist()), tuple((level / live.mean() * live).tolist()), turn=turn, coarser=result,
                notes=(PROCESSED,),
            )  # fmt: skip
        assert result is not None
        return result

    def fit(self, evidence: Evidence) -> FittedNoise:
        """Fit the three numbers; an image too small to show them gets those of white noise."""
        windows = Windows.of(_in_bytes(evidence)[0])
        if windows is not None:
            return self.measured(evidence, windows)
        white = estimate.estimate(evidence)
        level = float(np.mean(white.sigma))
        noise = Camera(level, level / 2, level / 4).given(evidence.planes)
        return replace(noise, estimated=True, outliers=evidence.outliers, notes=(*noise.notes, SMALL))

    def measured(self, evidence: Evidence, windows: Windows) -> FittedNoise:
        """Return the noise that windows show."""
        unit = _in_bytes(evidence)[1] * (windows.luma.max() > NOTHING)
        full, half, quarter = (unit * level for level in _levels(windows))
        noise = Camera(full, half, quarter).given(evidence.planes)
        return replace(noise, estimated=True, outliers=evidence.outliers)


def shown(evidence: Evidence, white: NoiseEstimate, sigma: Sequence[float]) -> FittedNoise | None:
    """Return the noise of a processed photograph, if an image is one beyond doubt.

    ``white`` is its white noise, and ``sigma`` what its single patches show of noise, one a channel.
    """
    colours, blocked = len(evidence.planes), max(white.blocking, default=0.0)
    if colours not in (1, 3) or min(white.sigma) == 0:
        return None
    rounded = max(white.sigma) * evidence.factor < ROUNDED * _in_bytes(evidence)[1]
    if not (white.correlated or blocked > BLOCKED or rounded):
        return None
    if colours == 3 and len(_colours(evidence.planes)[0]) == 1:
        colours = 1
    windows = Windows.of(_in_bytes(evidence)[0])
    if windows is None:
        return None
    floor, even = _floor(windows)
    if colours == 1:
        processed = blocked > GREY_BLOCKED and even < GREY_EVEN and floor < GREY_MOST
    else:
        flattest = _flattest(windows, 0.25)
        full, half, _ = np.sqrt(windows.chroma[:, flattest].mean(axis=1))
        processed = blocked > BLOCKED or half > SMOOTH * full
    if not processed or floor < LEAST or (floor > MOST and even > EVEN):
        return None
    noise = Camera().measured(evidence, windows)
    return noise if noise.channels[0] > HIDDEN * float(np.mean(sigma)) else None


def _in_bytes(evidence: Evidence) -> tuple[Array, float]:
    """Return an image in numbers up to 255, and what one of these is in its own units.

    Wide integers hold numbers of fewer bits, too, but no photograph of 16 is darker than a sixteenth.
    """
    planes, clips = evidence.planes, evidence.saturation
    largest = float(np.nanmax(np.abs(planes))) if np.isfinite(planes).any() else 1.0
    if clips is not None and (clips[1] <= PEAKS[1] or (clips[1] == PEAKS[-1] and largest > DARKEST)):
        peak = float(clips[1])
    else:
        largest *= evidence.factor
        peak = next((float(peak) for peak in PEAKS if largest <= peak), largest) / evidence.factor
    unit = peak / 255
    return planes / planes.dtype.type(unit), unit * evidence.factor


def _floor(windows: Windows) -> tuple[float, float]:
    """Return the noise in the flattest windows at half size, where usual at its brightness 1, and how it grows."""
    curve = np.interp(windows.brightness, *CURVE)
    level = np.sqrt(windows.luma[1]) / curve
    inside = (windows.brightness > ENDS[0]) & (windows.brightness < ENDS[1])
    if np.count_nonzero(inside) >= len(windows) / 28:
        level = level[inside]
    least, more = np.quantile(level, (FLOOR, 0.3))
    return float(least), float(more / max(least, 1e-6))


def _flattest(windows: Windows, share: float) -> Array:
    """Return which windows have the least texture."""
    count = max(int(share * len(windows)), min(20, len(windows)))
    return np.argpartition(windows.texture, count - 1)[:count]


def _levels(windows: Windows) -> tuple[float, float, float]:
    """Return the noise of the mean of channels at full, half and quarter size, in numbers up to 255."""
    floor, even = _floor(windows)
    half = math.exp(SLOPE * math.log(min(floor, BUSY) + 0.03) + OFFSET) / max(even / SURE, 1.0) ** DOUBT
    if even < EVEN:
        half = max(half, BAND * min(floor, 2 * floor - MOST))
    shown = np.sqrt(np.median(windows.luma[:, _flattest(windows, 0.1)], axis=1)) + 0.05
    finer, coarser = (
        min(max(usual * (ratio / seen) ** power, least), most)
        for ratio, (usual, seen, power, least, most) in zip(shown[1:] / shown[:-1], RATIOS, strict=True)
    )
    return half / finer, half, half * coarser


def _colours(planes: Array) -> tuple[Array, Array, Array]:
    """Return the way from channels to their mean and differences, the way back, and what is left out of both.

    Constant channels are left out, and differences that are the same everywhere: they hold no noise. Of channels that
    are all equal, as of a grey picture held in three, the first stands for their mean.
    """
    sample = planes.reshape(len(planes), -1)[:, :: max(planes[0].size >> 16, 1) | 1].astype(np.float64)
    sample = sample[:, np.isfinite(sample).all(axis=0)]
    live = np.ptp(sample, axis=1) > 0 if sample.size else np.ones(len(planes), bool)
    forward, rest = np.zeros((np.count_nonzero(live), len(planes))), np.zeros(len(planes))
    if not len(forward):
        return forward, forward.T, rest
    forward[:, live] = cosines(len(forward))
    if not sample.size:
        return forward, forward.T, rest
    rest[~live] = sample[~live, 0]
    if len(set(first_of_each(sample[live], [0.0] * len(forward)))) == 1:
        return np.eye(len(planes))[[np.flatnonzero(live)[0]]], live[:, None].astype(float), rest
    mixes = forward @ sample
    middles, spans = np.median(mixes, axis=1), np.ptp(mixes, axis=1)
    kept = spans > CONSTANT * max(spans.max(), abs(middles[0]))
    kept[0] = True
    return forward[kept], forward[kept].T, rest + forward[~kept].T @ middles[~kept]
