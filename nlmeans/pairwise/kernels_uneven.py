"""Row functions for images that are not alike everywhere: pixels are missing, or the noise differs from place to place.

A score is then the mean over the pixels that both patches have, in units of the noise that the two have on average.
Sums stay the fixed-point integers of `kernels`; the number of pixels slides beside them.
"""

from __future__ import annotations

from ..simd.jit import inline, row
from ..simd.lanes import bits, exp2_fixed, fill, larger, load, smaller, store, to_float


@inline
def known_difference(features, known, shape, i, j, one, clip):
    """Squared difference of i and j over channels and slices as bits, where both are known; and in how many slices.

    ``shape`` is the number of channels, how far they are apart, the number of slices, how far they are apart.
    """
    channels, channel, deep, plane = shape
    total, count = one, one - one
    for k in range(0, deep * plane, plane):
        both = load(known, i + k) * load(known, j + k)
        for c in range(k, k + channels * channel, channel):
            difference = load(features, i + c) - load(features, j + c)
            total = total + both * difference * difference
        count = count + both
    return bits(smaller(total, clip)), count


@row
def start_uneven(features, known, shape, i, j, step, sums, counts, first, count, height, fixed):
    """Sum the first ``height`` rows, column by column."""
    unit, limit = fill(fixed[0]), fill(fixed[1])
    nothing = bits(unit)
    for t in range(count):
        a, n = nothing - nothing, unit - unit
        for k in range(t, t + height * step, step):
            difference, both = known_difference(features, known, shape, i + k, j + k, unit, limit)
            a, n = a + (difference - nothing), n + both
        store(sums, first + t, a)
        store(counts, first + t, n)


@row
def weigh_uneven(
    features, known, shape, i, j, back, sums, counts, first, weights, at, count, width, fixed,
    noise_i, noise_j, scales,
):  # fmt: skip
    """Slide the column sums down by a row and a box along them; each mean, over the pair's noise, becomes a weight.

    ``noise_i`` and ``noise_j`` are where ``known`` goes on with the variance of either patch. ``scales`` holds twice
    the pixels of a whole patch, a score whose weight is 0, and 1. Patches with no pixel in common get no weight.
    """
    unit, limit, bias, shift, end = fill(fixed[0]), fill(fixed[1]), fill(fixed[2]), fill(fixed[3]), fill(fixed[4])
    nothing = bits(unit)
    twice, far, one = fill(scales[0]), fill(scales[1]), fill(scales[2])
    zero = nothing - nothing
    a, n = zero, unit - unit
    for t in range(count + width - 1):
        difference, both = known_difference(features, known, shape, i + t, j + t, unit, limit)
        gone, fewer = known_difference(features, known, shape, i + t - back, j + t - back, unit, limit)
        column, pixels = load(sums, first + t) + (difference - gone), load(counts, first + t) + (both - fewer)
        store(sums, first + t, column)
        store(counts, first + t, pixels)
        a, n = a + column, n + pixels
        u = t - width + 1
        if u >= 0:
            noise = load(known, noise_i + u) + load(known, noise_j + u)
            score = smaller(to_float(a) * twice / (larger(n, one) * noise), far)
            weight = exp2_fixed(larger(bits(score + unit) - nothing - bias, zero), shift, end)
            store(weights, at + u, weight * smaller(n, one))
            a, n = a - load(sums, first + u), n - load(counts, first + u)
