"""How much noise there is at each brightness: what every model of noise is fitted to."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from . import estimate

# Bins are cut at evenly spaced grey levels and at quantiles, so that neither a rare brightness nor a
# crowded one is lost.
LEVELS: Final = 32
QUANTILES: Final = 12
LEAST_PATCHES: Final = 250
LEAST_BLOCKS: Final = 12  # of 8 x 8 pixels, which share no noise
# A bin's variance is believed within this, however many patches it has: texture is never quite gone.
TRUST: Final = 0.03
DIRECTIONS: Final = 8  # the quietest, which are averaged


@dataclass(frozen=True)
class Bins:
    """Noise by brightness, darkest first.

    Attributes
    ----------
    mean, variance : ndarray
        Of the flattest patches of each bin, in the image's units.
    error : ndarray
        Standard error of the variance, relative.
    """

    mean: np.ndarray
    variance: np.ndarray
    error: np.ndarray

    def __len__(self) -> int:
        return len(self.mean)


@dataclass(frozen=True)
class Patches:
    """Patches that can tell of noise.

    Attributes
    ----------
    z, y, x : ndarray
        Where each begins.
    mean : ndarray
        In the image's units.
    texture, noise : ndarray
        Energy in the texture band, and coefficients in the noise band, in units of ``scale``.
    scale : float
    """

    z: np.ndarray
    y: np.ndarray
    x: np.ndarray
    mean: np.ndarray
    texture: np.ndarray
    noise: np.ndarray
    scale: float

    def __len__(self) -> int:
        return len(self.mean)

    def bins(self) -> Bins:
        """Return the noise in the flattest patches of each brightness."""
        if len(self) == 0:
            return Bins(*np.zeros((3, 0)))
        order = np.argsort(self.mean, kind="stable")
        blocks = _blocks(self.z, self.y, self.x)
        rows = []
        for members in _cut(order, self.mean, blocks):
            flattest = _flattest(members, self.texture[members])
            variance = self.scale**2 * _quiet(
                self.noise[flattest], self.z[flattest], self.y[flattest], self.x[flattest]
            )
            found = len(np.unique(blocks[flattest]))
            rows.append((self.mean[flattest].mean(), variance, math.hypot(math.sqrt(2 / (DIRECTIONS * found)), TRUST)))
        return Bins(*np.array(rows, np.float64).reshape(-1, 3).T)


def sample(volume: np.ndarray, known: np.ndarray, clipped: np.ndarray) -> Patches:
    """Return patches of a volume (Z, Y, X).

    ``known`` marks pixels that count; patches close to many of the ``clipped`` ones are left out.
    """
    values = volume[known]
    centre, scale = float(np.median(values)), float(np.ptp(values))
    unit = np.zeros(volume.shape, np.float32)
    unit[known] = (values - centre) / scale
    usable = np.stack([estimate.usable_in(*plane)[0] for plane in zip(unit, known, clipped, strict=True)])
    if not usable.any():
        none = np.zeros(0)
        return Patches(none, none, none, none, none, none, scale)
    z, y, x = (index[estimate.spread(len(index), estimate.PATCH_BUDGET)] for index in np.nonzero(usable))
    texture, noise = estimate._bands(unit, z, y, x)
    return Patches(z, y, x, scale * _means(unit)[z, y, x] + centre, texture, noise, scale)


def _flattest(members: np.ndarray, texture: np.ndarray) -> np.ndarray:
    """Return the flattest members, in order of texture."""
    count = max(estimate.FIRST_SET, int(estimate.LAST_SET * len(members)))
    return members[np.argsort(texture, kind="stable")[:count]]


def _quiet(noise: np.ndarray, z: np.ndarray, y: np.ndarray, x: np.ndarray) -> float:
    """Return the variance in the quietest directions, found in one half of the patches and measured in the other."""
    half = (z + y // estimate.PIECE + x // estimate.PIECE) % 2
    parts = [noise[half == side].astype(np.float64) for side in (0, 1)]
    moments = np.stack([part.T @ part for part in parts])
    counts = np.array([len(part) for part in parts], np.float64)
    return float(estimate._variances(moments, counts)[DIRECTIONS - 1])


def _means(unit: np.ndarray) -> np.ndarray:
    """Return the mean of each patch."""
    size = estimate.PATCH
    total = np.pad(unit, ((0, 0), (1, 0), (1, 0))).astype(np.float64).cumsum(1).cumsum(2)
    rows = total[:, size:] - total[:, :-size]
    return (rows[:, :, size:] - rows[:, :, :-size]) / size**2


def _blocks(z: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    index = np.stack([z, y // estimate.PATCH, x // estimate.PATCH])
    return np.ravel_multi_index(tuple(index), tuple(index.max(1) + 1))


def _cut(order: np.ndarray, means: np.ndarray, blocks: np.ndarray) -> list[np.ndarray]:
    """Return the members of each bin, darkest first; a bin too small is joined with the next."""
    ranked = means[order]
    levels = np.linspace(ranked[0], ranked[-1], LEVELS + 1)[1:-1]
    quantiles = np.quantile(ranked, np.arange(1, QUANTILES) / QUANTILES)
    stops = [*np.searchsorted(ranked, np.unique(np.concatenate([levels, quantiles]))), len(ranked)]
    result: list[np.ndarray] = []
    start = 0
    for stop in stops:
        members = order[start:stop]
        if len(members) >= LEAST_PATCHES and len(np.unique(blocks[members])) >= LEAST_BLOCKS:
            result.append(members)
            start = stop
    return result


def counting(volume: np.ndarray, mask: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return a sample of slices, and which of its pixels count."""
    slices = estimate.spread(len(volume), estimate.SLICE_BUDGET)
    volume = volume[slices]
    known = np.isfinite(volume)
    return volume, known if mask is None else known & mask[slices]


def plain(volume: np.ndarray, known: np.ndarray, saturation: tuple[float, float] | None = None) -> float:
    """Return σ where there are too few patches to ask for more."""
    return float(estimate.estimate_planes(volume[None], known, saturation=saturation).sigma[0])
