"""The loops of Stein's unbiased risk estimate of the pixelwise average, for one row of the image and many decays.

Scores of the whole window are computed once; each decay then turns them into weights, averages and their derivative
with respect to the pixel itself, in closed form. The layout is that of `kernels`; sums are plain, since a row is short.
"""

from __future__ import annotations

from ..simd.jit import inline, kernel, row
from ..simd.lanes import (
    address,
    advance,
    bits,
    exp2_fixed,
    fill,
    larger,
    load,
    smaller,
    stopped,
    store,
    where_above,
)
from .kernels import gather

NAMES = 6
"""Where ``numbers`` goes on, after bias, 2**mantissa, end, 0, the slope's unit, the largest square and 1: with a number
by which to know each displacement again, and 1 or 0 for whether it is shorter than a patch."""


@row
def score_row(features, slices, i, j, step, height, columns, scores, first, count, width, limit):
    """Sum squared differences over a patch, for one displacement."""
    far = fill(limit)
    for t in range(count + width - 1):
        total = far - far
        for k in range(height):
            for p in range(slices[0]):
                here = k * step + t + (slices[p] if p > 0 else 0)
                d = load(features, i + here) - load(features, j + here)
                total = total + smaller(d * d, far)
        store(columns, t, total)
    for t in range(count):
        total = load(columns, t)
        for k in range(1, width):
            total = total + load(columns, t + k)
        store(scores, first + t, total)


@inline
def slope(features, i, step, near):
    """Half the derivative of a pair's score by the pixel itself, which may lie in the other's patch too."""
    x = load(features, i)
    d = x - load(features, i + step)
    return d + near * (x - load(features, i - step))


@row
def weigh(scores, weights, displacements, count, real, at, numbers, decay, fixed, tops):
    """Turn all scores of a row into weights; sum them, and note the largest and which displacement it has."""
    bias, one, far, zero = fill(numbers[0]), fill(numbers[1]), fill(numbers[2]), fill(numbers[3])
    scale, shift, end = fill(decay), fill(fixed[0]), fill(fixed[1])
    nothing = bits(one)
    for t in range(count):
        total = top = best = zero
        for n in range(1, displacements.shape[0]):
            excess = larger(load(scores, n * count + t) - bias, zero)
            steps = bits(smaller(excess * scale, far) + one) - nothing
            weight = exp2_fixed(steps, shift, end) * load(real, at + t + displacements[n, 1])
            store(weights, n * count + t, weight)
            best = best + where_above(weight, top, fill(numbers[NAMES + n]) - best)
            total, top = total + weight, larger(weight, top)
        store(tops, t, total)
        store(tops, count + t, top)
        store(tops, 2 * count + t, best)


@kernel
def risk_row(features, factors, tables, recipe, displacements, numbers, decays, fixed, inside, out, scratch, pulse):
    """Add up squared residuals and divergences of a row: ``out`` (decays, channels, 2). `risk` says what is what."""
    planes, rows, columns, real, offsets = tables
    (pz, py, px), top_share, constant, start = recipe
    f, sums, scores, weights = address(scratch[0]), address(scratch[1]), address(scratch[2]), address(scratch[3])
    tops, keep, whole = address(scratch[4]), address(inside), address(real)
    slices = address(offsets)
    width, lanes = columns.shape
    f_plane = rows.size * width
    channel = planes.size * f_plane
    margin = start[2]
    count = width - 2 * margin
    i = start[0] * f_plane + start[1] * width + margin
    gather(features, factors, planes, rows, columns, scratch[0])
    zero, one = fill(numbers[3]), fill(numbers[6])

    for n in range(1, displacements.shape[0]):
        if stopped(pulse):
            return
        corner = i - pz * f_plane - py * width - px
        score_row(
            f, slices, corner, corner + displacements[n, 0], width, 2 * py + 1, sums, scores, n * count, count,
            2 * px + 1, numbers[5],
        )  # fmt: skip

    advance(pulse, 1)
    for k in range(decays.size):
        weigh(scores, weights, displacements, count, whole, margin, numbers, decays[k], fixed, tops)
        slope_scale = fill(numbers[4] * decays[k])
        for c in range(features.shape[0]):
            squares = spread = zero
            for t in range(count):
                if stopped(pulse):
                    return
                x = load(f, i + c * channel + t)
                moved = pulled = weighted = largest = zero
                best = load(tops, 2 * count + t)
                for n in range(1, displacements.shape[0]):
                    weight = load(weights, n * count + t)
                    near = fill(numbers[NAMES + displacements.shape[0] + n])
                    bent = slope(f, i + c * channel + t, displacements[n, 0], near)
                    y = load(f, i + c * channel + t + displacements[n, 0])
                    bent = where_above(load(scores, n * count + t), fill(numbers[0]), bent) * weight
                    this = where_above(
                        one, larger(best - fill(numbers[NAMES + n]), fill(numbers[NAMES + n]) - best), bent
                    )
                    moved, pulled = moved + bent, pulled + bent * y
                    weighted, largest = weighted + weight * y, largest + this
                total, top = load(tops, t), load(tops, count + t)
                own = top * fill(top_share) + fill(constant)
                found = where_above(total + own, zero, one)
                total = total + own + (one - found)
                mean = (weighted + own * x + (one - found) * x) / total
                change = (
                    own + (one - found) - slope_scale * (pulled - mean * moved + fill(top_share) * largest * (x - mean))
                )
                valid = load(keep, t)
                squares = squares + valid * (mean - x) * (mean - x)
                spread = spread + valid * change / total
            store(sums, 0, squares)
            store(sums, 1, spread)
            for lane in range(lanes):
                out[k, c, 0] += scratch[1][lane]
                out[k, c, 1] += scratch[1][lanes + lane]
        advance(pulse, 1)
