"""Noise of magnitude images: from the background where there is one, else from the noise at each brightness."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from . import curves, estimate
from .bins import Bins, bins_of
from .patches import PATCH, Channel, Evidence

if TYPE_CHECKING:
    from .patches import Array, Flags

__all__ = ["background", "fit"]

MOST_COILS: Final = 128
"""For more, tables would grow and nothing would change: their noise is as good as Gaussian, on a pedestal."""
# Of a patch of noise alone, relative: its mean over its standard deviation is as it should be within this, and its mean
# within this for one coil, less for more, whose magnitudes scatter less about their mean.
NEAR: Final = 0.25
ROUNDS: Final = 5
# A background is noise of magnitudes where it fills this share of the pixels, its patches have the ratio of such noise,
# next to none is darker, its distribution function stays this close, and it is as skewed: a normal variable has a
# skewness of 0, Rayleigh noise of 0.63. Of six photographs that pass all else, none has more than 0.79 of its patches
# alike; an MRI volume has 0.91.
SHARE: Final = 0.04
LEAST: Final = 1000  # pixels
ALIKE: Final = 0.85
DARKER: Final = 0.05
DISTANCE: Final = 0.06
SKEWED: Final = (0.55, 1.6)  # times the skewness of such noise
ZEROS: Final = 0.03  # more would be clipped noise
# Fewer below the middle would be counts, whose distribution at a mean of 3.7 is much like Rayleigh's; that of several
# coils is narrower than any of counts.
GREYS: Final = (10, 5)
# With more coils than one, noise alone comes close to a normal variable far above 0, as any dark ground may. But where
# the signal is, magnitudes have almost twice the variance that they have without: it must agree this well with what
# the ground shows, in patches so bright that they must have this many times its variance.
AGREES: Final = (0.75, 1.35)
RISES: Final = 1.4
DOUBT: Final = 2.5  # standard errors of the skewness that it must be above 0


def fit(evidence: Evidence, coils: int = 1) -> tuple[float, ...]:
    """Return σ of each channel's magnitudes of so many coils; a background set to 0 is left out.

    A background of noise gives σ by its mean square, even if the noise is correlated.
    """
    channels = [_without_blanks(channel) for channel in evidence.channels]
    sigmas = (_background(channel, coils) or _by_brightness(channel, coils) for channel in channels)
    return tuple(evidence.factor * sigma for sigma in sigmas)


def background(evidence: Evidence) -> tuple[tuple[float, ...], int] | None:
    """Return σ of each channel, and of how many coils, where every one has a background of nothing else."""
    channels = [_without_blanks(channel) for channel in evidence.channels]
    for coils in (1, _coils(channels[0])):
        sigmas = tuple(_background(channel, coils, DOUBT) for channel in channels)
        if all(sigmas) and (coils == 1 or all(_agrees(c, s, coils) for c, s in zip(channels, sigmas, strict=True))):
            return tuple(evidence.factor * sigma for sigma in sigmas), coils
    return None


class Ground(NamedTuple):
    """Noise alone, of magnitudes with σ = 1: its mean, standard deviation and skewness."""

    mean: float
    deviation: float
    skewness: float


@lru_cache(maxsize=8)
def _ground(coils: int) -> Ground:
    mean = math.sqrt(2) * math.exp(math.lgamma(coils + 0.5) - math.lgamma(coils))
    variance = 2 * coils - mean**2
    return Ground(mean, math.sqrt(variance), mean * (1 - 2 * variance) / variance**1.5)


def _without_blanks(channel: Channel) -> Channel:
    """Return a channel without pixels that were set to 0."""
    return Channel.of(channel.volume, channel.known & ~_blank(channel.volume), None, channel.budget)


def _background(channel: Channel, coils: int, doubt: float = 0.0) -> float:
    """Return σ from a background of noise alone; 0 without one, or where its distribution might be a normal one."""
    tiles, ground = _tiles(channel), _ground(coils)
    if len(tiles) == 0 or channel.values.min() < 0:
        return 0.0
    ratio = ground.mean / ground.deviation
    close = NEAR * _ground(1).mean / _ground(1).deviation / ratio
    mean, spread = tiles.mean(1), tiles.std(1)
    alike = np.abs(mean - ratio * spread) < NEAR * mean
    if not alike.any():
        return 0.0
    sigma = float(np.median(mean[alike])) / ground.mean
    for _ in range(ROUNDS):
        near = np.abs(mean / (ground.mean * sigma) - 1) < close
        values = tiles[near & alike]  # a tile at the edge of an object is near at times
        if values.size < max(SHARE * channel.values.size, LEAST):
            return 0.0
        sigma = math.sqrt(np.square(values).mean() / (2 * coils))
    darker = np.count_nonzero(mean < (1 - close) * ground.mean * sigma)
    if alike[near].mean() < ALIKE or darker > DARKER * near.sum():
        return 0.0
    return sigma if _is_ground(np.sort(values, axis=None) / sigma, coils, doubt) else 0.0


def _is_ground(values: Array, coils: int, doubt: float) -> bool:
    """Whether sorted values have the distribution of noise alone, with σ = 1."""
    from scipy.special import gammainc

    centred, ground = values - values.mean(), _ground(coils)
    skewness = (centred**3).mean() / (centred**2).mean() ** 1.5
    error = math.sqrt(6 / len(values))
    least, most = (share * ground.skewness for share in SKEWED)
    if not max(least - error, doubt * error) < skewness < most + error or (values == 0).mean() > ZEROS:
        return False
    if len(np.unique(values[values < ground.mean + ground.deviation])) < GREYS[coils > 1]:
        return False
    expected = gammainc(coils, np.square(values) / 2)
    ranks = np.searchsorted(values, values, "left") + np.searchsorted(values, values, "right")
    return bool(np.abs(expected - ranks / (2 * len(values))).max() < DISTANCE)


def _coils(channel: Channel) -> int:
    """Return how many coils the darkest patches look like: the square of mean over deviation is nearly 4 coils - 1."""
    tiles = _tiles(channel)
    if len(tiles) == 0:
        return 1
    mean = tiles.mean(1)
    darkest = tiles[mean <= np.quantile(mean, SHARE)]
    level = float(darkest.mean())
    ground = tiles[np.abs(mean - level) <= float(darkest.std())]
    deviation = float(ground.std(axis=1, ddof=1).mean()) if len(ground) else 0.0
    if not deviation > level / (2 * math.sqrt(MOST_COILS)) > 0:
        return 1
    ratio = float(ground.mean()) / deviation
    return int(min(max(round((ratio**2 + 1) / 4), 1), MOST_COILS))


def _agrees(channel: Channel, sigma: float, coils: int) -> bool:
    """Whether the noise where the signal is has the σ that the background shows."""
    bins = bins_of(channel.apart_from(channel.volume >= channel.high))
    expected = curves.rician_variance(bins.mean, sigma, coils)
    bright = bins.white & (expected > RISES * (_ground(coils).deviation * sigma) ** 2)
    if not bright.any():
        return False
    ratio = float(np.min(bins.variance[bright] / expected[bright]))
    return AGREES[0] < ratio < AGREES[1]


def _by_brightness(channel: Channel, coils: int) -> float:
    """Return σ from the noise at each brightness."""
    if channel.constant:
        return 0.0
    bins = bins_of(channel.apart_from(channel.volume >= channel.high))
    if len(bins) == 0 or bins.variance.min() == 0:
        sigma = estimate.sigma_of(channel)
        bins = Bins(np.array([channel.values.mean()]), np.array([sigma**2]), np.ones(1), np.ones(1, bool))
    return curves.fit_rician(bins, coils).numbers[0] if bins.variance.max() > 0 else 0.0


def _blank(volume: Array) -> Flags:
    """Return which pixels lie in a square of 2 x 2 zeros: set to 0, rather than 0 by chance."""
    zero = np.pad(volume == 0, ((0, 0), (1, 1), (1, 1)))
    square = zero[:, 1:, 1:] & zero[:, 1:, :-1] & zero[:, :-1, 1:] & zero[:, :-1, :-1]
    return square[:, 1:, 1:] | square[:, 1:, :-1] | square[:, :-1, 1:] | square[:, :-1, :-1]


def _tiles(channel: Channel) -> Array:
    """Return the tiles of a volume that do not overlap and count, a row each."""
    z, y, x = channel.volume.shape[0], channel.volume.shape[1] // PATCH, channel.volume.shape[2] // PATCH

    def rows(volume: Array) -> Array:
        tiles = volume[:, : y * PATCH, : x * PATCH].reshape(z, y, PATCH, x, PATCH)
        return tiles.swapaxes(2, 3).reshape(z * y * x, PATCH**2)

    return rows(channel.volume)[rows(channel.known).all(1)]
