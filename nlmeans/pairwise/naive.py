"""The definition of the core in plain NumPy, slow and obvious: the oracle that the kernels are tested against."""

from __future__ import annotations

from itertools import product

import numpy as np

from .spec import PairwiseSpec


def pairwise_average(
    query: np.ndarray, key: np.ndarray, value: np.ndarray, spec: PairwiseSpec, variance: np.ndarray | None = None
) -> np.ndarray:
    """Average ``value`` (C, Z, Y, X) around each pixel of ``query`` by the likeness of ``key``, in float64.

    NaN marks missing pixels. With ``variance`` (1, Z, Y, X) a score counts in units of the mean of both patches'.
    """
    queries, keys = patches(query, spec), patches(key, spec)
    noise = patch_noise(query, variance, spec)
    known = np.isfinite(value).all(0).ravel()
    values = value.reshape(len(value), -1).astype(np.float64)
    at, of = positions(query), positions(key)
    output = np.zeros((len(value), len(queries)))
    same_grid = query.shape[1:] == key.shape[1:]
    radius = np.inf if spec.search_radius is None else spec.search_radius
    for i in range(len(queries)):
        near = (abs(of - at[i]) <= radius).all(1) & known
        itself = (of == at[i]).all(1) & same_grid
        if spec.weight == "gaussian" or spec.centre == "zero":
            near &= ~itself
        f = weights(scores(queries[i], keys[near], spec, noise[i] + noise[near] if same_grid else 2.0), spec)
        count = f.sum() if spec.normalise == "sum" else len(f)
        total = values[:, near] @ f
        if spec.weight == "gaussian" and same_grid:
            own = own_weight(f, spec) * known[i]
            if count + own == 0:
                own = 1.0  # a missing pixel that nothing is like stays missing
            total, count = total + (own * values[:, itself].sum(1) if own else 0), count + own
        output[:, i] = total / count if count else 0
    return output.reshape(len(value), *query.shape[1:])


def patchwise_average(
    features: np.ndarray,
    values: np.ndarray,
    spec: PairwiseSpec,
    variance: np.ndarray | None = None,
    least: float = 0.0,
) -> np.ndarray:
    """Average every patch of ``values`` with those like it, then what overlaps at a pixel, in float64.

    A pixel whose valid pixels have no more than the ``least`` share of the weight keeps its value: in the sums of a
    type with fewer bits they would be lost in the rounding.
    """
    rows, at = patches(features, spec), positions(features)
    noise = patch_noise(features, variance, spec)
    blocks = patches(values, spec).reshape(len(rows), spec.patch_size, len(values))
    known = np.isfinite(blocks).all(2, keepdims=True)
    blocks = np.where(known, blocks, 0)
    widths, sides = [2 * r + 1 for r in spec.patch_radius], values.shape[1:]
    beyond = [side + 2 * r for side, r in zip(sides, spec.patch_radius, strict=True)]
    total, count = np.zeros((len(values), *beyond)), np.zeros(beyond)
    for i in range(len(rows)):
        near = (abs(at - at[i]) <= spec.window).all(1)
        near[i] = False
        f = weights(scores(rows[i], rows[near], spec, noise[i] + noise[near]), spec)
        own = own_weight(f, spec)
        own = 1.0 if f.sum() + own == 0 else own
        average = (np.tensordot(f, blocks[near], 1) + own * blocks[i]) / (f.sum() + own)
        share = (np.tensordot(f, known[near], 1) + own * known[i]) / (f.sum() + own)
        patch = tuple(slice(first, first + width) for first, width in zip(at[i], widths, strict=True))
        total[:, *patch] += average.T.reshape(-1, *widths)
        count[patch] += share.reshape(widths)
    inside = tuple(slice(r, r + side) for r, side in zip(spec.patch_radius, sides, strict=True))
    total, count = total[:, *inside], count[inside]
    return np.divide(total, count, out=values.astype(np.float64), where=count > least)


def patches(image: np.ndarray, spec: PairwiseSpec) -> np.ndarray:
    """Return the patch around every pixel, mirrored at the border, as rows (pixels, patch · channels)."""
    padded = np.pad(image.astype(np.float64), [(0, 0), *((r, r) for r in spec.patch_radius)], mode="reflect")
    sides = image.shape[1:]
    offsets = product(*(range(2 * r + 1) for r in spec.patch_radius))
    shifted = [padded[:, z : z + sides[0], y : y + sides[1], x : x + sides[2]] for z, y, x in offsets]
    return np.stack(shifted).reshape(len(shifted) * len(image), -1).T


def positions(image: np.ndarray) -> np.ndarray:
    """Return the (z, y, x) of every pixel."""
    return np.indices(image.shape[1:]).reshape(3, -1).T


def patch_noise(image: np.ndarray, variance: np.ndarray | None, spec: PairwiseSpec) -> np.ndarray:
    """Return the mean variance of every pixel's patch; 1 without a map of it."""
    ones = np.ones((1, *image.shape[1:]))
    return patches(ones if variance is None else variance, spec).mean(1)


def scores(query: np.ndarray, keys: np.ndarray, spec: PairwiseSpec, noise: np.ndarray | float = 2.0) -> np.ndarray:
    """Return the score of one patch with each of the others; ``noise`` is the sum of both patches' variances."""
    if spec.score == "distance":
        difference = (query - keys) ** 2
        known = np.isfinite(difference)
        if not known.all():
            difference, share = np.where(known, difference, 0), known.mean(1)
            return np.where(share > 0, difference.sum(1) / np.where(share > 0, share, 1) * 2 / noise, np.inf)
        return difference.sum(1) * 2 / noise
    return keys @ query if spec.score == "dot" else (query + keys).sum(1)


def weights(score: np.ndarray, spec: PairwiseSpec) -> np.ndarray:
    """Return the weights of one pixel's scores; those of exp are divided by the largest, which cancels."""
    if spec.weight == "gaussian":
        f = np.exp(-np.maximum(score - spec.bias, 0) * spec.scale)
        return np.maximum(f - spec.vanish, 0) if spec.soft else np.where(f < spec.vanish, 0, f)
    if spec.weight == "exp":
        return np.exp(score * spec.scale - (score * spec.scale).max(initial=-np.inf))
    return score * spec.scale if spec.weight == "linear" else np.maximum(score * spec.scale, 0)


def own_weight(f: np.ndarray, spec: PairwiseSpec) -> float:
    """Return what the pixel itself weighs beside the gaussian weights of its window."""
    return {"max": max(float(f.max(initial=0)), spec.lowest), "one": 1.0, "zero": 0.0}[spec.centre]
