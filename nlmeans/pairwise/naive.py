"""The definition of the core in plain NumPy, slow and obvious: the oracle that the kernels are tested against."""

from __future__ import annotations

from itertools import product

import numpy as np

from .spec import VANISH, PairwiseSpec


def pairwise_average(features: np.ndarray, values: np.ndarray, spec: PairwiseSpec) -> np.ndarray:
    """Average ``values`` (C, Z, Y, X) by the likeness of ``features`` (F, Z, Y, X), in float64."""
    features, values = features.astype(np.float64), values.astype(np.float64)
    sides = values.shape[1:]
    patch = list(product(*(range(-r, r + 1) for r in spec.patch_radius)))
    window = product(*(range(-r, r + 1) for r in spec.search_radius))
    padded = np.pad(features, [(0, 0), *((r, r) for r in spec.halo)], mode="reflect")

    def shifted(offset: tuple[int, ...]) -> np.ndarray:
        starts = [halo + step for halo, step in zip(spec.halo, offset, strict=True)]
        return padded[(slice(None), *(slice(s, s + n) for s, n in zip(starts, sides, strict=True)))]

    numerator, denominator, largest = np.zeros_like(values), np.zeros(sides), np.zeros(sides)
    for d in window:
        if d == (0, 0, 0) or any(abs(step) >= side for step, side in zip(d, sides, strict=True)):
            continue
        score = sum(
            ((shifted(k) - shifted(tuple(a + b for a, b in zip(k, d, strict=True)))) ** 2).sum(0) for k in patch
        )
        weight = np.exp(-np.maximum(score - spec.bias, 0) * spec.scale)
        weight[weight < VANISH] = 0
        i = tuple(slice(max(-step, 0), side - max(step, 0)) for step, side in zip(d, sides, strict=True))
        j = tuple(slice(max(step, 0), side - max(-step, 0)) for step, side in zip(d, sides, strict=True))
        numerator[:, *i] += weight[i] * values[:, *j]
        denominator[i] += weight[i]
        largest[i] = np.maximum(largest[i], weight[i])

    centre = {"max": largest, "one": np.ones(sides), "zero": np.zeros(sides)}[spec.centre]
    total = denominator + centre
    kept = total == 0
    return np.where(kept, values, (numerator + centre * values) / np.where(kept, 1, total))
