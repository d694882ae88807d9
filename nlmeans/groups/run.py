"""Runs a step: cuts the patches that gather groups into tiles and hands them to the kernels on threads."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any

import numpy as np

from .._progress import Progress, shares_of
from .._workspace import zeros
from ..pairwise import Radii
from ..pairwise.tiles import Tile, available_cpus, pulse, run_tasks, whole
from ..simd.jit import named
from ..simd.sizes import aligned, lanes
from . import kernels_types as kernels
from . import kernels_types_match as match
from .spec import FLOOR, GroupSpec

estimate_tile = named("nlmeans.groups.kernels", "estimate_tile")
estimate_shared_tile = named("nlmeans.groups.kernels_shared", "estimate_shared_tile")
match_tile = named("nlmeans.groups.kernels_match", "match_tile")

Shifts = Callable[[np.ndarray], np.ndarray]
SIDE = 48
"""Least side of a tile: shorter ones would cost more to hand out than they gain."""
DEEP_SIDE = 16
"""The same where patches have depth: a tile has as many voxels, and a small volume some for each thread."""
ROUNDING = {np.dtype(np.float32): 4.0, np.dtype(np.float64): 1024.0}
"""Least part of a matrix's trace on its diagonal, in units of the type's precision: wide ranges come in float64."""
PRODUCTS = 32
"""Multiplications of matrices that take about as long as one term of a sum over a window."""
OWN = 2.0**-10
"""Share of correlated noise that each patch is taken to have on its own, so that alike ones leave it invertible."""
QUIETEST = 2.0**-20
"""Least variance of the noise, relative to the mean one."""


class Padded:
    """Planes (C, Z, Y, X) in a flat array whose lines end with room for a vector, so that any pixel begins one."""

    def __init__(self, planes: np.ndarray | None, shape: tuple[int, ...], dtype: np.dtype) -> None:
        channels, depth, height, width = shape
        self.line = width + lanes(dtype)
        self.slice = height * self.line
        self.flat = zeros((channels * depth * self.slice + lanes(dtype),), dtype)
        self.planes = self.flat[: channels * depth * self.slice].reshape(channels, depth, height, self.line)
        self.planes = self.planes[..., :width]
        if planes is not None:
            self.planes[...] = planes

    def rows(self, patch: Radii) -> np.ndarray:
        """Return where the rows of a patch begin in each channel (C, rows), from its first pixel on in the first."""
        channels, depth = self.planes.shape[:2]
        z, y = np.arange(patch[0])[:, None] * self.slice, np.arange(patch[1]) * self.line
        return np.arange(channels)[:, None] * (depth * self.slice) + (z + y).ravel()


class Step:
    """One step over an image: what all of its tiles share, and the sums that they add to.

    Parameters
    ----------
    guide : ndarray, shape (F, Z, Y, X)
        Decides which patches are alike; float32 or float64.
    noisy : ndarray, shape (C, Z, Y, X)
        The image, in units of the noise's standard deviation; of the guide's type.
    pilot : ndarray, shape (C, Z, Y, X), or None
        For a second step, the first one's result.
    spec : GroupSpec
        How patches are grouped.
    variance : ndarray, shape (1 or C, Z, Y, X), or None
        The variance of each pixel's noise, if it is not 1 everywhere.
    shared : ndarray, shape (C, rows, columns), or None
        The covariance of noise that is correlated within slices, by lag, with lag 0 in the middle: odd sides, of which
        what is not there is 0. Not together with ``variance``.
    origin : tuple of 3 int
        Where the first pixel lies in the image that this is a piece of: patches gather groups on its grid.
    sides : tuple of 3 int, or None
        Those of that image.
    region : Tile or None
        The pixels that are asked for; groups that reach none of them are left out.
    shifts : callable or None
        Returns for the places (n, 3) of patches how far along (y, x) their windows lie elsewhere in the slices around,
        (n, 2 * radius + 1, 2): whole numbers of at most ``spec.farthest``, and 0 in a patch's own slice.

    Raises
    ------
    ValueError
        If they do not have the same sides.
    """

    def __init__(
        self,
        guide: np.ndarray,
        noisy: np.ndarray,
        pilot: np.ndarray | None,
        spec: GroupSpec,
        variance: np.ndarray | None = None,
        shared: np.ndarray | None = None,
        origin: Radii = (0, 0, 0),
        sides: Radii | None = None,
        region: Tile | None = None,
        shifts: Shifts | None = None,
    ) -> None:
        dtype, own = noisy.dtype, noisy.shape[1:]
        for name, other in (("guide", guide), ("pilot", pilot), ("variance", variance)):
            if other is not None and other.shape[1:] != own:
                raise ValueError(f"{name} must have the image's sides, {own}; got {other.shape[1:]}")
        self.spec = spec = spec.within((own[0], own[1], own[2]))
        self.origin, self.sides, self.region = origin, sides or own, region or whole(own)
        self.ends = tuple(side - patch for side, patch in zip(own, spec.patch, strict=True))
        self.noisy = Padded(noisy, noisy.shape, dtype)
        self.pilot = self.noisy if pilot is None else Padded(pilot, noisy.shape, dtype)
        same = {id(noisy): self.noisy, id(pilot): self.pilot}
        self.guide = same[id(guide)] if id(guide) in same else Padded(guide, guide.shape, dtype)
        self.total, self.weights = (Padded(None, noisy.shape, dtype) for _ in range(2))
        powers = np.empty(0, dtype)
        if variance is not None:
            sums = np.stack([_sums(plane, spec.patch) for plane in variance])
            powers = Padded(np.broadcast_to(sums, noisy.shape), noisy.shape, dtype).flat
        self.pixels = math.prod(spec.patch)
        self.lanes, self.dtype = lanes(dtype), dtype
        self.shape = kernels.Shape(math.ceil(self.pixels / self.lanes) * self.lanes, self.lanes)
        noise, rounding = FLOOR if pilot is None else 1, ROUNDING[dtype] * np.finfo(dtype).eps
        self.numbers = kernels.Numbers(*map(dtype.type, (1, noise, self.pixels, rounding)))
        self.images = kernels.Images(self.noisy.flat, self.pilot.flat, powers)
        self.sums = kernels.Sums(self.total.flat, self.weights.flat)
        self.pieces = _pieces(self.noisy.rows(spec.patch), spec.patch[2], self.lanes)
        far = int(np.asarray(np.inf, dtype).view(f"i{dtype.itemsize}"))
        compared = _compared(self.guide.rows(spec.patch), spec)
        self.table = None if shared is None else (self.pixels * _table(shared, spec.search_radius)).astype(dtype)
        self.rule = match.Rule(spec.search_radius, self.ends, self.noisy.slice, self.noisy.line, compared, far)
        self.spare: list[Any] = []
        self.shifts = shifts

    def tiles(self) -> list[list[np.ndarray]]:
        """Return the places (n, 3) of the patches that gather groups, tile by tile, in up to eight turns.

        Tiles of one turn are so far apart that no pixel belongs to groups of two of them: they may run side by side,
        and each pixel's sums come in one order.
        """
        reach = [2 * r + side for r, side in zip(self.spec.reach, self.spec.patch, strict=True)]
        # a vector is written at a time
        reach[2] += math.ceil(self.spec.patch[2] / self.lanes) * self.lanes - self.spec.patch[2]
        side = SIDE if self.spec.patch[0] == 1 else DEEP_SIDE
        each = [list(_cut(self._starts(axis), max(side, far))) for axis, far in enumerate(reach)]
        turns: dict[tuple[int, ...], list[np.ndarray]] = {}
        for places in product(*(enumerate(starts) for starts in each)):
            turn = tuple(k % 2 for k, _ in places)
            grid = np.meshgrid(*(starts for _, starts in places), indexing="ij")
            turns.setdefault(turn, []).append(np.stack([axis.ravel() for axis in grid], axis=1))
        return [turns[turn] for turn in sorted(turns)]

    def _starts(self, axis: int) -> np.ndarray:
        """Return where patches that gather groups begin, if they reach the region.

        They go from both ends of the image inwards, until they meet, so that a mirrored image has a mirrored grid.
        """
        stride, patch, reach = self.spec.stride[axis], self.spec.patch[axis], self.spec.reach[axis]
        end = self.sides[axis] - patch
        half = np.arange(0, (end + stride) // 2 + 1, stride)
        starts = np.unique([half, end - half]) - self.origin[axis]
        first, last = (self.region.z, self.region.y, self.region.x)[axis]
        low, high = max(first - reach - patch + 1, 0), min(last + reach - 1, self.ends[axis])
        return starts[(starts >= low) & (starts <= high)]

    def match(self, references: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return where the patches of each group begin in the padded planes (n, size), and how many there are."""
        positions = np.empty((len(references), self.spec.size), np.intp)
        counts = np.empty(len(references), np.intp)
        with self._scratch() as (window, _):
            shifts = np.zeros((len(references), 2 * self.spec.search_radius[0] + 1, 2), np.intp)
            if self.shifts is not None:
                shifts[...] = self.shifts(references)
            match_tile(self.guide.flat, references, shifts, self.rule, window, positions, counts, pulse())
        return positions, counts

    def estimate(self, positions: np.ndarray, counts: np.ndarray) -> None:
        """Add the estimates of groups to the sums."""
        with self._scratch() as (_, arrays):
            given = (self.images, positions, counts, self.pieces, self.shape)
            if self.table is None:
                estimate_tile(*given, arrays, self.numbers, self.sums, pulse())
            else:
                estimate_shared_tile(*given, *arrays, self.numbers, self.sums, pulse())

    def result(self) -> np.ndarray:
        """Return the averages of all estimates of the region."""
        total, weights = self.region.of(self.total.planes), self.region.of(self.weights.planes)
        return np.divide(total, weights, out=total)

    @contextmanager
    def _scratch(self) -> Iterator[Any]:
        """Lend scratch arrays that others have given back: those of a thread would end with its turn."""
        try:
            held = self.spare.pop()
        except IndexError:
            held = self._buffers()
        yield held
        self.spare.append(held)

    def _buffers(self) -> Any:
        radii, size = self.spec.search_radius, math.ceil(self.spec.size / self.lanes) * self.lanes
        sides = [2 * r + 1 for r in radii]
        lines = sides[0] * sides[1] * math.ceil(sides[2] / self.lanes) + match.TOGETHER
        distances = aligned(lines, self.dtype)
        bits = distances.view(f"i{self.dtype.itemsize}")
        window = match.Scratch(np.zeros(lines, np.intp), distances, bits, bits[:1].copy(), self.lanes)
        length, square, strip = self.shape.length, size * size, self.lanes * size
        group = size * length
        # a row of a patch is written as a whole vector, and the last one may end later than the patch
        needed = (group + self.lanes, group + self.lanes, length + self.lanes, group, square, strip, strip)
        arrays = [aligned(math.ceil(n / self.lanes), self.dtype) for n in (*needed, size, size, 1)]
        scratch = kernels.Scratch(*arrays)
        if self.table is None:
            return window, scratch
        (_, rows, columns), deep = self.table.shape, self.noisy.planes.shape[1]
        slices, places = np.zeros((2, size), np.intp)
        lags = kernels.Lags(rows, columns, deep, self.noisy.slice, self.noisy.line, slices, places)
        matrices = (aligned(math.ceil(square / self.lanes), self.dtype) for _ in range(2))
        return window, (scratch, kernels.Shared(self.table.ravel(), lags, *matrices))


def _cut(starts: np.ndarray, side: int) -> Iterator[np.ndarray]:
    """Yield the starts of patches by tiles of ``side`` pixels."""
    for first in range(0, int(starts[-1]) + 1, side):
        inside = starts[(starts >= first) & (starts < first + side)]
        if inside.size:
            yield inside


def _pieces(rows: np.ndarray, width: int, lanes: int) -> kernels.Pieces:
    """Return the rows of a patch in pieces of a vector: where each begins in the image and the patch, and how wide."""
    starts = np.arange(0, width, lanes)
    offsets = (rows[:, :, None] + starts).reshape(len(rows), -1)
    places = (np.arange(rows.shape[1])[:, None] * width + starts).ravel()
    return kernels.Pieces(offsets, places, np.tile(np.minimum(width - starts, lanes), rows.shape[1]))


def _compared(rows: np.ndarray, spec: GroupSpec) -> np.ndarray:
    """Return where the pixels lie by which patches are compared, from the first one on."""
    pixels = rows[:, :, None] + np.arange(spec.patch[2])
    return pixels.reshape(len(rows), *spec.patch)[:, spec.compared].ravel()


def _table(shared: np.ndarray, search_radius: Radii) -> np.ndarray:
    """Return covariances by all lags that two patches of a window can have."""
    table = np.zeros((len(shared), *(4 * r + 1 for r in search_radius[1:])))
    cut = [min(side // 2, 2 * r) for side, r in zip(shared.shape[1:], search_radius[1:], strict=True)]

    def middle(array: np.ndarray) -> np.ndarray:
        return array[
            :, *(slice(side // 2 - n, side // 2 + n + 1) for side, n in zip(array.shape[1:], cut, strict=True))
        ]

    middle(table)[...] = middle(shared)
    table[:, table.shape[1] // 2, table.shape[2] // 2] *= 1 + OWN
    return table


def _sums(variance: np.ndarray, patch: Radii) -> np.ndarray:
    """Return at each pixel the sum over the patch that begins there; patches beyond the end are not asked for."""
    from scipy.ndimage import uniform_filter1d

    sums = np.maximum(variance, QUIETEST, dtype=np.float64)
    for axis, side in enumerate(patch):
        sums = uniform_filter1d(sums, side, axis, mode="nearest", origin=-(side // 2)) * side
    return sums


def group_step(
    guide: np.ndarray,
    noisy: np.ndarray,
    pilot: np.ndarray | None,
    spec: GroupSpec,
    *,
    variance: np.ndarray | None = None,
    shared: np.ndarray | None = None,
    origin: Radii = (0, 0, 0),
    sides: Radii | None = None,
    region: Tile | None = None,
    shifts: Shifts | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> np.ndarray:
    """Replace every group of similar patches by its best linear combinations, and average their overlaps.

    Parameters
    ----------
    guide, noisy, pilot, spec, variance, shared, origin, sides, region, shifts
        As for `Step`.
    threads, progress
        As for `nlmeans.pairwise.pairwise_average`.

    Returns
    -------
    ndarray, shape (C, Z, Y, X)
        Of the region's sides, if there is one.

    Notes
    -----
    Time grows with the number of groups: for each, its window times the pixels of a patch for matching, and for each
    channel about size² · (2 pixels + size) multiplications and additions after it. Memory beyond the output: the
    inputs once more, and two copies of the image for the sums.

    By S. Herbreteau, C. Kervrann, "Unified Patch-based Image Denoising with Linear Combinations of Noisy Patches", SIAM
    J. Imaging Sci. 18(1), 2025, arXiv:2402.13816.

    Examples
    --------
    >>> import numpy as np
    >>> from nlmeans.groups import GroupSpec, group_step
    >>> noisy = np.random.default_rng(0).normal(10, 1, (1, 1, 32, 32)).astype(np.float32)
    >>> first = GroupSpec((1, 6, 6), 16, (1, 3, 3), (0, 6, 6))
    >>> pilot = group_step(noisy, noisy, None, first)
    >>> bool(group_step(pilot, noisy, pilot, first).std() < pilot.std() < 0.5)
    True
    """
    step = Step(guide, noisy, pilot, spec, variance, shared, origin, sides, region, shifts)
    turns, terms = step.tiles(), len(noisy) * spec.size**2 * (2 * step.pixels + spec.size) / PRODUCTS
    for tiles, notify in zip(turns, shares_of(progress, [len(tiles) for tiles in turns]), strict=True):
        run_tasks(
            lambda tile: step.estimate(*step.match(tile)), tiles, threads or available_cpus(), notify,
            steps=2 * max(map(len, tiles)), terms=terms * sum(map(len, tiles)),
        )  # fmt: skip
    return step.result()
