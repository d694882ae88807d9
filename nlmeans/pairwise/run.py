"""Runs the core: cuts the image into tiles and hands them to the kernels on threads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .._progress import Progress, part
from .._workspace import empty, zeros
from ..simd.jit import named
from ..simd.sizes import lanes
from .domain import DomainSums, covers
from .domain_narrow import NarrowSums
from .fixed import fixed_point
from .kernels_types import Image, Places, Rule, Scratch, Tables, Target, UnevenTile
from .layout import Buffers, flat, segments, slice_offsets
from .narrow import Narrow, units_for
from .spec import PairwiseSpec, Radii
from .tiles import Tile, available_cpus, mirror, mirrored, pulse, run_tasks, whole

average_tile = named("nlmeans.pairwise.kernels", "average_tile")
patchwise_tile = named("nlmeans.pairwise.kernels_patchwise", "patchwise_tile")

GROUP = 22
"""Displacements along x whose weights are kept at once; even, since they are weighed in pairs."""
PATCHWISE_GROUP = 8
"""The same for patchwise averaging, which also keeps their rows over the height of a patch."""
TILE = (16, 96, 512)
"""Slices, rows and columns of a tile, unless the search radius asks for more: a pair across two tiles is computed in
both."""
RESIDUE = 0.5
"""Least share of valid pixels in the patches that make a missing one, in units of the root of the type's precision."""
QUIETEST = 2.0**-20
"""Least variance of a patch, relative to the largest: keeps their ratio in the range of float32."""


def tile_sides(sides: Radii, spec: PairwiseSpec, wanted: Radii = TILE) -> Radii:
    """Return the largest tile's sides; they depend on the image and the spec only, never on the threads."""
    depth, height, width = sides
    rz, ry, rx = spec.window
    slices, rows, columns = wanted
    flat = depth == 1
    slices = min(depth, max(slices, 2 * rz))
    rows = min(height, max(rows if flat else rows // 3, (4 if flat else 2) * ry))
    columns = width if width <= 2 * columns else max(columns, 8 * rx)
    return _balanced(depth, slices), _balanced(height, rows), _balanced(width, columns)


def _balanced(side: int, wanted: int) -> int:
    return math.ceil(side / math.ceil(side / wanted))


@dataclass(frozen=True)
class Uneven:
    """Missing pixels, and noise that differs from place to place.

    ``known`` (2, Z, Y, X) is 1 where a feature is there, and the variance of each pixel's patch, at most 1; ``valid``
    (1, Z, Y, X) is 1 where a value is there; ``values`` holds what stays where nothing is like it. ``sigma`` is what
    features are divided by, so that the variance is at most 1.
    """

    known: np.ndarray
    valid: np.ndarray
    values: np.ndarray
    sigma: float

    @classmethod
    def of(cls, features: np.ndarray, values: np.ndarray, spec: PairwiseSpec, variance: np.ndarray | None) -> Uneven:
        """Note what is missing (NaN), and average the variance (1, Z, Y, X) over patches."""
        known = np.ones((2, *values.shape[1:]), values.dtype)
        known[0] = np.isfinite(features).all(0)
        top = 1.0
        if variance is not None:
            from scipy.ndimage import uniform_filter

            size = [2 * r + 1 for r in spec.patch_radius]
            mean = uniform_filter(np.asarray(variance[0], np.float64), size, mode="mirror")
            top = float(mean.max()) or 1.0
            np.maximum(mean / top, QUIETEST, out=known[1], casting="same_kind")
        valid = np.isfinite(values).all(0, keepdims=True).astype(values.dtype)
        return cls(known, valid, values, math.sqrt(top))


class _Pixelwise:
    """One call's constants, and what each of its tiles needs."""

    group = GROUP
    overlap: Radii = (0, 0, 0)

    def __init__(
        self,
        features: np.ndarray,
        values: np.ndarray,
        spec: PairwiseSpec,
        gains: Sequence[float] | None,
        out: np.ndarray,
        shares: np.ndarray | None = None,
        uneven: Uneven | None = None,
    ) -> None:
        self.spec, self.dtype, self.uneven = spec, values.dtype, uneven
        self.lanes, self.sides, shared = lanes(self.dtype), values.shape[1:], features is values
        factor, fixed = fixed_point(spec, self.dtype)
        factors = factor * np.asarray([1.0] * len(features) if gains is None else gains, np.float64)
        if uneven is not None:
            factors = factors / uneven.sigma
        peak = max(float(np.abs(values).max(initial=0)), np.finfo(self.dtype).tiny) if not shared else 1.0
        # powers of 2 keep weighted sums clear of the type's limits
        value_factors = factors if shared else np.full(len(values), 2.0 ** -math.frexp(peak)[1])
        kept = values if uneven is None else uneven.values
        self.image = Image(features, factors, values, value_factors, kept, np.ones(2))
        own = {"max": (1, spec.lowest, 0), "one": (0, 0, 1), "zero": (0, 0, 0)}[spec.centre]
        # what running sums of normalised weights leave behind is less
        least = RESIDUE * math.sqrt(np.finfo(self.dtype).eps)
        self.rule = Rule(
            spec.patch_radius,
            spec.window,
            self.group,
            shared,
            fixed,
            *map(self.dtype.type, (*own, least)),
        )
        self.target = Target(out, np.empty((0, 1, 1, 1), values.dtype) if shares is None else shares)
        self.buffers = Buffers()

    def geometry(self, tile: Tile) -> tuple[int, int, int, int]:
        """Return slices, rows, vectors a row and pixels a lane of the tile's features."""
        (rz, ry, rx), (pz, py, px), (oz, oy, ox) = self.spec.window, self.spec.patch_radius, self.overlap
        last = min(tile.x[1] + rx + ox, self.sides[2])
        count = math.ceil((last - self.origin(tile)) / self.lanes)
        slices = tile.z[1] - tile.z[0] + 2 * (rz + pz + oz)
        return slices, tile.y[1] - tile.y[0] + 2 * (ry + py + oy) + 1, count + 2 * (rx + px), count

    def origin(self, tile: Tile) -> int:
        """Return the first column whose pairs are computed."""
        return max(tile.x[0] - self.spec.window[2] - self.overlap[2], 0)

    def tables(self, tile: Tile) -> Tables:
        """Return where each plane, row and column of the tile's features comes from, and which columns are real."""
        (rz, ry, rx), (pz, py, px), (oz, oy, _) = self.spec.window, self.spec.patch_radius, self.overlap
        depth, height, side = self.sides
        slices, rows, width, count = self.geometry(tile)
        margin, origin = rx + px, self.origin(tile)
        position = segments(origin, count, margin, margin, self.dtype)
        real = (position >= 0) & (position < side)
        # Along t the columns that are real in every lane form one interval, since each lane's do.
        inner = np.flatnonzero(real.all(axis=1)) - margin
        places = Places(
            mirror(tile.z[0] - rz - pz - oz, tile.z[1] + rz + pz + oz, depth),
            mirror(tile.y[0] - ry - py - oy - 1, tile.y[1] + ry + py + oy, height),
            mirrored(position, side),
        )
        span = (int(inner[0]), int(inner[-1]) + 1) if inner.size else (0, 0)
        offsets = slice_offsets(len(self.image.features), slices, 2 * pz + 1, rows * width)
        return Tables(places, flat(real, self.dtype), span, offsets, origin)

    def needs(self, tile: Tile) -> list[tuple[int, np.dtype]]:
        """Return the vectors and types of the scratch arrays that come first, those of `Scratch`."""
        slices, rows, width, count = self.geometry(tile)
        features, values = len(self.image.features), 0 if self.rule.shared else len(self.image.values)
        return [
            (features * slices * rows * width + 1, self.dtype),  # an odd group's last pair looks beyond
            (values * slices * rows * width, self.dtype),
            (self.group * (count + 2 * self.spec.patch_radius[2]), np.dtype(f"i{self.dtype.itemsize}")),
            (self.group * count, self.dtype),
            ((2 + len(self.image.values)) * math.prod(tile.sides[:2]) * (count + 2 * self.spec.window[2]), self.dtype),
        ]

    def arguments(self, tile: Tile) -> tuple[Any, ...]:
        """Return a kernel's arguments, with this thread's scratch arrays."""
        needed, uneven, missing = self.needs(tile), self.uneven, None
        if uneven is not None:
            slices, rows, width, count = self.geometry(tile)
            cells, columns = slices * rows * width, self.group * (count + 2 * self.spec.patch_radius[2])
            needed += [(2 * cells + self.group, self.dtype), (columns, self.dtype), (cells, self.dtype)]
        arrays = self.buffers.of(needed)
        if uneven is not None:
            fixed, arrays, own = self.rule.fixed, arrays[:-3], arrays[-3:]
            scales = tuple(map(self.dtype.type, (2 * self.spec.patch_size, fixed.bias + fixed.end, 1)))
            missing = UnevenTile(uneven.known, uneven.valid, scales, *own)
        return self.image, self.rule, tile, self.tables(tile), Scratch(*arrays), missing, self.target, pulse()

    def __call__(self, tile: Tile) -> None:
        """Compute one tile."""
        average_tile(*self.arguments(tile))


class _Patchwise(_Pixelwise):
    """The second pass of patchwise averaging; ``shares`` hold 1 / C_i and own weights from the first."""

    group = PATCHWISE_GROUP

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.overlap = self.spec.patch_radius

    def needs(self, tile: Tile) -> list[tuple[int, np.dtype]]:
        """Return the vectors and types of the scratch arrays."""
        slices, rows, width, count = self.geometry(tile)
        _, py, px = self.spec.patch_radius
        box = count + 2 * px
        planes = len(self.image.values) + (self.uneven is not None)
        return [
            *super().needs(tile)[:4],
            (planes * math.prod(tile.sides[:2]) * width, self.dtype),
            (2 * slices * rows * width + self.group, self.dtype),
            (2 * self.group * box * (2 * py + 1), self.dtype),
            (2 * self.group * box, self.dtype),
        ]

    def __call__(self, tile: Tile) -> None:
        """Compute one tile."""
        patchwise_tile(*self.arguments(tile))


def pairwise_average(
    features: np.ndarray,
    values: np.ndarray,
    spec: PairwiseSpec,
    *,
    gains: Sequence[float] | None = None,
    variance: np.ndarray | None = None,
    missing: bool = False,
    threads: int | None = None,
    progress: Progress | None = None,
    out: np.ndarray | None = None,
    shares: np.ndarray | None = None,
    region: Tile | None = None,
    tile: Radii = TILE,
    spread: float | None = None,
) -> np.ndarray:
    """Average the values around each pixel by the likeness of the features around it: the first two rows of the table.

    Parameters
    ----------
    features : ndarray, shape (F, Z, Y, X)
        What scores are taken from; float32 or float64, finite. Where it is ``values`` itself, it is read once.
    values : ndarray, shape (C, Z, Y, X)
        What is averaged; of the features' type and sides.
    spec : PairwiseSpec
        What to compute: a gaussian weight and a window; one that leaves the image is capped to it.
    gains : sequence of float, optional
        Factor of each feature channel, 1 by default.
    variance : ndarray, shape (1, Z, Y, X), optional
        The noise of the features, above 0 somewhere: a score counts in units of the mean of both patches' variances.
    missing : bool, default False
        Whether there may be NaN, in features or values: pixels that are missing. A pixel that finds no value keeps
        its own.
    threads : int, optional
        Threads to run on; by default the CPUs that this process may use. The result is the same, bit for bit.
    progress : callable, optional
        Called as ``progress(done, total)`` in the calling thread, some times a second; if it raises, the work stops.
    out : ndarray, optional
        Where to write the result: shape and type of ``values``, not overlapping the inputs.
    shares : ndarray, shape (2, Z, Y, X), optional
        Where to write each pixel's (or patch's) 1 / C_i and the weight of the pixel itself.
    region : Tile, optional
        The pixels that are asked for; all by default.
    tile : tuple of 3 int
        Slices, rows and columns of a unit of work, unless the search radius asks for more.
    spread : float, optional
        How far the features, times their gains, may lie apart, in all of the image that these are a part of. With it,
        sums are taken in 16 bits where `narrow.units_for` finds units for that: in half the time or less. The result is
        then the same, bit for bit, whatever part of an image is computed.

    Returns
    -------
    ndarray, shape (C, Z, Y, X)
        Of the region's sides, if there is one.

    Notes
    -----
    Time grows with pixels · window · channels and, save for slices, not with the patch. Missing pixels or a map of the
    noise take about three times as long. Memory beyond the output: a few megabytes a thread, growing with the search
    radius. Nothing is checked but the spec, by itself: that arrays are C-contiguous, of one type, and finite unless
    ``missing``, is up to the caller. A ``progress`` that raises ends the call with its error.

    By A. Buades, B. Coll, J.-M. Morel, *A review of image denoising algorithms, with a new one*, 2005,
    doi:10.1137/040616024; running sums over patches after J. Darbon et al., ISBI 2008, doi:10.1109/ISBI.2008.4541250.

    Examples
    --------
    >>> import numpy as np
    >>> from nlmeans.pairwise import PairwiseSpec, naive, pairwise_average
    >>> steps = np.array([0.0, 0, 9, 9, 0]).reshape(1, 1, 1, 5)
    >>> spec = PairwiseSpec(patch_radius=(0, 0, 0), search_radius=(0, 0, 4), scale=0.1)
    >>> pairwise_average(steps, steps, spec).round(3).ravel().tolist()
    [0.002, 0.002, 8.996, 8.996, 0.002]
    >>> np.allclose(pairwise_average(steps, steps, spec), naive.pairwise_average(steps, steps, steps, spec), atol=1e-6)
    True
    """
    out = empty(values.shape, values.dtype) if out is None else out
    given, spec, sides = spec, _capped(spec, values.shape[1:]), values.shape[1:]
    threads, asked = threads or available_cpus(), region or whole(sides)
    uneven = Uneven.of(features, values, spec, variance) if missing or variance is not None else None
    if uneven is not None and missing:
        same = features is values
        values = np.where(uneven.valid > 0, values, 0)
        features = values if same else np.where(uneven.known[:1] > 0, features, 0)
    patchwise = spec.aggregation == "patch"
    if patchwise and shares is None:
        shares = zeros((2, *sides), values.dtype)  # beyond the region they are read, to no effect
    # The normaliser of a patch counts all patches like it, also those whose middle is missing.
    every = replace(uneven, valid=np.ones_like(uneven.valid)) if uneven is not None and patchwise else uneven
    first = part(progress, 0, 2) if patchwise else progress
    steps = math.prod(2 * r + 1 for r in spec.window) // 2 + 1  # displacements, one of each two, and none
    terms = steps * (features.size + values.size)
    everywhere = covers(spec.window, sides)
    if spread is not None and uneven is None:
        factors = [1.0] * len(features) if gains is None else gains
        found = units_for(features, values, given, factors, spread, everywhere)
        if not isinstance(found, str):
            narrow = Narrow(values, spec, factors, *found, out, shares)
            if everywhere:
                NarrowSums(narrow).run(threads, progress)
            else:
                run_tasks(narrow, narrow.tiles(asked), threads, progress, steps=steps, terms=terms)
            return out if region is None else region.of(out)
    pixels = _Pixelwise(features, values, spec, gains, out, shares, every)
    if uneven is None and everywhere:
        _divide(DomainSums(pixels).run(threads, first), pixels)
    else:
        around = asked.grown(spec.patch_radius, sides) if patchwise else asked
        tiles = around.cut(tile_sides(around.sides, spec, tile))
        run_tasks(pixels, tiles, threads, first, steps=steps, terms=terms)
    if patchwise:
        patches = _Patchwise(features, values, spec, gains, out, shares, uneven)
        tiles = asked.cut(tile_sides(asked.sides, spec, tile))
        run_tasks(patches, tiles, threads, part(progress, 1, 2), steps=steps, terms=terms)
    return out if region is None else region.of(out)


def _divide(sums: np.ndarray, pixels: _Pixelwise) -> None:
    """Add each pixel itself to its sums and divide, as `kernels.divide_row` does in a tile."""
    total, top, *numerators = sums
    image, rule, (out, shares) = pixels.image, pixels.rule, pixels.target
    own = np.maximum(top * rule.top, rule.alone) + rule.constant
    total = total + own
    weighed = total > 0
    for c, numerator in enumerate(numerators):
        factor = pixels.dtype.type(image.value_factors[c])
        weighted = numerator + own * image.values[c] * factor
        average = np.divide(weighted, total * factor, where=weighed, out=out[c])
        average[~weighed] = image.values[c][~weighed]
    if len(shares):
        shares[0] = np.divide(1, total, where=weighed, out=np.ones_like(total))
        shares[1] = np.where(weighed, own, 1)


def _capped(spec: PairwiseSpec, sides: Sequence[int]) -> PairwiseSpec:
    z, y, x = (min(r, side - 1) for r, side in zip(spec.window, sides, strict=True))
    return spec if spec.window == (z, y, x) else replace(spec, search_radius=(z, y, x))
