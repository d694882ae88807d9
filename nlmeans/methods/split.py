"""Split: an image with correlated noise as a sum of images, each of the frequencies where the noise is about as strong.

Linear combinations of patches weigh all frequencies alike. Where the noise is much stronger at some than at others,
what is best for these would be lost for those; so method "ridge" combines the patches of each part on their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from ..noise.spectrum import lags_of

FILTER_REACH = 24
"""How far filters reach: as far as they are needed for noise in lines."""
FAINTEST, STRONGEST = 2.0**-5.6, 2.0**5
"""Powers, in units of the mean one, beyond which frequencies are not told apart."""
QUIET = 0.2
"""Share of the frequencies that are not told apart in any case: few of them are no part of their own."""
OCTAVES = 3.0
"""Octaves of power of one part."""
LEAST = 1 / 16
"""Least standard deviation of the noise in a part: filters of a finite reach let some through."""


@dataclass(frozen=True, eq=False)
class Split:
    """The parts of planes, which sum to them.

    Attributes
    ----------
    filters : tuple of ndarray, each of shape (J, rows, columns)
        Of each plane: the filters that make its parts.
    sigma : tuple of float
        The standard deviation of the noise in each part of each plane, of planes with one of 1.
    shared : ndarray, shape (parts of all planes, rows, columns)
        The covariance of its noise by lag, in units of its variance.
    """

    filters: tuple[np.ndarray, ...]
    sigma: tuple[float, ...]
    shared: np.ndarray

    @classmethod
    def of(cls, power: np.ndarray, reach: tuple[int, int]) -> Split:
        """Choose the parts by the noise's power (K, Y, X), and tell what they share at lags up to ``reach``."""
        sides = (power.shape[1], power.shape[2])
        reach = (min(reach[0], (sides[0] - 1) // 2), min(reach[1], (sides[1] - 1) // 2))
        filters, sigma, shared = [], [], []
        for own in power:
            kernels = lags_of(_classes(own), (min(FILTER_REACH, reach[0]), min(FILTER_REACH, reach[1])))
            kernels *= _window(kernels.shape[1:])
            responses = np.stack([_response(kernel, sides) for kernel in kernels])
            parts = own * np.square(responses)
            deviations = np.maximum(np.sqrt(parts.mean(axis=(1, 2))), LEAST)
            filters.append(kernels)
            sigma += deviations.tolist()
            shared.append(lags_of(parts, reach) / np.square(deviations)[:, None, None])
        return cls(tuple(filters), tuple(sigma), np.concatenate(shared))

    def parts(self, planes: np.ndarray) -> np.ndarray:
        """Return the parts (parts of all planes, Z, Y, X) of planes (K, Z, Y, X), each over its sigma."""
        from scipy.signal import fftconvolve

        parts = []
        for plane, filters in zip(planes, self.filters, strict=True):
            if len(filters) == 1:
                parts.append(plane)
                continue
            ends = [(0, 0), *((side // 2, side // 2) for side in filters.shape[1:])]
            around = np.pad(plane, ends, mode="reflect")
            parts += [fftconvolve(around, kernel[None].astype(plane.dtype), "valid", axes=(1, 2)) for kernel in filters]
        result = np.stack(parts)
        result /= np.asarray(self.sigma, planes.dtype).reshape(-1, 1, 1, 1)
        return result

    def joined(self, parts: np.ndarray) -> np.ndarray:
        """Return the planes of their parts."""
        parts = parts * np.asarray(self.sigma, parts.dtype).reshape(-1, 1, 1, 1)
        ends = np.cumsum([len(filters) for filters in self.filters])
        return np.stack([parts[end - len(own) : end].sum(axis=0) for own, end in zip(self.filters, ends, strict=True)])


def parts_of(power: np.ndarray) -> int:
    """Return into how many parts a plane with noise of this power is split."""
    low, high = _range(power)
    return 1 + round((high - low) / OCTAVES)


def _range(power: np.ndarray) -> tuple[float, float]:
    """Return the logarithms of the powers between which frequencies are told apart."""
    low, high = np.log2(np.clip([np.quantile(power, QUIET), power.max()], FAINTEST, STRONGEST))
    return float(low), float(high)


def _classes(power: np.ndarray) -> np.ndarray:
    """Return the shares (J, Y, X) that parts have of each frequency, which sum to 1."""
    (low, high), count = _range(power), parts_of(power)
    if count == 1:
        return np.ones((1, *power.shape))
    places = np.clip((np.log2(np.maximum(power, FAINTEST)) - low) / (high - low), 0, 1) * (count - 1)
    return np.maximum(1 - np.abs(places - np.arange(count)[:, None, None]), 0)


@cache
def _window(sides: Sequence[int]) -> np.ndarray:
    """Return what filters are multiplied by, so that they end smoothly."""
    rows, columns = (np.cos(np.pi / 2 * np.arange(-(n // 2), n // 2 + 1) / (n // 2 + 1)) ** 2 for n in sides)
    return np.outer(rows, columns)


def _response(kernel: np.ndarray, sides: tuple[int, int]) -> np.ndarray:
    """Return the factors by which a symmetric filter takes each frequency."""
    grid = np.zeros(sides)
    grid[: kernel.shape[0], : kernel.shape[1]] = kernel
    return np.fft.fft2(np.roll(grid, (-(kernel.shape[0] // 2), -(kernel.shape[1] // 2)), axis=(0, 1))).real
