"""Correlated noise: its power in each cosine band, measured on the flattest patches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..pixels.squares import all_in
from .patches import CHUNK, CLIPPED_SHARE, PATCH, clip_levels, cosines, share_in, spread
from .shared import Turn, first_of_each, turn_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Flags = NDArray[np.bool_]

# Tuned on 14 crops of BSD's colour training set under white, blurred, demosaicked and JPEG noise; none is critical:
# FLATTEST 0.005 to 0.05 and SHADED 2 to 3 differ by less than 0.05 dB on average, in worst pictures up to 2 dB.
FLATTEST: Final = 0.01
LEAST_PATCHES: Final = 300
SHADED: Final = 3
# Least power of a band relative to the mean one: a filter would otherwise divide nothing by nothing.
QUIETEST: Final = 2.0**-20
# Bounds time and memory: 40,000 patches of three channels take 30 MB.
SAMPLE: Final = 40_000


@dataclass(frozen=True)
class BandNoise:
    """Noise whose power differs from frequency to frequency.

    Attributes
    ----------
    sigma : tuple of float
        Standard deviation over all frequencies, one a channel, in the image's units.
    power : ndarray, shape (C or fewer, 8, 8)
        Variance of the coefficients of the orthonormal 8 x 8 cosine transform, after each channel with noise was
        divided by its sigma and an orthonormal cosine transform along these channels was taken, or, with ``turn``, of
        its mixes in units of their variance. 1 everywhere for white noise.
    turn : Turn or None
        Mixes of the channels with noise, that have noise of their own, if some mix holds nothing: grey as colour.
    mixed : tuple of float
        With ``turn``, the standard deviations of its mixes.
    """

    sigma: tuple[float, ...]
    power: Array
    turn: Turn | None = None
    mixed: tuple[float, ...] = ()

    def repeated(self, first: Sequence[int]) -> BandNoise:
        """Return this noise of the channels that ``first`` names, for channels each of which repeats one of these."""
        own = sorted(set(first))
        sigma = [self.sigma[own.index(channel)] for channel in first]
        noisy = [c for c, deviation in enumerate(sigma) if deviation > 0]
        each = [deviation for deviation in self.sigma if deviation > 0]
        turn, mixed = (Turn.apart(len(each)), tuple(each)) if self.turn is None else (self.turn, self.mixed)
        return BandNoise(tuple(sigma), self.power, turn.repeated([noisy.index(first[c]) for c in noisy]), mixed)


@cache
def _frequency() -> Array:
    """Return the sum of the two frequencies of each of the 64 coefficients."""
    return np.add.outer(np.arange(PATCH), np.arange(PATCH)).ravel()


def measure_bands(
    planes: Array, mask: Flags | None = None, *, saturation: tuple[float, float] | None = None
) -> BandNoise | None:
    """Measure the noise in planes (C, Z, Y, X) band by band; None where no patch can be had.

    The flattest patches hold noise and little else, so the mean square of a cosine coefficient over them is the
    noise's power in that band, whatever its spectrum. The patches from which an even band is measured are chosen by
    the energy in the odd bands, and the other way round: a choice by the same band would favour patches whose noise
    is small by chance. The lowest bands hold shading even in flat patches; they count at most as much as the first
    bands above them.

    Notes
    -----
    The sampling of frequencies and selection of flat patches by other bands than those measured is that of
    M. Colom, A. Buades, "Analysis and Extension of the Ponomarenko et al. Method", IPOL 2013,
    doi:10.5201/ipol.2013.45; noise that depends on frequency: M. Lebrun, M. Colom, J.-M. Morel, "The Noise Clinic",
    IPOL 2015, doi:10.5201/ipol.2015.125.
    """
    if min(planes.shape[2:]) < PATCH:
        return None
    first = first_of_each(planes, [0.0] * len(planes))
    own = sorted(set(first))
    if len(own) < len(planes):
        alone = measure_bands(planes[own], mask, saturation=saturation)
        return None if alone is None else alone.repeated(first)
    live = [c for c, plane in enumerate(planes) if _varies(plane)]
    coefficients, scale = _coefficients(planes[live], mask, saturation) if live else (np.empty((0, 0, 0)), 0.0)
    if len(coefficients) == 0:
        return None
    covariance = covariance_of(coefficients)
    sigma = np.sqrt(np.einsum("bcc->c", covariance) / len(covariance))
    every = np.zeros(len(planes))
    every[live] = scale * sigma
    noisy = np.flatnonzero(sigma > 0)
    if not noisy.size:
        return BandNoise(tuple(every.tolist()), np.zeros((0, PATCH, PATCH), np.float32))
    covariance, sigma = covariance[:, noisy[:, None], noisy], sigma[noisy]
    shared = covariance.mean(0) / np.outer(sigma, sigma)
    turn = turn_of(shared, scale * sigma, planes[np.asarray(live)[noisy]])
    if turn is not None and len(turn[0].forward) == len(noisy):
        turn = (
            None  # what JPEG leaves of colours in flat patches is less than elsewhere: mixes would be believed too much
        )
    if turn is None:
        colours, variance = cosines(len(noisy)) / sigma, np.ones(len(noisy))
    else:
        colours, variance = turn[0].forward * scale, np.where(turn[1] > 0, turn[1], 1)
    power = np.einsum("oc,bcd,od->ob", colours, covariance, colours) / variance[:, None]
    power = np.maximum(power, QUIETEST).reshape(-1, PATCH, PATCH).astype(np.float32)
    if turn is None:
        return BandNoise(tuple(every.tolist()), power)
    return BandNoise(tuple(every.tolist()), power[turn[1] > 0], turn[0], tuple(np.sqrt(turn[1]).tolist()))


def _varies(plane: Array) -> bool:
    """Whether a channel holds anything but one value."""
    known = plane[np.isfinite(plane)]
    return bool(known.size) and bool(known.min() < known.max())


def _coefficients(planes: Array, mask: Flags | None, saturation: tuple[float, float] | None) -> tuple[Array, float]:
    """Return the cosine coefficients (patches, C, 64) of an even sample of the patches that count, and their unit."""
    known = np.all(np.isfinite(planes), axis=0)
    if mask is not None:
        known = known & mask
    values = [channel[known].astype(np.float64) for channel in planes]
    scale = max((float(np.ptp(v)) for v in values if v.size), default=0.0)
    if scale == 0:
        return np.empty((0, len(planes), PATCH * PATCH), np.float32), 0.0
    # Near 0 and within ±1, float32 is exact enough for any range and offset.
    unit = np.stack([np.where(known, (c - np.median(v)) / scale, 0) for c, v in zip(planes, values, strict=True)])
    unit = unit.astype(np.float32)
    levels = [clip_levels(v, saturation) for v in values]
    clipped = np.stack([(c <= low) | (c >= high) for c, (low, high) in zip(planes, levels, strict=True)])
    z, y, x = np.nonzero(counting(unit, known, clipped))
    chosen = spread(len(z), SAMPLE)
    first = np.ravel_multi_index((z[chosen], y[chosen], x[chosen]), known.shape)
    inside = np.add.outer(np.arange(PATCH) * known.shape[2], np.arange(PATCH)).ravel()
    basis = np.kron(cosines(PATCH), cosines(PATCH)).T.astype(np.float32)
    bands = np.empty((len(first), len(planes), PATCH * PATCH), np.float32)
    for start in range(0, len(first), CHUNK):
        for c, channel in enumerate(unit):
            bands[start : start + CHUNK, c] = channel.ravel()[first[start : start + CHUNK, None] + inside] @ basis
    return bands, scale


def counting(unit: Array, known: Flags, clipped: Flags) -> Flags:
    """Return which patches (by their first pixel) show noise.

    Softer than `estimate.usable_in`: a picture that is clipped here and there in different channels must not be left
    with its textured corners. Clipped pixels are counted over all channels together, and a patch that is constant
    along an axis is left out alone, without its neighbours.
    """
    usable = all_in(known, PATCH, PATCH)
    for plane in unit:
        usable &= ~all_in(plane[:, 1:] == plane[:, :-1], PATCH - 1, PATCH)
        usable &= ~all_in(plane[:, :, 1:] == plane[:, :, :-1], PATCH, PATCH - 1)
    if not (usable.any() and clipped.any()):
        return usable
    share = np.mean([share_in(flags) for flags in clipped], axis=0)
    return usable & (share <= max(CLIPPED_SHARE, np.quantile(share[usable], 0.1)))


def covariance_of(coefficients: Array) -> Array:
    """Return the channels' covariance (64, C, C) of the noise in each band."""
    frequency, energy = _frequency(), np.square(coefficients).sum(1)
    count = min(max(int(FLATTEST * len(energy)), LEAST_PATCHES), len(energy))
    covariance = np.empty((len(frequency), coefficients.shape[1], coefficients.shape[1]))
    for parity in (0, 1):
        others = energy[:, (frequency % 2 != parity) & (frequency > 0)].sum(1)
        flattest = coefficients[np.argpartition(others, count - 1)[:count]].astype(np.float64)
        for band in np.flatnonzero(frequency % 2 == parity):
            covariance[band] = flattest[:, :, band].T @ flattest[:, :, band] / count
    first = covariance[frequency == SHADED].mean(0)
    for band in np.flatnonzero(frequency < SHADED):
        power, most = float(np.trace(covariance[band])), float(np.trace(first))
        if power > most:
            covariance[band] *= most / power
    covariance[0] = first
    return covariance
