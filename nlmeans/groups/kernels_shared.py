"""The loops that estimate groups of patches whose noise is correlated from patch to patch.

As in `kernels`, but the noise of a group is a whole matrix: patches that lie near each other, or overlap, share some.
"""

from __future__ import annotations

from ..simd.blocks import set_product
from ..simd.jit import kernel, row
from ..simd.lanes import address, advance, fill, load_from, stopped, store_from
from .kernels import centre, combine, gather, invert, multiply, scatter, transpose, zero
from .kernels_types import Group
from .spec import LEAST, QUIET


@row
def correlate(noise, table, lags, group, first, lanes, numbers):
    """Write the covariance of the patches' noise, summed over their pixels, by how far they lie apart."""
    count, size, middle = group.count, group.size, first + lags.rows * lags.columns // 2
    for k in range(0, size * size, lanes):
        store_from(address(noise), k, zero(numbers))
    for k in range(count):
        here, at = middle + lags.places[k], k * size
        if lags.deep == 1:
            for c in range(count):
                noise[at + c] = table[here - lags.places[c]]
        else:
            for c in range(count):
                if lags.slices[c] == lags.slices[k]:
                    noise[at + c] = table[here - lags.places[c]]
    for k in range(count, size):
        noise[k * size + k] = numbers.pixels


@row
def place(lags, group):
    """Write in which slice each patch begins, and where in a table of lags."""
    for k in range(group.count):
        lags.slices[k], rest = divmod(group.positions[k], lags.slice)
        y, x = divmod(rest, lags.line)
        lags.places[k] = y * lags.columns + x


@row
def add_shared(matrix, noise, group, lanes, number, numbers):
    """Add the noise's share to the matrix, as `kernels.add_noise` does for independent noise."""
    count, size, added = group.count, group.size, numbers.noise
    held = power = both = matrix[0] - matrix[0]
    for k in range(count):
        held += matrix[k * size + k]
    if added < numbers.one:
        for k in range(count):
            power += noise[k * size + k]
            for c in range(count):
                both += noise[k * size + c]
        power -= both * group.share  # what is left of it without the mean patch
        if held < QUIET * power:
            part = held / (QUIET * power)
            added += 1 - part
            for k in range(count):
                for c in range(count):
                    noise[k * size + c] *= max(part, LEAST)
    a, d = address(matrix), address(noise)
    number[0] = added  # in the planes' type
    for k in range(0, size * size, lanes):
        store_from(a, k, load_from(a, k) + fill(number[0]) * load_from(d, k))
    for k in range(count):
        matrix[k * size + k] += numbers.rounding * held


@row
def weigh_shared(matrix, noise, weights, power, group, lanes, certainty, numbers):
    """Find the weights of the noisy patches by minus the inverse, which is lost, and the noise that they leave."""
    a, d, w, out = address(matrix), address(noise), address(weights), address(certainty)
    count, size, total = group.count, group.size, matrix[0] - matrix[0]
    for r in range(0, size, lanes):
        for c in range(0, size, lanes):
            set_product(w, r * size + c, size, a, r, size, d, c, size, size)
    for c in range(0, size, lanes):
        column = zero(numbers)
        for k in range(count):
            column = column - load_from(a, k * size + c)
        store_from(address(power), c, column)
    for k in range(count):
        weights[k * size + k] += numbers.one
        total += power[k]
    for c in range(0, size, lanes):
        rest = fill(numbers.one)
        for k in range(count):
            rest = rest - load_from(w, k * size + c)
        rest = rest * fill(numbers.one / total)
        for k in range(count):
            store_from(w, k * size + c, load_from(w, k * size + c) + fill(power[k]) * rest)
        for k in range(count, size):
            store_from(w, k * size + c, zero(numbers))
    for c in range(0, size, lanes):
        left = zero(numbers)
        for k in range(count):
            weight = load_from(w, k * size + c)
            left = left + weight * weight * fill(noise[k * size + k])
        store_from(out, c, fill(numbers.pixels) / left)


@kernel
def estimate_shared_tile(images, positions, counts, pieces, shape, scratch, shared, numbers, sums, pulse):
    """Estimate the groups of a tile, each channel on its own, unless stopped."""
    patches, guess, mean, pixels, matrix, panel, swept, power, certainty, number = scratch
    table, lags, noise, weights = shared
    noisy, pilot, _ = images
    offsets, places, _ = pieces
    length, lanes = shape
    for g in range(counts.size):
        if stopped(pulse):
            return
        advance(pulse, 1)
        count = counts[g]
        number[0] = 1 / count
        size = (count + lanes - 1) // lanes * lanes
        group = Group(positions[g], count, size, number[0])
        place(lags, group)
        for c in range(offsets.shape[0]):
            gather(noisy, group, offsets[c], places, patches, length)
            gather(pilot, group, offsets[c], places, guess, length)
            centre(guess, group, shape, mean, numbers)
            transpose(guess, size, shape, pixels)
            centre(patches, group, shape, mean, numbers)
            multiply(pixels, size, lanes, matrix, numbers)
            correlate(noise, table, lags, group, c * lags.rows * lags.columns, lanes, numbers)
            add_shared(matrix, noise, group, lanes, number, numbers)
            invert(matrix, size, lanes, panel, swept, numbers)
            weigh_shared(matrix, noise, weights, power, group, lanes, certainty, numbers)
            combine(weights, patches, size, shape, guess)
            scatter(guess, mean, certainty, group, offsets[c], pieces, length, sums)
