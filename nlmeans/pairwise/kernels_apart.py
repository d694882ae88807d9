"""The loops for query, key and value apart: every row of the table, windowed or over all keys, forward and adjoint.

The same layout as in `kernels`: element t of a row's segments, side by side, is vector t. A *near* row holds the
pixels that are computed, one a lane; a *far* row holds those that they meet. In a window, a step along the far row is
a step to the next vector. Over the whole domain, a far vector holds one pixel in all its lanes. So a near pixel t
meets partner g of a group at ``far + t * along + g``, with ``along`` 1 in a window and 0 over the domain, and the
functions below need not know which of the two they work for.

Scores are taken over channels: a patch has been unfolded into channels, and a_i + b_j is the dot product of (a_i, 1)
with (1, b_j). They are kept times the factor that makes the weight a power of two.
"""

from __future__ import annotations

from ..simd.jit import inline, kernel, row
from ..simd.lanes import (
    address,
    bits,
    exp2_fixed,
    fill,
    larger,
    load,
    smaller,
    stopped,
    store,
    unless_nan,
    where_above,
)
from .kernels import gather

GAUSSIAN, EXP, LINEAR, RELU = range(4)
FORWARD, QUERY_SIDE, KEY_SIDE = range(3)


@inline
def exp2_minus(x, power):
    """Return 2**-x for x ≥ 0, 0 beyond the power's end, and NaN for NaN."""
    unit, limit, scale, shift, end = power
    steps = bits(smaller(x * fill(scale) + fill(unit), fill(limit))) - bits(fill(unit))
    return unless_nan(exp2_fixed(steps, fill(shift), fill(end)), x)


@row
def score_row(near, n, n_plane, far, f, f_plane, along, channels, distance, factor, scores, count, size):
    """Score each of ``count`` near vectors with its ``size`` partners: distance, or dot product, times a factor.

    Four partners at a time: their sums do not wait for each other. The last four may reach beyond ``size``, into
    scores that nobody reads.
    """
    times = fill(factor)
    zero = times - times
    for g in range(0, size, 4):
        for t in range(count):
            s0, s1, s2, s3 = zero, zero, zero, zero
            here, there = n + t, f + t * along + g
            for _ in range(channels):
                x = load(near, here)
                a, b, c, d = load(far, there), load(far, there + 1), load(far, there + 2), load(far, there + 3)
                if distance:
                    a, b, c, d = x - a, x - b, x - c, x - d
                    s0, s1, s2, s3 = s0 + a * a, s1 + b * b, s2 + c * c, s3 + d * d
                else:
                    s0, s1, s2, s3 = s0 + x * a, s1 + x * b, s2 + x * c, s3 + x * d
                here, there = here + n_plane, there + f_plane
            k = g * count + t
            store(scores, k, s0 * times)
            store(scores, k + count, s1 * times)
            store(scores, k + 2 * count, s2 * times)
            store(scores, k + 3 * count, s3 * times)


@row
def leave_out(scores, lanes, count, size, first, value):
    """Set the score of a pixel with itself, where partner g is the near pixel ``first + g``."""
    for g in range(size):
        if 0 <= first + g < count * lanes:
            scores[(g * count + (first + g) % count) * lanes + (first + g) // count] = value


@row
def weigh_row(scores, real, f, along, kind, numbers, power, sums, totals, rescale, count, size):
    """Turn scores into weights, none for partners that are not real, and keep up totals and the largest.

    For exp the weights are relative to the largest score so far; ``rescale`` is what earlier sums must be multiplied
    with.
    """
    bias, zero, big = fill(numbers[1]), fill(numbers[2]), fill(numbers[3])
    for t in range(count):
        total, top = load(sums, totals + t), load(sums, totals + count + t)
        if kind == EXP:
            last = top
            for g in range(size):
                alive = load(real, f + t * along + g)
                score = load(scores, g * count + t) * alive + (alive * big - big)
                store(scores, g * count + t, score)
                top = larger(score, top)
            factor = exp2_minus(top - last, power)
            store(rescale, t, factor)
            total = total * factor
        for g in range(size):
            score = load(scores, g * count + t)
            if kind == EXP:
                weight = exp2_minus(top - score, power)
            elif kind == GAUSSIAN:
                weight = exp2_minus(unless_nan(larger(score - bias, zero), score), power)
            elif kind == RELU:
                weight = unless_nan(larger(score, zero), score)
            else:
                weight = score
            weight = weight * load(real, f + t * along + g)
            store(scores, g * count + t, weight)
            total = total + weight
            if kind == GAUSSIAN:
                top = larger(weight, top)
        store(sums, totals + t, total)
        store(sums, totals + count + t, top)


@row
def slope_row(
    scores, gains, real, f, along, stats, s, s_plane, s_along, s_step, kind, numbers, power, sums, totals, count, size
):
    """Turn scores into p = f/C, and gains ⟨G_i, g_j⟩ into the slope of the loss along each score.

    The planes of ``stats`` are 1/C_i, ⟨G_i, y_i⟩, the largest score or weight, and what the pixel itself gains where
    its weight is the largest; they lie with i, on the near or on the far side. ``totals`` sum up the slopes, and the
    slopes times scores (for the derivative along the scale). Slopes are with respect to scale times score.
    """
    bias, zero = fill(numbers[1]), fill(numbers[2])
    for t in range(count):
        slopes, moments = load(sums, totals + t), load(sums, totals + count + t)
        for g in range(size):
            k, at = g * count + t, s + t * s_along + g * s_step
            share = load(stats, at) * load(real, f + t * along + g)
            top = load(stats, at + 2 * s_plane)
            score = load(scores, k)
            gain = (load(gains, k) - load(stats, at + s_plane)) * share
            if kind == EXP:
                weight = exp2_minus(unless_nan(larger(top - score, zero), score), power)
                slope = gain * weight
            elif kind == GAUSSIAN:
                score = unless_nan(larger(score - bias, zero), score)
                weight = exp2_minus(score, power)
                own = load(stats, at + 3 * s_plane) * share
                # the largest weight is found again bit by bit: it came from the same operations
                gain = gain + (own - where_above(top, weight, own))
                slope = zero - where_above(score, zero, gain * weight)
            elif kind == RELU:
                weight = unless_nan(larger(score, zero), score)
                slope = where_above(score, zero, gain)
            else:
                weight = score
                slope = gain
            store(scores, k, weight * share)
            store(gains, k, slope)
            slopes, moments = slopes + slope, moments + slope * score
        store(sums, totals + t, slopes)
        store(sums, totals + count + t, moments)


@row
def add_row(sums, at, weights, far, f, f_plane, along, channels, count, size):
    """Add up weighted partners, four channels at a time while there are as many."""
    fours = channels - channels % 4
    for c in range(0, fours, 4):
        for t in range(count):
            place, partner = at + c * count + t, f + c * f_plane + t * along
            s0, s1 = load(sums, place), load(sums, place + count)
            s2, s3 = load(sums, place + 2 * count), load(sums, place + 3 * count)
            for g in range(size):
                weight = load(weights, g * count + t)
                s0 = s0 + weight * load(far, partner + g)
                s1 = s1 + weight * load(far, partner + g + f_plane)
                s2 = s2 + weight * load(far, partner + g + 2 * f_plane)
                s3 = s3 + weight * load(far, partner + g + 3 * f_plane)
            store(sums, place, s0)
            store(sums, place + count, s1)
            store(sums, place + 2 * count, s2)
            store(sums, place + 3 * count, s3)
    for c in range(fours, channels):
        for t in range(count):
            total = load(sums, at + c * count + t)
            partner = f + c * f_plane + t * along
            for g in range(size):
                total = total + load(weights, g * count + t) * load(far, partner + g)
            store(sums, at + c * count + t, total)


@row
def scale_row(sums, factors, channels, count):
    """Multiply all channels of a row by one factor a pixel."""
    for c in range(channels):
        for t in range(count):
            store(sums, c * count + t, load(sums, c * count + t) * load(factors, t))


@row
def meet(
    mode, kind, near, n, n_plane, far, f, f_plane, real, r, along, channels, first, numbers, power, buffers, count, size
):
    """Let a near row meet one group of partners: score, weigh, add up. ``first`` is as for `leave_out`."""
    scores, gains, rescale, sums, lanes = buffers
    embedding, values = channels
    factor, _, zero, _, one, outcast = numbers
    score_row(near, n, n_plane, far, f, f_plane, along, embedding, kind == GAUSSIAN, factor, scores, count, size)
    leave_out(scores, lanes, count, size, first, outcast)
    n_values, f_values = n + embedding * n_plane, f + embedding * f_plane
    if mode == FORWARD:
        weigh_row(scores, real, r, along, kind, numbers, power, sums, values * count, rescale, count, size)
        if kind == EXP:
            scale_row(sums, rescale, values, count)
        add_row(sums, 0, scores, far, f_values, f_plane, along, values, count, size)
        return
    score_row(near, n_values, n_plane, far, f_values, f_plane, along, values, False, one, gains, count, size)
    leave_out(gains, lanes, count, size, first, zero)
    if mode == QUERY_SIDE:
        slope_row(
            scores, gains, real, r, along, near, n_values + values * n_plane, n_plane, 1, 0,
            kind, numbers, power, sums, embedding * count, count, size,
        )  # fmt: skip
    else:
        slope_row(
            scores, gains, real, r, along, far, f_values + values * f_plane, f_plane, along, 1,
            kind, numbers, power, sums, (embedding + values) * count, count, size,
        )  # fmt: skip
        add_row(sums, embedding * count, scores, far, f_values, f_plane, along, values, count, size)
    add_row(sums, 0, gains, far, f, f_plane, along, embedding, count, size)


@row
def spread(image, first, count, plane, tile, lanes):
    """Put one pixel into all lanes of a vector, for ``count`` pixels from ``first`` on; zero beyond the last."""
    for c in range(image.shape[0]):
        for g in range(count):
            value = image[c, 0, 0, first + g] if first + g < image.shape[3] else image.dtype.type(0)
            store(tile, c * plane + g, fill(value))


@kernel
def meet_tile(mode, kind, near, far, out, tile, tables, recipe, numbers, power, scratch, pulse):
    """Compute one tile of the output or of the adjoint, unless stopped. `attend` says what each argument holds."""
    z_first, z_last, y_first, y_last, x_first, x_last = tile
    near_tables, far_tables = tables
    (rz, ry, rx), domain, alone, group, block, ones = recipe
    near_tile, far_tile, real, scores, gains, rescale, sums = scratch
    lanes = near_tables[2].shape[1]
    count, n_rows = near_tables[2].shape[0], near_tables[1].size
    n_plane = near_tables[0].size * n_rows * count
    width, f_rows = far_tables[2].shape[0], far_tables[1].size
    f_plane = block if domain else far_tables[0].size * f_rows * width
    depth, height = far[0].shape[1], far[0].shape[2]
    keys = far[0].shape[3]

    at = 0
    for image in near:
        gather(image, ones, near_tables[0], near_tables[1], near_tables[2], near_tile[at * lanes :])
        at += image.shape[0] * n_plane
    if not domain:
        at = 0
        for image in far:
            gather(image, ones, far_tables[0], far_tables[1], far_tables[2], far_tile[at * lanes :])
            at += image.shape[0] * f_plane

    n, f, alive, total = address(near_tile), address(far_tile), address(real), address(sums)
    buffers = (address(scores), address(gains), address(rescale), total, lanes)
    channels = (near[0].shape[0], far[1].shape[0])
    planes = out.shape[0]
    nobody = -keys - count * lanes  # no partner is the near pixel itself
    for z in range(z_last - z_first):
        for y in range(y_last - y_first):
            for k in range(planes * count):
                store(total, k, fill(numbers[2]))
            if mode == FORWARD and kind == EXP:
                for k in range(count):
                    store(total, (planes - 1) * count + k, fill(-numbers[3]))
            here = (z * n_rows + y) * count
            if domain:
                for start in range(0, keys, block):
                    if stopped(pulse):
                        return
                    at = 0
                    for image in far:
                        spread(image, start, block, f_plane, address(far_tile[at * lanes :]), lanes)
                        at += image.shape[0] * f_plane
                    for g in range(block):
                        store(alive, g, fill(numbers[4] if start + g < keys else numbers[2]))
                    for g in range(0, min(block, keys - start), group):
                        size = min(group, block - g)
                        first = start + g - x_first if alone else nobody
                        meet(
                            mode, kind, n, here, n_plane, f, g, f_plane, alive, g, 0,
                            channels, first, numbers, power, buffers, count, size,
                        )  # fmt: skip
            else:
                for dz in range(max(-rz, -z_first - z), min(rz, depth - 1 - z_first - z) + 1):
                    for dy in range(max(-ry, -y_first - y), min(ry, height - 1 - y_first - y) + 1):
                        if stopped(pulse):
                            return
                        there = ((z + rz + dz) * f_rows + y + ry + dy) * width
                        # the pixel itself is stepped over where it has no part
                        split = alone and dz == 0 and dy == 0
                        for low, high in ((-rx, 0), (1, rx + 1)) if split else ((-rx, rx + 1), (0, 0)):
                            for d in range(low, high, group):
                                size = min(group, high - d)
                                meet(
                                    mode, kind, n, here, n_plane, f, there + rx + d, f_plane, alive, rx + d, 1,
                                    channels, nobody, numbers, power, buffers, count, size,
                                )  # fmt: skip
            for lane in range(lanes):
                start = x_first + lane * count
                for x in range(start, min(start + count, x_last)):
                    for k in range(planes):
                        out[k, z_first + z, y_first + y, x] = sums[(k * count + x - start) * lanes + lane]
