"""Runs the Wiener step: cuts the image into tiles and hands them to the kernel on threads."""

from __future__ import annotations

import math

import numpy as np

from .._progress import Progress
from ..pairwise import Radii
from ..pairwise.kernels_types import Places
from ..pairwise.layout import Buffers, segments
from ..pairwise.tiles import Tile, available_cpus, mirror, mirrored, run_tasks, whole
from ..simd.jit import named
from ..simd.sizes import lanes
from . import kernels_types as kernels

wiener_tile = named("nlmeans.wiener.kernels", "wiener_tile")

TILE = (8, 96, 256)
"""Slices, rows and columns of a tile."""
TERMS = 256
"""About the terms that a pixel adds up, transforms and all."""


def window_sides(depth: int) -> tuple[int, int, int]:
    """Return the sides of a window of the Wiener step.

    Parameters
    ----------
    depth : int
        Slices of the image, at least 1. Volumes of a few slices at least are transformed along z too.

    Returns
    -------
    tuple of 3 int
        Along (z, y, x).

    Examples
    --------
    >>> from nlmeans.wiener import window_sides
    >>> window_sides(1), window_sides(30)
    ((1, 8, 8), (4, 8, 8))
    """
    return (kernels.DEPTH if depth >= kernels.DEPTH else 1, kernels.SIDE, kernels.SIDE)


class _Channel:
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
        self.dtype = noisy.dtype
        self.image = kernels.Image(noisy[None], pilot[None], np.ones(1, self.dtype), out)
        self.noise = noise if isinstance(noise, np.ndarray) else None
        variance = 0.0 if isinstance(noise, np.ndarray) else noise
        self.sides = window_sides(noisy.shape[0])
        ends = [math.cos(math.pi / 8) / math.sqrt(2), math.cos(3 * math.pi / 8) / math.sqrt(2), variance, 1.0]
        basis = np.asarray([*(np.cos(np.arange(8) * np.pi / 16) / 2), *ends], self.dtype)
        self.rule = kernels.Rule(self.sides[0], step, np.ascontiguousarray(powers, self.dtype), basis)
        self.buffers = Buffers()

    def __call__(self, tile: Tile) -> None:
        """Compute one tile."""
        (deep, side, _), step, (depth, height, width) = self.sides, self.rule.step, self.image.out.shape
        corner = (tile.z[0] - deep + 1, *(self._before(start) for start in (tile.y[0], tile.x[0])))
        last_row = self._before(tile.y[1] - 1 + side - 1)
        count = math.ceil(math.ceil((tile.x[1] - corner[2]) / lanes(self.dtype)) / step) * step
        places = Places(
            mirror(corner[0], tile.z[1] + deep - 1, depth),
            mirror(corner[1], last_row + side, height),
            mirrored(segments(corner[2], count, 0, side - 1, self.dtype), width),
        )
        row = count + side - 1
        cells, band = len(places.planes) * len(places.rows) * row, deep * side * row
        field = 0 if self.noise is None else cells
        needed = (cells, cells, 2 * cells, band, band, deep * side * side * count, band, count, row, field)
        *scratch, own = self.buffers.of([(n, self.dtype) for n in needed])
        wiener_tile(
            self.image, self.rule, tile, kernels.Tables(places, corner), kernels.Scratch(*scratch),
            None if self.noise is None else kernels.Field(self.noise, own),
        )  # fmt: skip

    def _before(self, start: int) -> int:
        """Return the corner of the first window that holds the pixel ``start``."""
        return math.ceil((start - self.sides[1] + 1) / self.rule.step) * self.rule.step


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
    tile: Radii = TILE,
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
        As for `nlmeans.pairwise.pairwise_average`.
    tile : tuple of 3 int
        Slices, rows and columns of a unit of work.

    Returns
    -------
    ndarray, shape (C, Z, Y, X)
        Of the region's sides, if there is one.

    Notes
    -----
    About 2,000 operations a pixel and channel for step 1, a quarter for step 2; four times that for volumes. Windows
    are those of `window_sides`. After K. Dabov et al., "Image denoising by sparse 3-D transform-domain collaborative
    filtering", IEEE TIP 2007, doi:10.1109/TIP.2007.901238, of which this is the second step, of single windows.

    Examples
    --------
    >>> import numpy as np
    >>> from nlmeans.wiener import wiener
    >>> noisy = np.random.default_rng(0).normal(100, 10, (1, 1, 32, 32)).astype(np.float32)
    >>> bool(wiener(noisy, np.full_like(noisy, 100), 10.0**2).std() < 2)
    True
    """
    out = np.empty_like(noisy)
    tiles = (region or whole(noisy.shape[1:])).cut(tile)
    powers = np.ones((len(noisy), kernels.SIDE, kernels.SIDE)) if bands is None else bands
    channels = [_Channel(x, p, noise, n, step, y) for x, p, n, y in zip(noisy, pilot, powers, out, strict=True)]
    tasks = [(channel, tile) for channel in channels for tile in tiles]
    run_tasks(lambda task: task[0](task[1]), tasks, threads or available_cpus(), progress, terms=TERMS * noisy.size)
    return out if region is None else region.of(out)
