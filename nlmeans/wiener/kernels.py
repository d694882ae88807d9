"""The loops of the Wiener step: cosine transforms of overlapping windows, in the layout of the core's tiles.

A window is 8 × 8 pixels of a plane, or of 4 slices of a volume. Its columns are transformed first, which serves all
windows of a row; then each window takes eight neighbouring columns, which in this layout are eight neighbouring
vectors. The way back is the same in reverse, on sums over the windows.
"""

from __future__ import annotations

from ..pairwise.kernels import gather
from ..simd.jit import inline, kernel, optional, row
from ..simd.lanes import address, fill, load, store, to_next_lane
from .kernels_types import LONG, ONE, POWER, SHORT, SIDE, Windows


@inline
def forward(c, a, b, d, e, f, g, h, i):
    """Return the orthonormal cosine transform of eight vectors."""
    c1, c2, c3, c4, c5, c6, c7 = fill(c[1]), fill(c[2]), fill(c[3]), fill(c[4]), fill(c[5]), fill(c[6]), fill(c[7])
    s0, s1, s2, s3 = a + i, b + h, d + g, e + f
    d0, d1, d2, d3 = a - i, b - h, d - g, e - f
    e0, e1, f0, f1 = s0 + s3, s1 + s2, s0 - s3, s1 - s2
    return (
        c4 * (e0 + e1),
        c1 * d0 + c3 * d1 + c5 * d2 + c7 * d3,
        c2 * f0 + c6 * f1,
        c3 * d0 - c7 * d1 - c1 * d2 - c5 * d3,
        c4 * (e0 - e1),
        c5 * d0 - c1 * d1 + c7 * d2 + c3 * d3,
        c6 * f0 - c2 * f1,
        c7 * d0 - c5 * d1 + c3 * d2 - c1 * d3,
    )


@inline
def inverse(c, x0, x1, x2, x3, x4, x5, x6, x7):
    """Undo `forward`."""
    c1, c2, c3, c4, c5, c6, c7 = fill(c[1]), fill(c[2]), fill(c[3]), fill(c[4]), fill(c[5]), fill(c[6]), fill(c[7])
    e0, e1 = c4 * (x0 + x4), c4 * (x0 - x4)
    f0, f1 = c2 * x2 + c6 * x6, c6 * x2 - c2 * x6
    s0, s1, s2, s3 = e0 + f0, e1 + f1, e1 - f1, e0 - f0
    d0 = c1 * x1 + c3 * x3 + c5 * x5 + c7 * x7
    d1 = c3 * x1 - c7 * x3 - c1 * x5 - c5 * x7
    d2 = c5 * x1 - c1 * x3 + c7 * x5 + c3 * x7
    d3 = c7 * x1 - c5 * x3 + c3 * x5 - c1 * x7
    return s0 + d0, s1 + d1, s2 + d2, s3 + d3, s3 - d3, s2 - d2, s1 - d1, s0 - d0


@inline
def eight(data, at, step):
    """Load eight vectors ``step`` apart."""
    return (
        load(data, at), load(data, at + step), load(data, at + 2 * step), load(data, at + 3 * step),
        load(data, at + 4 * step), load(data, at + 5 * step), load(data, at + 6 * step), load(data, at + 7 * step),
    )  # fmt: skip


@inline
def put(data, at, step, values):
    """Store eight vectors ``step`` apart."""
    store(data, at, values[0])
    store(data, at + step, values[1])
    store(data, at + 2 * step, values[2])
    store(data, at + 3 * step, values[3])
    store(data, at + 4 * step, values[4])
    store(data, at + 5 * step, values[5])
    store(data, at + 6 * step, values[6])
    store(data, at + 7 * step, values[7])


@inline
def add(data, at, step, values, weight):
    """Add eight vectors times ``weight`` to those ``step`` apart."""
    store(data, at, load(data, at) + weight * values[0])
    store(data, at + step, load(data, at + step) + weight * values[1])
    store(data, at + 2 * step, load(data, at + 2 * step) + weight * values[2])
    store(data, at + 3 * step, load(data, at + 3 * step) + weight * values[3])
    store(data, at + 4 * step, load(data, at + 4 * step) + weight * values[4])
    store(data, at + 5 * step, load(data, at + 5 * step) + weight * values[5])
    store(data, at + 6 * step, load(data, at + 6 * step) + weight * values[6])
    store(data, at + 7 * step, load(data, at + 7 * step) + weight * values[7])


@row
def columns_forward(image, at, bands, k, width, basis):
    """Transform eight rows of the image, column by column, into the eight bands of slice k."""
    for t in range(width):
        put(bands, k * SIDE * width + t, width, forward(basis, *eight(image, at + t, width)))


@row
def columns_inverse(bands, k, sums, at, width, basis):
    """Transform the bands of slice k back, and add the eight rows to the image's sums."""
    one = fill(basis[ONE])
    for t in range(width):
        add(sums, at + t, width, inverse(basis, *eight(bands, k * SIDE * width + t, width)), one)


@row
def slices_forward(bands, plane, basis):
    """Transform along four slices, in place."""
    half, long, short = fill(basis[0]), fill(basis[LONG]), fill(basis[SHORT])
    for t in range(plane):
        a, b, c, d = load(bands, t), load(bands, t + plane), load(bands, t + 2 * plane), load(bands, t + 3 * plane)
        store(bands, t, half * ((a + d) + (b + c)))
        store(bands, t + plane, long * (a - d) + short * (b - c))
        store(bands, t + 2 * plane, half * ((a + d) - (b + c)))
        store(bands, t + 3 * plane, short * (a - d) - long * (b - c))


@row
def slices_inverse(bands, plane, basis):
    """Undo `slices_forward`."""
    half, long, short = fill(basis[0]), fill(basis[LONG]), fill(basis[SHORT])
    for t in range(plane):
        a, b, c, d = load(bands, t), load(bands, t + plane), load(bands, t + 2 * plane), load(bands, t + 3 * plane)
        e, f = half * (a + c), half * (a - c)
        g, h = long * b + short * d, short * b - long * d
        store(bands, t, e + g)
        store(bands, t + plane, f + h)
        store(bands, t + 2 * plane, f - h)
        store(bands, t + 3 * plane, e - g)


@inline
def gain(pilot, variance, band):
    """Return the share of a coefficient that is signal, by the pilot's coefficient and the noise in its band."""
    power = pilot * pilot
    return power / (power + variance * band)


@row
def shrink_row(windows, k, rule, noise, middle):
    """Transform band k along x for each window, and keep of each coefficient its `gain`; add up the gains' squares.

    ``noise`` holds the variance in the middle of each window from ``middle`` on, where it is not the same everywhere.
    """
    basis, powers, u, at, first = rule.basis, rule.powers, k % SIDE, k * windows.width, k * SIDE * windows.count
    n0, n1, n2, n3 = fill(powers[u, 0]), fill(powers[u, 1]), fill(powers[u, 2]), fill(powers[u, 3])
    n4, n5, n6, n7 = fill(powers[u, 4]), fill(powers[u, 5]), fill(powers[u, 6]), fill(powers[u, 7])
    for t in range(0, windows.count, windows.step):
        v = fill(basis[POWER]) if noise is None else load(noise, middle + t)
        p0, p1, p2, p3, p4, p5, p6, p7 = forward(basis, *eight(windows.pilot, at + t, 1))
        a, b, c, d, e, f, g, h = (
            gain(p0, v, n0), gain(p1, v, n1), gain(p2, v, n2), gain(p3, v, n3),
            gain(p4, v, n4), gain(p5, v, n5), gain(p6, v, n6), gain(p7, v, n7),
        )  # fmt: skip
        total = ((a * a + b * b) + (c * c + d * d)) + ((e * e + f * f) + (g * g + h * h))
        store(windows.energy, t, load(windows.energy, t) + total)
        x0, x1, x2, x3, x4, x5, x6, x7 = forward(basis, *eight(windows.noisy, at + t, 1))
        put(windows.kept, first + t, windows.count, (a * x0, b * x1, c * x2, d * x3, e * x4, f * x5, g * x6, h * x7))


@row
def keep_mean(windows, basis):
    """Put back the first coefficient of each window, its mean: it is not shrunk."""
    for t in range(0, windows.count, windows.step):
        store(windows.kept, t, forward(basis, *eight(windows.noisy, t, 1))[0])


@row
def weigh_row(windows, basis):
    """Turn what a window kept of the noise into its weight, and add up the weights over the pixels it covers."""
    one, energy, spread = fill(basis[ONE]), windows.energy, windows.spread
    for t in range(windows.width):
        store(spread, t, one - one)
    for t in range(0, windows.count, windows.step):
        weight = one / (one + load(energy, t))
        store(energy, t, weight)
        for k in range(SIDE):
            store(spread, t + k, load(spread, t + k) + weight)


@row
def back_row(windows, k, basis):
    """Transform band k of each window back along x, and add it up, times the window's weight."""
    first, band = k * SIDE * windows.count, k * windows.width
    for t in range(0, windows.count, windows.step):
        pixels = inverse(basis, *eight(windows.kept, first + t, windows.count))
        add(windows.bands, band + t, 1, pixels, load(windows.energy, t))


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


@optional
def noise_of(field, ones, places):
    """Bring the variance into the tile's layout, if it differs from place to place."""
    gather(field.noise, ones, places, address(field.tile))
    return address(field.tile)


@kernel
def wiener_tile(image, rule, tile, tables, scratch, field):
    """Compute one tile of one channel."""
    (z_first, z_last), (y_first, y_last), (x_first, x_last) = tile
    (z_zero, y_zero, x_zero), places = tables.corner, tables.places
    deep, step, basis = rule.deep, rule.step, rule.basis
    f, p, sums = address(scratch.noisy), address(scratch.pilot), address(scratch.sums)
    width, lanes = places.columns.shape
    count, slices, rows = width - (SIDE - 1), places.planes.size, places.rows.size
    windows = Windows(
        address(scratch.noisy_bands), address(scratch.pilot_bands), address(scratch.kept), address(scratch.bands),
        address(scratch.energy), address(scratch.spread), width, count, step,
    )  # fmt: skip
    plane = rows * width
    total = slices * plane
    band = SIDE * width

    gather(image.noisy, image.ones, places, f)
    gather(image.pilot, image.ones, places, p)
    noise = noise_of(field, image.ones, places)
    scratch.sums[:] = 0

    for z in range(slices - deep + 1):
        for y in range(0, rows - SIDE + 1, step):
            for k in range(deep):
                at = (z + k) * plane + y * width
                columns_forward(f, at, windows.noisy, k, width, basis)
                columns_forward(p, at, windows.pilot, k, width, basis)
            if deep > 1:
                slices_forward(windows.noisy, band, basis)
                slices_forward(windows.pilot, band, basis)
            clear(windows.energy, count, basis)
            middle = (z + deep // 2) * plane + (y + SIDE // 2) * width + SIDE // 2
            for k in range(deep * SIDE):
                shrink_row(windows, k, rule, noise, middle)
            keep_mean(windows, basis)
            weigh_row(windows, basis)
            clear(windows.bands, deep * band, basis)
            for k in range(deep * SIDE):
                back_row(windows, k, basis)
            if deep > 1:
                slices_inverse(windows.bands, band, basis)
            for k in range(deep):
                at = (z + k) * plane + y * width
                columns_inverse(windows.bands, k, sums, at, width, basis)
                for r in range(SIDE):
                    for t in range(width):
                        here = total + at + r * width + t
                        store(sums, here, load(sums, here) + load(windows.spread, t))

    out = image.out
    for z in range(z_first, z_last):
        for y in range(y_first, y_last):
            at = (z - z_zero) * plane + (y - y_zero) * width
            fold_forward(sums, at, count)
            fold_forward(sums, total + at, count)
            for lane in range(lanes):
                start = x_zero + lane * count
                for x in range(max(start, x_first), min(start + count, x_last)):
                    k = (at + x - start) * lanes + lane
                    out[z, y, x] = sums[k] / sums[k + total * lanes]
