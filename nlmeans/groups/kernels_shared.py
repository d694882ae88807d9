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
def correlate(noise, table, lags, group, first, numbers):
    """Write the covariance of the patches' noise, summed over their pixels, by how far they lie apart."""
    count, size, middle = group.count, group.size, lags.rows * lags.columns // 2
    for k in range(size * size):
        noise[k] = numbers.one - numbers.one
    for k in range(size):
        noise[k * size + k] = numbers.pixels
    for k in range(count):
        z, rest = divmod(group.positions[k], lags.slice)
        y, x = divmod(rest, lags.line)
        for c in range(k):
            other, rest = divmod(group.positions[c], lags.slice)
            if other == z:
                b, a = divmod(rest, lags.line)
                value = table[first + middle + (y - b) * lags.columns + x - a]
                noise[k * size + c] = noise[c * size + k] = value * numbers.pixels
        noise[k * size + k] = table[first + middle] * numbers.pixels


@row
def add_shared(matrix, noise, group, numbers):
    """Add the noise's share to the matrix, as `kernels.add_noise` does for independent noise."""
    count, size = group.count, group.size
    held = power = both = matrix[0] - matrix[0]
    for k in range(count):
        held += matrix[k * size + k]
        power += noise[k * size + k]
        for c in range(count):
            both += noise[k * size + c]
    power -= both * group.share  # what is left of it without the mean patch
    added = numbers.noise
    if added < numbers.one and held < QUIET * power:
        part = held / (QUIET * power)
        added += 1 - part
        for k in range(count):
            for c in range(count):
                noise[k * size + c] *= max(part, LEAST)
    for k in range(size * size):
        matrix[k] += added * noise[k]
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
    for k in range(count):
        weights[k * size + k] += numbers.one
        power[k] = total - total
        for c in range(count):
            power[k] -= matrix[k * size + c]
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
    for r in range(0, size, lanes):
        for c in range(0, size, lanes):
            set_product(a, r * size + c, size, d, r, size, w, c, size, size)
    for c in range(0, size, lanes):
        left = fill(numbers.rounding * numbers.pixels)
        for k in range(count):
            left = left + load_from(a, k * size + c) * load_from(w, k * size + c)
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
        for c in range(offsets.shape[0]):
            gather(noisy, group, offsets[c], places, patches, length)
            gather(pilot, group, offsets[c], places, guess, length)
            centre(guess, group, shape, mean, numbers)
            transpose(guess, size, shape, pixels)
            centre(patches, group, shape, mean, numbers)
            multiply(pixels, size, lanes, matrix, numbers)
            correlate(noise, table, lags, group, c * lags.rows * lags.columns, numbers)
            add_shared(matrix, noise, group, numbers)
            invert(matrix, size, lanes, panel, swept, numbers)
            weigh_shared(matrix, noise, weights, power, group, lanes, certainty, numbers)
            combine(weights, patches, size, shape, guess)
            scatter(guess, mean, certainty, group, offsets[c], pieces, length, sums)
