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
from .kernels_types import Columns, Pair
from .kernels_types_risk import Line


@row
def score_row(pair, columns, scores, first, limit):
    """Sum squared differences over a patch, for one displacement."""
    features, slices, sums, far = pair.features, pair.slices, columns.sums, fill(limit)
    for t in range(columns.count):
        total = far - far
        for k in range(columns.height):
            for p in range(slices[0]):
                here = k * pair.step + t + (slices[p] if p > 0 else 0)
                d = load(features, pair.i + here) - load(features, pair.j + here)
                total = total + smaller(d * d, far)
        store(sums, t, total)
    for t in range(columns.count - columns.width + 1):
        total = load(sums, t)
        for k in range(1, columns.width):
            total = total + load(sums, t + k)
        store(scores, first + t, total)


@inline
def slope(features, i, step, near):
    """Half the derivative of a pair's score by the pixel itself, which may lie in the other's patch too."""
    x = load(features, i)
    d = x - load(features, i + step)
    return d + near * (x - load(features, i - step))


@row
def weigh(line, partners, rule, decay):
    """Turn all scores of a row into weights; sum them, and note the largest and which displacement it has."""
    bias, one, far = fill(rule.bias), fill(rule.one), fill(rule.far)
    scale, shift, end, floor = fill(decay), fill(rule.shift), fill(rule.end), fill(rule.floor)
    nothing, zero, count = bits(one), one - one, line.count
    for t in range(count):
        total = top = best = zero
        for n in range(partners.columns.size):
            excess = larger(load(line.scores, n * count + t) - bias, zero)
            steps = bits(smaller(excess * scale, far) + one) - nothing
            weight = larger(exp2_fixed(steps, shift, end) - floor, zero)
            weight = weight * load(line.real, line.at + t + partners.columns[n])
            store(line.weights, n * count + t, weight)
            best = best + where_above(weight, top, fill(partners.names[n]) - best)
            total, top = total + weight, larger(weight, top)
        store(line.tops, t, total)
        store(line.tops, count + t, top)
        store(line.tops, 2 * count + t, best)


@kernel
def risk_row(features, factors, rule, tables, partners, scratch, out, pulse):
    """Add up squared residuals and divergences of a row, unless stopped: ``out`` (decays, channels, 2)."""
    (pz, py, px), places, margin = rule.patch, tables.places, tables.start[2]
    f, sums = address(scratch.features), address(scratch.sums)
    scores, weights, tops = address(scratch.scores), address(scratch.weights), address(scratch.tops)
    slices, inside, number = address(tables.slices), address(tables.inside), partners.ahead.size
    width, lanes = places.columns.shape
    f_plane = places.rows.size * width
    channel = places.planes.size * f_plane
    count = width - 2 * margin
    i = tables.start[0] * f_plane + tables.start[1] * width + margin
    line = Line(scores, weights, tops, count, address(tables.real), margin)
    columns = Columns(sums, count + 2 * px, 2 * py + 1, 2 * px + 1)
    gather(features, factors, places, f)
    one, floor = fill(rule.unit), fill(rule.floor)
    zero = one - one

    for n in range(number):
        if stopped(pulse):
            return
        corner = i - pz * f_plane - py * width - px
        pair = Pair(f, slices, corner, corner + partners.ahead[n], width)
        score_row(pair, columns, scores, n * count, rule.limit)

    advance(pulse, 1)
    for k in range(rule.decays.size):
        weigh(line, partners, rule, rule.decays[k])
        slope_scale = fill(rule.slope * rule.decays[k])
        for c in range(features.shape[0]):
            squares = spread = zero
            for t in range(count):
                if stopped(pulse):
                    return
                x = load(f, i + c * channel + t)
                moved = pulled = weighted = largest = zero
                best = load(tops, 2 * count + t)
                for n in range(number):
                    weight, name = load(weights, n * count + t), fill(partners.names[n])
                    bent = slope(f, i + c * channel + t, partners.ahead[n], fill(partners.near[n]))
                    y = load(f, i + c * channel + t + partners.ahead[n])
                    whole = where_above(weight, zero, weight + floor)
                    bent = where_above(load(scores, n * count + t), fill(rule.bias), bent) * whole
                    moved, pulled = moved + bent, pulled + bent * y
                    weighted = weighted + weight * y
                    largest = largest + where_above(one, larger(best - name, name - best), bent)
                total, top = load(tops, t), load(tops, count + t)
                own = larger(top * fill(rule.top), fill(rule.alone)) + fill(rule.constant)
                largest = where_above(top, fill(rule.alone), largest)
                weighed = where_above(total + own, zero, one)
                total = total + own + (one - weighed)
                mean = (weighted + own * x + (one - weighed) * x) / total
                pull = pulled - mean * moved + fill(rule.top) * largest * (x - mean)
                change = own + (one - weighed) - slope_scale * pull
                valid = load(inside, t)
                squares = squares + valid * (mean - x) * (mean - x)
                spread = spread + valid * change / total
            store(sums, 0, squares)
            store(sums, 1, spread)
            for lane in range(lanes):
                out[k, c, 0] += scratch.sums[lane]
                out[k, c, 1] += scratch.sums[lanes + lane]
        advance(pulse, 1)
