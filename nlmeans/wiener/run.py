"""Runs the Wiener step: cuts the image into tiles and hands them to the kernel on threads."""

from __future__ import annotations

import math
import threading

import numpy as np

from .._progress import Progress
from ..pairwise.tiles import Tile, available_cpus, mirror, run_tasks, whole
from ..simd.lanes import BYTES, aligned, lanes
from . import kernels

ROWS, SLICES, COLUMNS = 96, 8, 256
TERMS = 256
"""About the terms that a pixel adds up, transforms and all."""


def window_sides(depth: int) -> tuple[int, int, int]:
    """Return the sides of a window: volumes of a few slices at least are transformed along z too."""
    return (kernels.DEPTH if depth >= kernels.DEPTH else 1, kernels.SIDE, kernels.SIDE)


class _Job:
    """One channel's constants, and what each of its tiles needs."""

    def __init__(
        self,
        noisy: np.ndarray,
        pilot: np.ndarray,
        noise: float | np.ndarray,
        powers: np.ndarray,
        step: int,
        out: np.ndarray,
    ) -> None:
        self.noisy, self.pilot, self.out = noisy, pilot, out
        self.noise = noise if isinstance(noise, np.ndarray) else None
        power = 0.0 if isinstance(noise, np.ndarray) else noise
        self.step, self.dtype = step, noisy.dtype
        self.powers = np.ascontiguousarray(powers, self.dtype)
        self.sides = window_sides(noisy.shape[0])
        self.lanes = lanes(self.dtype)
        k = np.arange(8)
        ends = [math.cos(math.pi / 8) / math.sqrt(2), math.cos(3 * math.pi / 8) / math.sqrt(2), power, 1.0]
        self.basis = np.asarray([*(np.cos(k * np.pi / 16) / 2), *ends], self.dtype)
        self.scratch = threading.local()

    def __call__(self, tile: Tile) -> None:
        """Compute one tile."""
        deep, side, _ = self.sides
        depth, height, width = self.noisy.shape
        corner = (tile.z[0] - deep + 1, *(self._before(start) for start in (tile.y[0], tile.x[0])))
        last_row = self._before(tile.y[1] - 1 + side - 1)
        steps = math.ceil(math.ceil((tile.x[1] - corner[2]) / self.lanes) / self.step) * self.step
        position = corner[2] + steps * np.arange(self.lanes) + np.arange(steps + side - 1)[:, None]
        low = int(position.min())
        tables = (
            mirror(corner[0], tile.z[1] + deep - 1, depth),
            mirror(corner[1], last_row + side, height),
            np.ascontiguousarray(mirror(low, int(position.max()) + 1, width)[position - low]),
            corner,
        )
        scratch = self._buffers(len(tables[0]), len(tables[1]), len(tables[2]))
        kernels.wiener_tile(
            self.noisy[None], self.pilot[None], self.noise, self.out, (*tile.z, *tile.y, *tile.x), tables,
            (deep, self.step, self.powers), self.basis, scratch, None if self.noise is None else scratch[-1],
        )  # fmt: skip

    def _before(self, start: int) -> int:
        """Return the corner of the first window that holds the pixel ``start``."""
        return math.ceil((start - self.sides[1] + 1) / self.step) * self.step

    def _buffers(self, slices: int, rows: int, width: int) -> tuple[np.ndarray, ...]:
        deep, side, _ = self.sides
        tile, band, count = slices * rows * width, deep * side * width, width - side + 1
        field = 0 if self.noise is None else tile
        needed = (tile, tile, 2 * tile, band, band, deep * side * side * count, band, count, width, field)
        held = getattr(self.scratch, "arrays", None)
        if held is None or any(a.nbytes < BYTES * n for a, n in zip(held, needed, strict=True)):
            held = self.scratch.arrays = tuple(aligned(n, self.dtype) for n in needed)
        return tuple(a[: n * self.lanes] for a, n in zip(held, needed, strict=True))


def wiener(
    noisy: np.ndarray,
    pilot: np.ndarray,
    noise: float | np.ndarray,
    *,
    bands: np.ndarray | None = None,
    step: int = 1,
    threads: int | None = None,
    progress: Progress | None = None,
    region: Tile | None = None,
) -> np.ndarray:
    """Shrink the windows of each channel by the spectrum of a pilot.

    Parameters
    ----------
    noisy, pilot : ndarray, shape (C, Z, Y, X)
        The noisy image and an estimate of the clean one, float32 or float64.
    noise : float or ndarray, shape (1, Z, Y, X)
        Variance of the noise: one number, or one a pixel.
    bands : ndarray, shape (C, 8, 8), optional
        Correlated noise: the power of each cosine coefficient of a window, in units of ``noise``; along z it is even.
    step : {1, 2, 4}
        Windows start at every ``step``-th pixel along y and x.
    threads, progress, region
        As for `pairwise.run.pairwise_average`.

    Returns
    -------
    ndarray, shape (C, Z, Y, X)

    Notes
    -----
    About 2,000 operations a pixel and channel for step 1, a quarter for step 2; four times that for volumes.
    """
    out = np.empty_like(noisy)
    tiles = (region or whole(noisy.shape[1:])).cut((SLICES, ROWS, COLUMNS))
    powers = np.ones((len(noisy), kernels.SIDE, kernels.SIDE)) if bands is None else bands
    jobs = [_Job(x, p, noise, n, step, y) for x, p, n, y in zip(noisy, pilot, powers, out, strict=True)]
    tasks = [(job, tile) for job in jobs for tile in tiles]
    run_tasks(lambda task: task[0](task[1]), tasks, threads or available_cpus(), progress, terms=TERMS * noisy.size)
    return out if region is None else region.of(out)
