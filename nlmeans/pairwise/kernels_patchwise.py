"""The loops of patchwise averaging: each pixel takes its place in the averages of all patches that hold it.

Every patch is averaged with the patches like it, with weights that sum to 1; then the averages that overlap at a
pixel are averaged. With d the displacement of a pair, that gives pixel p the weight Σ_i w_i,i+d / C_i for pixel p + d,
summed over the patch centres i around p: a box filter of the plane of normalised weights. The normalisers come from
a pass of `kernels.average_tile` before.
"""

from __future__ import annotations

from ..simd.jit import kernel, row
from ..simd.lanes import address, advance, load, stopped, store
from .kernels import add_channel, fold_halo, gather, mask_row, start_columns, weigh_rows
from .kernels_uneven import start_uneven, weigh_uneven


@row
def box_row(weights, at, count, radius, shares, i, j, ring, place, ring_j, columns, first, columns_j):
    """Slide a box along a row of weights, normalised for either end, and add it to the columns.

    It takes the place, there and in the ring, of the row that has left the box. ``ring_j`` and ``columns_j`` are how
    far the rows for end j lie behind those for end i.
    """
    a = b = load(weights, at) - load(weights, at)
    for t in range(count + 2 * radius):
        if t < count:
            weight = load(weights, at + t)
            a, b = a + weight * load(shares, i + t), b + weight * load(shares, j + t)
        u = t - 2 * radius - 1
        if u >= 0:
            weight = load(weights, at + u)
            a, b = a - weight * load(shares, i + u), b - weight * load(shares, j + u)
        store(columns, first + t, load(columns, first + t) + (a - load(ring, place + t)))
        store(
            columns, first + columns_j + t, load(columns, first + columns_j + t) + (b - load(ring, place + ring_j + t))
        )
        store(ring, place + t, a)
        store(ring, place + ring_j + t, b)


@row
def drop_row(ring, place, columns, first, count):
    """Take a row that has left the box from the columns, where no new one comes."""
    for t in range(count):
        store(columns, first + t, load(columns, first + t) - load(ring, place + t))


@row
def covering(k, radius, side):
    """Return how many patches of one axis hold pixel ``k``."""
    return min(k + radius, side - 1) - max(k - radius, 0) + 1


@kernel
def patchwise_tile(
    features, feature_factors, values, value_factors, shares, out, tile, tables, recipe, fixed, scratch,
    kept, uneven, valid, pulse,
):  # fmt: skip
    """Compute one tile of the output, unless stopped. `run` says what each argument holds."""
    z_first, z_last, y_first, y_last, x_first, x_last = tile
    planes, rows, columns, (inner_first, inner_last) = tables[0], tables[1], tables[2], tables[5]
    real, slices = address(tables[3]), address(tables[4])
    (pz, py, px), (rz, ry, rx), group, shared, origin, least = recipe
    f, column_sums, weights, sums = address(scratch[0]), address(scratch[2]), address(scratch[3]), address(scratch[4])
    g = f if shared else address(scratch[1])
    s, ring, boxes = address(scratch[5]), address(scratch[6]), address(scratch[7])
    channels, depth, height, side = values.shape

    width, lanes = columns.shape
    margin = rx + px
    count = width - 2 * margin
    box = count + 2 * px
    ring_rows = 2 * py + 1
    ring_j = group * box * ring_rows
    f_plane = rows.size * width
    channel = planes.size * f_plane
    s_rows = y_last - y_first
    plane = (z_last - z_first) * s_rows * width
    row_zero = y_first - ry - 2 * py - 1
    plane_zero = z_first - rz - 2 * pz

    gather(features, feature_factors, planes, rows, columns, f)
    if not shared:
        gather(values, value_factors, planes, rows, columns, g)
    gather(shares, fixed[5], planes, rows, columns, s)
    if uneven is not None:
        shape = (features.shape[0], channel, 2 * pz + 1, f_plane)
        known, counts, v = address(scratch[8]), address(scratch[9]), address(valid)
        gather(uneven[0], uneven[2], planes, rows, columns, scratch[8])
        gather(uneven[1], uneven[2], planes, rows, columns, valid)
    scratch[4][:] = 0

    for dz in range(rz + 1):
        for dy in range(-ry if dz > 0 else 0, ry + 1):
            # the rows of i whose patch, or that of j = i + (dz, dy), reaches into this tile
            low, high = max(y_first - py - max(dy, 0), 0, -dy), min(y_last + py - min(dy, 0), height, height - dy)
            d = -rx if dz > 0 or dy > 0 else 0
            while d <= rx and low < high:
                itself = dz == 0 and dy == 0 and d == 0
                size = 1 if itself else min(group, rx + 1 - d)
                advance(pulse, size)
                for z in range(max(z_first - pz - dz, 0), min(z_last + pz, depth - dz)):
                    i_slice = (z - pz - plane_zero) * f_plane + margin
                    j_slice = i_slice + dz * f_plane + dy * width + d
                    above = (low - py - 1 - row_zero) * width - px
                    for k in range(0, 0 if itself else size, 2):
                        if uneven is None:
                            start_columns(
                                f, slices, i_slice + above, j_slice + above + k, width,
                                column_sums, k * box, box, 2 * py + 1, fixed[0], fixed[1],
                            )  # fmt: skip
                    if uneven is not None:
                        for k in range(0 if itself else size):
                            start_uneven(
                                f, known, shape, i_slice + above, j_slice + above + k, width,
                                column_sums, counts, k * box, box, 2 * py + 1, fixed,
                            )  # fmt: skip
                    scratch[6][:] = 0
                    scratch[7][:] = 0
                    for last in range(low, high + 2 * py):
                        if stopped(pulse):
                            return
                        ring_row = last % ring_rows * group
                        if last >= high:
                            for k in range(size):
                                drop_row(ring, (ring_row + k) * box, boxes, k * box, box)
                                drop_row(ring, (ring_row + k) * box + ring_j, boxes, (group + k) * box, box)
                        else:
                            here = pz * f_plane + (last - row_zero) * width
                            below = (last + py - row_zero) * width - px
                            if itself:
                                for t in range(count):
                                    store(weights, t, load(s, channel + i_slice + here + t))
                            for k in range(0, 0 if itself else size, 2):
                                if uneven is None:
                                    weigh_rows(
                                        f, slices, i_slice + below, j_slice + below + k, (2 * py + 1) * width,
                                        column_sums, k * box, weights, k * count, count, 2 * px + 1, fixed,
                                    )  # fmt: skip
                            if uneven is not None:
                                for k in range(0 if itself else size):
                                    weigh_uneven(
                                        f, known, shape, i_slice + below, j_slice + below + k, (2 * py + 1) * width,
                                        column_sums, counts, k * box, weights, k * count, count, 2 * px + 1, fixed,
                                        channel + i_slice + here, channel + j_slice + here + k, uneven[3],
                                    )  # fmt: skip
                            for k in range(size):
                                step = d + k
                                clear, end = max(inner_first, inner_first - step), min(inner_last, inner_last - step)
                                mask_row(weights, k * count, count, real, margin, step, clear, end)
                                box_row(
                                    weights, k * count, count, px, s, i_slice + here, j_slice + here + k,
                                    ring, (ring_row + k) * box, ring_j, boxes, k * box, group * box,
                                )  # fmt: skip
                        p = last - py
                        for k in range(-pz, pz + 1):
                            here = (pz + k) * f_plane + (p - row_zero) * width
                            i, j = i_slice + here, j_slice + here
                            if z_first <= z + k < z_last and y_first <= p < y_last:
                                at = ((z + k - z_first) * s_rows + p - y_first) * width + margin
                                span = (-px, count + px, -size - px, box + size, size)
                                for c in range(channels):
                                    add_channel(sums, at + c * plane, boxes, px, box, g, j + c * channel, 1, span)
                                if uneven is not None:
                                    add_channel(sums, at + channels * plane, boxes, px, box, v, j, 1, span)
                            if not itself and z_first <= z + k + dz < z_last and y_first <= p + dy < y_last:
                                at = ((z + k + dz - z_first) * s_rows + p + dy - y_first) * width + margin
                                span = (d - px, d + count + px + size - 1, d - px, box, size)
                                w = group * box + px - d
                                for c in range(channels):
                                    add_channel(
                                        sums, at + c * plane, boxes, w, box - 1, g, i - d + c * channel, -1, span
                                    )
                                if uneven is not None:
                                    add_channel(sums, at + channels * plane, boxes, w, box - 1, v, i - d, -1, span)
                d += size

    for z in range(z_first, z_last):
        for y in range(y_first, y_last):
            at = ((z - z_first) * s_rows + y - y_first) * width + margin
            for c in range(channels if uneven is None else channels + 1):
                fold_halo(sums, at + c * plane, count, margin, False)
            around = covering(z, pz, depth) * covering(y, py, height)
            for lane in range(lanes):
                start = origin + lane * count
                for x in range(max(start, x_first), min(start + count, x_last)):
                    k = (at + x - start) * lanes + lane
                    share = around * covering(x, px, side) * scratch[4].dtype.type(1)
                    if uneven is not None:
                        share = scratch[4][k + channels * plane * lanes]
                    for c in range(channels):
                        average = scratch[4][k + c * plane * lanes] / (share * value_factors[c])
                        if uneven is not None:
                            average = average if share > least else kept[c, z, y, x]
                        out[c, z, y, x] = average
