"""Rows of an image into the layout of `kernels_narrow`, and back: by lines of pixels, and blocks of 8 lanes."""

from __future__ import annotations

import numpy as np

from ..simd.blocks import transpose_eights
from ..simd.jit import inline, row
from ..simd.lanes import address, fill, load, store
from ..simd.narrow import lower_pairs, times_signed, upper_pairs


@inline
def over_eights(count):
    """Return the next multiple of 8."""
    return (count + 7) & -8


@row
def whole_numbers(source, factor, offset, line):
    """Write pixels as whole numbers: times a factor, less an offset."""
    for k in range(line.size):
        line[k] = np.int32(np.rint(source[k] * factor)) - offset


@row
def pair_values(features, values, first, last, share):
    """Lay each vector of values side by side with the next; a value is a feature in larger steps."""
    by = fill(share)
    for k in range(first, last):
        a, b = times_signed(load(features, k), by), times_signed(load(features, k + 1), by)
        store(values, 2 * k, lower_pairs(a, b))
        store(values, 2 * k + 1, upper_pairs(a, b))


@row
def gather_whole(image, grid, lines, features, values, at, share):
    """Copy the image into the tile's layout as whole numbers: each channel times its factor, less its offset.

    It begins at vector ``at``, or goes on there. Values go beside the features, in pairs, of which one is a row's last
    with the next one's first. What a row writes beyond its end, the next one overwrites.
    """
    width, segments = grid.columns.shape
    lanes, length, rows = grid.bands * segments, over_eights(width), address(lines)
    for c in range(image.features.shape[0]):
        factor, offset = image.feature_factors[c], image.offsets[c]
        for z in grid.planes:
            for y in range(grid.rows.shape[0]):
                for lane in range(lanes):
                    source, segment = image.features[c, z, grid.rows[y, lane // segments]], lane % segments
                    line = lines[lane * length : lane * length + width]
                    first, last = grid.plain[segment, 0], grid.plain[segment, 1]
                    if first < last:
                        begin = grid.columns[first, segment]
                        whole_numbers(source[begin : begin + last - first], factor, offset, line[first:last])
                    for t in range(width - last + first):
                        k = t if t < first else t + last - first
                        line[k] = np.int32(np.rint(source[grid.columns[k, segment]] * factor)) - offset
                for t in range(0, width, 8):
                    for lane in range(0, lanes, 8):
                        transpose_eights(rows, lane * length + t, length, features, (at + t) * lanes + lane, lanes)
                pair_values(features, values, max(at - 1, 0), at + width, share)
                at += width


@row
def add_scaled(source, apart, factor, output):
    """Write pixels plus how far their averages lie from them, which comes in units of its own."""
    for k in range(output.size):
        output[k] = source[k] + apart[k] * factor


@row
def scatter(scratch, sums, grid, image, target, z, r, tile):
    """Write a row of each rectangle: pixels, and how far their averages lie from them."""
    count, segments = grid.count, grid.columns.shape[1]
    half, length = grid.bands * segments // 2, over_eights(count)
    apart, rows = address(scratch.reals), address(scratch.apart)
    for c in range(image.kept.shape[0]):
        for upper in range(2):
            at = sums.at + (3 + 2 * c + upper) * sums.plane
            for t in range(0, count, 8):
                for k in range(0, half, 8):
                    transpose_eights(apart, (at + t) * half + k, half, rows, k * length + t, length)
            for k in range(half):
                lane = grid.halves[upper, k]
                y, start = grid.first + lane // segments * grid.height + r, grid.origin + lane % segments * count
                begin, end = max(start, tile.x[0]), min(start + count, tile.x[1])
                if y < tile.y[1] and begin < end:
                    first = k * length + begin - start
                    line = scratch.apart[first : first + end - begin]
                    source, output = image.kept[c, z, y, begin:end], target.out[c, z, y, begin:end]
                    add_scaled(source, line, image.value_factors[c], output)


@row
def scatter_shares(scratch, sums, grid, shares, unit, z, r, tile):
    """Write normalisers and own weights of a row of each rectangle, where they are asked for."""
    count, segments = grid.count, grid.columns.shape[1]
    half = grid.bands * segments // 2
    for upper in range(2):
        for k in range(half):
            lane = grid.halves[upper, k]
            y, start = grid.first + lane // segments * grid.height + r, grid.origin + lane % segments * count
            if y >= tile.y[1]:
                continue
            for x in range(max(start, tile.x[0]), min(start + count, tile.x[1])):
                t = sums.at + x - start
                total = scratch.reals[(t + (1 + upper) * sums.plane) * half + k]
                own = max(scratch.sums[t * 2 * half + lane], unit.least) * unit.top + unit.own
                shares[0, z, y, x] = unit.whole / total if total > 0 else 1
                shares[1, z, y, x] = own / unit.whole if total > 0 else 1
