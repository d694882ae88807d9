"""The definition of the Wiener step in plain NumPy and SciPy: the oracle that the kernel is tested against."""

from __future__ import annotations

from itertools import product

import numpy as np
from scipy.fft import dctn, idctn


def wiener(
    noisy: np.ndarray,
    pilot: np.ndarray,
    noise: np.ndarray,
    sides: tuple[int, int, int],
    bands: np.ndarray | float = 1.0,
    origin: tuple[int, int, int] = (0, 0, 0),
    slices: tuple[int, int] | None = None,
) -> np.ndarray:
    """Shrink windows of ``noisy`` (Z, Y, X) by the spectrum of ``pilot``; ``noise`` holds each pixel's variance.

    ``bands`` (8, 8) holds the power of correlated noise in each coefficient. Windows begin at every second pixel, like
    the squares of one colour of a chessboard: where z + y + x, counted from ``origin``, is even. They may be bound to
    lie within ``slices``, first and last.
    """
    before = [side - 1 for side in sides]
    padded = [np.pad(a.astype(np.float64), [(n, n) for n in before], mode="reflect") for a in (noisy, pilot, noise)]
    total, weights = np.zeros(padded[0].shape), np.zeros(padded[0].shape)
    for corner in product(*(range(n + side) for n, side in zip(before, noisy.shape, strict=True))):
        if (sum(corner) - sum(before) + sum(origin)) % 2:
            continue
        first = corner[0] - before[0]
        if slices is not None and not slices[0] <= first <= slices[1] - before[0]:
            continue
        window = tuple(slice(first, first + side) for first, side in zip(corner, sides, strict=True))
        x, p = (dctn(array[window], norm="ortho") for array in padded[:2])
        middle = tuple(first + side // 2 for first, side in zip(corner, sides, strict=True))
        gain = p**2 / (p**2 + padded[2][middle] * bands)
        weight = 1 / (1 + (gain**2).sum())
        gain[0, 0, 0] = 1
        total[window] += weight * idctn(gain * x, norm="ortho")
        weights[window] += weight
    inside = tuple(slice(n, n + side) for n, side in zip(before, noisy.shape, strict=True))
    return np.divide(total[inside], weights[inside], out=total[inside], where=weights[inside] > 0)
