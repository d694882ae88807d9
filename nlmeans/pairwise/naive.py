"""The definition of the core in plain NumPy, slow and obvious: the oracle that the kernels are tested against."""

from __future__ import annotations

from itertools import product

import numpy as np

from .spec import VANISH, PairwiseSpec


def pairwise_average(query: np.ndarray, key: np.ndarray, value: np.ndarray, spec: PairwiseSpec) -> np.ndarray:
    """Average ``value`` (C, Z, Y, X) around each pixel of ``query`` by the likeness of ``key``, in float64."""
    queries, keys = patches(query, spec), patches(key, spec)
    values = value.reshape(len(value), -1).astype(np.float64)
    at, of = positions(query), positions(key)
    output = np.zeros((len(value), len(queries)))
    same_grid = query.shape[1:] == key.shape[1:]
    radius = np.inf if spec.search_radius is None else spec.search_radius
    for i in range(len(queries)):
        near = (abs(of - at[i]) <= radius).all(1)
        itself = (of == at[i]).all(1) & same_grid
        if spec.weight == "gaussian" or spec.centre == "zero":
            near &= ~itself
        f = weights(scores(queries[i], keys[near], spec), spec)
        count = f.sum() if spec.normalise == "sum" else len(f)
        total = values[:, near] @ f
        if spec.weight == "gaussian" and same_grid:
            own = {"max": f.max(initial=0), "one": 1.0, "zero": 0.0}[spec.centre]
            if count + own == 0:
                own = 1.0
            total, count = total + own * values[:, itself].sum(1), count + own
        output[:, i] = total / count if count else 0
    return output.reshape(len(value), *query.shape[1:])


def patchwise_average(features: np.ndarray, values: np.ndarray, spec: PairwiseSpec) -> np.ndarray:
    """Average every patch of ``values`` with those like it, then what overlaps at a pixel, in float64."""
    rows, at = patches(features, spec), positions(features)
    blocks = patches(values, spec).reshape(len(rows), spec.patch_size, len(values))
    around = np.indices([2 * r + 1 for r in spec.patch_radius]).reshape(3, -1).T - spec.patch_radius
    total, count = np.zeros(values.shape), np.zeros(values.shape[1:])
    for i in range(len(rows)):
        near = (abs(at - at[i]) <= spec.window).all(1)
        near[i] = False
        f = weights(scores(rows[i], rows[near], spec), spec)
        own = {"max": f.max(initial=0), "one": 1.0, "zero": 0.0}[spec.centre]
        own = 1.0 if f.sum() + own == 0 else own
        average = (np.tensordot(f, blocks[near], 1) + own * blocks[i]) / (f.sum() + own)
        for place, pixel in zip(at[i] + around, average, strict=True):
            if (place >= 0).all() and (place < values.shape[1:]).all():
                total[:, *place] += pixel
                count[*place] += 1
    return total / count


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


def scores(query: np.ndarray, keys: np.ndarray, spec: PairwiseSpec) -> np.ndarray:
    """Return the score of one patch with each of the others."""
    if spec.score == "distance":
        return ((query - keys) ** 2).sum(1)
    return keys @ query if spec.score == "dot" else (query + keys).sum(1)


def weights(score: np.ndarray, spec: PairwiseSpec) -> np.ndarray:
    """Return the weights of one pixel's scores; those of exp are divided by the largest, which cancels."""
    if spec.weight == "gaussian":
        f = np.exp(-np.maximum(score - spec.bias, 0) * spec.scale)
        return np.where(f < VANISH, 0, f)
    if spec.weight == "exp":
        return np.exp(score * spec.scale - (score * spec.scale).max(initial=-np.inf))
    return score * spec.scale if spec.weight == "linear" else np.maximum(score * spec.scale, 0)
