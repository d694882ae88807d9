"""The definition of the Wiener step in plain NumPy and SciPy: the oracle that the kernel is tested against."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
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
    noisy_wide, pilot_wide, noise_wide = (
        np.pad(a.astype(np.float64), [(n, n) for n in before], mode="reflect") for a in (noisy, pilot, noise)
    )
    corners = np.indices([n + side for n, side in zip(before, noisy.shape, strict=True)]).reshape(3, -1).T
    corners = corners[(corners.sum(1) - sum(before) + sum(origin)) % 2 == 0]
    if slices is not None:
        first = corners[:, 0] - before[0]
        corners = corners[(slices[0] <= first) & (first <= slices[1] - before[0])]
    at = tuple(corners.T)
    x, p = (dctn(sliding_window_view(a, sides)[at], axes=(1, 2, 3), norm="ortho") for a in (noisy_wide, pilot_wide))
    middles = noise_wide[tuple((corners + [side // 2 for side in sides]).T)].reshape(-1, 1, 1, 1)
    gain = p**2 / (p**2 + middles * bands)
    weight = 1 / (1 + (gain**2).sum((1, 2, 3)))
    gain[:, 0, 0, 0] = 1
    clean = idctn(gain * x, axes=(1, 2, 3), norm="ortho")
    total, weights = np.zeros(noisy_wide.shape), np.zeros(noisy_wide.shape)
    for k, corner in enumerate(corners):
        window = tuple(slice(first, first + side) for first, side in zip(corner, sides, strict=True))
        total[window] += weight[k] * clean[k]
        weights[window] += weight[k]
    inside = tuple(slice(n, n + side) for n, side in zip(before, noisy.shape, strict=True))
    return np.divide(total[inside], weights[inside], out=total[inside], where=weights[inside] > 0)
