"""Runs Stein's unbiased risk estimate of the pixelwise average over some rows of the image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from .._progress import Progress
from ..simd.jit import named
from ..simd.sizes import MANTISSA, lanes
from . import kernels_types_risk as kernels
from .kernels_types import Places
from .layout import Buffers, flat, segments, slice_offsets
from .spec import PairwiseSpec
from .tiles import available_cpus, mirror, mirrored, pulse, run_tasks

risk_row = named("nlmeans.pairwise.kernels_risk", "risk_row")

LEAST_ROWS = 16
"""Rows that are sampled however small the share."""
FLOAT = np.dtype(np.float32)
PLACES = 17
"""Binary places of a weight's exponent."""


def pairwise_risk(
    values: np.ndarray,
    spec: PairwiseSpec,
    factors: Sequence[float],
    *,
    gains: Sequence[float],
    share: float,
    variance: Sequence[float] | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> np.ndarray:
    """Estimate the risk of the pixelwise average without the truth, for several strengths.

    Parameters
    ----------
    values : ndarray, shape (C, Z, Y, X)
        The noisy image, features and values at once.
    spec : PairwiseSpec
        What is computed, for features whose noise has variance 1.
    factors : sequence of float
        Multiples of the strength h in it.
    gains : sequence of float
        1 / σ of each channel.
    share : float
        Share of the rows that are sampled, evenly spread; at least `LEAST_ROWS`, or all.
    variance : sequence of float, optional
        The variance of the noise of each channel, in units of the σ² that ``gains`` have; 1 by default.
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

    Examples
    --------
    Of pure noise, strong averaging has the least risk:

    >>> import numpy as np
    >>> from nlmeans.pairwise import PairwiseSpec, pairwise_risk
    >>> noise = np.random.default_rng(0).normal(size=(1, 1, 48, 48)).astype(np.float32)
    >>> spec = PairwiseSpec((0, 1, 1), (0, 4, 4), scale=1 / 9, bias=2 * 9)
    >>> risk = pairwise_risk(noise, spec, factors=(0.3, 1, 3), gains=(1,), share=1)
    >>> risk.shape, int(risk.argmin())
    ((3, 1), 2)
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
    power = np.ones(len(values)) if variance is None else np.asarray(variance, np.float64)
    risk: np.ndarray = squares - power + 2 * power * spread
    return risk


class _Row:
    """One call's constants, and a row's work."""

    def __init__(
        self, values: np.ndarray, spec: PairwiseSpec, factors: Sequence[float], gains: Sequence[float], span: range
    ) -> None:
        self.values, self.spec, self.gains = values, spec, np.asarray(gains, np.float64)
        (pz, py, px), (rz, ry, rx) = spec.patch_radius, spec.window
        channels, _, _, side = values.shape
        self.count = math.ceil(side / lanes(FLOAT))
        self.margin = rx + px
        position = segments(0, self.count, self.margin, self.margin, FLOAT)
        inner = position[self.margin : self.margin + self.count]
        self.columns = mirrored(position, side)
        self.real = flat((position >= 0) & (position < side), FLOAT)
        self.inside = flat((inner >= span.start) & (inner < span.stop), FLOAT)
        width, slices, rows = len(position), 2 * (rz + pz) + 1, 2 * (ry + py) + 1
        self.slices = slice_offsets(channels, slices, 2 * pz + 1, rows * width)
        self.cells = channels * slices * rows * width
        steps = [
            step for step in product(range(-rz, rz + 1), range(-ry, ry + 1), range(-rx, rx + 1)) if step != (0, 0, 0)
        ]
        self.steps = np.asarray(steps, np.intp).reshape(-1, 3)
        self.ahead = self.steps @ [rows * width, width, 1]
        self.near = np.all(np.abs(self.steps) <= spec.patch_radius, axis=1)
        unit, vanish = 2.0**PLACES * math.log2(math.e) * spec.scale, -math.log2(spec.vanish)
        decays = np.asarray([unit / factor**2 for factor in factors], np.float32)
        end = round(vanish * 2.0**PLACES) + 1
        top, alone, constant = {"max": (1.0, spec.lowest, 0.0), "one": (0.0, 0.0, 1.0), "zero": (0.0, 0.0, 0.0)}[
            spec.centre
        ]
        # a squared difference beyond this makes every decay's weight vanish
        limit = spec.bias + 1 / float(decays.min()) * vanish * 2.0**PLACES
        # from units of the fixed point back to the slope of a weight, doubled for the square's derivative
        back = 2 * math.log(2) / 2.0**PLACES
        real = np.float32
        self.rule = kernels.Rule(
            patch=spec.patch_radius, decays=decays, top=real(top), alone=real(alone), constant=real(constant),
            floor=real(spec.floor), bias=real(spec.bias), far=real(end), limit=real(limit),
            one=real(2.0 ** MANTISSA[FLOAT]), shift=np.int32(MANTISSA[FLOAT] - PLACES), end=np.int32(end),
            slope=real(back), unit=real(1),
        )  # fmt: skip
        self.buffers = Buffers()

    def __call__(self, place: tuple[int, int], out: np.ndarray) -> None:
        """Add up the row y of the slice z."""
        z, y = place
        (pz, py, _), (rz, ry, _) = self.spec.patch_radius, self.spec.window
        _, depth, height, _ = self.values.shape
        there = (
            (z + self.steps[:, 0] >= 0) & (z + self.steps[:, 0] < depth)
            & (y + self.steps[:, 1] >= 0) & (y + self.steps[:, 1] < height)
        )  # fmt: skip
        number = int(there.sum())
        names, near = 2 + 2 * np.arange(number, dtype=np.float32), self.near[there].astype(np.float32)
        partners = kernels.Partners(self.ahead[there], self.steps[there, 2], names, near)
        places = Places(
            mirror(z - rz - pz, z + rz + pz + 1, depth), mirror(y - ry - py, y + ry + py + 1, height), self.columns
        )
        tables = kernels.Tables(places, self.slices, self.real, self.inside, (rz + pz, ry + py, self.margin))
        pairs = number * self.count
        needed = (self.cells, max(len(self.columns), 2), pairs, pairs, 3 * self.count)
        scratch = kernels.Scratch(*self.buffers.of([(n, FLOAT) for n in needed]))
        risk_row(self.values, self.gains, self.rule, tables, partners, scratch, out, pulse())
