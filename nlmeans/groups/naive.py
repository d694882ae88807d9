"""The definition of a step in plain NumPy: the oracle of the kernels."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..pairwise import Radii
from .spec import FLOOR, LEAST, QUIET, GroupSpec


def references(sides: Radii, spec: GroupSpec) -> list[Radii]:
    """Return where the patches begin that gather groups."""
    ends = [side - patch for side, patch in zip(sides, spec.patch, strict=True)]
    z, y, x = (
        sorted({p for k in range(0, (end + s) // 2 + 1, s) for p in (k, end - k)})
        for end, s in zip(ends, spec.stride, strict=True)
    )
    return list(product(z, y, x))


def patch_at(planes: np.ndarray, start: Radii, spec: GroupSpec) -> np.ndarray:
    """Return a patch of planes (C, Z, Y, X)."""
    return planes[:, *(slice(first, first + side) for first, side in zip(start, spec.patch, strict=True))]


def match(guide: np.ndarray, start: Radii, spec: GroupSpec) -> list[Radii]:
    """Return where the patches of a group begin: this one, and those nearest to it.

    Of two that are as near, the first one of the window goes before.
    """
    patches = sliding_window_view(guide, spec.patch, (1, 2, 3))
    firsts = [max(first - r, 0) for first, r in zip(start, spec.search_radius, strict=True)]
    near = patches[:, *(slice(low, k + r + 1) for low, k, r in zip(firsts, start, spec.search_radius, strict=True))]
    differences = near - patches[:, *(slice(k, k + 1) for k in start)]
    distance = np.square(differences, dtype=np.float64)[..., spec.compared].sum((0, 4))
    distance[*(k - low for k, low in zip(start, firsts, strict=True))] = -1
    nearest = np.argsort(distance, axis=None, kind="stable")[: spec.size]
    found = np.transpose(np.unravel_index(nearest, distance.shape)) + firsts
    return [(z, y, x) for z, y, x in found.tolist()]


def combine(
    noisy: np.ndarray, pilot: np.ndarray | None, power: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Estimate a group: patches in columns (n, k), ``power`` (k) of the noise in each.

    Returns
    -------
    ndarray, shape (n, k)
        The estimates.
    ndarray, shape (k, k)
        The weights that the noisy patches have in them, which sum to 1 in each column.
    ndarray, shape (k,)
        Variance of the noise left in a pixel of each.
    """
    pixels, count = noisy.shape
    mean = noisy.mean(1, keepdims=True)
    held = noisy - mean if pilot is None else pilot - pilot.mean(1, keepdims=True)
    matrix, load = held.T @ held, FLOOR if pilot is None else 1.0
    part = matrix.trace() * count / (QUIET * power.sum() * max(count - 1, 1))
    if pilot is None and count > 1 and part < 1:
        load, power = load + 1 - part, power * max(part, LEAST)
    noise = np.diag(power)
    theta = np.eye(count) - np.linalg.inv(matrix + load * noise) @ noise
    weights = theta + (1 - theta.sum(0)) / count
    return mean + (noisy - mean) @ theta, weights, np.square(weights).T @ power / pixels


def step(
    guide: np.ndarray, noisy: np.ndarray, pilot: np.ndarray | None, spec: GroupSpec, variance: np.ndarray | None = None
) -> np.ndarray:
    """Run a step on planes (C, Z, Y, X) whose noise has the ``variance`` (1 or C, Z, Y, X), 1 by default.

    The guide decides which patches are alike; each channel is estimated on its own.
    """
    spec = spec.within(noisy.shape[1:])
    noise = np.broadcast_to(1.0 if variance is None else variance, noisy.shape)
    total, weights = np.zeros(noisy.shape), np.zeros(noisy.shape)
    for start in references(noisy.shape[1:], spec):
        group = match(guide, start, spec)

        def columns(planes: np.ndarray, channel: int, group: list[Radii] = group) -> np.ndarray:
            plane = planes[channel : channel + 1].astype(np.float64)
            return np.stack([patch_at(plane, other, spec).ravel() for other in group], axis=1)

        for c in range(len(noisy)):
            power = columns(noise, c).sum(0)
            estimates, _, left = combine(columns(noisy, c), None if pilot is None else columns(pilot, c), power)
            for other, estimate, variance_left in zip(group, estimates.T, left, strict=True):
                patch_at(total, other, spec)[c] += estimate.reshape(spec.patch) / variance_left
                patch_at(weights, other, spec)[c] += 1 / variance_left
    return total / weights
