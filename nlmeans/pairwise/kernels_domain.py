"""The loops of a search over the whole image: a task takes one block of displacements over all pixels.

The layout is that of `kernels`, but the pixels i and those they meet lie apart: lane l of the one is displaced from
lane l of the other by the block's first displacement, so that no lane runs over pixels that meet none.
"""

from __future__ import annotations

from ..simd.jit import kernel
from ..simd.lanes import address, advance, stopped
from .kernels import add_channel, fold_halo, gather, mask_row, start_columns, tally, weigh_rows


@kernel
def domain_block(features, feature_factors, values, value_factors, sums, block, tables, recipe, fixed, scratch, pulse):
    """Add up weights, the largest, and weighted values of one block, for both ends, unless stopped."""
    dz, first, last, start = block
    planes, rows, columns, partners, real_columns, offsets = tables
    (pz, py, px), shared = recipe
    f, g = address(scratch[0]), address(scratch[0] if shared else scratch[1])
    column_sums, weights, mine, theirs = (
        address(scratch[2]),
        address(scratch[3]),
        address(scratch[4]),
        address(scratch[5]),
    )
    real, slices = address(real_columns), address(offsets)
    channels, depth, height, side = values.shape

    width, lanes = columns.shape
    reach = last - first
    count = width - 2 * px - reach
    box = count + 2 * px
    f_plane = rows.size * width
    channel = planes.size * f_plane
    apart, apart_values = features.shape[0] * channel, channels * channel
    halo = reach
    wide = count + 2 * halo
    plane_i, plane_j = depth * height * count, depth * height * wide

    gather(features, feature_factors, planes, rows, columns, scratch[0])
    gather(features, feature_factors, planes, rows, partners, scratch[0][apart * lanes :])
    if not shared:
        gather(values, value_factors, planes, rows, columns, scratch[1])
        gather(values, value_factors, planes, rows, partners, scratch[1][apart_values * lanes :])
    scratch[4][:] = 0
    scratch[5][:] = 0

    for dy in range(1 - height if dz > 0 else 0, height):
        skip = max(1 - first, 0) if dz == 0 and dy == 0 else 0
        size = reach - skip
        low, high = max(0, -dy), min(height, height - dy)
        advance(pulse, 1)
        if size <= 0:
            continue
        for z in range(depth - dz):
            i_slice = z * f_plane + px
            step = dz * f_plane + dy * width + skip
            j_slice = i_slice + apart + step
            v_slice = i_slice + apart_values + step
            for k in range(0, size, 2):
                above = low * width - px
                start_columns(
                    f, slices, i_slice + above, j_slice + above + k, width,
                    column_sums, k * box, box, 2 * py + 1, fixed[0], fixed[1],
                )  # fmt: skip
            for y in range(low, high):
                if stopped(pulse):
                    return
                below = (y + 2 * py + 1) * width - px
                for k in range(0, size, 2):
                    weigh_rows(
                        f, slices, i_slice + below, j_slice + below + k, (2 * py + 1) * width,
                        column_sums, k * box, weights, k * count, count, 2 * px + 1, fixed,
                    )  # fmt: skip
                for k in range(size):
                    mask_row(weights, k * count, count, real, px, width + skip + k, 0, 0)
                here = pz * f_plane + (y + py + 1) * width
                i, j = i_slice + here, v_slice + here
                at = (z * height + y) * count
                span = (0, count, -size, count + size, size)
                tally(mine, at, plane_i, weights, 0, count, g, j, 1, span, None, 0)
                for c in range(1, channels):
                    add_channel(mine, at + (2 + c) * plane_i, weights, 0, count, g, j + c * channel, 1, span)
                at = ((z + dz) * height + y + dy) * wide + halo
                span = (skip, skip + count + size - 1, skip, count, size)
                tally(theirs, at, plane_j, weights, -skip, count - 1, g, i - skip, -1, span, None, 0)
                for c in range(1, channels):
                    v = i - skip + c * channel
                    add_channel(theirs, at + (2 + c) * plane_j, weights, -skip, count - 1, g, v, -1, span)

    for z in range(depth):
        for y in range(height):
            for c in range(2 + channels):
                at_i = ((c * depth + z) * height + y) * count
                at_j = ((c * depth + z) * height + y) * wide + halo
                fold_halo(theirs, at_j, count, halo, c == 1)
                for x in range(side):
                    here = there = scratch[4].dtype.type(0)
                    t = x - start
                    if 0 <= t < count * lanes:
                        here = scratch[4][(at_i + t % count) * lanes + t // count]
                    t -= first
                    if 0 <= t < count * lanes:
                        there = scratch[5][(at_j + t % count) * lanes + t // count]
                    sums[c, z, y, x] = max(here, there) if c == 1 else here + there
