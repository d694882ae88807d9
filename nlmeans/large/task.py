"""What is done with each block: read with its halo, denoise, write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._notes import noted
from ..methods.part import SHADES, Pixels, Result, denoised
from ..methods.recipe import Recipe
from ..pairwise.spec import Radii
from ..pairwise.tiles import Tile
from .blocks import Block
from .inputs import Inputs

COUNTED = ("missing", "unfilled", "kept")
"""What a block counts of its pixels: attributes of `Result`, and of a report."""


@dataclass(frozen=True, eq=False)
class BlockTask:
    """How blocks are done."""

    inputs: Inputs  # what is read
    target: Any  # what is written
    recipes: list[Recipe]  # one for each separate image
    halo: Radii  # how far around a block is read
    keep: bool  # leave missing pixels as they are
    threads: int  # for each block
    stop: Callable[..., None] | None = None  # raises when the work is to stop; cannot be sent to another process
    dtype: np.dtype | None = None  # type of the result; the image's by default

    def __call__(self, block: Block) -> dict[str, int]:
        """Do a block; return what is counted of its pixels, and if shades were lost."""
        results = [self.image(index, block.tile) for index in range(block.first, block.last)]
        pixels = self.inputs.axes.array(np.stack([result.pixels for result in results]))
        self.target.write(self.inputs.axes.slices(slice(block.first, block.last), block.tile), pixels)
        lost = sum(noted(result.plan.notes, SHADES.code) for result in results)
        counts = {name: sum(getattr(result, name) for result in results) for name in COUNTED}
        return counts | ({"shades": 1} if 2 * lost > len(results) else {})

    def image(self, index: int, tile: Tile) -> Result:
        """Denoise a tile of one of separate images."""
        return self.denoised(self.piece(index, tile), index)

    def piece(self, index: int, tile: Tile) -> Pixels:
        """Read a tile with its halo."""
        around = tile.grown(self.halo, self.inputs.sides)
        parts = {name: self.inputs.read(name, index, around) for name in ("image", *self.inputs.companions)}
        return Pixels.of(parts, tile.moved(around.origin), around.origin, self.inputs.sides)

    def denoised(self, piece: Pixels, index: int) -> Result:
        """Denoise what was read."""
        recipe = self.recipes[index]
        return denoised(piece, recipe, keep=self.keep, threads=self.threads, progress=self.stop, dtype=self.dtype)
