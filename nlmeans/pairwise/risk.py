"""Runs Stein's unbiased risk estimate of the pixelwise average over some rows of the image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from .._progress import Progress
from ..simd.lanes import MANTISSA as MANTISSAS
from ..simd.lanes import aligned, lanes
from . import kernels_risk
from .spec import PairwiseSpec
from .tiles import available_cpus, mirror, pulse, run_tasks

LEAST_ROWS = 16
"""Rows that are looked at however small the share."""
MANTISSA = MANTISSAS[np.dtype(np.float32)]
PLACES = 17
"""Binary places of a weight's exponent."""


def pairwise_risk(
    values: np.ndarray,
    spec: PairwiseSpec,
    factors: Sequence[float],
    *,
    gains: Sequence[float],
    share: float,
    threads: int | None = None,
    progress: Progress | None = None,
) -> np.ndarray:
    """Estimate the risk of the pixelwise average without the truth, for several strengths.

    Parameters
    ----------
    values : ndarray, shape (C, Z, Y, X)
        The noisy image, features and values at once.
    spec : PairwiseSpec
        The recipe, for features whose noise has variance 1.
    factors : sequence of float
        Multiples of the recipe's strength h.
    gains : sequence of float
        1 / σ of each channel.
    share : float
        Share of the rows that are looked at, evenly spread; at least `LEAST_ROWS`, or all.
    threads, progress
        As for `pairwise_average`.

    Returns
    -------
    ndarray, shape (factors, C)
        Expected mean squared error of each channel in units of its σ². Averaged over pixels so far inside that no
        mirrored copy of them takes part, where there are any: there the estimate is unbiased.

    References
    ----------
    C. Stein, "Estimation of the mean of a multivariate normal distribution", Ann. Statist. 1981,
    doi:10.1214/aos/1176345632; for non-local means D. Van De Ville, M. Kocher, "SURE-based non-local means", IEEE SPL
    2009, doi:10.1109/LSP.2009.2027669.
    """
    _, depth, height, _ = values.shape
    reach = [min(r, n - 1) for r, n in zip(spec.window, values.shape[1:], strict=True)]
    spec = replace(spec, search_radius=tuple(reach))
    clear = [r + p for r, p in zip(spec.window, spec.patch_radius, strict=True)]
    spans = [range(c, n - c) if n > 2 * c else range(n) for c, n in zip(clear, values.shape[1:], strict=True)]
    places = list(product(spans[0], spans[1]))
    wanted = min(len(places), max(LEAST_ROWS, math.ceil(share * depth * height)))
    chosen = [places[(2 * k + 1) * len(places) // (2 * wanted)] for k in range(wanted)]
    row = _Row(values, spec, factors, gains, spans[2])
    parts = np.zeros((wanted, len(factors), len(values), 2))
    run_tasks(
        lambda k: row(chosen[k], parts[k]), range(wanted), threads or available_cpus(), progress,
        steps=1 + len(factors),
    )  # fmt: skip
    squares, spread = np.moveaxis(parts.sum(axis=0) / (wanted * len(spans[2])), -1, 0)
    risk: np.ndarray = squares - 1 + 2 * spread
    return risk


class _Row:
    """One call's constants, and a row's work."""

    def __init__(
        self, values: np.ndarray, spec: PairwiseSpec, factors: Sequence[float], gains: Sequence[float], span: range
    ) -> None:
        self.values, self.spec, self.gains = values, spec, np.asarray(gains, np.float64)
        self.lanes = lanes(np.float32)
        (pz, py, px), (rz, ry, rx) = spec.patch_radius, spec.window
        side = values.shape[3]
        self.count = math.ceil(side / self.lanes)
        self.margin = rx + px
        self.width = self.count + 2 * self.margin
        self.shape = (2 * (rz + pz) + 1, 2 * (ry + py) + 1)
        position = self.count * np.arange(self.lanes) + np.arange(-self.margin, self.count + self.margin)[:, None]
        low = int(position.min())
        self.columns = np.ascontiguousarray(mirror(low, int(position.max()) + 1, side)[position - low])
        self.real = aligned(self.width, np.float32)
        self.real[:] = ((position >= 0) & (position < side)).ravel()
        inner = position[self.margin : self.margin + self.count]
        self.inside = aligned(self.count, np.float32)
        self.inside[:] = ((inner >= span.start) & (inner < span.stop)).ravel()
        plane = self.shape[1] * self.width
        steps = [
            (dz, dy, dx)
            for dz, dy, dx in product(range(-rz, rz + 1), range(-ry, ry + 1), range(-rx, rx + 1))
            if (dz, dy, dx) != (0, 0, 0)
        ]
        self.steps = np.asarray(steps, np.intp).reshape(-1, 3)
        self.ahead = self.steps @ [plane, self.width, 1]
        self.near = np.all(np.abs(self.steps) <= spec.patch_radius, axis=1)
        offsets = [c * self.shape[0] * plane + k * plane for c in range(len(values)) for k in range(2 * pz + 1)]
        offsets[0] = len(offsets)
        self.offsets = np.asarray(offsets, np.intp)
        unit = 2.0**PLACES * math.log2(math.e) * spec.scale
        self.decays = np.asarray([unit / factor**2 for factor in factors], np.float32)
        # from units of the fixed point back to the slope of a weight, doubled for the square's derivative
        self.back = 2 * math.log(2) / 2.0**PLACES
        # a squared difference beyond this makes every decay's weight vanish
        self.limit = spec.bias + 1 / float(self.decays.min()) * -math.log2(spec.vanish) * 2.0**PLACES
        self.end = round(-math.log2(spec.vanish) * 2.0**PLACES) + 1

    def __call__(self, place: tuple[int, int], out: np.ndarray) -> None:
        """Look at the row y of the slice z."""
        z, y = place
        (pz, py, _), (rz, ry, _) = self.spec.patch_radius, self.spec.window
        _, depth, height, _ = self.values.shape
        there = (
            (z + self.steps[:, 0] >= 0) & (z + self.steps[:, 0] < depth)
            & (y + self.steps[:, 1] >= 0) & (y + self.steps[:, 1] < height)
        )  # fmt: skip
        steps, ahead, near = self.steps[there], self.ahead[there], self.near[there]
        displacements = np.zeros((1 + len(steps), 2), np.intp)
        displacements[1:, 0], displacements[1:, 1] = ahead, steps[:, 2]
        number = len(displacements)
        names = kernels_risk.NAMES + 1
        numbers = np.zeros(names + 2 * number, np.float32)
        numbers[:names] = self.spec.bias, 2.0**MANTISSA, self.end, 0, self.back, self.limit, 1
        numbers[names : names + number - 1] = 2 + 2 * np.arange(number - 1)
        numbers[names + number : names + 2 * number - 1] = near
        tables = (
            mirror(z - rz - pz, z + rz + pz + 1, depth), mirror(y - ry - py, y + ry + py + 1, height),
            self.columns, self.real, self.offsets,
        )  # fmt: skip
        cells = len(self.values) * self.shape[0] * self.shape[1] * self.width
        scratch = tuple(
            aligned(n, np.float32)
            for n in (cells, max(self.width, 2), number * self.count, number * self.count, 3 * self.count)
        )
        top = {"max": (1.0, 0.0), "one": (0.0, 1.0), "zero": (0.0, 0.0)}[self.spec.centre]
        recipe = (self.spec.patch_radius, *map(np.float32, top), (rz + pz, ry + py, self.margin))
        kernels_risk.risk_row(
            self.values, self.gains, tables, recipe, displacements, numbers, self.decays,
            (np.int32(MANTISSA - PLACES), np.int32(self.end)), self.inside, out, scratch, pulse(),
        )  # fmt: skip
