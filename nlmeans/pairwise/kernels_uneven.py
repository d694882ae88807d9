"""Row functions for images that are not alike everywhere: pixels are missing, or the noise differs from place to place.

A score is then the mean over the pixels that both patches have, in units of the noise that the two have on average.
Sums stay the fixed-point integers of `kernels`; the number of pixels slides with them.
"""

from __future__ import annotations

from ..simd.jit import inline, row
from ..simd.lanes import bits, exp2_fixed, fill, larger, load, smaller, store, to_float


@inline
def known_difference(features, known, i, j, one, clip):
    """Squared difference of i and j over channels and slices as bits, where both are known; and in how many slices.

    ``known.shape`` is the number of channels, how far they are apart, the number of slices, how far they are apart.
    """
    channels, channel, deep, plane = known.shape
    total, count = one, one - one
    for k in range(0, deep * plane, plane):
        both = load(known.data, i + k) * load(known.data, j + k)
        for c in range(k, k + channels * channel, channel):
            difference = load(features, i + c) - load(features, j + c)
            total = total + both * difference * difference
        count = count + both
    return bits(smaller(total, clip)), count


@inline
def soften(weight, floor):
    """Take the floor off a weight, for a soft end; None is compiled to nothing, and costs nothing."""
    if floor is None:
        return weight
    lower = fill(floor)
    return larger(weight - lower, lower - lower)


@row
def start_uneven(pair, columns, size, fixed, known):
    """Sum the first rows, column by column, for a group of displacements."""
    unit, limit = fill(fixed.one), fill(fixed.clip)
    nothing = bits(unit)
    for k in range(size):
        for t in range(columns.count):
            a, n = nothing - nothing, unit - unit
            for u in range(t, t + columns.height * pair.step, pair.step):
                difference, both = known_difference(pair.features, known, pair.i + u, pair.j + k + u, unit, limit)
                a, n = a + (difference - nothing), n + both
            store(columns.sums, k * columns.count + t, a)
            store(known.counts, k * columns.count + t, n)


@row
def weigh_uneven(pair, columns, size, weights, fixed, known):
    """Slide the column sums down by a row and a box along them; each mean, over the pair's noise, becomes a weight.

    ``known.middle`` is how far from the pair's rows on the variance of their patches lies. ``known.scales`` holds
    twice the pixels of a whole patch, a score whose weight is 0, and 1. Patches with no pixel in common get no weight.
    """
    unit, limit = fill(fixed.one), fill(fixed.clip)
    bias, shift, end = fill(fixed.bias), fill(fixed.shift), fill(fixed.end)
    nothing = bits(unit)
    twice, far, one = fill(known.scales[0]), fill(known.scales[1]), fill(known.scales[2])
    features, sums, counts, width = pair.features, columns.sums, known.counts, columns.width
    zero, back = nothing - nothing, columns.height * pair.step
    for k in range(size):
        i, j, first, at = pair.i, pair.j + k, k * columns.count, k * (columns.count - width + 1)
        a, n = zero, unit - unit
        for t in range(columns.count):
            difference, both = known_difference(features, known, i + t, j + t, unit, limit)
            gone, fewer = known_difference(features, known, i + t - back, j + t - back, unit, limit)
            column, pixels = load(sums, first + t) + (difference - gone), load(counts, first + t) + (both - fewer)
            store(sums, first + t, column)
            store(counts, first + t, pixels)
            a, n = a + column, n + pixels
            u = t - width + 1
            if u >= 0:
                noise = load(known.data, i + known.middle + u) + load(known.data, j + known.middle + u)
                score = smaller(to_float(a) * twice / (larger(n, one) * noise), far)
                weight = exp2_fixed(larger(bits(score + unit) - nothing - bias, zero), shift, end)
                store(weights, at + u, soften(weight, fixed.floor) * smaller(n, one))
                a, n = a - load(sums, first + u), n - load(counts, first + u)
