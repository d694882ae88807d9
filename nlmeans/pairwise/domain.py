"""Runs the core over the whole image: blocks of displacements, merged in order as they finish."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from .._progress import Progress
from ..simd.jit import named
from .kernels_types import Block, BlockScratch, BlockTables, Places
from .layout import Buffers, flat, segments, slice_offsets
from .spec import Radii
from .tiles import mirror, mirrored, pulse, run_tasks

domain_block = named("nlmeans.pairwise.kernels_domain", "domain_block")

BLOCK = 22
"""Displacements along x of a task; even, since they are weighed in pairs."""


def covers(window: Radii, sides: tuple[int, ...]) -> bool:
    """Return whether every pixel of the image meets every other, and they are many."""
    return all(r >= side - 1 for r, side in zip(window, sides, strict=True)) and max(sides) > 2 * BLOCK


class DomainSums:
    """The sums over all pixels for each: weights, the largest weight, weighted values.

    ``pixels`` brings the features and values with their factors and the weight in fixed point, as for tiles.
    """

    def __init__(self, pixels: Any) -> None:
        self.pixels = pixels
        channels, self.depth, self.height, self.side = pixels.image.values.shape
        self.total = np.zeros((2 + channels, *pixels.sides), pixels.dtype)
        self.buffers = Buffers()
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
        image, rule, dtype, side = self.pixels.image, self.pixels.rule, self.pixels.dtype, self.side
        pz, py, px = rule.patch
        reach = last - first
        # the pixels that have a partner for one of the displacements at least
        start, stop = max(0, 1 - last), min(side, side - first)
        count = math.ceil((stop - start + reach) / self.pixels.lanes)
        position = segments(start, count, px, px + reach, dtype)
        ends = np.stack([position, position + first])
        columns, partners = mirrored(ends, side)
        planes, rows = mirror(-pz, self.depth + pz, self.depth), mirror(-py - 1, self.height + py, self.height)
        cells = len(planes) * len(rows) * len(position)
        slices = slice_offsets(len(image.features), len(planes), 2 * pz + 1, len(rows) * len(position))
        real = flat((ends >= 0) & (ends < side), dtype)
        outputs = self.depth * self.height * len(self.total)
        needed = [
            (2 * len(image.features) * cells + 1, dtype),  # an odd block's last pair looks beyond
            (0 if rule.shared else 2 * len(image.values) * cells, dtype),
            (BLOCK * (count + 2 * px), np.dtype(f"i{dtype.itemsize}")),
            (BLOCK * count, dtype),
            (outputs * count, dtype),
            (outputs * (count + 2 * reach), dtype),
        ]
        sums, own = np.empty_like(self.total), pulse()
        domain_block(
            image, rule, Block(dz, first, last, start),
            BlockTables(Places(planes, rows, columns), partners, real, slices),
            BlockScratch(*self.buffers.of(needed)), sums, own,
        )  # fmt: skip
        if not own[0]:
            self._merge(index, sums)

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
