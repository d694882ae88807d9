"""The loops that follow what moves: nothing here raises, allocates or validates.

What is compared are whole numbers in floats whose sums are exact, so that a displacement is the same whatever part of
an image is computed. At a quarter of the size all displacements along x are tried at once, one in each lane; after that
lanes are neighbouring pixels.
"""

from __future__ import annotations

import numpy as np

from ..simd.jit import inline, kernel, row
from ..simd.lanes import address, fill, larger, load_from, stopped, store


@inline
def apart(a, b):
    """Return the absolute difference."""
    return larger(a - b, b - a)


@inline
def place(level, frame, cell):
    """Return where the pixels that are compared of a cell begin."""
    y = level.padding + cell[0] * level.side - level.margin
    x = level.padding + cell[1] * level.side - level.margin
    return (frame * level.lines + y) * level.line + x


@inline
def summed(vector, lane):
    """Return the sum of a vector's lanes."""
    store(address(lane), 0, vector)
    total = 0.0
    for k in range(lane.size):
        total += lane[k]
    return total


@row
def difference(level, pair, cell, shift, lane):
    """Return the sum of absolute differences between a cell, with what is around it, and where a shift leads."""
    step, here = level.line, place(level, pair.here, cell)
    there = place(level, pair.there, cell) + shift[0] * step + shift[1]
    data, side = address(level.frames), level.side + 2 * level.margin
    total = fill(lane[0]) - fill(lane[0])
    for y in range(side):
        for x in range(y * step, y * step + side, lane.size):
            total = total + apart(load_from(data, here + x), load_from(data, there + x))
    return summed(total, lane)


@row
def refined(level, pair, cell, shift, lane):
    """Return the best of a shift from the next coarser size and those beside it, and its sum of differences."""
    y, x = 2 * shift[0], 2 * shift[1]
    best, least = (y, x), difference(level, pair, cell, (y, x), lane)
    for dy in range(-1, 2):
        for dx in range(-1, 2):
            if dy != 0 or dx != 0:
                sums = difference(level, pair, cell, (y + dy, x + dx), lane)
                if sums < least:
                    best, least = (y + dy, x + dx), sums
    return best, least


@row
def coarsest(level, pair, cell, candidates, sums, lane):
    """Return the best shift at a quarter of the size."""
    step, here, there = level.line, place(level, pair.here, cell), place(level, pair.there, cell)
    frames, most = level.frames, lane.size // 2
    data, side = address(frames), level.side + 2 * level.margin
    for dy in range(-most, most, 4):
        first = there + dy * step - most
        a = b = c = d = fill(lane[0]) - fill(lane[0])
        for y in range(side):
            for x in range(y * step, y * step + side):
                own, at = fill(frames[here + x]), first + x
                a = a + apart(own, load_from(data, at))
                b = b + apart(own, load_from(data, at + step))
                c = c + apart(own, load_from(data, at + 2 * step))
                d = d + apart(own, load_from(data, at + 3 * step))
        store(address(sums), most + dy, a)
        store(address(sums), most + dy + 1, b)
        store(address(sums), most + dy + 2, c)
        store(address(sums), most + dy + 3, d)
    best, least = (0, 0), sums[most * lane.size + most]
    for k in range(candidates.shape[0]):
        y, x = candidates[k, 0], candidates[k, 1]
        if sums[(most + y) * lane.size + most + x] < least:
            best, least = (y, x), sums[(most + y) * lane.size + most + x]
    return best


@row
def root(level, cell):
    """Return the square root of how many pixels of the image are compared: mirrored ones tell nothing new."""
    y = level.padding + cell[0] * level.side - level.margin
    x = level.padding + cell[1] * level.side - level.margin
    side = level.side + 2 * level.margin
    rows = min(y + side, level.rows[1]) - max(y, level.rows[0])
    columns = min(x + side, level.columns[1]) - max(x, level.columns[0])
    return np.sqrt(max(rows, 1) * max(columns, 1))


@row
def loud(level, cell, sums, rule):
    """Return whether a sum of differences is more than noise brings."""
    side = level.side + 2 * level.margin
    return sums > rule.noise * (1 + rule.loud / root(level, cell)) * (side * side)


@row
def better(level, cell, sums, none, rule):
    """Return whether a sum of differences is less than chance makes of that without a shift."""
    return sums <= (1 - rule.chance / root(level, cell)) * none


@kernel
def search_pair(quarter, half, full, rule, pair, sums, lane, found, pulse):
    """Find where each cell (rows, columns) of a frame is in another one: (0, 0) where no shift is clearly better."""
    for y in range(found.shape[0]):
        for x in range(found.shape[1]):
            if stopped(pulse):
                return
            cell, none = (y, x), (0, 0)
            at_half, at_full = difference(half, pair, cell, none, lane), difference(full, pair, cell, none, lane)
            best = none
            at_quarter = difference(quarter, pair, cell, none, lane)
            if (
                loud(full, cell, at_full, rule)
                or loud(half, cell, at_half, rule)
                or loud(quarter, cell, at_quarter, rule)
            ):
                best = coarsest(quarter, pair, cell, rule.candidates, sums, lane)
                best, least_half = refined(half, pair, cell, best, lane)
                best, least_full = refined(full, pair, cell, best, lane)
                if not (better(half, cell, least_half, at_half, rule) or better(full, cell, least_full, at_full, rule)):
                    best = none
            found[y, x, 0], found[y, x, 1] = best


@kernel
def agree_pair(level, pair, found, lane, shifts, pulse):
    """Give each tile the best shift of its cell and of those that it lies beside, or none."""
    rows, columns, _ = found.shape
    for y in range(shifts.shape[0]):
        for x in range(shifts.shape[1]):
            if stopped(pulse):
                return
            tile, best, least = (y, x), (0, 0), -1.0
            last = (0, 0)
            for v in range(max((y - 1) // 2, 0), min((y + 1) // 2, rows - 1) + 1):
                for u in range(max((x - 1) // 2, 0), min((x + 1) // 2, columns - 1) + 1):
                    shift = (found[v, u, 0], found[v, u, 1])
                    if shift != (0, 0) and shift != best and shift != last:
                        if least < 0:
                            least = difference(level, pair, tile, best, lane)
                        sums = difference(level, pair, tile, shift, lane)
                        last = shift
                        if sums < least:
                            best, least = shift, sums
            shifts[y, x, 0], shifts[y, x, 1] = best


@kernel
def displace(planes, there, shifts, first, side, result, frame):
    """Copy a frame of planes (C, T, Y, X), each tile from where it went; what would have left it stays in place."""
    channels, _, height, width = planes.shape
    for c in range(channels):
        for tile_row in range(shifts.shape[0]):
            top = max(first[0] + tile_row * side, 0)
            bottom = min(first[0] + (tile_row + 1) * side, height)
            for column in range(shifts.shape[1]):
                left, right = max(first[1] + column * side, 0), min(first[1] + (column + 1) * side, width)
                dy, dx = shifts[tile_row, column, 0], shifts[tile_row, column, 1]
                begin, end = min(max(left, -dx), right), max(min(right, width - dx), left)
                for y in range(top, bottom):
                    if not 0 <= y + dy < height:
                        begin, end = right, right
                    for x in range(left, begin):
                        result[c, frame, y, x] = planes[c, there, y, x]
                    for x in range(begin, end):
                        result[c, frame, y, x] = planes[c, there, y + dy, x + dx]
                    for x in range(max(begin, end), right):
                        result[c, frame, y, x] = planes[c, there, y, x]
                    begin, end = min(max(left, -dx), right), max(min(right, width - dx), left)
