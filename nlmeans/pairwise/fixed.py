"""Scores in fixed point: steps of the weight's binary exponent, as fine as the sums of a patch allow."""

from __future__ import annotations

import math

import numpy as np

from ..simd.sizes import MANTISSA
from .kernels_types import Fixed
from .spec import PairwiseSpec


def fixed_point(spec: PairwiseSpec, dtype: np.dtype) -> tuple[float, Fixed]:
    """Choose the finest steps for which a patch of clipped differences still fits the integer sum.

    Returns
    -------
    float
        What features are multiplied by, so that a squared difference counts steps.
    Fixed
        The numbers of the kernels, in their types.
    """
    mantissa = MANTISSA[dtype]
    _, y, x = spec.patch_radius
    room = min(2.0**mantissa, (2.0 ** (8 * dtype.itemsize - 1) - 1) / ((2 * y + 1) * (2 * x + 1)))
    vanish = -math.log2(spec.vanish)
    scale = spec.scale * math.log2(math.e)
    # A decay within a millionth of the bias is a step to float32: steeper would only coarsen the steps.
    scale = min(scale, 2.0**20 / spec.bias) if spec.bias > 0 else scale
    bias = spec.bias * scale
    places = math.floor(math.log2(room / (vanish + bias + 1)))  # 1: room for the steps beyond the end
    step = 2.0**places
    free, end = round(bias * step), round(vanish * step) + 1
    real, whole = dtype.type, np.dtype(f"i{dtype.itemsize}").type
    one = 2.0**mantissa
    fixed = Fixed(
        real(one), real(one + free + end), whole(free), whole(mantissa - places), whole(end),
        real(spec.floor) if spec.soft else None,
    )  # fmt: skip
    return math.sqrt(scale * step), fixed
