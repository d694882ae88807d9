"""The loops of a search over the whole image: a task takes one block of displacements over all pixels.

The layout is that of `kernels`, but the pixels i and those they meet lie apart: lane l of the one is displaced from
lane l of the other by the block's first displacement, so that no lane runs over pixels that meet none.
"""

from __future__ import annotations

from ..simd.jit import kernel
from ..simd.lanes import address, advance, stopped
from .kernels import fold_halo, gather, mask_group, start_columns, tally, weigh_rows
from .kernels_types import Columns, Pair, Places, Planes, Real, Run, Span


@kernel
def domain_block(image, rule, block, tables, scratch, sums, pulse):
    """Add up weights, the largest, and weighted values of one block, for both ends, unless stopped."""
    dz, first, last, start = block
    (pz, py, px), places = rule.patch, tables.places
    partners = Places(places.planes, places.rows, tables.partners)
    f, g = address(scratch.features), address(scratch.features if rule.shared else scratch.values)
    weights, mine, theirs = address(scratch.weights), address(scratch.mine), address(scratch.theirs)
    channels, depth, height, side = image.values.shape

    width, lanes = places.columns.shape
    reach = last - first
    count = width - 2 * px - reach
    columns = Columns(address(scratch.columns), count + 2 * px, 2 * py + 1, 2 * px + 1)
    slices, real = address(tables.slices), Real(address(tables.real), px, 0, 0)
    f_plane = places.rows.size * width
    channel = places.planes.size * f_plane
    apart, apart_values = image.features.shape[0] * channel, channels * channel
    wide = count + 2 * reach
    plane_i, plane_j = depth * height * count, depth * height * wide

    gather(image.features, image.feature_factors, places, scratch.features)
    gather(image.features, image.feature_factors, partners, scratch.features[apart * lanes :])
    if not rule.shared:
        gather(image.values, image.value_factors, places, scratch.values)
        gather(image.values, image.value_factors, partners, scratch.values[apart_values * lanes :])
    scratch.mine[:] = 0
    scratch.theirs[:] = 0

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
            above = low * width - px
            pair = Pair(f, slices, i_slice + above, j_slice + above, width)
            start_columns(pair, columns, size, rule.fixed)
            for y in range(low, high):
                if stopped(pulse):
                    return
                below = (y + 2 * py + 1) * width - px
                pair = Pair(f, slices, i_slice + below, j_slice + below, width)
                for k in range(0, size, 2):
                    weigh_rows(pair, columns, k, weights, rule.fixed)
                mask_group(weights, count, size, real, width + skip)
                here = pz * f_plane + (y + py + 1) * width
                i, j = i_slice + here, v_slice + here
                tally(
                    Planes(mine, (z * height + y) * count, plane_i), Run(weights, 0, count), Run(g, j, 1),
                    channels, channel, Span(0, count, -size, count, size), None,
                )  # fmt: skip
                tally(
                    Planes(theirs, ((z + dz) * height + y + dy) * wide + reach, plane_j),
                    Run(weights, -skip, count - 1), Run(g, i - skip, -1), channels, channel,
                    Span(skip, skip + count + size - 1, skip, skip + count, size), None,
                )  # fmt: skip

    for z in range(depth):
        for y in range(height):
            for c in range(2 + channels):
                at_i = ((c * depth + z) * height + y) * count
                at_j = ((c * depth + z) * height + y) * wide + reach
                fold_halo(theirs, at_j, count, reach, c == 1)
                for x in range(side):
                    here = there = scratch.mine.dtype.type(0)
                    t = x - start
                    if 0 <= t < count * lanes:
                        here = scratch.mine[(at_i + t % count) * lanes + t // count]
                    t -= first
                    if 0 <= t < count * lanes:
                        there = scratch.theirs[(at_j + t % count) * lanes + t // count]
                    sums[c, z, y, x] = max(here, there) if c == 1 else here + there
