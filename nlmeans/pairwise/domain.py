"""Runs the core over the whole image: blocks of displacements, merged in order as they finish."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from .._progress import Progress
from ..simd.lanes import BYTES, aligned
from . import kernels_domain
from .spec import PairwiseSpec
from .tiles import mirror, pulse, run_tasks

BLOCK = 22
"""Displacements along x of a task; even, since they are weighed in pairs."""


def covers(spec: PairwiseSpec, sides: tuple[int, ...]) -> bool:
    """Return whether every pixel of the image meets every other, and they are many."""
    return all(r >= side - 1 for r, side in zip(spec.window, sides, strict=True)) and max(sides) > 2 * BLOCK


class DomainSums:
    """The sums over all pixels for each: weights, the largest weight, weighted values.

    ``job`` brings the features and values with their factors and the weight in fixed point, as for tiles.
    """

    def __init__(self, job: Any) -> None:
        self.job = job
        channels, self.depth, self.height, self.side = job.values.shape
        self.total = np.zeros((2 + channels, *job.values.shape[1:]), job.dtype)
        self.scratch = threading.local()
        self.lock, self.done = threading.Lock(), 0
        self.waiting: dict[int, np.ndarray] = {}

    def run(self, threads: int, progress: Progress | None) -> np.ndarray:
        """Compute all blocks and return the sums, shape (2 + C, Z, Y, X)."""
        steps = 2 * self.height - 1
        run_tasks(self._block, list(enumerate(self._blocks())), threads, progress, steps=steps)
        return self.total

    def _blocks(self) -> Iterator[tuple[int, int, int]]:
        """Yield (dz, first dx, last dx) of all blocks; every pair of pixels is met once, from one end."""
        for dz in range(self.depth):
            for first in range(1 - self.side, self.side, BLOCK):
                yield dz, first, min(first + BLOCK, self.side)

    def _block(self, task: tuple[int, tuple[int, int, int]]) -> None:
        index, (dz, first, last) = task
        job, side = self.job, self.side
        _, py, px = job.spec.patch_radius
        pz = job.spec.patch_radius[0]
        reach = last - first
        # the pixels that have a partner for one of the displacements at least
        start, stop = max(0, 1 - last), min(side, side - first)
        count = math.ceil((stop - start + reach) / job.lanes)
        position = start + count * np.arange(job.lanes) + np.arange(-px, count + px + reach)[:, None]
        ends = np.stack([position, position + first])
        low = int(ends.min())
        columns = mirror(low, int(ends.max()) + 1, side)[ends - low]
        real = aligned(2 * position.shape[0], job.dtype)
        real[:] = ((ends >= 0) & (ends < side)).ravel()
        planes, rows = mirror(-pz, self.depth + pz, self.depth), mirror(-py - 1, self.height + py, self.height)
        plane = len(rows) * len(position)
        offsets = [c * len(planes) * plane + k * plane for c in range(len(job.features)) for k in range(2 * pz + 1)]
        offsets[0] = len(offsets)
        tables = (planes, rows, *np.ascontiguousarray(columns), real, np.asarray(offsets, np.intp))
        sums, own = np.empty_like(self.total), pulse()
        kernels_domain.domain_block(
            job.features, job.factors, job.values, job.value_factors, sums, (dz, first, last, start), tables,
            (job.spec.patch_radius, job.shared), job.fixed.typed(job.dtype),
            self._buffers(len(planes) * plane, count, reach), own,
        )  # fmt: skip
        if not own[0]:
            self._merge(index, sums)

    def _buffers(self, cells: int, count: int, reach: int) -> tuple[np.ndarray, ...]:
        """Return this thread's scratch arrays."""
        job = self.job
        whole = np.dtype(f"i{job.dtype.itemsize}")
        rows = self.depth * self.height * len(self.total)
        needed = [
            (2 * len(job.features) * cells + 1, job.dtype),  # an odd block's last pair looks beyond
            (0 if job.shared else 2 * len(job.values) * cells, job.dtype),
            (BLOCK * (count + 2 * job.spec.patch_radius[2]), whole),
            (BLOCK * count, job.dtype),
            (rows * count, job.dtype),
            (rows * (count + 2 * reach), job.dtype),
        ]
        held = getattr(self.scratch, "arrays", None)
        if held is None or any(a.nbytes < BYTES * n for a, (n, _) in zip(held, needed, strict=True)):
            held = self.scratch.arrays = tuple(aligned(n, dtype) for n, dtype in needed)
        return tuple(a[: n * BYTES // a.itemsize] for a, (n, _) in zip(held, needed, strict=True))

    def _merge(self, index: int, sums: np.ndarray) -> None:
        """Add a block's sums when those before it are in: the order of additions depends on no thread."""
        with self.lock:
            self.waiting[index] = sums
            while self.done in self.waiting:
                ready = self.waiting.pop(self.done)
                top = np.maximum(self.total[1], ready[1])
                self.total += ready
                self.total[1] = top
                self.done += 1
