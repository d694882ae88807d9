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
    to_next_lane,
    to_previous_lane,
)
from .kernels_uneven import start_uneven, weigh_uneven


@row
def gather(image, factors, planes, rows, columns, tile):
    """Copy the image, each channel times its factor, into the tile's layout; index tables mirror at the border."""
    k = 0
    places = columns.ravel()
    for c in range(image.shape[0]):
        factor = factors[c]
        for z in planes:
            for y in rows:
                source = image[c, z, y]
                for x in places:
                    tile[k] = source[x] * factor
                    k += 1


@inline
def squared_differences(features, slices, i, j, one, clip):
    """Squared differences of i with j and with j + 1, over the channels and slices of a patch, clipped, as bits.

    ``slices[0]`` is the number of channels and slices, the others say how far each is from the first.
    """
    x = load(features, i)
    d, e = x - load(features, j), x - load(features, j + 1)
    a, b = d * d + one, e * e + one
    for p in range(1, slices[0]):
        x = load(features, i + slices[p])
        d, e = x - load(features, j + slices[p]), x - load(features, j + slices[p] + 1)
        a, b = a + d * d, b + e * e
    return bits(smaller(a, clip)), bits(smaller(b, clip))


@row
def start_columns(features, slices, i, j, step, sums, first, count, height, one, clip):
    """Sum the first ``height`` rows of squared differences, column by column, for two displacements."""
    unit, limit = fill(one), fill(clip)
    nothing = bits(unit)
    for t in range(count):
        a = b = nothing - nothing
        for k in range(height):
            u = k * step + t
            c, d = squared_differences(features, slices, i + u, j + u, unit, limit)
            a, b = a + (c - nothing), b + (d - nothing)
        store(sums, first + t, a)
        store(sums, first + count + t, b)


@inline
def slide_columns(features, slices, i, j, back, sums, at, box, one, clip):
    """Move two column sums down by one row: the row at ``i`` enters, the row ``back`` above it leaves."""
    a, b = squared_differences(features, slices, i, j, one, clip)
    c, d = squared_differences(features, slices, i - back, j - back, one, clip)
    a, b = load(sums, at) + (a - c), load(sums, at + box) + (b - d)
    store(sums, at, a)
    store(sums, at + box, b)
    return a, b


@row
def weigh_rows(features, slices, i, j, back, sums, first, weights, at, count, width, fixed):
    """Slide the column sums down by one row and a box of ``width`` columns along them; each score becomes a weight.

    Two displacements at a time, since they share a load for each of their own.
    """
    unit, limit, bias, shift, end = fill(fixed[0]), fill(fixed[1]), fill(fixed[2]), fill(fixed[3]), fill(fixed[4])
    zero = bias - bias
    a = b = zero - bias
    box = count + width - 1
    for t in range(width - 1):
        c, d = slide_columns(features, slices, i + t, j + t, back, sums, first + t, box, unit, limit)
        a, b = a + c, b + d
    for t in range(count):
        u = t + width - 1
        c, d = slide_columns(features, slices, i + u, j + u, back, sums, first + u, box, unit, limit)
        a, b = a + c, b + d
        store(weights, at + t, exp2_fixed(larger(a, zero), shift, end))
        store(weights, at + count + t, exp2_fixed(larger(b, zero), shift, end))
        a, b = a - load(sums, first + t), b - load(sums, first + box + t)


@row
def mask_row(weights, at, count, real, i, step, first, last):
    """Take the weight of pairs with an end outside the image: there are none where ``first <= t < last``."""
    clear = min(max(first, 0), count)
    for t in range(clear):
        store(weights, at + t, load(weights, at + t) * load(real, i + t) * load(real, i + t + step))
    for t in range(max(clear, last), count):
        store(weights, at + t, load(weights, at + t) * load(real, i + t) * load(real, i + t + step))


@row
def tally(sums, at, plane, weights, w, w_step, values, v, v_step, span, valid, m):
    """Add up weights, take the largest, and add up the weighted values, over several displacements at once.

    ``span`` is (first, last, start, reach, count). Pixel t of ``first <= t < last`` meets displacement g in
    ``weights[w + t + g * w_step]`` and ``values[v + t + g * v_step]``, for the g of ``0 <= g < count`` that satisfy
    ``start <= t - g < start + reach``. With ``valid``, 1 or 0, only what is there counts.
    """
    first, last, start, reach, count = span
    for t in range(first, last):
        total = load(sums, at + t)
        top = load(sums, at + plane + t)
        numerator = load(sums, at + 2 * plane + t)
        for g in range(max(0, t - start - reach + 1), min(count, t - start + 1)):
            weight = load(weights, w + t + g * w_step)
            if valid is not None:
                weight = weight * load(address(valid), m + t + g * v_step)
            total = total + weight
            top = larger(weight, top)
            numerator = numerator + weight * load(values, v + t + g * v_step)
        store(sums, at + t, total)
        store(sums, at + plane + t, top)
        store(sums, at + 2 * plane + t, numerator)


@row
def add_channel(sums, at, weights, w, w_step, values, v, v_step, span):
    """Add up the weighted values of one more channel, as `tally` does for the first."""
    first, last, start, reach, count = span
    for t in range(first, last):
        numerator = load(sums, at + t)
        for g in range(max(0, t - start - reach + 1), min(count, t - start + 1)):
            numerator = numerator + load(weights, w + t + g * w_step) * load(values, v + t + g * v_step)
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
def divide_row(sums, at, plane, values, v, v_plane, count, channels, top_share, constant, valid, m):
    """Add the pixel itself, weighted by ``top_share`` of the largest weight plus ``constant``, and divide."""
    for t in range(count):
        own = load(sums, at + plane + t) * fill(top_share) + fill(constant)
        if valid is not None:
            own = own * load(address(valid), m + t)
        total = load(sums, at + t) + own
        store(sums, at + t, total)
        for c in range(channels):
            place = at + (2 + c) * plane + t
            store(sums, place, (load(sums, place) + own * load(values, v + c * v_plane + t)) / total)


@row
def scatter_row(sums, at, plane, count, lanes, origin, image, factors, out, shares, own, z, y, x_first, x_last):
    """Write a row of averages to the output; a pixel without any weight keeps its value.

    Where they are wanted, ``shares`` get 1 / C_i and the pixel's own weight; ``own`` is how `divide_row` made it.
    """
    for lane in range(lanes):
        start = origin + lane * count
        for x in range(max(start, x_first), min(start + count, x_last)):
            k = (at + x - start) * lanes + lane
            found = sums[k] > 0
            for c in range(image.shape[0]):
                average = sums[k + (2 + c) * plane * lanes] / factors[c]
                out[c, z, y, x] = average if found else image[c, z, y, x]
            if shares.shape[0] > 0:
                weight = sums[k + plane * lanes] * own[0] + own[1]
                shares[0, z, y, x] = 1 / sums[k] if found else 1
                shares[1, z, y, x] = weight if found else 1


@kernel
def average_tile(
    features, feature_factors, values, value_factors, out, shares, tile, tables, recipe, fixed, scratch,
    kept, uneven, valid, pulse,
):  # fmt: skip
    """Compute one tile of the output, unless stopped. `run` says what each argument holds."""
    z_first, z_last, y_first, y_last, x_first, x_last = tile
    planes, rows, columns, (inner_first, inner_last) = tables[0], tables[1], tables[2], tables[5]
    real, slices = address(tables[3]), address(tables[4])
    (pz, py, px), (rz, ry, rx), group, top_share, constant, shared = recipe
    f, column_sums, weights, sums = address(scratch[0]), address(scratch[2]), address(scratch[3]), address(scratch[4])
    g = f if shared else address(scratch[1])
    channels, depth, height, _ = values.shape

    width, lanes = columns.shape
    margin = rx + px
    count = width - 2 * margin
    box = count + 2 * px
    f_plane = rows.size * width
    channel = planes.size * f_plane
    s_rows, s_width = y_last - y_first, count + 2 * rx
    plane = (z_last - z_first) * s_rows * s_width

    gather(features, feature_factors, planes, rows, columns, f)
    if not shared:
        gather(values, value_factors, planes, rows, columns, g)
    if uneven is not None:
        shape = (features.shape[0], channel, 2 * pz + 1, f_plane)
        known, counts = address(scratch[5]), address(scratch[6])
        gather(uneven[0], uneven[2], planes, rows, columns, scratch[5])
        gather(uneven[1], uneven[2], planes, rows, columns, valid)
    scratch[4][:] = 0

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
                    for k in range(0, size, 2):
                        if uneven is None:
                            start_columns(
                                f, slices, i_slice + above, j_slice + above + k, width,
                                column_sums, k * box, box, 2 * py + 1, fixed[0], fixed[1],
                            )  # fmt: skip
                    if uneven is not None:
                        for k in range(size):
                            start_uneven(
                                f, known, shape, i_slice + above, j_slice + above + k, width,
                                column_sums, counts, k * box, box, 2 * py + 1, fixed,
                            )  # fmt: skip
                    for y in range(low, high):
                        if stopped(pulse):
                            return
                        below = (y - y_first + ry + 2 * py + 1) * width - px
                        here = pz * f_plane + (y - y_first + ry + py + 1) * width
                        i, j = i_slice + here, j_slice + here
                        for k in range(0, size, 2):
                            if uneven is None:
                                weigh_rows(
                                    f, slices, i_slice + below, j_slice + below + k, (2 * py + 1) * width,
                                    column_sums, k * box, weights, k * count, count, 2 * px + 1, fixed,
                                )  # fmt: skip
                        if uneven is not None:
                            for k in range(size):
                                weigh_uneven(
                                    f, known, shape, i_slice + below, j_slice + below + k, (2 * py + 1) * width,
                                    column_sums, counts, k * box, weights, k * count, count, 2 * px + 1, fixed,
                                    channel + i, channel + j + k, uneven[3],
                                )  # fmt: skip
                        for k in range(size):
                            step = d + k
                            clear, end = max(inner_first, inner_first - step), min(inner_last, inner_last - step)
                            mask_row(weights, k * count, count, real, margin, step, clear, end)
                        if i_in and y_first <= y < y_last:
                            at = ((z - z_first) * s_rows + y - y_first) * s_width + rx
                            span = (0, count, -size, count + size, size)
                            tally(sums, at, plane, weights, 0, count, g, j, 1, span, valid, j)
                            for c in range(1, channels):
                                add_channel(sums, at + (2 + c) * plane, weights, 0, count, g, j + c * channel, 1, span)
                        if j_in and y_first <= y + dy < y_last:
                            at = ((z + dz - z_first) * s_rows + y + dy - y_first) * s_width + rx
                            span = (d, d + count + size - 1, d, count, size)
                            tally(sums, at, plane, weights, -d, count - 1, g, i - d, -1, span, valid, i - d)
                            for c in range(1, channels):
                                add_channel(
                                    sums, at + (2 + c) * plane, weights, -d, count - 1, g, i - d + c * channel, -1, span
                                )

    origin = max(x_first - rx, 0)
    for z in range(z_last - z_first):
        for y in range(s_rows):
            at = (z * s_rows + y) * s_width + rx
            for k in range(2 + channels):
                fold_halo(sums, at + k * plane, count, rx, k == 1)
            v = (z + rz + pz) * f_plane + (y + ry + py + 1) * width + margin
            divide_row(sums, at, plane, g, v, channel, count, channels, top_share, constant, valid, v)
            scatter_row(
                sums, at, plane, count, lanes, origin, kept, value_factors, out, shares, (top_share, constant),
                z_first + z, y_first + y, x_first, x_last,
            )  # fmt: skip
