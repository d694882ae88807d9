"""Every loop of the core. Nothing here raises, allocates or validates: `run` prepares what the kernels are given.

How a tile is laid out. A row of the tile is cut into as many equal segments as a vector has lanes; element t of the
segments, side by side, is vector t. A step along x is then a step to the next vector: every load is aligned, sliding
sums need no shuffles, and the code reads as if for a single pixel. Each row carries a halo of vectors on both sides;
at its ends lane l repeats what lane l ± 1 holds.

How scores are summed. Features come scaled so that a squared difference counts fixed-point steps of the weight's
exponent. Adding 2**mantissa to it rounds it to a whole step that stands in the low bits of the float; sliding sums of
these integers are exact, so no rounding piles up however far they slide, and a score does not depend on where a tile
began. Each squared difference is clipped where it alone makes the weight vanish, which changes no weight.
"""

from __future__ import annotations

from ..simd.jit import inline, kernel, optional, row
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
    to_next_lane,
    to_previous_lane,
)
from .kernels_types import Columns, Known, Pair, Planes, Real, Run, Segments, Span
from .kernels_uneven import soften, start_uneven, weigh_uneven


@row
def gather(image, factors, places, tile):
    """Copy the image, each channel times its factor, into the tile's layout."""
    k = 0
    columns = places.columns
    for c in range(image.shape[0]):
        factor = factors[c]
        for z in places.planes:
            for y in places.rows:
                source = image[c, z, y]
                for t in range(columns.shape[0]):
                    for lane in range(columns.shape[1]):
                        tile[k] = source[columns[t, lane]] * factor
                        k += 1


@inline
def squared_differences(pair, i, j, one, clip):
    """Squared differences of i with j and with j + 1, over the channels and slices of a patch, clipped, as bits."""
    features, slices = pair.features, pair.slices
    x = load(features, i)
    d, e = x - load(features, j), x - load(features, j + 1)
    a, b = d * d + one, e * e + one
    for p in range(1, slices[0]):
        x = load(features, i + slices[p])
        d, e = x - load(features, j + slices[p]), x - load(features, j + slices[p] + 1)
        a, b = a + d * d, b + e * e
    return bits(smaller(a, clip)), bits(smaller(b, clip))


@row
def start_columns(pair, columns, size, fixed):
    """Sum the first rows of squared differences, column by column, for a group of displacements."""
    unit, limit = fill(fixed.one), fill(fixed.clip)
    nothing, box = bits(unit), columns.count
    for k in range(0, size, 2):
        for t in range(box):
            a = b = nothing - nothing
            for r in range(columns.height):
                u = r * pair.step + t
                c, d = squared_differences(pair, pair.i + u, pair.j + k + u, unit, limit)
                a, b = a + (c - nothing), b + (d - nothing)
            store(columns.sums, k * box + t, a)
            store(columns.sums, k * box + box + t, b)


@inline
def slide_columns(pair, i, j, back, sums, at, box, one, clip):
    """Move two column sums down by one row: the row at ``i`` enters, the row ``back`` above it leaves."""
    a, b = squared_differences(pair, i, j, one, clip)
    c, d = squared_differences(pair, i - back, j - back, one, clip)
    a, b = load(sums, at) + (a - c), load(sums, at + box) + (b - d)
    store(sums, at, a)
    store(sums, at + box, b)
    return a, b


@row
def weigh_rows(pair, columns, k, weights, fixed):
    """Slide the column sums down by one row and a box along them; each score becomes a weight.

    Two displacements at a time, k and k + 1, since they share a load for each of their own.
    """
    unit, limit = fill(fixed.one), fill(fixed.clip)
    bias, shift, end = fill(fixed.bias), fill(fixed.shift), fill(fixed.end)
    zero = bias - bias
    sums, box, width = columns.sums, columns.count, columns.width
    back, count = columns.height * pair.step, box - width + 1
    a = b = zero - bias
    i, j, first, at = pair.i, pair.j + k, k * box, k * count
    for t in range(width - 1):
        c, d = slide_columns(pair, i + t, j + t, back, sums, first + t, box, unit, limit)
        a, b = a + c, b + d
    for t in range(count):
        u = t + width - 1
        c, d = slide_columns(pair, i + u, j + u, back, sums, first + u, box, unit, limit)
        a, b = a + c, b + d
        store(weights, at + t, soften(exp2_fixed(larger(a, zero), shift, end), fixed.floor))
        store(weights, at + count + t, soften(exp2_fixed(larger(b, zero), shift, end), fixed.floor))
        a, b = a - load(sums, first + t), b - load(sums, first + box + t)


@row
def mask_group(weights, count, size, real, step):
    """Take the weight of pairs with an end outside the image, for the displacements from ``step`` on."""
    for k in range(size):
        i, j, at = real.at, real.at + step + k, k * count
        clear = min(max(real.first, real.first - step - k, 0), count)
        for t in range(clear):
            store(weights, at + t, load(weights, at + t) * load(real.data, i + t) * load(real.data, j + t))
        for t in range(max(clear, min(real.last, real.last - step - k)), count):
            store(weights, at + t, load(weights, at + t) * load(real.data, i + t) * load(real.data, j + t))


@inline
def tally(sums, weights, values, channels, apart, span, known):
    """Add up weights, take the largest, and add up the weighted values, over several displacements at once.

    The planes of ``sums`` are these; the values of the next channel lie ``apart``. Of what is ``known``, only valid
    values count. It becomes part of its caller, where steps are known.
    """
    data, at, w, w_step = sums.data, sums.at, weights.at, weights.step
    plane = sums.plane
    for t in range(span.first, span.last):
        total = load(data, at + t)
        top = load(data, at + plane + t)
        numerator = load(data, at + 2 * plane + t)
        for g in range(max(0, t - span.end + 1), min(span.count, t - span.start + 1)):
            weight = load(weights.data, w + t + g * w_step)
            if known is not None:
                weight = weight * load(known.valid, values.at + t + g * values.step)
            total = total + weight
            top = larger(weight, top)
            numerator = numerator + weight * load(values.data, values.at + t + g * values.step)
        store(data, at + t, total)
        store(data, at + plane + t, top)
        store(data, at + 2 * plane + t, numerator)
    for c in range(1, channels):
        add_channel(data, at + (2 + c) * plane, weights, Run(values.data, values.at + c * apart, values.step), span)


@row
def add_channel(sums, at, weights, values, span):
    """Add up the weighted values of one channel, as `tally` does for the first."""
    for t in range(span.first, span.last):
        numerator = load(sums, at + t)
        for g in range(max(0, t - span.end + 1), min(span.count, t - span.start + 1)):
            weight = load(weights.data, weights.at + t + g * weights.step)
            numerator = numerator + weight * load(values.data, values.at + t + g * values.step)
        store(sums, at + t, numerator)


@row
def fold_halo(sums, at, count, halo, take_larger):
    """Hand what a lane gathered for the pixels of its neighbours over to them; beyond the outer lanes it is dropped."""
    for k in range(halo):
        t = at + count + halo - 1 - k
        mine, theirs = to_next_lane(load(sums, t)), load(sums, t - count)
        store(sums, t - count, larger(mine, theirs) if take_larger else mine + theirs)
    for k in range(halo):
        t = at - halo + k
        mine, theirs = to_previous_lane(load(sums, t)), load(sums, t + count)
        store(sums, t + count, larger(mine, theirs) if take_larger else mine + theirs)


@row
def divide_row(sums, values, channels, count, rule, known):
    """Add the pixel itself, with its own weight, and divide; ``values`` are planes of as many channels."""
    top, alone, constant = fill(rule.top), fill(rule.alone), fill(rule.constant)
    for t in range(count):
        own = larger(load(sums.data, sums.at + sums.plane + t) * top, alone) + constant
        if known is not None:
            own = own * load(known.valid, values.at + t)
        total = load(sums.data, sums.at + t) + own
        store(sums.data, sums.at + t, total)
        for c in range(channels):
            place = sums.at + (2 + c) * sums.plane + t
            value = load(values.data, values.at + c * values.plane + t)
            store(sums.data, place, (load(sums.data, place) + own * value) / total)


@row
def scatter_row(sums, segments, image, target, rule, z, y, ends):
    """Write a row of averages to the output; a pixel without any weight keeps its value.

    Where they are wanted, ``target.shares`` get 1 / C_i and the pixel's own weight.
    """
    data, count, lanes, plane = sums.data, segments.count, segments.lanes, sums.plane * segments.lanes
    kept, factors, out, shares = image.kept, image.value_factors, target.out, target.shares
    for lane in range(lanes):
        start = segments.origin + lane * count
        for x in range(max(start, ends[0]), min(start + count, ends[1])):
            k = (sums.at + x - start) * lanes + lane
            weighed = data[k] > 0
            for c in range(kept.shape[0]):
                average = data[k + (2 + c) * plane] / factors[c]
                out[c, z, y, x] = average if weighed else kept[c, z, y, x]
            if shares.shape[0] > 0:
                weight = max(data[k + plane] * rule.top, rule.alone) + rule.constant
                shares[0, z, y, x] = 1 / data[k] if weighed else 1
                shares[1, z, y, x] = weight if weighed else 1


@optional
def know(uneven, image, places, patch):
    """Bring what is uneven into the tile's layout, if anything is."""
    known, valid, (pz, py, px) = address(uneven.known_tile), address(uneven.valid_tile), patch
    gather(uneven.known, image.ones, places, known)
    gather(uneven.valid, image.ones, places, valid)
    width = places.columns.shape[0]
    plane = places.rows.size * width
    channel = places.planes.size * plane
    shape = (image.features.shape[0], channel, 2 * pz + 1, plane)
    middle = channel + pz * plane - py * width + px
    return Known(known, valid, shape, address(uneven.counts), middle, uneven.scales)


@kernel
def average_tile(image, rule, tile, tables, scratch, uneven, target, pulse):
    """Compute one tile of the output, unless stopped."""
    (z_first, z_last), (y_first, y_last), x_ends = tile
    (pz, py, px), (rz, ry, rx) = rule.patch, rule.search
    places, fixed, group = tables.places, rule.fixed, rule.group
    f, weights, sums = address(scratch.features), address(scratch.weights), address(scratch.sums)
    g = f if rule.shared else address(scratch.values)
    channels, depth, height, _ = image.values.shape

    width, lanes = places.columns.shape
    margin = rx + px
    count = width - 2 * margin
    columns = Columns(address(scratch.columns), count + 2 * px, 2 * py + 1, 2 * px + 1)
    slices, real = address(tables.slices), Real(address(tables.real), margin, tables.inner[0], tables.inner[1])
    f_plane = places.rows.size * width
    channel = places.planes.size * f_plane
    s_rows, s_width = y_last - y_first, count + 2 * rx
    plane = (z_last - z_first) * s_rows * s_width

    gather(image.features, image.feature_factors, places, f)
    if not rule.shared:
        gather(image.values, image.value_factors, places, g)
    known = know(uneven, image, places, rule.patch)
    scratch.sums[:] = 0

    for dz in range(rz + 1):
        for dy in range(-ry if dz > 0 else 0, ry + 1):
            for d in range(-rx if dz > 0 or dy > 0 else 1, rx + 1, group):
                size = min(group, rx + 1 - d)
                advance(pulse, size)
                for z in range(max(z_first - dz, 0), min(z_last, depth - dz)):
                    # i runs over the rows of this slice where i or j = i + (dz, dy) is of this tile, and both are real
                    i_in, j_in = z >= z_first, z + dz < z_last
                    a, b = 0 if i_in else dy, dy if j_in else 0
                    low, high = max(y_first - max(a, b), 0, -dy), min(y_last - min(a, b), height, height - dy)
                    if not (i_in or j_in) or low >= high:
                        continue
                    i_slice = (z - z_first + rz) * f_plane + margin
                    j_slice = i_slice + dz * f_plane + dy * width + d
                    above = (low - y_first + ry) * width - px
                    pair = Pair(f, slices, i_slice + above, j_slice + above, width)
                    if uneven is None:
                        start_columns(pair, columns, size, fixed)
                    else:
                        start_uneven(pair, columns, size, fixed, known)
                    for y in range(low, high):
                        if stopped(pulse):
                            return
                        below = (y - y_first + ry + 2 * py + 1) * width - px
                        here = pz * f_plane + (y - y_first + ry + py + 1) * width
                        i, j = i_slice + here, j_slice + here
                        pair = Pair(f, slices, i_slice + below, j_slice + below, width)
                        if uneven is None:
                            for k in range(0, size, 2):
                                weigh_rows(pair, columns, k, weights, fixed)
                        else:
                            weigh_uneven(pair, columns, size, weights, fixed, known)
                        mask_group(weights, count, size, real, d)
                        if i_in and y_first <= y < y_last:
                            at = ((z - z_first) * s_rows + y - y_first) * s_width + rx
                            tally(
                                Planes(sums, at, plane), Run(weights, 0, count), Run(g, j, 1), channels, channel,
                                Span(0, count, -size, count, size), known,
                            )  # fmt: skip
                        if j_in and y_first <= y + dy < y_last:
                            at = ((z + dz - z_first) * s_rows + y + dy - y_first) * s_width + rx
                            tally(
                                Planes(sums, at, plane), Run(weights, -d, count - 1), Run(g, i - d, -1), channels,
                                channel, Span(d, d + count + size - 1, d, d + count, size), known,
                            )  # fmt: skip

    segments = Segments(tables.origin, count, lanes)
    for z in range(z_last - z_first):
        for y in range(s_rows):
            row_sums = Planes(sums, (z * s_rows + y) * s_width + rx, plane)
            for k in range(2 + channels):
                fold_halo(sums, row_sums.at + k * plane, count, rx, k == 1)
            v = (z + rz + pz) * f_plane + (y + ry + py + 1) * width + margin
            divide_row(row_sums, Planes(g, v, channel), channels, count, rule, known)
            scatter_row(row_sums, segments, image, target, rule, z_first + z, y_first + y, x_ends)
