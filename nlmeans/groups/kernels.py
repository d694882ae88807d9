"""The loops that estimate groups of patches.

A group lies in memory twice: patch by patch, which is how it comes from the image and goes back, and pixel by pixel,
from which the products of all pairs of patches are summed up. Its matrix is inverted block by block, where it lies:
sweeping a block changes the others by products of what stands in its rows, of which half are needed by symmetry.
"""

from __future__ import annotations

from ..simd.blocks import add_product, set_product, sweep_block, transpose_block
from ..simd.jit import inline, kernel, row
from ..simd.lanes import address, advance, fill, keep_first, load, load_from, stopped, store, store_from
from .spec import LEAST, QUIET

ONE, NOISE, PIXELS, ROUNDING = 0, 1, 2, 3
"""Places in ``numbers``: 1, the share of the noise in the matrix, the pixels of a patch, and how little of a matrix's
trace may be added to its diagonal: rounding would make it indefinite with less."""


@inline
def zero(numbers):
    """Return a vector of zeros."""
    return fill(numbers[ONE]) - fill(numbers[ONE])


@row
def gather(source, positions, count, rows, places, patches, length):
    """Copy patches from the image; each takes ``length`` numbers."""
    image, out = address(source), address(patches)
    for k in range(count):
        for r in range(rows.size):  # what a vector holds beyond its row is written over by the next one
            store_from(out, k * length + places[r], load_from(image, positions[k] + rows[r]))


@row
def centre(patches, count, size, length, lanes, mean, share, numbers):
    """Take the mean patch off; fill up with zeros to ``size`` patches and to ``length`` pixels."""
    data, out = address(patches), address(mean)
    step = length // lanes
    for v in range(step):
        pixels = int(numbers[PIXELS]) - v * lanes
        total = zero(numbers)
        for k in range(count):
            total = total + load(data, k * step + v)
        middle = keep_first(total * fill(share), pixels)
        store(out, v, middle)
        for k in range(count):
            store(data, k * step + v, keep_first(load(data, k * step + v), pixels) - middle)
        for k in range(count, size):
            store(data, k * step + v, zero(numbers))


@row
def transpose(patches, size, length, lanes, pixels):
    """Write patches pixel by pixel."""
    data, out = address(patches), address(pixels)
    for k in range(0, size, lanes):
        for v in range(0, length, lanes):
            transpose_block(data, k * length + v, length, out, v * size + k, size)


@row
def multiply(pixels, size, lanes, matrix, numbers):
    """Sum up the products of all pairs of patches, blocks on the diagonal and above."""
    data, out = address(pixels), address(matrix)
    for r in range(0, size, lanes):
        for c in range(r, size, lanes):
            set_product(out, r * size + c, size, data, r, size, data, c, size, int(numbers[PIXELS]))


@row
def add_noise(matrix, power, powers, positions, offset, count, size, numbers):
    """Add its share of the noise to the matrix; rows of no patch get something to be inverted."""
    held = noise = matrix[0] - matrix[0]
    for k in range(size):
        power[k] = powers[positions[k] + offset] if powers.size and k < count else numbers[PIXELS]
        if k < count:
            held += matrix[k * size + k]
            noise += power[k]
    added, share = numbers[NOISE], numbers[ONE]
    if added < numbers[ONE] and held * count < QUIET * noise * (count - 1):
        found = held * count / (QUIET * noise * (count - 1))
        added, share = added + (1 - found), max(found, LEAST)
    for k in range(size):
        if k < count:
            power[k] *= share
        matrix[k * size + k] += max(added * power[k], numbers[ROUNDING] * held) if k < count else power[k]


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
def weigh(matrix, power, count, size, lanes, share, certainty, numbers):
    """Turn the negative inverse into the weights of the noisy patches, and find the noise that these leave."""
    a, d, out = address(matrix), address(power), address(certainty)
    one = fill(numbers[ONE])
    for k in range(count):
        matrix[k * size + k] += numbers[ONE] / power[k]
    for c in range(0, size, lanes):
        own, total, left = load_from(d, c), zero(numbers), zero(numbers)
        for k in range(count):
            total = total + load_from(a, k * size + c)
        rest = (one - own * total) * fill(share)
        for k in range(count):
            weight = own * load_from(a, k * size + c) + rest
            store_from(a, k * size + c, weight)
            left = left + weight * weight * fill(power[k])
        store_from(out, c, fill(numbers[PIXELS]) / left)


@row
def combine(matrix, patches, size, length, lanes, estimates):
    """Sum up the patches with their weights."""
    a, data, out = address(matrix), address(patches), address(estimates)
    for k in range(0, size, lanes):
        for v in range(0, length, lanes):
            set_product(out, k * length + v, length, a, k, size, data, v, length, size)


@row
def scatter(estimates, mean, certainty, positions, count, rows, places, widths, length, total, weights):
    """Add the estimates to the image, each with its certainty as weight."""
    data, middle, sums, counts = address(estimates), address(mean), address(total), address(weights)
    for k in range(count):
        for r in range(rows.size):
            at, i = positions[k] + rows[r], places[r]
            weight = keep_first(fill(certainty[k]), widths[r])
            value = keep_first(load_from(middle, i) + load_from(data, k * length + i), widths[r])
            store_from(sums, at, load_from(sums, at) + weight * value)
            store_from(counts, at, load_from(counts, at) + weight)


@kernel
def estimate_tile(noisy, pilot, powers, positions, counts, rows, lengths, scratch, numbers, total, weights, pulse):
    """Estimate the groups of a tile, each channel on its own, unless stopped. `run` says what each argument holds."""
    patches, guess, mean, pixels, matrix, panel, swept, power, certainty, number = scratch
    length, lanes = lengths
    tables, places, widths = rows
    for g in range(counts.size):
        if stopped(pulse):  # before a group is read: of a search that was stopped, none is there
            return
        advance(pulse, 1)
        count, group = counts[g], positions[g]
        number[0] = 1 / count  # in the planes' type
        share = number[0]
        size = (count + lanes - 1) // lanes * lanes
        for c in range(tables.shape[0]):
            gather(noisy, group, count, tables[c], places, patches, length)
            gather(pilot, group, count, tables[c], places, guess, length)
            centre(guess, count, size, length, lanes, mean, share, numbers)
            transpose(guess, size, length, lanes, pixels)
            centre(patches, count, size, length, lanes, mean, share, numbers)
            multiply(pixels, size, lanes, matrix, numbers)
            add_noise(matrix, power, powers, group, tables[c, 0], count, size, numbers)
            invert(matrix, size, lanes, panel, swept, numbers)
            weigh(matrix, power, count, size, lanes, share, certainty, numbers)
            combine(matrix, patches, size, length, lanes, guess)
            scatter(guess, mean, certainty, group, count, tables[c], places, widths, length, total, weights)
