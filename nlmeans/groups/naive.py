"""The definition of a step in plain NumPy: the oracle of the kernels."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..pairwise import Radii
from .run import OWN
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


def match(guide: np.ndarray, start: Radii, spec: GroupSpec, shifts: np.ndarray | None = None) -> list[Radii]:
    """Return where the patches of a group begin: this one, and those nearest to it.

    Of two that are as near, the first one of the window goes before. ``shifts`` (2 * radius + 1, 2) say how far along
    (y, x) the window lies elsewhere in the slices around; it stays inside the image.
    """
    ends = [side - patch for side, patch in zip(guide.shape[1:], spec.patch, strict=True)]
    z, y, x = (
        range(max(first - r, 0), min(first + r, end) + 1)
        for first, r, end in zip(start, spec.search_radius, ends, strict=True)
    )

    def line(k: int, axis: int, places: range) -> range:
        step = 0 if shifts is None else int(shifts[k - start[0] + spec.search_radius[0], axis])
        step = min(max(step, -places[0]), ends[axis + 1] - places[-1])
        return range(places.start + step, places.stop + step)

    patches = sliding_window_view(guide, spec.patch, (1, 2, 3))
    windows = [(k, line(k, 0, y), line(k, 1, x)) for k in z]
    near = np.stack([patches[:, k, m.start : m.stop, n.start : n.stop] for k, m, n in windows], 1)
    own = patches[:, *(slice(k, k + 1) for k in start)]
    distance = np.square(near - own, dtype=np.float64)[..., spec.compared].sum((0, 4)).ravel()
    places = [(k, m, n) for k, rows, columns in windows for m in rows for n in columns]
    distance[places.index(start)] = -1
    return [places[k] for k in np.argsort(distance, kind="stable")[: spec.size]]


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


def combine_shared(
    noisy: np.ndarray, pilot: np.ndarray | None, noise: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Estimate a group as `combine` does, where the covariance of its patches' noise, summed over pixels, is a matrix.

    The weights are those of the least expected error among all whose columns sum to 1. What they leave is judged as
    if the patches were independent: it says how much an estimate counts, and more than that gained nothing.
    """
    pixels, count = noisy.shape
    mean, one = noisy.mean(1, keepdims=True), np.ones((count, 1))
    held = noisy - mean if pilot is None else pilot - pilot.mean(1, keepdims=True)
    matrix, load = held.T @ held, FLOOR if pilot is None else 1.0
    power = noise.trace() - noise.sum() / count
    if pilot is None and matrix.trace() < QUIET * power:
        part = matrix.trace() / (QUIET * power)
        load, noise = load + 1 - part, noise * max(part, LEAST)
    inverse = np.linalg.inv(matrix + load * noise)
    theta = np.eye(count) - inverse @ noise
    weights = theta + inverse @ one @ (1 - theta.sum(0, keepdims=True)) / inverse.sum()
    return mean + (noisy - mean) @ weights, weights, np.square(weights).T @ noise.diagonal() / pixels


def covariance(group: list[Radii], lags: np.ndarray, spec: GroupSpec) -> np.ndarray:
    """Return the covariance of the noise of a group's patches, summed over pixels, by that of pixels by ``lags``."""
    matrix, (rows, columns) = np.zeros((len(group),) * 2), lags.shape
    for k, (z, y, x) in enumerate(group):
        for n, (c, b, a) in enumerate(group):
            row, column = rows // 2 + y - b, columns // 2 + x - a
            if z == c and 0 <= row < rows and 0 <= column < columns:
                matrix[k, n] = lags[row, column]
        matrix[k, k] *= 1 + OWN
    return matrix * math.prod(spec.patch)


def step(
    guide: np.ndarray,
    noisy: np.ndarray,
    pilot: np.ndarray | None,
    spec: GroupSpec,
    variance: np.ndarray | None = None,
    shared: np.ndarray | None = None,
    shifts: Callable[[np.ndarray], np.ndarray] | None = None,
) -> np.ndarray:
    """Run a step on planes (C, Z, Y, X) whose noise has the ``variance`` (1 or C, Z, Y, X), 1 by default.

    Or it is ``shared``: its covariance by lag (C, rows, columns). The guide decides which patches are alike; each
    channel is estimated on its own. ``shifts`` is as for `run.Step`.
    """
    spec = spec.within(noisy.shape[1:])
    noise = np.broadcast_to(1.0 if variance is None else variance, noisy.shape)
    total, weights = np.zeros(noisy.shape), np.zeros(noisy.shape)
    for start in references(noisy.shape[1:], spec):
        group = match(guide, start, spec, None if shifts is None else shifts(np.array([start]))[0])

        def columns(planes: np.ndarray, channel: int, group: list[Radii] = group) -> np.ndarray:
            plane = planes[channel : channel + 1].astype(np.float64)
            return np.stack([patch_at(plane, other, spec).ravel() for other in group], axis=1)

        for c in range(len(noisy)):
            guess = None if pilot is None else columns(pilot, c)
            if shared is None:
                estimates, _, left = combine(columns(noisy, c), guess, columns(noise, c).sum(0))
            else:
                estimates, _, left = combine_shared(columns(noisy, c), guess, covariance(group, shared[c], spec))
            for other, estimate, variance_left in zip(group, estimates.T, left, strict=True):
                patch_at(total, other, spec)[c] += estimate.reshape(spec.patch) / variance_left
                patch_at(weights, other, spec)[c] += 1 / variance_left
    return total / weights
