"""The cosine transform of eight vectors, in 26 operations.

Its coefficients are left without the factors that would make it orthonormal: they are folded into what compares them
with the noise, and into the gains. The way back is the transposed transform, which takes each coefficient times its
factor twice.
"""

from __future__ import annotations

from ..simd.jit import inline
from ..simd.lanes import fill, load, store
from .kernels_types import NARROW, RATIO, SQUARES, TILT, WIDE


@inline
def forward(c, x0, x1, x2, x3, x4, x5, x6, x7):
    """Return the cosine transform of eight vectors, each coefficient over its factor."""
    tilt, wide, narrow, ratio = fill(c[TILT]), fill(c[WIDE]), fill(c[NARROW]), fill(c[RATIO])
    s0, s1, s2, s3 = x0 + x7, x1 + x6, x2 + x5, x3 + x4
    d0, d1, d2, d3 = x0 - x7, x1 - x6, x2 - x5, x3 - x4
    e0, e1, f0, f1 = s0 + s3, s1 + s2, s0 - s3, s1 - s2
    a, b, g, h = wide * d0 + d3, d0 - wide * d3, narrow * d1 + d2, d1 - narrow * d2
    v, w = ratio * h + a, ratio * g + b
    return e0 + e1, w + v, tilt * f1 + f0, b - ratio * g, e0 - e1, a - ratio * h, tilt * f0 - f1, w - v


@inline
def inverse(c, y0, y1, y2, y3, y4, y5, y6, y7):
    """Return the eight vectors of which these are the coefficients, each times its factor."""
    tilt, wide, narrow, ratio = fill(c[TILT]), fill(c[WIDE]), fill(c[NARROW]), fill(c[RATIO])
    e0, e1, f0, f1 = y0 + y4, y0 - y4, tilt * y6 + y2, tilt * y2 - y6
    s0, s1, s2, s3 = e0 + f0, e1 + f1, e1 - f1, e0 - f0
    v, w = y1 - y7, y1 + y7
    a, b, g, h = v + y5, w + y3, w - y3, v - y5
    d0, d1, d2, d3 = wide * a + b, narrow * g + h, g - narrow * h, a - wide * b
    return (
        s0 + d0, ratio * d1 + s1, ratio * d2 + s2, s3 + d3,
        s3 - d3, s2 - ratio * d2, s1 - ratio * d1, s0 - d0,
    )  # fmt: skip


@inline
def eight(data, at, step):
    """Load eight vectors ``step`` apart."""
    return (
        load(data, at), load(data, at + step), load(data, at + 2 * step), load(data, at + 3 * step),
        load(data, at + 4 * step), load(data, at + 5 * step), load(data, at + 6 * step), load(data, at + 7 * step),
    )  # fmt: skip


@inline
def put(data, at, step, values):
    """Store eight vectors ``step`` apart."""
    store(data, at, values[0])
    store(data, at + step, values[1])
    store(data, at + 2 * step, values[2])
    store(data, at + 3 * step, values[3])
    store(data, at + 4 * step, values[4])
    store(data, at + 5 * step, values[5])
    store(data, at + 6 * step, values[6])
    store(data, at + 7 * step, values[7])


@inline
def squared(c, x0, x1, x2, x3, x4, x5, x6, x7):
    """Multiply each coefficient by the square of its factor."""
    s0, s1, s2, s3 = fill(c[SQUARES]), fill(c[SQUARES + 1]), fill(c[SQUARES + 2]), fill(c[SQUARES + 3])
    return s0 * x0, s1 * x1, s2 * x2, s3 * x3, s0 * x4, s3 * x5, s2 * x6, s1 * x7


@inline
def add(data, at, step, values):
    """Add eight vectors to those ``step`` apart."""
    store(data, at, load(data, at) + values[0])
    store(data, at + step, load(data, at + step) + values[1])
    store(data, at + 2 * step, load(data, at + 2 * step) + values[2])
    store(data, at + 3 * step, load(data, at + 3 * step) + values[3])
    store(data, at + 4 * step, load(data, at + 4 * step) + values[4])
    store(data, at + 5 * step, load(data, at + 5 * step) + values[5])
    store(data, at + 6 * step, load(data, at + 6 * step) + values[6])
    store(data, at + 7 * step, load(data, at + 7 * step) + values[7])
