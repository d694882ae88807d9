"""The loops of a search over the whole image in 16 bits: a task takes one block of displacements over all pixels.

What is summed up, and in which steps, is that of `kernels_narrow`. A row of pixels i is cut into segments, as many as
lie side by side in the lanes; each segment has a lane for each of a band of displacements along y, so that the pixels
that they meet lie in as many consecutive rows. All rows of a lane lie below each other, and no lane runs over rows that
meet none.
"""

from __future__ import annotations

from ..simd.jit import kernel, row
from ..simd.lanes import address, advance, fill, load, stopped, store
from ..simd.narrow import as_narrow, as_wide, lower_half, times_signed, upper_half
from .kernels_narrow import fold_forward, start_sums, tally_far, tally_near, weigh
from .kernels_narrow_rows import gather_whole
from .kernels_types import Columns, Pair, Planes
from .kernels_types_narrow import Paired


@row
def set_apart(sums, features, channels, count, unit):
    """Make sums of weighted differences from a pixel of the weighted sums of a row."""
    data, plane, share = sums.data, sums.plane, fill(unit.share)
    for t in range(count):
        at = sums.at + t
        lower, upper = as_wide(load(data, at + plane)), as_wide(load(data, at + 2 * plane))
        for c in range(channels):
            k = at + (3 + 2 * c) * plane
            value = times_signed(load(features.data, features.at + c * features.plane + t), share)
            store(data, k, as_narrow(as_wide(load(data, k)) - lower * lower_half(value)))
            store(data, k + plane, as_narrow(as_wide(load(data, k + plane)) - upper * upper_half(value)))


@row
def add_row(total, wholes, tops, sums, block, place):
    """Add a row of the lanes to the image's sums.

    ``wholes`` and ``tops`` are what ``sums`` hold, as numbers of 32 and of 16 bits; ``place`` is the first lane's
    pixel, how many rows a band lies below the one before, and how many pixels the last segment has more.
    """
    y, x, down, more = place
    count, lanes = block.count, block.halves.size
    segments, half = lanes // block.bands, lanes // 2
    plane = sums.plane * half
    for k in range(lanes):
        lane = block.halves[k // half, k % half]
        at_y, start = y + lane // segments * down, x + lane % segments * count
        if at_y < 0 or at_y >= total.shape[1]:
            continue
        last = start + count + (more if lane % segments == segments - 1 else 0)
        begin, end = max(start, 0), min(last, total.shape[2])
        first = sums.at - start + begin
        here = first * half + k % half + plane * (k // half)
        weights, largest = total[0, at_y, begin:end], total[1, at_y, begin:end]
        weights_here, largest_here = wholes[here + plane :: half], tops[first * lanes + lane :: lanes]
        for t in range(end - begin):
            weights[t] += weights_here[t]
            largest[t] = max(largest[t], largest_here[t])
        for c in range(total.shape[0] - 2):
            apart, apart_here = total[2 + c, at_y, begin:end], wholes[here + (3 + 2 * c) * plane :: half]
            for t in range(end - begin):
                apart[t] += apart_here[t]


@row
def strides(image, block, patch):
    """Return the lanes' strides: a row of features, a channel, its middle; a row of both sums, and their planes."""
    width, height = block.near.columns.shape[0], image.kept.shape[2]
    plane = block.near.rows.shape[0] * width
    wide = block.count + block.size - 1
    middle = block.near.planes.size // 2 * plane + patch[2]
    return (
        width, block.near.planes.size * plane, middle, wide, height * block.count, (height + block.bands - 1) * wide
    )  # fmt: skip


@kernel
def narrow_block(image, rule, block, scratch, pulse):
    """Sum up weights, the largest, and weighted values of one block in lanes, for both ends, unless stopped."""
    _, py, px = rule.patch
    unit, size, count, bands = rule.fixed, block.size, block.count, block.bands
    f, values, weights_of = address(scratch.features), address(scratch.values), scratch.weights
    mine, theirs = address(scratch.mine), address(scratch.theirs)
    curve, masks = address(rule.curve), address(block.masks)
    channels, _, height, _ = image.kept.shape
    lanes = block.halves.size
    columns = Columns(address(scratch.columns), count + 2 * px, 2 * py + 1, 2 * px + 1)
    width, channel, middle, wide, plane_i, plane_j = strides(image, block, rule.patch)
    apart = channels * channel
    stride = count + 2  # a row of weights ends in zeros

    gather_whole(image, block.near, scratch.lines, f, values, 0, unit.share)
    gather_whole(image, block.far, scratch.lines, f, values, apart, unit.share)
    scratch.mine[:] = 0
    scratch.theirs[:] = 0
    weights_of[:] = 0
    weights = address(weights_of[lanes:])

    for top in range(0, height, block.rows):
        for dy in range(block.dy[0], block.dy[1], bands):
            low, high = max(top, 1 - bands - dy), min(top + block.rows, height, height - dy)
            advance(pulse, 1)
            if low >= high:
                continue
            first_mask = block.half if dy > 0 else 0
            i, j = (low + bands - 1) * width, apart + (low + dy + bands - 1) * width
            start_sums(Pair(f, rule.slices, i, j, width), columns, size, unit)
            for y in range(low, high):
                if stopped(pulse):
                    return
                i, j = (y + bands + 2 * py) * width, apart + (y + dy + bands + 2 * py) * width
                pair, real = Pair(f, rule.slices, i, j, width), block.real[y + dy + bands - 1]
                weigh(pair, columns, size, weights, stride, unit, curve, masks, first_mask, real)
                i, j = middle + i - py * width, middle + j - py * width
                met, at = Paired(values, j, 1, channel), y * count
                tally_near(Planes(mine, at, plane_i), weights, stride, met, count, size, channels, unit)
                met, at = Paired(values, i - 1, -1, channel), (y + dy + bands - 1) * wide
                tally_far(Planes(theirs, at, plane_j), weights, stride, met, count, size, channels, unit)


@kernel
def add_block(image, rule, block, scratch, totals):
    """Add what `narrow_block` summed to the image's sums, of weighted differences, for both ends."""
    py = rule.patch[1]
    unit, size, count, bands = rule.fixed, block.size, block.count, block.bands
    f, mine, theirs = address(scratch.features), address(scratch.mine), address(scratch.theirs)
    channels, _, height, _ = image.kept.shape
    width, channel, middle, wide, plane_i, plane_j = strides(image, block, rule.patch)
    apart = channels * channel

    for y in range(height):
        sums = Planes(mine, y * count, plane_i)
        here = middle + (y + bands + py) * width
        set_apart(sums, Planes(f, here, channel), channels, count, unit)
        add_row(totals[0], scratch.mine_wholes, scratch.mine, sums, block, (y, block.start[0], 0, 0))
    for y in range(1 - bands, height):
        sums = Planes(theirs, (y + bands - 1) * wide, plane_j)
        here = middle + apart + (y + bands + py) * width
        set_apart(sums, Planes(f, here, channel), channels, wide, unit)
        fold_forward(sums, 3 + 2 * channels, count, size - 1, block.forward)
        add_row(totals[1], scratch.theirs_wholes, scratch.theirs, sums, block, (y, block.start[1], 1, size - 1))
