"""Runs the core: cuts the image into tiles and hands them to the kernels on threads."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .._progress import Progress, part
from ..simd.lanes import BYTES, MANTISSA, aligned, lanes
from . import kernels, kernels_patchwise
from .domain import DomainSums, covers
from .spec import PairwiseSpec, Radii
from .tiles import Tile, available_cpus, mirror, pulse, run_tasks, whole

GROUP = 22
"""Displacements along x whose weights are kept at once; even, since they are weighed in pairs."""
PATCHWISE_GROUP = 8
"""The same for patchwise averaging, which also keeps their rows over the height of a patch."""
ROWS, SLICES, COLUMNS = 96, 16, 512
"""Sides of a tile, unless the search radius asks for more: a pair across two tiles is computed in both."""
RESIDUE = 0.5
"""Least share of valid pixels in the patches that make a missing one, in units of the root of the type's precision."""
QUIETEST = 2.0**-20
"""Least variance of a patch beside the largest: keeps their ratio in the range of float32."""


@dataclass(frozen=True)
class FixedPoint:
    """How a score becomes an integer: steps of the weight's binary exponent, as fine as the sums allow.

    ``factor`` scales features so that a squared difference counts steps; ``one`` is added to put a step at the unit
    of the float's last place; ``clip`` bounds the sum; ``bias`` and ``end`` are in steps, and shifting left by
    ``shift`` puts the exponent's whole part where a float keeps its exponent.
    """

    factor: float
    one: float
    clip: float
    bias: int
    shift: int
    end: int

    @classmethod
    def of(cls, spec: PairwiseSpec, dtype: np.dtype) -> FixedPoint:
        """Choose the finest steps for which a patch of clipped differences still fits the integer sum."""
        mantissa = MANTISSA[dtype]
        _, y, x = spec.patch_radius
        room = min(2.0**mantissa, (2.0 ** (8 * dtype.itemsize - 1) - 1) / ((2 * y + 1) * (2 * x + 1)))
        vanish = -math.log2(spec.vanish)
        scale = spec.scale * math.log2(math.e)
        # A decay within a millionth of the bias is a step to float32: steeper would only coarsen the steps.
        scale = min(scale, 2.0**20 / spec.bias) if spec.bias > 0 else scale
        bias = spec.bias * scale
        places = math.floor(math.log2(room / (vanish + bias + 1)))  # 1: room for the steps beyond the end
        step = 2.0**places
        free, end = round(bias * step), round(vanish * step) + 1
        return cls(
            factor=math.sqrt(scale * step),
            one=2.0**mantissa,
            clip=2.0**mantissa + free + end,
            bias=free,
            shift=mantissa - places,
            end=end,
        )

    def typed(self, dtype: np.dtype) -> tuple[Any, ...]:
        """Return the kernel's numbers in the kernel's types."""
        real, whole = dtype.type, np.dtype(f"i{dtype.itemsize}").type
        return real(self.one), real(self.clip), whole(self.bias), whole(self.shift), whole(self.end)


def tile_sides(sides: Radii, spec: PairwiseSpec) -> Radii:
    """Return the largest tile's sides; they depend on the image and the recipe only, never on the threads."""
    depth, height, width = sides
    rz, ry, rx = spec.window
    slices = min(depth, max(SLICES, 2 * rz))
    rows = min(height, max(ROWS if depth == 1 else ROWS // 3, (4 if depth == 1 else 2) * ry))
    columns = width if width <= 2 * COLUMNS else max(COLUMNS, 8 * rx)
    return _balanced(depth, slices), _balanced(height, rows), _balanced(width, columns)


def _balanced(side: int, wanted: int) -> int:
    return math.ceil(side / math.ceil(side / wanted))


def tiles(region: Tile, spec: PairwiseSpec) -> list[Tile]:
    """Cut an image, or a region of it, into tiles that suit the recipe."""
    return region.cut(tile_sides(region.sides, spec))


@dataclass(frozen=True)
class Uneven:
    """What the kernels are told of missing pixels and of noise that differs from place to place.

    ``known`` (2, Z, Y, X) is 1 where a feature is there, and the variance of each pixel's patch, at most 1; ``valid``
    (1, Z, Y, X) is 1 where a value is there; ``values`` holds what stays where nothing is found. ``sigma`` is what
    features are divided by, so that the variance is at most 1.
    """

    known: np.ndarray
    valid: np.ndarray
    values: np.ndarray
    sigma: float

    @classmethod
    def of(cls, features: np.ndarray, values: np.ndarray, spec: PairwiseSpec, variance: np.ndarray | None) -> Uneven:
        """Find out what is missing (NaN), and average the variance (1, Z, Y, X) over patches."""
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


class _Job:
    """One call's constants, and what each of its tiles needs."""

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
        self.features, self.values, self.spec, self.out = features, values, spec, out
        self.shares = np.empty((0, 1, 1, 1), values.dtype) if shares is None else shares
        self.overlap: Radii = (0, 0, 0)
        self.dtype = values.dtype
        self.lanes = lanes(self.dtype)
        self.fixed = FixedPoint.of(spec, self.dtype)
        self.factors = self.fixed.factor * np.asarray([1.0] * len(features) if gains is None else gains, np.float64)
        self.shared = features is values
        if self.shared:
            self.value_factors = self.factors
        else:  # keeps weighted sums clear of the type's limits
            peak = max(float(np.abs(values).max(initial=0)), np.finfo(self.dtype).tiny)
            self.value_factors = np.full(len(values), 2.0 ** -math.frexp(peak)[1])
        top = {"max": (1, 0), "one": (0, 1), "zero": (0, 0)}[spec.centre]
        self.recipe = (
            spec.patch_radius, spec.window, GROUP, self.dtype.type(top[0]), self.dtype.type(top[1]), self.shared
        )  # fmt: skip
        self.kept = values
        self.uneven: tuple[Any, ...] | None = None
        if uneven is not None:
            self.kept = uneven.values
            self.factors = self.factors / uneven.sigma
            if self.shared:
                self.value_factors = self.factors
            scales = tuple(map(self.dtype.type, (2 * spec.patch_size, self.fixed.bias + self.fixed.end, 1)))
            self.uneven = (uneven.known, uneven.valid, np.ones(2), scales)
        self.scratch = threading.local()

    def geometry(self, tile: Tile) -> tuple[int, int, int, int]:
        """Return slices, rows, vectors a row and pixels a lane of the tile's features."""
        (rz, ry, rx), (pz, py, px), (oz, oy, ox) = self.spec.window, self.spec.patch_radius, self.overlap
        last = min(tile.x[1] + rx + ox, self.values.shape[3])
        count = math.ceil((last - self.origin(tile)) / self.lanes)
        slices = tile.z[1] - tile.z[0] + 2 * (rz + pz + oz)
        return slices, tile.y[1] - tile.y[0] + 2 * (ry + py + oy) + 1, count + 2 * (rx + px), count

    def origin(self, tile: Tile) -> int:
        """Return the first column whose pairs are computed."""
        return max(tile.x[0] - self.spec.window[2] - self.overlap[2], 0)

    def tables(self, tile: Tile) -> tuple[Any, ...]:
        """Return where each plane, row and column of the tile's features comes from, and which columns are real."""
        (rz, ry, rx), (pz, py, px), (oz, oy, _) = self.spec.window, self.spec.patch_radius, self.overlap
        _, depth, height, side = self.values.shape
        slices, rows, width, count = self.geometry(tile)
        margin = rx + px
        steps = np.arange(-margin, count + margin)[:, None]
        starts = self.origin(tile) + count * np.arange(self.lanes)
        position = starts + steps
        columns = mirror(int(position.min()), int(position.max()) + 1, side)[position - position.min()]
        real = (position >= 0) & (position < side)
        flat_real = aligned(width, self.dtype)
        flat_real[:] = real.ravel()
        # Along t the columns that are real in every lane form one interval, since each lane's do.
        inner = np.flatnonzero(real.all(axis=1)) - margin
        span = (int(inner[0]), int(inner[-1]) + 1) if inner.size else (0, 0)
        plane = rows * width
        patch = [c * slices * plane + k * plane for c in range(len(self.features)) for k in range(2 * pz + 1)]
        patch[0] = len(patch)
        return (
            mirror(tile.z[0] - rz - pz - oz, tile.z[1] + rz + pz + oz, depth),
            mirror(tile.y[0] - ry - py - oy - 1, tile.y[1] + ry + py + oy, height),
            np.ascontiguousarray(columns),
            flat_real,
            np.asarray(patch, np.intp),
            span,
        )

    def buffers(self, tile: Tile) -> tuple[np.ndarray, ...]:
        """Return this thread's scratch arrays, made when its first tile comes."""
        needed = self.needs(tile)
        held = getattr(self.scratch, "arrays", None)
        if held is None or any(a.nbytes < BYTES * n for a, (n, _) in zip(held, needed, strict=True)):
            held = self.scratch.arrays = tuple(aligned(n, dtype) for n, dtype in needed)
        return tuple(a[: n * BYTES // a.itemsize] for a, (n, _) in zip(held, needed, strict=True))

    def rest(self, tile: Tile) -> tuple[Any, ...]:
        """Return a kernel's last arguments: scratch, what stays where nothing is found, and what is uneven."""
        scratch = self.buffers(tile)
        return scratch, self.kept, self.uneven, None if self.uneven is None else scratch[-1]

    def needs(self, tile: Tile) -> list[tuple[int, np.dtype]]:
        """Return the vectors and types of the scratch arrays."""
        slices, rows, width, count = self.geometry(tile)
        outputs = (tile.z[1] - tile.z[0]) * (tile.y[1] - tile.y[0]) * (count + 2 * self.spec.window[2])
        return [
            (len(self.features) * slices * rows * width + 1, self.dtype),  # an odd group's last pair looks beyond
            (0 if self.shared else len(self.values) * slices * rows * width, self.dtype),
            (GROUP * (count + 2 * self.spec.patch_radius[2]), np.dtype(f"i{self.dtype.itemsize}")),
            (GROUP * count, self.dtype),
            ((2 + len(self.values)) * outputs, self.dtype),
            *self.needs_uneven(tile, GROUP),
        ]

    def needs_uneven(self, tile: Tile, group: int) -> list[tuple[int, np.dtype]]:
        """Return the arrays that only missing pixels and uneven noise need."""
        if self.uneven is None:
            return []
        slices, rows, width, count = self.geometry(tile)
        cells = slices * rows * width
        columns = group * (count + 2 * self.spec.patch_radius[2])
        return [(2 * cells + group, self.dtype), (columns, self.dtype), (cells, self.dtype)]

    def __call__(self, tile: Tile) -> None:
        """Compute one tile."""
        kernels.average_tile(
            self.features, self.factors, self.values, self.value_factors, self.out, self.shares,
            (*tile.z, *tile.y, *tile.x), self.tables(tile), self.recipe, self.fixed.typed(self.dtype),
            *self.rest(tile), pulse(),
        )  # fmt: skip


class _PatchwiseJob(_Job):
    """The second pass of patchwise averaging; ``shares`` hold 1 / C_i and own weights from the first."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.overlap = self.spec.patch_radius
        # what running sums of normalised weights leave behind is less: no pixel is made of that
        self.least = self.dtype.type(RESIDUE * math.sqrt(np.finfo(self.dtype).eps))

    def needs(self, tile: Tile) -> list[tuple[int, np.dtype]]:
        """Return the vectors and types of the scratch arrays."""
        slices, rows, width, count = self.geometry(tile)
        _, py, px = self.spec.patch_radius
        box = count + 2 * px
        outputs = (tile.z[1] - tile.z[0]) * (tile.y[1] - tile.y[0]) * width
        planes = len(self.values) + (self.uneven is not None)
        features, values, *_ = super().needs(tile)
        return [
            features,
            values,
            (PATCHWISE_GROUP * box, np.dtype(f"i{self.dtype.itemsize}")),
            (PATCHWISE_GROUP * count, self.dtype),
            (planes * outputs, self.dtype),
            (2 * slices * rows * width + PATCHWISE_GROUP, self.dtype),
            (2 * PATCHWISE_GROUP * box * (2 * py + 1), self.dtype),
            (2 * PATCHWISE_GROUP * box, self.dtype),
            *self.needs_uneven(tile, PATCHWISE_GROUP),
        ]

    def __call__(self, tile: Tile) -> None:
        """Compute one tile."""
        kernels_patchwise.patchwise_tile(
            self.features, self.factors, self.values, self.value_factors, self.shares, self.out,
            (*tile.z, *tile.y, *tile.x), self.tables(tile),
            (self.spec.patch_radius, self.spec.window, PATCHWISE_GROUP, self.shared, self.origin(tile), self.least),
            (*self.fixed.typed(self.dtype), np.ones(2)), *self.rest(tile), pulse(),
        )  # fmt: skip


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
) -> np.ndarray:
    """Average the values around each pixel by the likeness of the features around it.

    Parameters
    ----------
    features : ndarray, shape (F, Z, Y, X)
        What scores are taken from; float32 or float64, finite. Where it is ``values`` itself, it is read once.
    values : ndarray, shape (C, Z, Y, X)
        What is averaged; of the features' type and sides.
    spec : PairwiseSpec
        The recipe. A search radius that leaves the image is capped to it.
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

    Returns
    -------
    ndarray, shape (C, Z, Y, X)
        Of the region's sides, if there is one.

    Notes
    -----
    Time grows with pixels · window · channels and, save for slices, not with the patch. Missing pixels or a map of the
    noise take about three times as long. Memory beyond the output: a few megabytes a thread, growing with the search
    radius.
    """
    out = np.empty_like(values) if out is None else out
    spec, sides = _capped(spec, values.shape[1:]), values.shape[1:]
    threads, asked = threads or available_cpus(), region or whole(sides)
    uneven = Uneven.of(features, values, spec, variance) if missing or variance is not None else None
    if uneven is not None and missing:
        same = features is values
        values = np.where(uneven.valid > 0, values, 0)
        features = values if same else np.where(uneven.known[:1] > 0, features, 0)
    patchwise = spec.aggregation == "patch"
    if patchwise and shares is None:
        shares = np.zeros((2, *sides), values.dtype)  # beyond the region they are read, to no effect
    # The normaliser of a patch counts all patches like it, also those whose middle is missing.
    every = replace(uneven, valid=np.ones_like(uneven.valid)) if uneven is not None and patchwise else uneven
    first = part(progress, 0, 2) if patchwise else progress
    steps = math.prod(2 * r + 1 for r in spec.window) // 2 + 1  # displacements, one of each two, and none
    terms = steps * (features.size + values.size)
    job = _Job(features, values, spec, gains, out, shares, every)
    if uneven is None and covers(spec, sides):
        _divide(DomainSums(job).run(threads, first), job)
    else:
        around = asked.grown(spec.patch_radius, sides) if patchwise else asked
        run_tasks(job, tiles(around, spec), threads, first, steps=steps, terms=terms)
    if patchwise:
        patches = _PatchwiseJob(features, values, spec, gains, out, shares, uneven)
        run_tasks(patches, tiles(asked, spec), threads, part(progress, 1, 2), steps=steps, terms=terms)
    return out if region is None else region.of(out)


def _divide(sums: np.ndarray, job: _Job) -> None:
    """Add each pixel itself to its sums and divide, as `kernels.divide_row` does in a tile."""
    total, top, *numerators = sums
    top_share, constant = job.recipe[3:5]
    own = top * top_share + constant
    total = total + own
    found = total > 0
    for c, numerator in enumerate(numerators):
        weighted = numerator + own * job.values[c] * job.dtype.type(job.value_factors[c])
        average = np.divide(weighted, total * job.dtype.type(job.value_factors[c]), where=found, out=job.out[c])
        average[~found] = job.values[c][~found]
    if len(job.shares):
        job.shares[0] = np.divide(1, total, where=found, out=np.ones_like(total))
        job.shares[1] = np.where(found, own, 1)


def _capped(spec: PairwiseSpec, sides: Sequence[int]) -> PairwiseSpec:
    z, y, x = (min(r, side - 1) for r, side in zip(spec.window, sides, strict=True))
    return replace(spec, search_radius=(z, y, x))
