"""Non-local means in four dimensions, of which the core has three: a few lines of NumPy, for what few images need."""

from __future__ import annotations

from itertools import product

import numpy as np

from ..pairwise.tiles import mirror


def average(planes: np.ndarray, patch: int, search: int, scale: float, bias: float, vanish: float) -> np.ndarray:
    """Average the pixels of planes (C, T, Z, Y, X) by the likeness of the patches around them.

    Parameters
    ----------
    planes : ndarray, shape (C, T, Z, Y, X)
        float32 or float64, finite.
    patch, search : int
        Radii along all axes.
    scale, bias, vanish : float
        As in `PairwiseSpec`; the pixel itself has the weight 1.

    Returns
    -------
    ndarray, shape (C, T, Z, Y, X)

    Notes
    -----
    Time grows with pixels · window · patch radius.
    """
    from scipy.ndimage import uniform_filter1d

    sides = planes.shape[1:]
    padded = planes
    for axis, side in enumerate(sides, 1):
        padded = padded.take(mirror(-patch, side + patch, side), axis)
    total, weights = planes.astype(np.float64), np.ones(sides)
    ranges = [range(-min(search, side - 1), min(search, side - 1) + 1) for side in sides]
    for shift in product(*ranges):
        if shift <= (0, 0, 0, 0):  # each pair once
            continue
        pairs = list(zip(shift, sides, strict=True))
        here = tuple(slice(max(-d, 0), side - max(d, 0)) for d, side in pairs)
        there = tuple(slice(max(d, 0), side - max(-d, 0)) for d, side in pairs)
        first, second = (padded[:, *(slice(c.start, c.stop + 2 * patch) for c in cuts)] for cuts in (here, there))
        score = np.square(first - second, dtype=np.float64).sum(axis=0)
        for axis in range(4):
            score = uniform_filter1d(score, 2 * patch + 1, axis)
        inner = tuple(slice(patch, length - patch) for length in score.shape)
        weight = np.exp(-np.maximum(score[inner] * (2 * patch + 1) ** 4 - bias, 0) * scale)
        weight[weight < vanish] = 0
        weights[here] += weight
        weights[there] += weight
        total[:, *here] += weight * planes[:, *there]
        total[:, *there] += weight * planes[:, *here]
    return (total / weights).astype(planes.dtype)
