"""Motion: where the tiles of each frame go in the frames around it, and frames as they would be without."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .._progress import Progress, shares_of
from ..pairwise.spec import Radii
from ..pairwise.tiles import Tile, available_cpus, mirrored, pulse, run_tasks
from ..pixels.halves import halved, origin_of
from ..simd.jit import named
from ..simd.sizes import aligned, lanes
from .kernels_types import Level, Pair, Rule
from .spec import CELL, CHANCE, LARGEST, LOUD, MARGIN, NEAR, NOISE, PADDING, STEP, TILE, candidates, cells, first_cell

search_pair = named("nlmeans.motion.kernels", "search_pair")
agree_pair = named("nlmeans.motion.kernels", "agree_pair")
displace = named("nlmeans.motion.kernels", "displace")

WORK = (9, 1)
"""Relative durations of the search and of what tiles make of it."""
TRIED = 6
"""Pairs of frames by which a clip is judged."""


@dataclass(frozen=True, eq=False)
class Motion:
    """Where the tiles of each frame are found in the frames around it.

    Attributes
    ----------
    shifts : ndarray of int, shape (2 * reach + 1, T, rows, columns, 2)
        How far along (y, x) the tiles of frame t lie in frame t + k from where they are, at ``[k + reach, t]``.
    origin : tuple of 3 int
        The frame, row and column of the image where the first tiles begin.
    """

    shifts: np.ndarray
    origin: Radii

    def part(self, here: Tile, origin: Radii) -> np.ndarray:
        """Return the displacements from the frames and of the tiles that a part meets, counted from ``origin``."""
        z, y, x = (first - own for first, own in zip(origin, self.origin, strict=True))
        (top, bottom), (left, right) = (
            ((step + first) // TILE, math.ceil((step + last) / TILE))
            for step, (first, last) in ((y, here.y), (x, here.x))
        )
        return self.shifts[:, z + here.z[0] : z + here.z[1], top:bottom, left:right]

    def at(self, pixels: np.ndarray, reach: int) -> np.ndarray:
        """Return how far pixels (n, 3) of the image lie elsewhere (n, 2 * reach + 1, 2) in the frames around."""
        z, y, x = (pixels - self.origin).T
        first = len(self.shifts) // 2 - reach
        found = self.shifts[first : first + 2 * reach + 1, z, y // TILE, x // TILE]
        return np.ascontiguousarray(found.swapaxes(0, 1))

    def followed(self, planes: np.ndarray, frame: int, others: Sequence[int], part: Tile, origin: Radii) -> np.ndarray:
        """Return other frames as they would lie had nothing moved since, or until, one of them.

        ``planes`` (C, T, Y, X) begin at ``origin`` in the image; pixels outside the ``part`` are of no use.
        """
        result = np.take(planes, others, axis=1)
        shifts = self.part(Tile((frame, frame + 1), part.y, part.x), origin)[:, 0]
        corner = tuple((o + p[0]) // TILE * TILE - o for o, p in zip(origin[1:], (part.y, part.x), strict=True))
        for place, other in enumerate(others):
            moved = shifts[other - frame + len(shifts) // 2]
            if moved.any():
                displace(planes, other, np.ascontiguousarray(moved), corner, TILE, result, place)
        return result


def motion_of(
    planes: np.ndarray,
    gains: Sequence[float],
    reach: int,
    *,
    origin: Radii = (0, 0, 0),
    threads: int | None = None,
    progress: Progress | None = None,
) -> Motion:
    """Find where the tiles of each frame go.

    Parameters
    ----------
    planes : ndarray, shape (C, T, Y, X)
        Noisy frames; NaN where pixels are missing.
    gains : sequence of float
        Factor of each channel that brings it to units of its noise.
    reach : int
        How many frames before and after each are searched.
    origin : tuple of 3 int
        Where the first pixel lies in the image: tiles lie on its grid.
    threads, progress
        As for `nlmeans.pairwise.pairwise_average`.

    Returns
    -------
    Motion

    Notes
    -----
    Cells of 32 × 32 pixels, with 16 more around, are compared by absolute differences at a quarter, half and full size.
    A displacement counts where chance would not bring it, so that where nothing moves it is 0, whatever the noise.
    """
    search, length = _Search(planes, gains, origin), planes.shape[1]
    rows, columns = cells(origin, search.sides)
    found = np.zeros((2 * reach + 1, length, rows, columns, 2), np.int64)
    shifts = np.zeros((2 * reach + 1, length, 2 * rows, 2 * columns, 2), np.int64)
    steps = [k for k in range(-reach, reach + 1) if k]
    pairs = [(k + reach, t, Pair(t, t + k)) for k in steps for t in range(max(-k, 0), min(length, length - k))]
    threads, (searching, agreeing) = threads or available_cpus(), shares_of(progress, WORK)
    run_tasks(lambda task: search(task[2], found[task[:2]]), pairs, threads, searching)
    changed = [task for task in pairs if found[task[:2]].any()]
    run_tasks(lambda task: search.agree(task[2], found[task[:2]], shifts[task[:2]]), changed, threads, agreeing)
    return Motion(shifts, (origin[0], *first_cell(origin)))


def moving(planes: np.ndarray, gains: Sequence[float], threads: int | None = None) -> float:
    """Return the share of cells that go elsewhere between two neighbouring frames, of a few such pairs."""
    length = planes.shape[1]
    firsts = sorted({round(k) for k in np.linspace(0, length - 2, TRIED)}) if length > 1 else []
    if not firsts:
        return 0.0
    frames = np.concatenate([planes[:, t : t + 2] for t in firsts], axis=1)
    search = _Search(frames, gains, (0, 0, 0))
    found = np.zeros((len(firsts), *cells((0, 0, 0), search.sides), 2), np.int64)
    run_tasks(lambda k: search(Pair(2 * k, 2 * k + 1), found[k]), range(len(firsts)), threads or available_cpus(), None)
    return float(found.any(axis=-1).mean())


class _Search:
    """Frames at three sizes, to be searched in pairs."""

    def __init__(self, planes: np.ndarray, gains: Sequence[float], origin: Radii) -> None:
        self.sides = (planes.shape[1], planes.shape[2], planes.shape[3])
        with np.errstate(over="ignore", invalid="ignore"):  # what is too large is clipped
            self.full, self.half, self.quarter = levels_of(planes, gains, origin)
        self.rule = Rule(candidates(), NOISE, LOUD, CHANCE)

    def __call__(self, pair: Pair, found: np.ndarray) -> None:
        """Find where the cells of a frame go."""
        many = lanes(np.float32)
        sums, lane = aligned(many, np.float32), aligned(1, np.float32)
        search_pair(self.quarter, self.half, self.full, self.rule, pair, sums, lane, found, pulse())

    def agree(self, pair: Pair, found: np.ndarray, shifts: np.ndarray) -> None:
        """Choose for each tile."""
        near = self.full._replace(side=TILE, margin=NEAR)
        agree_pair(near, pair, found, aligned(1, np.float32), shifts, pulse())


def levels_of(planes: np.ndarray, gains: Sequence[float], origin: Radii) -> list[Level]:
    """Return the frames at full, half and quarter size, in whole numbers whose noise is the same at each.

    Of a missing pixel it is the one at half size that it is a part of.
    """
    grey = planes[:1] * planes.dtype.type(gains[0] / math.sqrt(len(planes)))
    for plane, gain in zip(planes[1:], gains[1:], strict=True):
        grey[0] += plane * planes.dtype.type(gain / math.sqrt(len(planes)))
    frames: list[np.ndarray] = []
    real: list[tuple[tuple[int, int], ...]] = []
    (top, left), (rows, columns) = first_cell(origin), cells(origin, (1, planes.shape[2], planes.shape[3]))
    for k in range(3):
        numbers = grey[0] * grey.dtype.type(STEP << k)
        np.clip(np.rint(numbers, out=numbers), -LARGEST, LARGEST, out=numbers)
        down, across = (
            mirrored(np.arange((first >> k) - start - (PADDING >> k), (last >> k) - start + (PADDING >> k)), side)
            for first, last, start, side in (
                (top, top + rows * CELL, origin[1], numbers.shape[1]),
                (left, left + columns * CELL, origin[2], numbers.shape[2]),
            )
        )
        starts = (origin[1] - (top >> k) + (PADDING >> k), origin[2] - (left >> k) + (PADDING >> k))
        real.append(tuple((start, start + side) for start, side in zip(starts, numbers.shape[1:], strict=True)))
        frames.append(numbers.astype(np.float32, copy=False).take(down, axis=1).take(across, axis=2))
        if k < 2:
            grey, origin = halved(grey, origin), origin_of(origin)
    _fill(frames)
    levels = []
    for k, (size, (down_in, across_in)) in enumerate(zip(frames, real, strict=True)):
        lines, line = size.shape[1:]
        levels.append(
            Level(size.ravel(), lines, line, PADDING >> k, CELL >> k, MARGIN >> k, rows=down_in, columns=across_in)
        )
    return levels


def _fill(frames: list[np.ndarray]) -> None:
    """Fill what is missing, from coarse to fine."""
    if not np.isnan(frames[0].min()):
        return
    coarse = np.zeros_like(frames[-1])
    for size in reversed(frames):
        np.copyto(size, coarse, where=np.isnan(size))
        coarse = np.rint(size.repeat(2, axis=1).repeat(2, axis=2) / 2)
