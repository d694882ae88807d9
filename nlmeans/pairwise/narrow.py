"""Runs non-local means in 16 bits, where an image allows it: how its tiles lie in the kernels' lanes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from ..simd.jit import named
from ..simd.sizes import TABLES, aligned, has, lanes, wide_lanes
from .kernels_types import Target
from .kernels_types_narrow import Grid, NarrowImage, NarrowRule, NarrowScratch, Unit
from .layout import Buffers
from .spec import Centre, PairwiseSpec, Radii
from .tiles import Tile, mirror, mirrored, pulse
from .units import GRAIN, ROOM, STEPS, Units

narrow_tile = named("nlmeans.pairwise.kernels_narrow", "narrow_tile")

GROUP = 22
"""Displacements along x whose weights are kept at once; even, since they are weighed in pairs."""
LANES = lanes(np.int16)
LOWER, UPPER = wide_lanes()
FEATURE = "avx2"
"""What makes 16 bits pay."""
TILE = (16, 256, 1024)
"""Most slices, rows and columns of a tile."""
LEAST = 64
"""Rows that a tile keeps where more threads than tiles could run: what tiles share is computed in each."""


@lru_cache(maxsize=64)
def curve(units: Units) -> np.ndarray:
    """Return what makes a weight of a score (`kernels_narrow.weight_of`): numbers, and two vectors for tables."""
    array = aligned(3, np.dtype(np.int16))
    numbers, *factors = array.view(np.uint16).reshape(3, LANES)
    if TABLES:
        numbers[:4] = units.bias, STEPS, units.floor, 5
        digits = np.arange(32)
        factors[0][:] = np.rint((2**16 - 1) * 2.0 ** (-32 * digits * units.step))
        factors[1][:] = np.rint(units.whole * 2**16 / (2**16 - 1) * 2.0 ** (-digits * units.step))
    else:
        numbers[:6] = units.bias + units.end, units.end, units.floor, *parabola(units)
    return array


def parabola(units: Units) -> tuple[int, int, int]:
    """Return slope, start and rest of the root of a weight: (start + slope · x)² / 2**16 + rest, x steps from the end.

    Fitted to 16th roots, so that the weights are right to half a per cent above 1/8, and to 3 % above 1/64.
    """
    most = 2**16
    x = units.end * (1 - np.cos(np.pi * (np.arange(64) + 0.5) / 64)) / 2
    weights = units.whole / most * 2.0 ** ((x - units.end) * units.step)
    roots = weights ** (1 / 16)
    matters = weights**0.35 / roots
    square = np.polynomial.polynomial.polyfit(x, roots, 2, w=matters)[2]
    slope = round(math.sqrt(square) * most)
    rest, linear = np.polynomial.polynomial.polyfit(x, roots - (slope / most * x) ** 2, 1, w=matters)
    start = linear * most / (2 * slope)
    return slope, round(start * most), round((rest - start**2) * most)


@lru_cache(maxsize=64)
def unit_of(units: Units, centre: Centre) -> Unit:
    """Return the numbers of the kernel, in its types."""
    small, large = np.int16, np.int32
    top, own = {"max": (1, 0.0), "one": (0, units.whole), "zero": (0, 0.0)}[centre]
    return Unit(
        limit=np.uint16(units.limit).astype(small), share=small(units.share * (2**16 // GRAIN)), one=small(1),
        least=small(units.lowest), top=large(top), own=large(round(own)), half=small(-(2**15)),
        fraction=np.float32(2.0**-16), single=large(1), whole=np.float32(units.whole),
    )  # fmt: skip


def units_for(
    features: np.ndarray,
    values: np.ndarray,
    spec: PairwiseSpec,
    gains: Sequence[float],
    spread: float,
    parts: bool = False,
) -> tuple[Units, np.ndarray] | str:
    """Return the units for an image and the middle of each channel's range, or why there are none."""
    if not has(FEATURE):
        return "this processor has no 16-bit operations that are fast"
    if values.dtype != np.float32:
        return "the image has 64 bits"
    if features is not values:
        return "weights come from another image than the one that is averaged"
    units = Units.of(spec, len(features), spread, parts)
    if isinstance(units, str):
        return units
    low, high = features.min(axis=(1, 2, 3)), features.max(axis=(1, 2, 3))
    factors = np.asarray(gains, np.float64) * units.scale
    if not (((high - low) * factors).max() < ROOM and (np.maximum(high, -low) * factors).max() < 2**30):
        return f"a part of the image spans more than {spread:g} σ"
    return units, low / 2 + high / 2


def bands_of(patch: Radii, window: Radii, tile: Tile) -> int:
    """Return how many bands of rows a tile is best cut into: fewer pixels are computed beyond its rectangles."""
    _, rows, columns = tile.sides

    def work(bands: int) -> float:
        height, count = math.ceil(rows / bands), math.ceil(columns * bands / LANES)
        return (height + window[1] / 2 + patch[1]) * (count + patch[2] + window[2] / 4 + 3)

    return min((1, 2, 4, 8, 16), key=work)


def columns_of(position: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the columns of positions (t, segment), mirrored at the border, and for each segment which t lie within."""
    real = (position >= 0) & (position < side)
    first = (~real).cumprod(axis=0).sum(axis=0)
    return mirrored(position, side), np.stack([first, first + real.sum(axis=0)], axis=1)


@lru_cache(maxsize=64)
def grid_of(patch: Radii, window: Radii, sides: Radii, tile: Tile) -> Grid:
    """Return how a tile of an image lies in the lanes."""
    (pz, py, px), (rz, ry, rx) = patch, window
    depth, rows, side = sides
    bands = bands_of(patch, window, tile)
    segments, height = LANES // bands, math.ceil(tile.sides[1] / bands)
    origin, last = max(tile.x[0] - rx, 0), min(tile.x[1] + rx, side)
    count, margin = math.ceil((last - origin) / segments), rx + px
    position = origin + count * np.arange(segments) + np.arange(-margin, count + margin)[:, None]
    real = (position >= 0) & (position < side)
    bit = np.uint64(1) << np.arange(segments, dtype=np.uint64)
    every = sum(1 << (segments * band) for band in range(bands))
    here = real[margin : margin + count]
    # the last is for the second displacement of an odd group's last pair
    masks = np.zeros((2 * rx + 2, count), np.uint32)
    for dx in range(-rx, rx + 1):
        met = real[margin + dx : margin + dx + count]
        masks[dx + rx] = ((here & met) * bit).sum(axis=1).astype(np.uint64) * np.uint64(every)
    ends = sum(1 << (segments * band + segments - 1) for band in range(bands))
    down = np.arange(-ry - py - 1, height + ry + py)[:, None] + height * np.arange(bands)
    return Grid(
        bands, height, count, tile.y[0], origin,
        mirror(tile.z[0] - rz - pz, tile.z[1] + rz + pz, depth), mirrored(tile.y[0] + down, rows),
        *columns_of(position, side), masks.ravel(),
        np.uint32(~ends & 0xFFFFFFFF), np.uint32(~every & 0xFFFFFFFF), np.asarray([LOWER, UPPER]),
    )  # fmt: skip


def tiles_of(asked: Tile, threads: int) -> list[Tile]:
    """Cut what is asked for into tiles, one a thread if they do not get too small: sums are the same in all."""
    z, y, x = (math.ceil(side / most) for side, most in zip(asked.sides, TILE, strict=True))
    y = max(y, min(math.ceil(threads / (z * x)), asked.sides[1] // LEAST))
    depth, height, width = (math.ceil(side / parts) for side, parts in zip(asked.sides, (z, y, x), strict=True))
    return asked.cut((depth, height, width))


class Narrow:
    """One call's constants, and what each of its tiles needs."""

    def __init__(
        self,
        planes: np.ndarray,
        spec: PairwiseSpec,
        gains: Sequence[float],
        units: Units,
        middle: np.ndarray,
        out: np.ndarray,
        shares: np.ndarray | None,
    ) -> None:
        self.spec, self.sides = spec, planes.shape[1:]
        factors = (np.asarray(gains, np.float64) * units.scale).astype(np.float32)
        offsets = np.rint(middle * factors / GRAIN).astype(np.int32) * GRAIN
        self.image = NarrowImage(planes, factors, offsets, planes, (GRAIN / units.share / factors).astype(np.float32))
        self.unit = unit_of(units, spec.centre)
        self.curve = curve(units)
        self.target = Target(out, np.empty((0, 1, 1, 1), planes.dtype) if shares is None else shares)
        self.buffers = Buffers()

    def __call__(self, tile: Tile) -> None:
        """Compute one tile."""
        (pz, _, px), (_, _, rx) = self.spec.patch_radius, self.spec.window
        grid, channels = grid_of(self.spec.patch_radius, self.spec.window, self.sides, tile), len(self.image.kept)
        plane = grid.rows.shape[0] * grid.columns.shape[0]
        cells = channels * len(grid.planes) * plane
        whole: np.dtype = np.dtype(np.int16)
        needed: list[tuple[int, np.dtype]] = [
            (cells + 8, whole),
            (2 * cells, whole),
            (GROUP * (grid.count + 2 * px), whole),
            ((GROUP + 1) * (grid.count + 2) + 1, whole),
            ((3 + 2 * channels) * tile.sides[0] * grid.height * (grid.count + 2 * rx) + 8, whole),
            (grid.columns.shape[0] + 7, whole),
        ]
        features, values, sums, weights, totals, lines = self.buffers.of(needed)
        reals, apart = totals.view(np.float32), lines.view(np.float32)
        scratch = NarrowScratch(features, values, sums, weights, totals, reals, lines, apart)
        slices = tuple((c * len(grid.planes) + k) * plane for c in range(channels) for k in range(2 * pz + 1))
        rule = NarrowRule(self.spec.patch_radius, self.spec.window, GROUP, self.unit, self.curve, slices)
        narrow_tile(self.image, rule, tile, grid, scratch, self.target, pulse())
