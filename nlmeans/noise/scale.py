"""What the noise looks like at one scale: its strength by brightness, and its power by frequency."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

from . import estimate
from .bands import SHADED, counting, covariance_of
from .bins import LEAST_BLOCKS, LEAST_PATCHES, TRUST, Bins, bins_of, blocks_of, cut_of
from .fit import line_of
from .patches import CHUNK, NOISE_BAND, PATCH, TEXTURE_BAND, Channel, Patches, clip_levels, cosines, spread
from .sparse import Sparse, sparse

if TYPE_CHECKING:
    from .patches import Array, Flags

SAMPLE: Final = 16_000
"""Patches that are looked at, of up to three channels; of more, fewer: they bound time and memory."""
FEWEST: Final = 2_000
STEEP: Final = 10.0
"""Power at the lowest frequencies over that at the highest from which noise is not white, however even the high bands
are: those of a JPEG photograph hold little but rounding. White noise of σ = 2 to 25 in 25 pictures of BSD's colour
training set reaches 7 at full and 8 at half size, by texture; of σ = 1, one in twenty is beyond."""
ENDS: Final = 3
"""Frequencies at either end that are compared."""


@dataclass(frozen=True, eq=False)
class NoiseAtScale:
    """The noise of an image at one scale: as it is, or of means of 2 × 2 or 4 × 4 pixels.

    Attributes
    ----------
    size : int
        Pixels along a side of what is averaged: 1, 2 or 4.
    sigma : tuple of float
        Standard deviation over all frequencies, one a channel, in the image's units.
    correlated : tuple of bool
        Whether the noise of each channel is not white at this scale.
    brightness, deviation : tuple of ndarray
        The mean of the flattest patches of each brightness, darkest first, and the standard deviation of the noise in
        them: one array a channel, in the image's units; empty where the image is too small or shows no noise.
    frequency : ndarray, shape (F,)
        In cycles a pixel of the full-size image; empty where the image is too small.
    power : ndarray, shape (C, F)
        Variance of the coefficients of the orthonormal 8 × 8 cosine transform of these frequencies, in the image's
        units squared: for white noise, σ² at each.

    Examples
    --------
    >>> import numpy as np
    >>> from nlmeans.noise import noise_profile
    >>> noisy = np.random.default_rng(0).normal(100, 10, (256, 256))
    >>> half = noise_profile(noisy).scales[1]
    >>> half.size, round(half.sigma[0]), half.correlated
    (2, 5, (False,))
    """

    size: int
    sigma: tuple[float, ...]
    correlated: tuple[bool, ...]
    brightness: tuple[Array, ...]
    deviation: tuple[Array, ...]
    frequency: Array
    power: Array

    @property
    def density(self) -> Array:
        """The power of white noise at full size that has as much at each frequency: the same at all of its scales."""
        return self.size**2 * self.power


@dataclass(frozen=True, eq=False)
class Pixels:
    """An image, or parts of it on top of each other, at one scale.

    Attributes
    ----------
    planes : ndarray, shape (C, Z, Y, X)
    known, clipped : ndarray of bool, of the same shape
        Which values count, and which were cut off, or are means of such.
    size : int
        Pixels along a side of what is averaged.
    """

    planes: Array
    known: Flags
    clipped: Flags
    size: int = 1

    @classmethod
    def of(cls, channels: list[Channel]) -> Pixels:
        """Return what is in channels; zeros count where they are not heaped, or are those of counts."""
        clipped = []
        for channel in channels:
            low = -math.inf
            if not channel.constant and sparse(channel) is None:
                low, _ = clip_levels(channel.values, None)
            clipped.append(channel.known & ((channel.volume <= low) | (channel.volume >= channel.high)))
        planes, known = (np.stack([getattr(channel, name) for channel in channels]) for name in ("volume", "known"))
        return cls(planes, known, np.stack(clipped))

    def halved(self) -> Pixels:
        """Return the half-size image; its pixels count that have four, and one that was cut off is enough."""
        height, width = (side // 2 * 2 for side in self.planes.shape[2:])

        def squares(part: Array) -> Array:
            return np.stack([part[..., y:height:2, x:width:2] for y in (0, 1) for x in (0, 1)])

        planes, known, clipped = (squares(part) for part in (self.planes, self.known, self.clipped))
        all_known, some_clipped = np.logical_and.reduce(known), np.logical_or.reduce(clipped)
        return Pixels(planes.mean(axis=0), all_known, some_clipped, 2 * self.size)


@dataclass(frozen=True, eq=False)
class Coefficients:
    """Cosine coefficients of patches that show noise.

    Attributes
    ----------
    values : ndarray, shape (N, C, 64)
        In units of ``scale``.
    z, y, x : ndarray, shape (N,)
        Where each begins.
    centre : tuple of float
        What was taken off each channel's pixels before.
    scale : float
    """

    values: Array
    z: Array
    y: Array
    x: Array
    centre: tuple[float, ...]
    scale: float

    @classmethod
    def of(cls, pixels: Pixels, live: list[int]) -> Coefficients | None:
        """Transform an even sample of the patches that show noise in all channels that do; None where they are few."""
        known = np.logical_and.reduce(pixels.known[live], axis=0)
        if not live or min(known.shape[1:]) < PATCH or not known.any():
            return None
        values = [plane[known] for plane in pixels.planes[live]]
        centre = tuple(float(np.median(v[spread(v.size, CHUNK)])) for v in values)
        scale = max(float(np.ptp(v)) for v in values)
        if scale == 0:
            return None
        shifts = np.reshape(centre, (-1, 1, 1, 1))
        # Near 0 and within ±1, float32 is exact enough for any range and offset.
        unit = np.where(known, (pixels.planes[live] - shifts) / scale, 0).astype(np.float32)
        z, y, x = np.nonzero(counting(unit, known, pixels.clipped[live]))
        if len(z) < LEAST_PATCHES or len(np.unique(blocks_of(z, y, x))) < LEAST_BLOCKS:
            return None
        chosen = spread(len(z), max(3 * SAMPLE // max(len(pixels.planes), 3), FEWEST))
        z, y, x = z[chosen], y[chosen], x[chosen]
        first = np.ravel_multi_index((z, y, x), known.shape)
        inside = np.add.outer(np.arange(PATCH) * known.shape[2], np.arange(PATCH)).ravel()
        basis = np.kron(cosines(PATCH), cosines(PATCH)).T.astype(np.float32)
        bands = np.empty((len(first), len(live), PATCH * PATCH), np.float32)
        for start in range(0, len(first), CHUNK):
            part = slice(start, start + CHUNK)
            for c, channel in enumerate(unit):
                bands[part, c] = channel.ravel()[first[part, None] + inside] @ basis
        return cls(bands, z, y, x, centre, scale)

    def patches(self, c: int) -> Patches:
        """Return the patches of one channel as its noise is judged by."""
        bands, texture, noise = self.values[:, c], *_bands()
        mean = self.scale * bands[:, 0].astype(np.float64) / PATCH + self.centre[c]
        energy = np.square(bands[:, texture]).sum(1)
        return Patches(self.z, self.y, self.x, mean, energy, bands[:, noise], self.scale, 0.0)


@dataclass(frozen=True, eq=False)
class Strength:
    """How strong the noise of a channel is.

    Attributes
    ----------
    sigma : float
        If it is white; else unknown as yet.
    correlated : bool
        Whether it is not.
    bins : Bins
        By brightness.
    relative : ndarray, shape (N,)
        Variance at the brightness of each patch, in units of the mean one.
    """

    sigma: float
    correlated: bool
    bins: Bins
    relative: Array

    @classmethod
    def of(cls, found: Coefficients, c: int, counts: Sparse | None, steep: bool) -> Strength:
        """Judge a channel, which may hold few counts, and whose power may be far from the same at all frequencies."""
        patches = found.patches(c)
        flattest = estimate.flattest_of(patches.texture)
        flattest = flattest[np.argsort(patches.texture[flattest], kind="stable")]
        z, y, x, noise = (part[flattest] for part in (patches.z, patches.y, patches.x, patches.noise))
        quiet, correlation = estimate.quietest(noise, z, y, x)
        sigma, correlated = patches.scale * quiet, steep or quiet == 0 or correlation > estimate.CORRELATED
        if counts is not None:
            sigma, correlated = counts.sigma, False
        bins = _over_all_bands(found, c, patches) if correlated else bins_of(patches)
        bins = bins.where(bins.variance > 0)
        line, grows = line_of(bins) if len(bins) else ((0.0, 0.0), False)
        if not grows:
            return cls(sigma, correlated, bins, np.ones(len(patches)))
        # The flattest patches are else the darkest ones, however textured.
        variance = np.maximum(line[0] * patches.mean + line[1], bins.variance.min())
        if counts is None:
            sigma = math.sqrt(variance.mean())
        return cls(sigma, correlated, bins, variance / variance.mean())


def measured(pixels: Pixels, coarser: NoiseAtScale | None = None) -> tuple[NoiseAtScale, Array | None]:
    """Return what the noise looks like, and the covariance (C, C) of the channels' noise in the flattest patches.

    ``coarser`` is that of the half-size image, which shows what lies below the frequencies of a patch.
    """
    channels = [
        Channel.of(plane, known, None, SAMPLE) for plane, known in zip(pixels.planes, pixels.known, strict=True)
    ]
    count, live = len(channels), [c for c, channel in enumerate(channels) if not channel.constant]
    none = (np.zeros(0),) * count
    found = Coefficients.of(pixels, live)
    if found is None:
        sigma = tuple(estimate.sigma_of(channel) for channel in channels)
        return NoiseAtScale(pixels.size, sigma, (False,) * count, none, none, none[0], np.zeros((count, 0))), None
    (rings, frequency), (_, high) = _rings(), _bands()
    power = covariance_of(found.values)
    ends = [rings[side] @ np.einsum("bcc->bc", power) for side in (slice(ENDS), slice(-ENDS, None))]
    steep = ends[0].mean(axis=0) > STEEP * ends[1].mean(axis=0)
    strengths = {c: Strength.of(found, k, sparse(channels[c]), bool(steep[k])) for k, c in enumerate(live)}
    relative = np.stack([strength.relative for strength in strengths.values()], axis=1)
    if (relative != 1).any():
        power = covariance_of(found.values / np.sqrt(relative, dtype=np.float32)[:, :, None])
    power *= found.scale**2
    sigmas, spectrum = np.zeros(count), np.zeros((count, len(frequency)))
    means, deviations = list(none), list(none)
    for k, (c, strength) in enumerate(strengths.items()):
        own, factor = power[:, k, k], 1.0
        if strength.correlated:
            every = own if coarser is None else _with_lowest(own, pixels.size, coarser, c)
            sigmas[c], factor = math.sqrt(every.mean()), math.sqrt(every.mean() / own.mean())
        else:
            sigmas[c] = strength.sigma
            own = own * (strength.sigma**2 / own[high].mean())
        spectrum[c] = rings @ own
        means[c], deviations[c] = strength.bins.mean, factor * np.sqrt(strength.bins.variance)
    covariance = np.zeros((count, count))
    covariance[np.ix_(live, live)] = power.mean(axis=0)
    correlated = tuple(c in strengths and strengths[c].correlated for c in range(count))
    each = (tuple(sigmas.tolist()), correlated, tuple(means), tuple(deviations))
    return NoiseAtScale(pixels.size, *each, frequency / pixels.size, spectrum), covariance


def _with_lowest(power: Array, size: int, coarser: NoiseAtScale, c: int) -> Array:
    """Return the power of all coefficients, the lowest by what the half-size image has at their frequencies."""
    if not coarser.frequency.size:
        return power
    k = np.arange(PATCH)
    own, low = np.hypot.outer(k, k).ravel() / (2 * PATCH * size), np.add.outer(k, k).ravel() < SHADED
    return np.where(low, np.interp(own, coarser.frequency, coarser.density[c]) / size**2, power)


def _over_all_bands(found: Coefficients, c: int, patches: Patches) -> Bins:
    """Return the noise by brightness where some bands hold less of it than others: over all of them."""
    order, blocks = np.argsort(patches.mean, kind="stable"), blocks_of(patches.z, patches.y, patches.x)
    rows = []
    for members in cut_of(order, patches.mean, blocks):
        variance = found.scale**2 * float(covariance_of(found.values[members, c : c + 1]).mean())
        rows.append((patches.mean[members].mean(), variance))
    means, variances = np.array(rows, np.float64).reshape(-1, 2).T
    return Bins(means, variances, np.full(len(means), 2 * TRUST), np.zeros(len(means), bool))


@cache
def _bands() -> tuple[Array, Array]:
    """Return the coefficients of the texture band and of the noise band."""
    frequency = np.add.outer(np.arange(PATCH), np.arange(PATCH)).ravel()
    return np.flatnonzero(np.isin(frequency, TEXTURE_BAND)), np.flatnonzero(np.isin(frequency, NOISE_BAND))


@cache
def _rings() -> tuple[Array, Array]:
    """Return what takes means over rings of coefficients (F, 64), and their frequencies in cycles a pixel.

    The lowest coefficients hold shading even in flat patches, and tell nothing.
    """
    k = np.arange(PATCH)
    radius, sums = np.hypot.outer(k, k).ravel(), np.add.outer(k, k).ravel()
    ring = np.where(sums < SHADED, -1, np.minimum(np.rint(radius), 9)).astype(np.intp)  # only one is further out
    members = np.stack([ring == number for number in np.unique(ring[ring >= 0])]).astype(np.float64)
    means = members / members.sum(axis=1, keepdims=True)
    return means, means @ radius / (2 * PATCH)
