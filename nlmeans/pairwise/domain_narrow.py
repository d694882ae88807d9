"""Runs non-local means in 16 bits over the whole image: blocks of displacements, in whatever order they finish."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from .._progress import Progress
from ..simd.jit import named
from .kernels_types_narrow import Lay, NarrowBlock, NarrowBlockScratch, NarrowRule
from .layout import Buffers
from .narrow import LANES, LOWER, UPPER, Narrow, columns_of
from .spec import Radii
from .tiles import mirror, mirrored, pulse, run_tasks
from .units import GRAIN, PAIRS

KERNELS = "nlmeans.pairwise.kernels_domain_narrow"
narrow_block, add_block = named(KERNELS, "narrow_block"), named(KERNELS, "add_block")

BLOCK = 16
"""Displacements along x of a task; even, since they are weighed in pairs."""
ROWS = 48
"""Rows of pixels that are taken at a time, so that what is known of them stays near the processor."""
NEAR = 64
"""Pixels of a segment with which each takes twice as long as if they were few: they lie farther from the processor."""

Displacements = tuple[int, int, int, int]
"""First and last along x, first and last along y."""


class NarrowSums:
    """The sums over all pixels for each: weights, the largest weight, weighted differences from the pixel's value.

    As whole numbers of 64 bits, they do not depend on the order in which they are added up.
    """

    def __init__(self, narrow: Narrow) -> None:
        self.narrow = narrow
        channels, self.depth, self.height, self.side = narrow.image.kept.shape
        self.total = np.zeros((self.depth, 2 + channels, self.height, self.side), np.int64)
        self.buffers, self.lock = Buffers(), threading.Lock()

    def run(self, threads: int, progress: Progress | None) -> None:
        """Compute all blocks, and write the averages."""
        blocks = sorted(self._blocks(), key=lambda block: max(abs(block[2][0]), abs(block[2][1] - 1)))
        steps = math.ceil(self.height / ROWS) * (2 * self.height - 1)
        run_tasks(self._block, blocks, threads, progress, steps=steps)
        self._divide()

    def _blocks(self) -> Iterator[tuple[int, int, Displacements]]:
        """Yield both slices and the displacements of all blocks; every pair of pixels is met once, from one end."""
        for z in range(self.depth):
            for other in range(z, self.depth):
                for first in range(0 if z == other else 1 - self.side, self.side, BLOCK):
                    last = min(first + BLOCK, self.side)
                    bands = bands_of(self.height, self.side - max(first, -last + 1, 0), self.narrow.spec.patch_radius)
                    for dy in rows_of(self.height, bands, last - first):
                        yield z, other, (first, last, *dy)

    def _block(self, task: tuple[int, int, Displacements]) -> None:
        z, other, displacements = task
        image, patch, own = self.narrow.image, self.narrow.spec.patch_radius, pulse()
        pz, _, px = patch
        channels, sides = len(image.kept), (self.depth, self.height, self.side)
        block = block_of(patch, sides, z, other, displacements)
        plane = block.near.rows.shape[0] * block.near.columns.shape[0]
        cells, size = channels * (2 * pz + 1) * plane, block.size
        planes = 3 + 2 * channels
        small: np.dtype = np.dtype(np.int16)
        needed = [
            (2 * cells + 8, small),
            (4 * cells, small),
            (BLOCK * (block.count + 2 * px), small),
            ((BLOCK + 1) * (block.count + 2) + 1, small),
            (planes * self.height * block.count, small),
            (planes * len(block.real) * (block.count + size - 1), small),
            (block.near.columns.shape[0] + 7, small),
        ]
        features, values, columns, weights, mine, theirs, lines = self.buffers.of(needed)
        scratch = NarrowBlockScratch(
            features, values, columns, weights, mine, theirs, mine.view(np.int32), theirs.view(np.int32), lines
        )
        slices = tuple((c * (2 * pz + 1) + k) * plane for c in range(channels) for k in range(2 * pz + 1))
        rule = NarrowRule(patch, patch, BLOCK, self.narrow.unit, self.narrow.curve, slices)
        narrow_block(image, rule, block, scratch, own)
        if not own[0]:
            with self.lock:
                add_block(image, rule, block, scratch, (self.total[z], self.total[other]))

    def _divide(self) -> None:
        """Add each pixel itself to its sums and divide, as `kernels_narrow.divide` does in a tile."""
        image, unit, (out, shares) = self.narrow.image, self.narrow.unit, self.narrow.target
        weights, top, *differences = self.total.swapaxes(0, 1)
        own = np.maximum(top, int(unit.least)) * int(unit.top) + int(unit.own)
        total = weights + own
        share = int(unit.share) * GRAIN // 2**16
        for c, apart in enumerate(differences):
            # a value was cut off, by half a step on average: of the pixel itself the rest is known
            features = np.rint(image.features[c] * image.feature_factors[c]).astype(np.int64) - image.offsets[c]
            rest = features * share % GRAIN / GRAIN - 0.5
            mean = np.where(apart == 0, 0.0, apart - rest * weights) / np.maximum(total, 1)
            out[c] = image.kept[c] + mean * image.value_factors[c]
        if len(shares):
            weighed = total > 0
            shares[0] = np.divide(unit.whole, total, where=weighed, out=np.ones(total.shape))
            shares[1] = np.where(weighed, own / unit.whole, 1)


def bands_of(height: int, pixels: int, patch: Radii) -> int:
    """Return how many displacements along y are best taken at once, of so many pixels of a row."""

    def work(bands: int) -> float:
        count = math.ceil(pixels * bands / LANES)
        return (height / bands + 1) * (count + patch[2] / 2 + 3) * (count + NEAR)

    return min((1, 2, 4, 8, 16, 32), key=work)


def rows_of(height: int, bands: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield the displacements along y, bands of them, so many at a time as sums have room for; one begins at 1."""
    first, last = 1 - math.ceil(height / bands) * bands, height
    steps = math.ceil(height / bands)
    most = bands * (2 * steps if steps * size <= PAIRS else PAIRS // size)
    for dy in range(first, last, most):
        yield dy, min(dy + most, last)


@lru_cache(maxsize=64)
def block_of(patch: Radii, sides: Radii, z: int, other: int, displacements: Displacements) -> NarrowBlock:
    """Return how the pixels of a block lie in the lanes."""
    (pz, py, px), (depth, height, side), (first, last, *dy) = patch, sides, displacements
    size, start, stop = last - first, max(0, 1 - last), min(side, side - first)
    bands = bands_of(height, side - max(first, 1 - last, 0), patch)
    segments = LANES // bands
    count = math.ceil((stop - start) / segments)
    position = start + count * np.arange(segments) + np.arange(-px, count + px + size - 1)[:, None]
    rows = mirrored(np.arange(-bands - py, height + py)[:, None] + np.arange(bands), height)
    near, far = (
        Lay(bands, mirror(k - pz, k + pz + 1, depth), r, *columns_of(position + step, side))
        for k, r, step in ((z, rows[:, :1].repeat(bands, 1), 0), (other, rows, first))
    )
    bit = np.uint64(1) << np.arange(segments, dtype=np.uint64)
    every = sum(1 << (segments * band) for band in range(bands))
    here = position[px : px + count]
    # the last of either half is for the second displacement of an odd block's last pair
    masks = np.zeros((2, size + 1, count), np.uint32)
    for k in range(size):
        met = here + first + k
        lanes = (((here < side) & (met >= 0) & (met < side)) * bit).sum(axis=1).astype(np.uint64) * np.uint64(every)
        masks[1, k] = lanes
        masks[0, k] = lanes if z != other or first + k > 0 else 0
    down = np.arange(1 - bands, height)[:, None] + np.arange(bands)
    band = np.uint64(2**segments - 1) << (segments * np.arange(bands, dtype=np.uint64))
    real = (((down >= 0) & (down < height)) * band).sum(axis=1).astype(np.uint32)
    ends = sum(1 << (segments * k + segments - 1) for k in range(bands))
    return NarrowBlock(
        bands, size, count, ROWS, tuple(dy), (start, start + first), near, far, masks.ravel(), (size + 1) * count, real,
        np.uint32(~ends & 0xFFFFFFFF), np.asarray([LOWER, UPPER]),
    )  # fmt: skip
