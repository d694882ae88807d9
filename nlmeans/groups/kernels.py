"""The loops that estimate groups of patches.

A group lies in memory twice: patch by patch, which is how it comes from the image and goes back, and pixel by pixel,
from which the products of all pairs of patches are summed up. Its matrix is inverted block by block, where it lies:
sweeping a block changes the others by products of what stands in its rows, of which half are needed by symmetry.
"""

from __future__ import annotations

from ..simd.blocks import add_product, set_product, sweep_block, transpose_block
from ..simd.jit import inline, kernel, row
from ..simd.lanes import address, advance, fill, keep_first, load, load_from, stopped, store, store_from
from .kernels_types import Group
from .spec import LEAST, QUIET


@inline
def zero(numbers):
    """Return a vector of zeros."""
    return fill(numbers.one) - fill(numbers.one)


@row
def gather(source, group, offsets, places, patches, length):
    """Copy patches from the image; each takes ``length`` numbers."""
    image, out = address(source), address(patches)
    for k in range(group.count):
        for r in range(offsets.size):  # what a vector holds beyond its row is written over by the next one
            store_from(out, k * length + places[r], load_from(image, group.positions[k] + offsets[r]))


@row
def centre(patches, group, shape, mean, numbers):
    """Take the mean patch off; fill up with zeros to the group's size and to the patch's length."""
    data, out, count = address(patches), address(mean), group.count
    step = shape.length // shape.lanes
    for v in range(step):
        pixels = int(numbers.pixels) - v * shape.lanes
        total = zero(numbers)
        for k in range(count):
            total = total + load(data, k * step + v)
        middle = keep_first(total * fill(group.share), pixels)
        store(out, v, middle)
        for k in range(count):
            store(data, k * step + v, keep_first(load(data, k * step + v), pixels) - middle)
        for k in range(count, group.size):
            store(data, k * step + v, zero(numbers))


@row
def transpose(patches, size, shape, pixels):
    """Write patches pixel by pixel."""
    data, out, length, lanes = address(patches), address(pixels), shape.length, shape.lanes
    for k in range(0, size, lanes):
        for v in range(0, length, lanes):
            transpose_block(data, k * length + v, length, out, v * size + k, size)


@row
def multiply(pixels, size, lanes, matrix, numbers):
    """Sum up the products of all pairs of patches, blocks on the diagonal and above."""
    data, out = address(pixels), address(matrix)
    for r in range(0, size, lanes):
        for c in range(r, size, lanes):
            set_product(out, r * size + c, size, data, r, size, data, c, size, int(numbers.pixels))


@row
def add_noise(matrix, power, powers, group, offset, numbers):
    """Add its share of the noise to the matrix; rows of no patch get something to be inverted."""
    count, size = group.count, group.size
    held = noise = matrix[0] - matrix[0]
    for k in range(size):
        power[k] = powers[group.positions[k] + offset] if powers.size and k < count else numbers.pixels
        if k < count:
            held += matrix[k * size + k]
            noise += power[k]
    added, share = numbers.noise, numbers.one
    if added < numbers.one and held * count < QUIET * noise * (count - 1):
        part = held * count / (QUIET * noise * (count - 1))
        added, share = added + (1 - part), max(part, LEAST)
    for k in range(size):
        if k < count:
            power[k] *= share
        matrix[k * size + k] += max(added * power[k], numbers.rounding * held) if k < count else power[k]


@row
def invert(matrix, size, lanes, panel, swept, numbers):
    """Replace a symmetric positive definite matrix by minus its inverse: blocks on the diagonal and above."""
    a, p, t = address(matrix), address(panel), address(swept)
    for k in range(0, size, lanes):
        at = k * size + k
        for r in range(0, size, lanes):
            if r < k:
                transpose_block(a, r * size + k, size, p, r, size)
            elif r > k:
                for i in range(lanes):
                    store_from(p, i * size + r, load_from(a, (k + i) * size + r))
        sweep_block(a, at, size)
        for r in range(0, size, lanes):
            if r != k:
                set_product(t, r, size, a, at, size, p, r, size, lanes)
        for r in range(0, size, lanes):
            for c in range(r, size, lanes):
                if r != k and c != k:
                    add_product(a, r * size + c, size, p, r, size, t, c, size, lanes)
        for r in range(0, size, lanes):
            if r != k:
                for i in range(lanes):
                    store_from(t, i * size + r, zero(numbers) - load_from(t, i * size + r))
                if r < k:
                    transpose_block(t, r, size, a, r * size + k, size)
                else:
                    for i in range(lanes):
                        store_from(a, (k + i) * size + r, load_from(t, i * size + r))
    for r in range(0, size, lanes):
        for c in range(r + lanes, size, lanes):
            transpose_block(a, r * size + c, size, a, c * size + r, size)


@row
def weigh(matrix, power, group, lanes, certainty, numbers):
    """Turn the negative inverse into the weights of the noisy patches, and find the noise that these leave."""
    a, d, out = address(matrix), address(power), address(certainty)
    one, count, size = fill(numbers.one), group.count, group.size
    for k in range(count):
        matrix[k * size + k] += numbers.one / power[k]
    for c in range(0, size, lanes):
        own, total, left = load_from(d, c), zero(numbers), zero(numbers)
        for k in range(count):
            total = total + load_from(a, k * size + c)
        rest = (one - own * total) * fill(group.share)
        for k in range(count):
            weight = own * load_from(a, k * size + c) + rest
            store_from(a, k * size + c, weight)
            left = left + weight * weight * fill(power[k])
        store_from(out, c, fill(numbers.pixels) / left)


@row
def combine(matrix, patches, size, shape, estimates):
    """Sum up the patches with their weights."""
    a, data, out = address(matrix), address(patches), address(estimates)
    length, lanes = shape.length, shape.lanes
    for k in range(0, size, lanes):
        for v in range(0, length, lanes):
            set_product(out, k * length + v, length, a, k, size, data, v, length, size)


@row
def scatter(estimates, mean, certainty, group, offsets, pieces, length, sums):
    """Add the estimates to the image, each with its certainty as weight."""
    data, middle, total, weights = address(estimates), address(mean), address(sums.total), address(sums.weights)
    places, widths = pieces.places, pieces.widths
    for k in range(group.count):
        for r in range(offsets.size):
            at, i = group.positions[k] + offsets[r], places[r]
            weight = keep_first(fill(certainty[k]), widths[r])
            value = keep_first(load_from(middle, i) + load_from(data, k * length + i), widths[r])
            store_from(total, at, load_from(total, at) + weight * value)
            store_from(weights, at, load_from(weights, at) + weight)


@kernel
def estimate_tile(images, positions, counts, pieces, shape, scratch, numbers, sums, pulse):
    """Estimate the groups of a tile, each channel on its own, unless stopped."""
    patches, guess, mean, pixels, matrix, panel, swept, power, certainty, number = scratch
    noisy, pilot, powers = images
    offsets, places, _ = pieces
    length, lanes = shape
    for g in range(counts.size):
        if stopped(pulse):  # before a group is read: of a search that was stopped, none is there
            return
        advance(pulse, 1)
        count = counts[g]
        number[0] = 1 / count  # in the planes' type
        size = (count + lanes - 1) // lanes * lanes
        group = Group(positions[g], count, size, number[0])
        for c in range(offsets.shape[0]):
            gather(noisy, group, offsets[c], places, patches, length)
            gather(pilot, group, offsets[c], places, guess, length)
            centre(guess, group, shape, mean, numbers)
            transpose(guess, size, shape, pixels)
            centre(patches, group, shape, mean, numbers)
            multiply(pixels, size, lanes, matrix, numbers)
            add_noise(matrix, power, powers, group, offsets[c, 0], numbers)
            invert(matrix, size, lanes, panel, swept, numbers)
            weigh(matrix, power, group, lanes, certainty, numbers)
            combine(matrix, patches, size, shape, guess)
            scatter(guess, mean, certainty, group, offsets[c], pieces, length, sums)
