"""Fit of noise that grows with brightness, from one image."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from . import curves, estimate
from .bins import Bins, bins_of
from .patches import Channel, Evidence, spread
from .sparse import sparse

__all__ = ["fit", "grows"]

# Texture that goes with brightness looks like noise that grows. With Gaussian noise of σ = 5 in BSD68 and Set12 the
# lines that beat a level by so many squared errors a bin grow less than this; Poisson noise of 5 to 64 counts in white
# beats it by 5, and grows more in all but photographs of one brightness.
GAIN_A_BIN: Final = 3.5
GROWTH: Final = 3.0  # of the variance, from the darkest bin to the brightest
# Bins that hold noise and nothing else are forgiven nothing: two brightnesses suffice. Of Gaussian noise in
# 80 photographs of BSD's training set that grew more than this, none won more than 25.
WHITE_GROWTH: Final = 5.0
WHITE_GAIN_A_BIN: Final = 40.0
LEAST_BINS: Final = 4
JUDGES: Final = 9  # channels that are asked whether the noise grows
FLAT: Final = 1e-3  # growth over the range, where there is none, as a share of the variance
# Counts, rather than a clipped signal: where zeros are many, and the gain is the step between grey levels within this.
ZEROS: Final = 0.02
STEP_AGREES: Final = 0.3


def fit(evidence: Evidence) -> tuple[tuple[float, ...], ...]:
    """Return gain, offset and σ of each channel; where the variance does not grow, a gain too small to matter."""
    unit, least = evidence.factor, float(np.finfo(np.float64).tiny)
    gain, offset, sigma, _ = zip(*map(_fit_channel, evidence.channels), strict=True)
    each = zip(gain, sigma, evidence.channels, strict=True)
    gains = tuple(unit * g or max(unit * _flat_gain(channel.values, s), least) for g, s, channel in each)
    return gains, tuple(unit * number for number in offset), tuple(unit * number for number in sigma)


def grows(evidence: Evidence) -> bool:
    """Whether the variance grows with brightness beyond doubt, in most of a few channels."""
    some = [evidence.channels[k] for k in spread(len(evidence.channels), JUDGES)]
    return 2 * sum(_fit_channel(channel)[3] for channel in some) > len(some)


def _flat_gain(values: np.ndarray, sigma: float) -> float:
    """Return a gain above 0 whose noise is negligible against σ."""
    largest = float(np.abs(values).max()) if values.size else 0.0
    return max(FLAT * sigma**2 / largest if largest else 0.0, float(np.finfo(np.float32).tiny))


def _fit_channel(channel: Channel) -> tuple[float, float, float, bool]:
    """Return gain, offset, σ, and whether the variance grows."""
    if channel.constant:
        return 0.0, 0.0, 0.0, False
    if (counts := sparse(channel)) is not None:
        return (counts.gain, 0.0, 0.0, True) if counts.gain else (0.0, 0.0, counts.sigma, False)
    if channel.low == 0 and np.count_nonzero(channel.values == 0) > ZEROS * channel.values.size:
        line, grows = line_of(bins_of(channel.apart_from(channel.volume >= channel.high)))
        if grows and abs(line[0] / float(channel.values[channel.values > 0].min()) - 1) < STEP_AGREES:
            return *_folded(*line), True
    line, grows = line_of(bins_of(channel.patches))
    if line == (0.0, 0.0):
        return 0.0, 0.0, estimate.sigma_of(channel), False
    return *_folded(*line), grows


def line_of(bins: Bins) -> tuple[tuple[float, float], bool]:
    """Return slope and intercept of the variance, and whether the slope is beyond doubt; zeros if nothing is known."""
    if len(bins) < LEAST_BINS or bins.variance.min() == 0:
        return (0.0, 0.0), False
    white = bins.where(bins.white)
    if len(white) >= max(LEAST_BINS, len(bins) / 2) and _rises(white, math.inf, WHITE_GROWTH, WHITE_GAIN_A_BIN):
        slope, intercept = curves.fit_line(white).numbers
        return (slope, intercept), True
    slope, intercept = curves.fit_line(bins).numbers
    return (slope, intercept), _rises(bins, curves.ABOVE, GROWTH, GAIN_A_BIN)


def _rises(bins: Bins, above: float, growth: float, gain: float) -> bool:
    """Whether a line through the bins grows so much, and beats a level by so many squared errors a bin."""
    if bins.variance.max() < growth / 2 * bins.variance.min():
        return False  # as of most images: no line need be drawn
    level, line = curves.fit_level(bins, above), curves.fit_line(bins, above)
    steep = line.numbers[0] > 0 and line.variance[-1] > growth * line.variance[0]
    return bool(steep and level.cost - line.cost > gain * len(bins))


def _folded(slope: float, intercept: float) -> tuple[float, float, float]:
    """Return gain, offset and σ of a line."""
    if intercept >= 0:
        return slope, 0.0, math.sqrt(intercept)
    return slope, -intercept / slope, 0.0
