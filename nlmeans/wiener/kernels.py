"""The loops of the Wiener step: cosine transforms of overlapping windows, in the layout of the core's tiles.

A window is 8 × 8 pixels of a plane, or of 4 slices of a volume. Its columns are transformed first, which serves all
windows of a row; then each window takes eight neighbouring columns, which in this layout are eight neighbouring
vectors. The way back is the same in reverse, on sums over the windows.
"""

from __future__ import annotations

from ..simd.blocks import transpose_anywhere
from ..simd.jit import inline, kernel, optional, row
from ..simd.lanes import address, fill, load, load_from, reciprocal, store, store_from, to_next_lane
from .kernels_cosine import add, eight, forward, inverse, put, squared
from .kernels_types import DEPTH, FOURTHS, HALF, LONG, ONE, SHORT, SIDE, SQUARES, Rows, Windows


@row
def columns_forward(image, rows, bands, first, last, basis):
    """Transform columns of eight rows of an image, and of four slices."""
    deep = rows.deep
    for k in range(deep):
        at = rows.at + k * rows.plane
        for t in range(first, last):
            put(bands, (t * deep + k) * SIDE, 1, forward(basis, *eight(image, at + t, rows.width)))
    if deep > 1:
        half, long, short = fill(basis[HALF]), fill(basis[LONG]), fill(basis[SHORT])
        for t in range(first * deep * SIDE, last * deep * SIDE, DEPTH * SIDE):
            for i in range(t, t + SIDE):
                a, b, c, d = load(bands, i), load(bands, i + SIDE), load(bands, i + 2 * SIDE), load(bands, i + 3 * SIDE)
                store(bands, i, half * ((a + d) + (b + c)))
                store(bands, i + SIDE, long * (a - d) + short * (b - c))
                store(bands, i + 2 * SIDE, half * ((a + d) - (b + c)))
                store(bands, i + 3 * SIDE, short * (a - d) - long * (b - c))


@row
def columns_inverse(bands, first, last, sums, rows, basis):
    """Transform bands of columns back, and add their rows to the image's sums."""
    deep = rows.deep
    if deep > 1:
        half, long, short = fill(basis[HALF]), fill(basis[LONG]), fill(basis[SHORT])
        for t in range(first * deep * SIDE, last * deep * SIDE, DEPTH * SIDE):
            for i in range(t, t + SIDE):
                a, b, c, d = load(bands, i), load(bands, i + SIDE), load(bands, i + 2 * SIDE), load(bands, i + 3 * SIDE)
                e, f = half * (a + c), half * (a - c)
                g, h = long * b + short * d, short * b - long * d
                store(bands, i, e + g)
                store(bands, i + SIDE, f + h)
                store(bands, i + 2 * SIDE, f - h)
                store(bands, i + 3 * SIDE, e - g)
    for k in range(deep):
        at = rows.at + k * rows.plane
        for t in range(first, last):
            x0, x1, x2, x3, x4, x5, x6, x7 = eight(bands, (t * deep + k) * SIDE, 1)
            add(sums, at + t, rows.width, inverse(basis, *squared(basis, x0, x1, x2, x3, x4, x5, x6, x7)))


@inline
def times(number, vector):
    """Return a number in every lane, times a vector if there is one."""
    if vector is None:
        return fill(number)
    return fill(number) * vector


@inline
def gain(coefficient, square, bars, k, variance):
    """Return the share of coefficient k that is signal, by the pilot's and its noise (of `Rule`), times ``square``.

    It comes from the share that is noise: an approximate reciprocal is then least wrong where the signal is strong.
    """
    limits, powers = bars
    rest = reciprocal(coefficient * coefficient + times(limits[k], variance))
    return square - times(powers[k], variance) * rest


@row
def shrink(windows, t, first, rule, variance):
    """Transform the bands of window t along x, and keep of each coefficient its `gain`; return the window's weight."""
    c, kept, bars = rule.basis, windows.kept, (address(rule.limits), address(rule.powers))
    s0, s1, s2, s3 = fill(c[SQUARES]), fill(c[SQUARES + 1]), fill(c[SQUARES + 2]), fill(c[SQUARES + 3])
    n0 = n1 = n2 = n3 = s0 - s0
    step = rule.deep * SIDE
    for k in range(step):
        at, i = t * step + k, (k & (SIDE - 1)) * SIDE
        p0, p1, p2, p3, p4, p5, p6, p7 = forward(c, *eight(windows.pilot, at, step))
        p0, p4 = gain(p0, s0, bars, i, variance), gain(p4, s0, bars, i + 4, variance)
        p1, p2 = gain(p1, s1, bars, i + 1, variance), gain(p2, s2, bars, i + 2, variance)
        p3, p5 = gain(p3, s3, bars, i + 3, variance), gain(p5, s3, bars, i + 5, variance)
        p6, p7 = gain(p6, s2, bars, i + 6, variance), gain(p7, s1, bars, i + 7, variance)
        n0, n1 = p4 * p4 + (p0 * p0 + n0), p7 * p7 + (p1 * p1 + n1)
        n2, n3 = p6 * p6 + (p2 * p2 + n2), p5 * p5 + (p3 * p3 + n3)
        x0, x1, x2, x3, x4, x5, x6, x7 = forward(c, *eight(windows.noisy, at, step))
        put(kept, first + k * SIDE, 1, (p0 * x0, p1 * x1, p2 * x2, p3 * x3, p4 * x4, p5 * x5, p6 * x6, p7 * x7))
    a, b, d, e, f, g, h, i = eight(windows.noisy, t * step, step)
    store(kept, first, s0 * (((a + b) + (d + e)) + ((f + g) + (h + i))))  # the mean is not shrunk
    f0, f1, f2, f3 = fill(c[FOURTHS]), fill(c[FOURTHS + 1]), fill(c[FOURTHS + 2]), fill(c[FOURTHS + 3])
    one = fill(c[ONE])
    return one / (f0 * n0 + (f1 * n1 + (f2 * n2 + (f3 * n3 + one))))


@row
def pair(windows, t, v, w, c, count):
    """Transform what is kept of the windows t and t + 2 back along x, and add it up by their weights.

    They share most of the columns that they are added to, of which four are met first.
    """
    bands, kept = windows.bands, windows.kept
    for k in range(count):
        at = t * count + k
        x0, x1, x2, x3, x4, x5, x6, x7 = inverse(c, *eight(kept, k * SIDE, 1))
        y0, y1, y2, y3, y4, y5, y6, y7 = inverse(c, *eight(kept, (count + k) * SIDE, 1))
        store(bands, at, v * x0 + load(bands, at))
        store(bands, at + count, v * x1 + load(bands, at + count))
        store(bands, at + 2 * count, w * y0 + (v * x2 + load(bands, at + 2 * count)))
        store(bands, at + 3 * count, w * y1 + (v * x3 + load(bands, at + 3 * count)))
        store(bands, at + 4 * count, w * y2 + (v * x4 + load(bands, at + 4 * count)))
        store(bands, at + 5 * count, w * y3 + (v * x5 + load(bands, at + 5 * count)))
        store(bands, at + 6 * count, w * y4 + v * x6)
        store(bands, at + 7 * count, w * y5 + v * x7)
        store(bands, at + 8 * count, w * y6)
        store(bands, at + 9 * count, w * y7)


@row
def shrink_row(windows, rows, images, sums, odd, rule, noise):
    """Shrink every second window of a row, the first or the ``odd`` ones, and add up what they become, by weight.

    Columns are transformed when the first window needs them, and back after the last, while they are near at hand.
    ``noise`` holds the variance of each pixel, where it is not the same everywhere.
    """
    (noisy, pilot), basis, count = images, rule.basis, rule.deep * SIDE
    middle = rows.at + rule.deep // 2 * rows.plane + SIDE // 2 * rows.width + SIDE // 2
    columns_forward(noisy, rows, windows.noisy, odd, odd + 6, basis)
    columns_forward(pilot, rows, windows.pilot, odd, odd + 6, basis)
    for k in range(odd * count, (odd + 6) * count):
        store(windows.bands, k, fill(basis[ONE]) - fill(basis[ONE]))
    for t in range(odd, windows.count, 4):
        last = min(t + 10, windows.count + odd + 6)
        columns_forward(noisy, rows, windows.noisy, t + 6, last, basis)
        columns_forward(pilot, rows, windows.pilot, t + 6, last, basis)
        v = shrink(windows, t, 0, rule, None if noise is None else load(noise, middle + t))
        store(windows.weights, SIDE - 1 + t, v)
        w = v - v  # a last window may have no other: what is kept of an earlier one then counts nothing
        if t + 2 < windows.count:
            w = shrink(windows, t + 2, count * SIDE, rule, None if noise is None else load(noise, middle + t + 2))
            store(windows.weights, SIDE + 1 + t, w)
        pair(windows, t, v, w, basis, count)
        columns_inverse(windows.bands, t, t + 4, sums, rows, basis)
    done = odd + (windows.count + 2) // 4 * 4
    columns_inverse(windows.bands, done, windows.count + odd + 6, sums, rows, basis)


@row
def spread_row(windows, odd, spread, at, basis):
    """Add up the weights of the windows that cover each column: two neighbours are covered by the same."""
    weights, last = windows.weights, windows.width - 1
    store(spread, at, fill(basis[ONE]) - fill(basis[ONE]))
    store(spread, at + last, fill(basis[ONE]) - fill(basis[ONE]))
    for t in range(odd, last, 2):
        total = (load(weights, t + 1) + load(weights, t + 3)) + (load(weights, t + 5) + load(weights, t + 7))
        store(spread, at + t, total)
        store(spread, at + t + 1, total)


@row
def copy(source, start, target, at, count, lanes):
    """Copy numbers, by vectors as far as they go."""
    whole = count // lanes * lanes
    for k in range(0, whole, lanes):
        store_from(target, at + k, load_from(source, start + k))
    for k in range(whole, count):
        target[at + k] = source[start + k]


@row
def bring(image, tables, line, tile, width):
    """Copy slices into the tile's layout. What a row writes beyond its end, the next one overwrites."""
    columns, lanes, (first, last), at = address(tables.columns), tables.lanes, tables.plain, 0
    for z in tables.slices:
        for y in tables.rows:
            source = address(image[z, y])
            for k in range(first):
                line[k] = source[columns[k]]
            copy(source, columns[first], line, first, last - first, lanes)
            for k in range(last, tables.columns.size):
                line[k] = source[columns[k]]
            for t in range(0, width, lanes):
                transpose_anywhere(line, t, tables.count, tile, (at + t) * lanes, lanes)
            at += width


@row
def clear(data, count, basis):
    """Fill with zeros."""
    zero = fill(basis[ONE]) - fill(basis[ONE])
    for t in range(count):
        store(data, t, zero)


@row
def fold_forward(sums, at, count):
    """Hand what the windows of a lane added beyond its end over to the next lane."""
    for k in range(SIDE - 1):
        t = at + count + SIDE - 2 - k
        store(sums, t - count, load(sums, t - count) + to_next_lane(load(sums, t)))


@row
def divide_row(sums, at, spread, first, plane, deep, width):
    """Divide a row's sums by the weights of all windows that hold it, from row ``first`` of ``deep`` slices on."""
    for t in range(width):
        total = load(spread, first + t)
        for r in range(1, SIDE):
            total = total + load(spread, first + r * width + t)
        for k in range(1, deep):
            for r in range(SIDE):
                total = total + load(spread, first + k * plane + r * width + t)
        store(sums, at + t, load(sums, at + t) / total)


@optional
def noise_of(field, tables, line, width):
    """Bring the variance into the tile's layout, if it differs from place to place."""
    bring(field.noise, tables, line, address(field.tile), width)
    return address(field.tile)


@kernel
def wiener_tile(image, rule, tile, tables, scratch, field):
    """Compute one tile of one channel."""
    (z_first, z_last), (y_first, y_last), (x_first, x_last) = tile
    (z_zero, y_zero, x_zero), slices, rows = tables.corner, tables.slices.size, tables.rows.size
    deep, basis, line = rule.deep, rule.basis, address(scratch.line)
    f, p, sums = address(scratch.noisy), address(scratch.pilot), address(scratch.sums)
    lanes, count, width = tables.lanes, tables.count, tables.count + SIDE - 1
    windows = Windows(
        address(scratch.noisy_bands), address(scratch.pilot_bands), address(scratch.bands), address(scratch.kept),
        address(scratch.weights), width, count,
    )  # fmt: skip
    plane = rows * width

    bring(image.noisy, tables, line, f, width)
    bring(image.pilot, tables, line, p, width)
    noise = noise_of(field, tables, line, width)
    clear(sums, slices * plane, basis)
    clear(windows.weights, count + 2 * (SIDE - 1), basis)
    clear(windows.kept, 2 * deep * SIDE * SIDE, basis)

    for z in range(slices - deep + 1):
        for y in range(rows - SIDE + 1):
            odd, here = (z + y + tables.odd) % 2, z * plane + y * width
            shrink_row(windows, Rows(here, width, plane, deep), (f, p), sums, odd, rule, noise)
            # Later windows do not need this row of the pilot: their weights take its place.
            spread_row(windows, odd, p, here, basis)
            fold_forward(p, here, count)

    for z in range(z_first, z_last):
        first, last = max(z - z_zero - deep + 1, 0), min(z - z_zero + 1, slices - deep + 1)  # where windows begin
        for y in range(y_first, y_last):
            at = (z - z_zero) * plane + (y - y_zero) * width
            fold_forward(sums, at, count)
            divide_row(sums, at, p, at - (z - z_zero - first) * plane - (SIDE - 1) * width, plane, last - first, width)
            # From the last to the first, since each writes beyond a lane's end, where the next lane begins.
            for t in range((count - 1) // lanes * lanes, -1, -lanes):
                transpose_anywhere(sums, (at + t) * lanes, lanes, line, t, count)
            copy(line, x_first - x_zero, address(image.out[z, y]), x_first, x_last - x_first, lanes)
