"""Channels brought to units of their noise, and parted into luma and differences of colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._workspace import zeros


def colour_basis(sigma: Sequence[float]) -> np.ndarray:
    """Return what brings channels to units of σ and parts them: luma, red against blue, green against both."""
    from .patches import cosines  # whose package takes `mix` from here

    return cosines(len(sigma)) / np.asarray(sigma)


def mix(matrix: np.ndarray, planes: Any, reuse: bool = False) -> np.ndarray:
    """Return matrix · planes, without the threads that a BLAS would start; one plane can be scaled where it lies."""
    if reuse and len(matrix) == 1:
        planes *= planes.dtype.type(matrix[0, 0])
        scaled: np.ndarray = planes
        return scaled
    out = zeros((len(matrix), *planes[0].shape), planes[0].dtype)
    for target, row in zip(out, matrix, strict=True):
        factors = [(c, target.dtype.type(factor)) for c, factor in enumerate(row) if factor]  # a dead channel is NaN
        for k, (c, factor) in enumerate(factors):
            if k == 0:
                np.multiply(planes[c], factor, out=target)
            else:
                target += planes[c] * factor
    return out
