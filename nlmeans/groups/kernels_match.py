"""The loops of block matching: which patches of a window are nearest to the one in its middle.

Distances are taken for as many neighbouring patches at once as a vector has lanes, straight from the image: on a grid
of patches this costs no more than the running sums of the core, which serve every pixel. The nearest are then chosen by
halving the range of distances, whose bits are ordered as they are.
"""

from __future__ import annotations

from ..simd.jit import kernel, row
from ..simd.lanes import (
    address,
    advance,
    count_ones,
    fill,
    first_one,
    lanes_below,
    load,
    load_from,
    stopped,
    store,
)
from .kernels_types_match import TOGETHER


@row
def window_starts(z, y, x, rule, shifts, starts, lanes):
    """List the lines of the window in pieces of a vector, where each begins.

    In each slice it lies as far elsewhere as its ``shifts`` (slices, 2) say and the image allows.

    Returns how many there are, how many patches begin in a line, and which of all lanes is the middle's own.
    """
    (rz, ry, rx), (z_end, y_end, x_end) = rule.search, rule.ends
    count = own = 0
    top, bottom, first, last = max(y - ry, 0), min(y + ry, y_end), max(x - rx, 0), min(x + rx, x_end)
    for z_other in range(max(z - rz, 0), min(z + rz, z_end) + 1):
        dy = min(max(shifts[z_other - z + rz, 0], -top), y_end - bottom)
        dx = min(max(shifts[z_other - z + rz, 1], -first), x_end - last)
        for y_other in range(top, bottom + 1):
            line = z_other * rule.slice + (y_other + dy) * rule.line + dx
            if z_other == z and y_other == y:
                own = count * lanes + x - first  # lanes of a line follow each other
            for x_other in range(first, last + 1, lanes):
                starts[count] = line + x_other
                count += 1
    for k in range(count, count + TOGETHER - 1):  # what is summed up with them, unread
        starts[k] = starts[0]
    return count, last - first + 1, own


@row
def distances(guide, at, starts, count, offsets, sums):
    """Sum up the squared differences between the patch ``at`` and those from each of the starts on."""
    pixels, out = address(guide), address(sums)
    zero = fill(guide[at]) - fill(guide[at])
    for q in range(0, count, TOGETHER):
        a = b = c = d = zero
        first, second, third, fourth = starts[q], starts[q + 1], starts[q + 2], starts[q + 3]
        for k in range(offsets.size):
            offset = offsets[k]
            own = fill(guide[at + offset])
            e, f = load_from(pixels, first + offset) - own, load_from(pixels, second + offset) - own
            g, h = load_from(pixels, third + offset) - own, load_from(pixels, fourth + offset) - own
            a, b, c, d = a + e * e, b + f * f, c + g * g, d + h * h
        store(out, q, a)
        store(out, q + 1, b)
        store(out, q + 2, c)
        store(out, q + 3, d)


@row
def nearest(scratch, count, size, far, positions):
    """Write the positions of the ``size`` least distances, and return how many there are.

    Of equal ones, those that come first in the window are taken; below 0 is the patch that the others are compared to.
    """
    bits, starts, edge = scratch.bits, scratch.starts, scratch.edge
    data = address(bits)
    low, high = -2, far - 1  # fewer than size are at most low, and no fewer are at most high
    while high - low > 1:
        middle = low + (high - low) // 2
        edge[0] = middle + 1
        below, held = fill(edge[0]), 0
        for q in range(count):
            held += count_ones(lanes_below(load(data, q), below))
        if held < size:
            low = middle
        else:
            high = middle
            if held == size:
                low = high
    taken = 0
    edge[0] = low + 1
    below = fill(edge[0])
    for q in range(count):
        lanes = lanes_below(load(data, q), below)
        while lanes and taken < size:
            positions[taken] = starts[q] + first_one(lanes)
            taken += 1
            lanes &= lanes - 1
    q = 0
    edge[0] = high + 1
    below = fill(edge[0])
    while taken < size and q < count:
        lanes = lanes_below(load(data, q), below)
        while lanes and taken < size:
            lane = first_one(lanes)
            lanes &= lanes - 1
            if bits[q * (bits.size // starts.size) + lane] == high:
                positions[taken] = starts[q] + lane
                taken += 1
        q += 1
    return taken


@kernel
def match_tile(guide, references, shifts, rule, scratch, positions, counts, pulse):
    """Find the group of each reference of a tile, unless stopped."""
    starts, bits, lanes = scratch.starts, scratch.bits, scratch.lanes
    for k in range(references.shape[0]):
        if stopped(pulse):
            return
        advance(pulse, 1)
        z, y, x = references[k, 0], references[k, 1], references[k, 2]
        at = z * rule.slice + y * rule.line + x
        count, across, own = window_starts(z, y, x, rule, shifts[k], starts, lanes)
        distances(guide, at, starts, count, rule.offsets, scratch.distances)
        pieces = (across + lanes - 1) // lanes
        for q in range(pieces - 1, count, pieces):  # lanes beyond the end of their line
            for lane in range(across - (pieces - 1) * lanes, lanes):
                bits[q * lanes + lane] = rule.far
        bits[own] = -1
        size = min(positions.shape[1], count // pieces * across)
        counts[k] = nearest(scratch, count, size, rule.far, positions[k])
