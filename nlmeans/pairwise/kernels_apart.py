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
from .kernels_types import Planes
from .kernels_types_apart import EXP, FORWARD, GAUSSIAN, QUERY_SIDE, RELU, Far, Row, Stats


@inline
def exp2_minus(x, power):
    """Return 2**-x for x ≥ 0, 0 beyond the power's end, and NaN for NaN."""
    unit = fill(power.unit)
    steps = bits(smaller(x * fill(power.scale) + unit, fill(power.limit))) - bits(unit)
    return unless_nan(exp2_fixed(steps, fill(power.shift), fill(power.end)), x)


@row
def score_row(near, far, channels, distance, factor, scores, count, size):
    """Score each of ``count`` near vectors with its ``size`` partners: distance, or dot product, times a factor.

    Four partners at a time: their sums do not wait for each other. The last four may reach beyond ``size``, into
    scores that nobody reads.
    """
    times = fill(factor)
    zero = times - times
    for g in range(0, size, 4):
        for t in range(count):
            s0, s1, s2, s3 = zero, zero, zero, zero
            here, there = near.at + t, far.at + t * far.along + g
            for _ in range(channels):
                x, a, b = load(near.data, here), load(far.data, there), load(far.data, there + 1)
                c, d = load(far.data, there + 2), load(far.data, there + 3)
                if distance:
                    a, b, c, d = x - a, x - b, x - c, x - d
                    s0, s1, s2, s3 = s0 + a * a, s1 + b * b, s2 + c * c, s3 + d * d
                else:
                    s0, s1, s2, s3 = s0 + x * a, s1 + x * b, s2 + x * c, s3 + x * d
                here, there = here + near.plane, there + far.plane
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
def weigh_row(row, real, rule, totals, size):
    """Turn scores into weights, none for partners that are not real, and keep up totals and the largest.

    For exp the weights are relative to the largest score so far; ``row.rescale`` is what earlier sums must be
    multiplied with.
    """
    bias, zero, big = fill(rule.bias), fill(rule.zero), fill(rule.big)
    kind, power, scores, sums, count = rule.kind, rule.power, row.scores, row.sums, row.count
    for t in range(count):
        total, top = load(sums, totals + t), load(sums, totals + count + t)
        if kind == EXP:
            last = top
            for g in range(size):
                alive = load(real.data, real.at + t * real.along + g)
                score = load(scores, g * count + t) * alive + (alive * big - big)
                store(scores, g * count + t, score)
                top = larger(score, top)
            factor = exp2_minus(top - last, power)
            store(row.rescale, t, factor)
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
            weight = weight * load(real.data, real.at + t * real.along + g)
            store(scores, g * count + t, weight)
            total = total + weight
            if kind == GAUSSIAN:
                top = larger(weight, top)
        store(sums, totals + t, total)
        store(sums, totals + count + t, top)


@row
def slope_row(row, real, stats, rule, totals, size):
    """Turn scores into p = f/C, and gains ⟨G_i, g_j⟩ into the slope of the loss along each score.

    ``totals`` sum up the slopes, and the slopes times scores (for the derivative along the scale). Slopes are with
    respect to scale times score.
    """
    bias, zero = fill(rule.bias), fill(rule.zero)
    kind, power, scores, gains, sums, count = rule.kind, rule.power, row.scores, row.gains, row.sums, row.count
    for t in range(count):
        slopes, moments = load(sums, totals + t), load(sums, totals + count + t)
        for g in range(size):
            k, at = g * count + t, stats.at + t * stats.along + g * stats.step
            share = load(stats.data, at) * load(real.data, real.at + t * real.along + g)
            top = load(stats.data, at + 2 * stats.plane)
            score = load(scores, k)
            gain = (load(gains, k) - load(stats.data, at + stats.plane)) * share
            if kind == EXP:
                weight = exp2_minus(unless_nan(larger(top - score, zero), score), power)
                slope = gain * weight
            elif kind == GAUSSIAN:
                score = unless_nan(larger(score - bias, zero), score)
                weight = exp2_minus(score, power)
                own = load(stats.data, at + 3 * stats.plane) * share
                # the largest weight is met again bit by bit: it came from the same operations
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
def add_row(row, at, weights, far, channels, size):
    """Add up weighted partners, four channels at a time while there are as many."""
    sums, count, data, plane = row.sums, row.count, far.data, far.plane
    fours = channels - channels % 4
    for c in range(0, fours, 4):
        for t in range(count):
            place, partner = at + c * count + t, far.at + c * plane + t * far.along
            s0, s1 = load(sums, place), load(sums, place + count)
            s2, s3 = load(sums, place + 2 * count), load(sums, place + 3 * count)
            for g in range(size):
                weight = load(weights, g * count + t)
                s0 = s0 + weight * load(data, partner + g)
                s1 = s1 + weight * load(data, partner + g + plane)
                s2 = s2 + weight * load(data, partner + g + 2 * plane)
                s3 = s3 + weight * load(data, partner + g + 3 * plane)
            store(sums, place, s0)
            store(sums, place + count, s1)
            store(sums, place + 2 * count, s2)
            store(sums, place + 3 * count, s3)
    for c in range(fours, channels):
        for t in range(count):
            total = load(sums, at + c * count + t)
            partner = far.at + c * plane + t * far.along
            for g in range(size):
                total = total + load(weights, g * count + t) * load(data, partner + g)
            store(sums, at + c * count + t, total)


@row
def scale_row(row, channels):
    """Multiply all channels of a row by one factor a pixel."""
    for c in range(channels):
        for t in range(row.count):
            store(row.sums, c * row.count + t, load(row.sums, c * row.count + t) * load(row.rescale, t))


@row
def meet(rule, row, near, far, real, channels, first, size):
    """Let a near row meet one group of partners: score, weigh, add up. ``first`` is as for `leave_out`."""
    scores, gains, count, kind = row.scores, row.gains, row.count, rule.kind
    embedding, values = channels
    score_row(near, far, embedding, kind == GAUSSIAN, rule.factor, scores, count, size)
    leave_out(scores, row.lanes, count, size, first, rule.outcast)
    near_values = Planes(near.data, near.at + embedding * near.plane, near.plane)
    far_values = Far(far.data, far.at + embedding * far.plane, far.plane, far.along)
    if rule.mode == FORWARD:
        weigh_row(row, real, rule, values * count, size)
        if kind == EXP:
            scale_row(row, values)
        add_row(row, 0, scores, far_values, values, size)
        return
    score_row(near_values, far_values, values, False, rule.one, gains, count, size)
    leave_out(gains, row.lanes, count, size, first, rule.zero)
    if rule.mode == QUERY_SIDE:
        stats = Stats(near.data, near_values.at + values * near.plane, near.plane, 1, 0)
        slope_row(row, real, stats, rule, embedding * count, size)
    else:
        stats = Stats(far.data, far_values.at + values * far.plane, far.plane, far.along, 1)
        slope_row(row, real, stats, rule, (embedding + values) * count, size)
        add_row(row, embedding * count, scores, far_values, values, size)
    add_row(row, 0, gains, far, embedding, size)


@row
def spread(image, first, count, plane, tile, lanes):
    """Put one pixel into all lanes of a vector, for ``count`` pixels from ``first`` on; zero beyond the last."""
    for c in range(image.shape[0]):
        for g in range(count):
            value = image[c, 0, 0, first + g] if first + g < image.shape[3] else image.dtype.type(0)
            store(tile, c * plane + g, fill(value))


@kernel
def meet_tile(rule, window, near, far, tile, near_places, far_places, scratch, out, pulse):
    """Compute one tile of the output or of the adjoint, unless stopped; ``near`` and ``far`` are planes each."""
    (z_first, z_last), (y_first, y_last), (x_first, x_last) = tile
    (rz, ry, rx), group, block, ones = window.radii, window.group, window.block, window.ones
    near_tile, far_tile, sums = scratch.near, scratch.far, scratch.sums
    count, lanes = near_places.columns.shape
    n_rows = near_places.rows.size
    n_plane = near_places.planes.size * n_rows * count
    width, f_rows = far_places.columns.shape[0], far_places.rows.size
    f_plane = block if window.domain else far_places.planes.size * f_rows * width
    depth, height = far[0].shape[1], far[0].shape[2]
    keys = far[0].shape[3]

    at = 0
    for image in near:
        gather(image, ones, near_places, near_tile[at * lanes :])
        at += image.shape[0] * n_plane
    if not window.domain:
        at = 0
        for image in far:
            gather(image, ones, far_places, far_tile[at * lanes :])
            at += image.shape[0] * f_plane

    n, f, alive, total = address(near_tile), address(far_tile), address(scratch.real), address(sums)
    line = Row(address(scratch.scores), address(scratch.gains), address(scratch.rescale), total, lanes, count)
    channels = (near[0].shape[0], far[1].shape[0])
    planes = out.shape[0]
    nobody = -keys - count * lanes  # no partner is the near pixel itself
    for z in range(z_last - z_first):
        for y in range(y_last - y_first):
            for k in range(planes * count):
                store(total, k, fill(rule.zero))
            if rule.mode == FORWARD and rule.kind == EXP:
                for k in range(count):
                    store(total, (planes - 1) * count + k, fill(-rule.big))
            here = Planes(n, (z * n_rows + y) * count, n_plane)
            if window.domain:
                for start in range(0, keys, block):
                    if stopped(pulse):
                        return
                    at = 0
                    for image in far:
                        spread(image, start, block, f_plane, address(far_tile[at * lanes :]), lanes)
                        at += image.shape[0] * f_plane
                    for g in range(block):
                        store(alive, g, fill(rule.one if start + g < keys else rule.zero))
                    for g in range(0, min(block, keys - start), group):
                        size = min(group, block - g)
                        first = start + g - x_first if window.alone else nobody
                        meet(rule, line, here, Far(f, g, f_plane, 0), Far(alive, g, 0, 0), channels, first, size)
            else:
                for dz in range(max(-rz, -z_first - z), min(rz, depth - 1 - z_first - z) + 1):
                    for dy in range(max(-ry, -y_first - y), min(ry, height - 1 - y_first - y) + 1):
                        if stopped(pulse):
                            return
                        there = ((z + rz + dz) * f_rows + y + ry + dy) * width + rx
                        # the pixel itself is stepped over where it has no part
                        split = window.alone and dz == 0 and dy == 0
                        for low, high in ((-rx, 0), (1, rx + 1)) if split else ((-rx, rx + 1), (0, 0)):
                            for d in range(low, high, group):
                                size = min(group, high - d)
                                partners = Far(f, there + d, f_plane, 1)
                                meet(rule, line, here, partners, Far(alive, rx + d, 0, 1), channels, nobody, size)
            for lane in range(lanes):
                start = x_first + lane * count
                for x in range(start, min(start + count, x_last)):
                    for k in range(planes):
                        out[k, z_first + z, y_first + y, x] = sums[(k * count + x - start) * lanes + lane]
