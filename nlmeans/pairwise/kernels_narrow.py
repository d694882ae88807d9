"""The loops of non-local means in 16 bits: twice the lanes of `kernels`, where units can be found that fit (`narrow`).

How a tile is laid out. It is cut into as many equal rectangles as a vector has lanes, in bands one above the other and
segments side by side; element (y, t) of all rectangles, side by side, is one vector. As in `kernels`, a step along x
or y is then a step to another vector. Each rectangle is computed as if it were a tile of its own, and what its pixels
gather for those of its neighbour along x is handed over at the end.

How it is computed. Features are whole numbers. The square of a difference is kept by its upper half and clipped, so
that the sum over a patch fits 16 bits; sliding sums of whole numbers are exact. A score above the bias has 10 bits: a
weight is a product of two entries of tables of 32, where registers hold these, else a power of a parabola; less what
makes it end softly. Weights and weighted values are summed up in 32 bits, modulo 2**32: values of a pair that has a
weight lie so near each other that Σ w (v_j - v_i) fits, and that is what is left when v_i · Σ w has been taken off. So
every sum is exact, and no result depends on tiles or threads.
"""

from __future__ import annotations

import numpy as np

from ..simd.jit import inline, kernel, row
from ..simd.lanes import (
    address,
    advance,
    bits,
    fill,
    larger,
    load,
    stopped,
    store,
    to_float,
    to_next_lane,
    to_previous_lane,
    where_above,
)
from ..simd.narrow import (
    add_products,
    as_narrow,
    as_wide,
    entry,
    kept,
    least,
    lower_half,
    lower_pairs,
    minus,
    minus_above_zero,
    most,
    plus_below_end,
    shifted_right,
    times,
    times_signed,
    upper_half,
    upper_pairs,
    wide_to_next,
    wide_to_previous,
)
from ..simd.sizes import TABLES
from .kernels_narrow_rows import gather_whole, scatter, scatter_shares
from .kernels_types import Columns, Pair, Planes
from .kernels_types_narrow import Gathering, Paired


@inline
def squares(features, slices, i, j, limit):
    """Squared differences of i with j and with j + 1, over the channels and slices of a patch, clipped."""
    a = b = limit - limit
    for p in slices:
        x = load(features, i + p)
        d, e = minus(x, load(features, j + p)), minus(x, load(features, j + p + 1))
        a, b = plus_below_end(a, times_signed(d, d)), plus_below_end(b, times_signed(e, e))
    return least(a, limit), least(b, limit)


@row
def start_sums(pair, columns, size, unit):
    """Sum the first rows of squared differences, column by column, for a group of displacements."""
    limit, box = fill(unit.limit), columns.count
    for k in range(0, size, 2):
        for t in range(box):
            a = b = limit - limit
            for r in range(columns.height):
                u = r * pair.step + t
                c, d = squares(pair.features, pair.slices, pair.i + u, pair.j + k + u, limit)
                a, b = a + c, b + d
            store(columns.sums, k * box + t, a)
            store(columns.sums, k * box + box + t, b)


def tables(shape):
    """Return how `by_tables` makes a weight: the part of a score that counts, and its factors by five bits each."""
    return fill(shape[0]), fill(shape[1]), fill(shape[2]), fill(shape[3]), load(shape, 1), load(shape, 2)


def by_tables(score, curve):
    """Return the weight of a score: 2**-x by the upper and the lower five bits of x, less the floor."""
    bias, end, floor, places, coarse, fine = curve
    x = least(minus_above_zero(score, bias), end)
    return minus_above_zero(times(entry(coarse, shifted_right(x, places)), entry(fine, x)), floor)


def parabola(shape):
    """Return how `by_squares` makes a weight."""
    return fill(shape[0]), fill(shape[1]), fill(shape[2]), fill(shape[3]), fill(shape[4]), fill(shape[5])


def by_squares(score, curve):
    """Return the weight of a score: the 16th power of a parabola in what the score lacks to its end, less the floor."""
    last, end, floor, slope, start, rest = curve
    x = least(minus_above_zero(last, score), end) * slope + start
    root = times(x, x) + rest
    second = times(root, root)
    fourth = times(second, second)
    eighth = times(fourth, fourth)
    return minus_above_zero(times(eighth, eighth), floor)


curve_of = inline(tables if TABLES else parabola)
weight_of = inline(by_tables if TABLES else by_squares)


@row
def weigh(pair, columns, size, weights, stride, unit, shape, masks, first_mask, real):
    """Slide the column sums of a group down by a row, and a box along them; each score becomes a weight.

    Two displacements at a time, since they share a load for each of their own; in two loops, since a processor looks
    ahead only so far. Pairs with an end outside the image have no bit in ``masks``, or none in ``real``.
    """
    limit = fill(unit.limit)
    curve = curve_of(shape)
    features, slices, sums = pair.features, pair.slices, columns.sums
    box, width = columns.count, columns.width
    back, count = columns.height * pair.step, box - width + 1
    for k in range(0, size, 2):
        i, j, first, second = pair.i, pair.j + k, k * box, k * box + box
        for t in range(box):
            a, b = squares(features, slices, i + t, j + t, limit)
            c, d = squares(features, slices, i + t - back, j + t - back, limit)
            store(sums, first + t, load(sums, first + t) + (a - c))
            store(sums, second + t, load(sums, second + t) + (b - d))
        a = b = limit - limit
        for t in range(width - 1):
            a, b = a + load(sums, first + t), b + load(sums, second + t)
        at, mask = k * stride, first_mask + k * count
        for t in range(count):
            a, b = a + load(sums, first + t + width - 1), b + load(sums, second + t + width - 1)
            this, that = masks[mask + t] & real, masks[mask + count + t] & real
            store(weights, at + t, kept(weight_of(a, curve), this))
            store(weights, at + stride + t, kept(weight_of(b, curve), that))
            a, b = a - load(sums, first + t), b - load(sums, second + t)
    if size % 2:  # what the last pair's second displacement was computed for is none
        for t in range(size * stride, size * stride + count):
            store(weights, t, limit - limit)


@inline
def tally(sums, t, gathering, g, last, one):
    """Add up weights, take the largest, and add up the weighted values, for displacements of a pixel two at a time."""
    at, plane = sums.at + t, sums.plane
    w, step, values = gathering.weights, gathering.step, gathering.values
    top = load(sums.data, at)
    total, total_above = as_wide(load(sums.data, at + plane)), as_wide(load(sums.data, at + 2 * plane))
    sum_, sum_above = as_wide(load(sums.data, at + 3 * plane)), as_wide(load(sums.data, at + 4 * plane))
    for k in range(g, last, 2):
        a, b = load(w, t + k * step + gathering.first), load(w, t + k * step + gathering.second)
        top = most(a, most(b, top))
        lower, upper = lower_pairs(a, b), upper_pairs(a, b)
        v = 2 * (values.at + t + k * values.step)
        total, total_above = add_products(total, lower, one), add_products(total_above, upper, one)
        sum_ = add_products(sum_, lower, load(values.data, v))
        sum_above = add_products(sum_above, upper, load(values.data, v + 1))
    store(sums.data, at, top)
    store(sums.data, at + plane, as_narrow(total))
    store(sums.data, at + 2 * plane, as_narrow(total_above))
    store(sums.data, at + 3 * plane, as_narrow(sum_))
    store(sums.data, at + 4 * plane, as_narrow(sum_above))


@inline
def tally_channel(sums, t, gathering, g, last, c):
    """Add up the weighted values of another channel, as `tally` does for the first."""
    at, apart = sums.at + t + (3 + 2 * c) * sums.plane, sums.plane
    w, step, values = gathering.weights, gathering.step, gathering.values
    sum_, sum_above = as_wide(load(sums.data, at)), as_wide(load(sums.data, at + apart))
    for k in range(g, last, 2):
        a, b = load(w, t + k * step + gathering.first), load(w, t + k * step + gathering.second)
        v = 2 * (values.at + c * values.plane + t + k * values.step)
        sum_ = add_products(sum_, lower_pairs(a, b), load(values.data, v))
        sum_above = add_products(sum_above, upper_pairs(a, b), load(values.data, v + 1))
    store(sums.data, at, as_narrow(sum_))
    store(sums.data, at + apart, as_narrow(sum_above))


@row
def tally_near(sums, weights, stride, values, count, size, channels, unit):
    """Add what the pixels of a row gather from those that they meet."""
    one, gathering = fill(unit.one), Gathering(weights, stride, 0, stride, values)
    for t in range(count):
        tally(sums, t, gathering, 0, size, one)
    for c in range(1, channels):
        for t in range(count):
            tally_channel(sums, t, gathering, 0, size, c)


@row
def tally_far(sums, weights, stride, values, count, size, channels, unit):
    """Add what the pixels that are met gather from those of a row; the next displacement comes from a pixel before."""
    one, gathering = fill(unit.one), Gathering(weights, stride - 1, stride - 1, 0, values)
    for t in range(count + size - 1):
        tally(sums, t, gathering, max(t - count + 1, 0) & -2, min(size, t + 1), one)
    for c in range(1, channels):
        for t in range(count + size - 1):
            tally_channel(sums, t, gathering, max(t - count + 1, 0) & -2, min(size, t + 1), c)


@inline
def add_wide(sums, at, apart, lower, upper):
    """Add both halves to a pair of planes."""
    store(sums, at, as_narrow(as_wide(load(sums, at)) + lower))
    store(sums, at + apart, as_narrow(as_wide(load(sums, at + apart)) + upper))


@row
def fold(sums, planes, count, halo, forward, backward):
    """Hand what a rectangle gathered for pixels of its neighbours over to them; beyond the outer ones it is lost."""
    fold_forward(sums, planes, count, halo, forward)
    data, plane = sums.data, sums.plane
    for k in range(halo):
        t = sums.at - halo + k
        store(data, t + count, most(load(data, t + count), to_previous_lane(kept(load(data, t), backward))))
        for p in range(t + plane, t + planes * plane, 2 * plane):
            lower, upper = wide_to_previous(as_wide(load(data, p)), as_wide(load(data, p + plane)), backward)
            add_wide(data, p + count, plane, lower, upper)


@row
def fold_forward(sums, planes, count, halo, forward):
    """Hand what a rectangle gathered for pixels of the next one over to it."""
    data, plane = sums.data, sums.plane
    for k in range(halo):
        t = sums.at + count + halo - 1 - k
        store(data, t - count, most(load(data, t - count), to_next_lane(kept(load(data, t), forward))))
        for p in range(t + plane, t + planes * plane, 2 * plane):
            lower, upper = wide_to_next(as_wide(load(data, p)), as_wide(load(data, p + plane)), forward)
            add_wide(data, p - count, plane, lower, upper)


@inline
def mean_apart(sum_, weights, total, value, rest, unit):
    """Return how far the mean lies from the pixel's value, in steps of a value, in 32 bits.

    A value was cut off, by half a step on average: of the pixel itself the ``rest`` is known. Where all that have a
    weight have the same value, the pixel keeps its own exactly.
    """
    apart = to_float(sum_ - value * weights)
    zero = apart - apart
    finer = apart - to_float(rest) * to_float(weights) * fill(unit.fraction)
    mean = finer / to_float(larger(total, fill(unit.single)))
    return as_narrow(bits(where_above(larger(apart, zero - apart), zero, mean)))


@row
def divide(sums, features, channels, count, unit):
    """Add the pixel itself, with its own weight, and divide: what is left is how far the averages lie from pixels."""
    data, plane = sums.data, sums.plane
    share, lowest, half = fill(unit.share), fill(unit.least), fill(unit.half)
    factor, constant = fill(unit.top), fill(unit.own)
    for t in range(count):
        at = sums.at + t
        own = most(load(data, at), lowest)
        lower, upper = as_wide(load(data, at + plane)), as_wide(load(data, at + 2 * plane))
        lower_total = lower + lower_half(own) * factor + constant
        upper_total = upper + upper_half(own) * factor + constant
        store(data, at + plane, as_narrow(bits(to_float(lower_total))))
        store(data, at + 2 * plane, as_narrow(bits(to_float(upper_total))))
        for c in range(channels):
            feature = load(features.data, features.at + c * features.plane + t)
            value, rest = times_signed(feature, share), feature * share + half
            k = at + (3 + 2 * c) * plane
            sum_, sum_above = as_wide(load(data, k)), as_wide(load(data, k + plane))
            store(data, k, mean_apart(sum_, lower, lower_total, lower_half(value), lower_half(rest), unit))
            store(data, k + plane, mean_apart(sum_above, upper, upper_total, upper_half(value), upper_half(rest), unit))


@row
def real_lanes(grid, r, dy, height):
    """Return a bit for each lane whose pixels of row r lie in the image, and whose partners do."""
    lanes, band = np.uint32(0), (np.uint64(1) << np.uint64(grid.columns.shape[1])) - np.uint64(1)
    for b in range(grid.bands):
        y = grid.first + b * grid.height + r
        if 0 <= y < height and 0 <= y + dy < height:
            lanes |= np.uint32(band << np.uint64(b * grid.columns.shape[1]))
    return lanes


@kernel
def narrow_tile(image, rule, tile, grid, scratch, target, pulse):
    """Compute one tile of the output, unless stopped."""
    (z_first, z_last), _, _ = tile
    (pz, py, px), (rz, ry, rx) = rule.patch, rule.search
    unit, group = rule.fixed, rule.group
    f, values, sums = address(scratch.features), address(scratch.values), address(scratch.sums)
    curve, masks = address(rule.curve), address(grid.masks)
    channels, depth, height, _ = image.kept.shape

    width, segments = grid.columns.shape
    lanes = grid.bands * segments
    margin, count, s_rows = rx + px, grid.count, grid.height
    columns = Columns(address(scratch.columns), count + 2 * px, 2 * py + 1, 2 * px + 1)
    f_plane = grid.rows.shape[0] * width
    channel = grid.planes.size * f_plane
    s_width = count + 2 * rx
    plane = (z_last - z_first) * s_rows * s_width
    stride = count + 2  # a row of weights ends in zeros

    gather_whole(image, grid, scratch.lines, f, values, 0, unit.share)
    scratch.sums[:] = 0
    scratch.weights[:] = 0
    weights = address(scratch.weights[lanes:])

    for dz in range(rz + 1):
        for dy in range(-ry if dz > 0 else 0, ry + 1):
            for d in range(-rx if dz > 0 or dy > 0 else 1, rx + 1, group):
                size = min(group, rx + 1 - d)
                advance(pulse, size)
                for z in range(max(z_first - dz, 0), min(z_last, depth - dz)):
                    # i runs over the rows of this slice where i or j = i + (dz, dy) is of this rectangle
                    i_in, j_in = z >= z_first, z + dz < z_last
                    a, b = 0 if i_in else dy, dy if j_in else 0
                    low, high = -max(a, b), s_rows - min(a, b)
                    while low < high and real_lanes(grid, low, dy, height) == 0:
                        low += 1
                    while low < high and real_lanes(grid, high - 1, dy, height) == 0:
                        high -= 1
                    if not (i_in or j_in) or low >= high:
                        continue
                    i_slice = (z - z_first + rz) * f_plane + margin
                    j_slice = i_slice + dz * f_plane + dy * width + d
                    above = (low + ry) * width - px
                    start_sums(Pair(f, rule.slices, i_slice + above, j_slice + above, width), columns, size, unit)
                    for y in range(low, high):
                        if stopped(pulse):
                            return
                        below = (y + ry + 2 * py + 1) * width - px
                        here = pz * f_plane + (y + ry + py + 1) * width
                        i, j = i_slice + here, j_slice + here
                        pair = Pair(f, rule.slices, i_slice + below, j_slice + below, width)
                        real = real_lanes(grid, y, dy, height)
                        weigh(pair, columns, size, weights, stride, unit, curve, masks, (d + rx) * count, real)
                        if i_in and 0 <= y < s_rows:
                            at = ((z - z_first) * s_rows + y) * s_width + rx
                            met = Paired(values, j, 1, channel)
                            tally_near(Planes(sums, at, plane), weights, stride, met, count, size, channels, unit)
                        if j_in and 0 <= y + dy < s_rows:
                            at = ((z + dz - z_first) * s_rows + y + dy) * s_width + rx + d
                            met = Paired(values, i - 1, -1, channel)
                            tally_far(Planes(sums, at, plane), weights, stride, met, count, size, channels, unit)

    for z in range(z_last - z_first):
        for r in range(s_rows):
            row_sums = Planes(sums, (z * s_rows + r) * s_width + rx, plane)
            fold(row_sums, 3 + 2 * channels, count, rx, grid.forward, grid.backward)
            here = Planes(f, (z + rz + pz) * f_plane + (r + ry + py + 1) * width + margin, channel)
            divide(row_sums, here, channels, count, unit)
            scatter(scratch, row_sums, grid, image, target, z_first + z, r, tile)
            if target.shares.shape[0] > 0:
                scatter_shares(scratch, row_sums, grid, target.shares, unit, z_first + z, r, tile)
