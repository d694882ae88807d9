"""The loops of patchwise averaging: each pixel takes its place in the averages of all patches that hold it.

Every patch is averaged with the patches like it, with weights that sum to 1; then the averages that overlap at a
pixel are averaged. With d the displacement of a pair, that gives pixel p the weight Σ_i w_i,i+d / C_i for pixel p + d,
summed over the patch centres i around p: a box filter of the plane of normalised weights. The normalisers come from
a pass of `kernels.average_tile` before.
"""

from __future__ import annotations

from ..simd.jit import kernel, row
from ..simd.lanes import address, advance, load, stopped, store
from .kernels import add_channel, fold_halo, gather, know, mask_group, start_columns, weigh_rows
from .kernels_types import Boxes, Columns, Pair, Real, Run, Span
from .kernels_uneven import start_uneven, weigh_uneven


@row
def box_row(weights, k, shares, i, j, boxes, ring_row):
    """Slide a box along the weights of displacement k, normalised for either end, and add it to the columns.

    It takes the place, there and in the ring, of the row that has left the box.
    """
    ring, columns, count, radius = boxes.ring, boxes.columns, boxes.count, boxes.radius
    box, at = count + 2 * radius, k * count
    first, place = k * box, (ring_row + k) * box
    first_j, place_j = first + boxes.columns_j, place + boxes.ring_j
    a = b = load(weights, at) - load(weights, at)
    for t in range(box):
        if t < count:
            weight = load(weights, at + t)
            a, b = a + weight * load(shares, i + t), b + weight * load(shares, j + k + t)
        u = t - 2 * radius - 1
        if u >= 0:
            weight = load(weights, at + u)
            a, b = a - weight * load(shares, i + u), b - weight * load(shares, j + k + u)
        store(columns, first + t, load(columns, first + t) + (a - load(ring, place + t)))
        store(columns, first_j + t, load(columns, first_j + t) + (b - load(ring, place_j + t)))
        store(ring, place + t, a)
        store(ring, place_j + t, b)


@row
def drop_row(boxes, k, ring_row):
    """Take the row of displacement k that has left the box from the columns, where no new one comes."""
    box = boxes.count + 2 * boxes.radius
    place, place_j = (ring_row + k) * box, (ring_row + k) * box + boxes.ring_j
    for t in range(k * box, (k + 1) * box):
        store(boxes.columns, t, load(boxes.columns, t) - load(boxes.ring, place + t - k * box))
        j = t + boxes.columns_j
        store(boxes.columns, j, load(boxes.columns, j) - load(boxes.ring, place_j + t - k * box))


@row
def covering(k, radius, side):
    """Return how many patches of one axis hold pixel ``k``."""
    return min(k + radius, side - 1) - max(k - radius, 0) + 1


@kernel
def patchwise_tile(image, rule, tile, tables, scratch, uneven, target, pulse):
    """Compute one tile of the output, unless stopped."""
    (z_first, z_last), (y_first, y_last), (x_first, x_last) = tile
    (pz, py, px), (rz, ry, rx) = rule.patch, rule.search
    places, fixed, group = tables.places, rule.fixed, rule.group
    f, s = address(scratch.features), address(scratch.shares)
    weights, sums = address(scratch.weights), address(scratch.sums)
    g = f if rule.shared else address(scratch.values)
    out, kept, factors = target.out, image.kept, image.value_factors
    channels, depth, height, side = image.values.shape

    width, lanes = places.columns.shape
    margin = rx + px
    count = width - 2 * margin
    box = count + 2 * px
    columns = Columns(address(scratch.columns), box, 2 * py + 1, 2 * px + 1)
    slices, real = address(tables.slices), Real(address(tables.real), margin, tables.inner[0], tables.inner[1])
    ring_rows = 2 * py + 1
    boxes = Boxes(address(scratch.ring), address(scratch.boxes), count, px, group * box * ring_rows, group * box)
    f_plane = places.rows.size * width
    channel = places.planes.size * f_plane
    s_rows = y_last - y_first
    plane = (z_last - z_first) * s_rows * width
    row_zero = y_first - ry - 2 * py - 1
    plane_zero = z_first - rz - 2 * pz

    gather(image.features, image.feature_factors, places, f)
    if not rule.shared:
        gather(image.values, factors, places, g)
    gather(target.shares, image.ones, places, s)
    known = know(uneven, image, places, rule.patch)
    scratch.sums[:] = 0

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
                    if not itself:
                        above = (low - py - 1 - row_zero) * width - px
                        pair = Pair(f, slices, i_slice + above, j_slice + above, width)
                        if uneven is None:
                            start_columns(pair, columns, size, fixed)
                        else:
                            start_uneven(pair, columns, size, fixed, known)
                    scratch.ring[:] = 0
                    scratch.boxes[:] = 0
                    for last in range(low, high + 2 * py):
                        if stopped(pulse):
                            return
                        ring_row = last % ring_rows * group
                        if last >= high:
                            for k in range(size):
                                drop_row(boxes, k, ring_row)
                        else:
                            here = pz * f_plane + (last - row_zero) * width
                            i, j = i_slice + here, j_slice + here
                            if itself:
                                for t in range(count):
                                    store(weights, t, load(s, channel + i + t))
                            else:
                                below = (last + py - row_zero) * width - px
                                pair = Pair(f, slices, i_slice + below, j_slice + below, width)
                                if uneven is None:
                                    for k in range(0, size, 2):
                                        weigh_rows(pair, columns, k, weights, fixed)
                                else:
                                    weigh_uneven(pair, columns, size, weights, fixed, known)
                            mask_group(weights, count, size, real, d)
                            for k in range(size):
                                box_row(weights, k, s, i, j, boxes, ring_row)
                        p = last - py
                        for k in range(-pz, pz + 1):
                            here = (pz + k) * f_plane + (p - row_zero) * width
                            i, j = i_slice + here, j_slice + here
                            if z_first <= z + k < z_last and y_first <= p < y_last:
                                at = ((z + k - z_first) * s_rows + p - y_first) * width + margin
                                span = Span(-px, count + px, -size - px, count + px, size)
                                own = Run(boxes.columns, px, box)
                                for c in range(channels):
                                    add_channel(sums, at + c * plane, own, Run(g, j + c * channel, 1), span)
                                if uneven is not None:
                                    add_channel(sums, at + channels * plane, own, Run(known.valid, j, 1), span)
                            if not itself and z_first <= z + k + dz < z_last and y_first <= p + dy < y_last:
                                at = ((z + k + dz - z_first) * s_rows + p + dy - y_first) * width + margin
                                span = Span(d - px, d + count + px + size - 1, d - px, d + count + px, size)
                                other = Run(boxes.columns, boxes.columns_j + px - d, box - 1)
                                for c in range(channels):
                                    add_channel(sums, at + c * plane, other, Run(g, i - d + c * channel, -1), span)
                                if uneven is not None:
                                    add_channel(sums, at + channels * plane, other, Run(known.valid, i - d, -1), span)
                d += size

    for z in range(z_first, z_last):
        for y in range(y_first, y_last):
            at = ((z - z_first) * s_rows + y - y_first) * width + margin
            for c in range(channels if uneven is None else channels + 1):
                fold_halo(sums, at + c * plane, count, margin, False)
            around = covering(z, pz, depth) * covering(y, py, height)
            for lane in range(lanes):
                start = tables.origin + lane * count
                for x in range(max(start, x_first), min(start + count, x_last)):
                    k = (at + x - start) * lanes + lane
                    share = around * covering(x, px, side) * scratch.sums.dtype.type(1)
                    if uneven is not None:
                        share = sums[k + channels * plane * lanes]
                    for c in range(channels):
                        average = sums[k + c * plane * lanes] / (share * factors[c])
                        if uneven is not None:
                            average = average if share > rule.least else kept[c, z, y, x]
                        out[c, z, y, x] = average
