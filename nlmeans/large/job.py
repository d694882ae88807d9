"""What is done with each block: read with its halo, denoise, write. A job can be sent to another process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..pairwise.spec import Radii
from ..pairwise.tiles import Tile
from ..pieces import Outcome, Piece, estimate, known_in
from ..prepare import Recipe
from ..sample import Parts
from .blocks import Block
from .store import Axes, Source


@dataclass(frozen=True, eq=False)
class Files:
    """What is read: the image, and what belongs to its pixels.

    Attributes
    ----------
    image : Source
        The image.
    axes : Axes
        Names of its axes.
    beside : dict of Source
        Of ``mask`` (0 where a pixel does not count), ``sigma`` and ``guide`` those that there are.
    """

    image: Source
    axes: Axes
    beside: dict[str, Source]

    @property
    def sides(self) -> Radii:
        """The image's sides (Z, Y, X)."""
        found = self.axes.along(self.image.about.shape)
        return found["Z"], found["Y"], found["X"]

    @property
    def count(self) -> int:
        """How many separate images there are."""
        return self.axes.along(self.image.about.shape)["N"]

    @property
    def channels(self) -> int:
        """How many channels a pixel has."""
        return self.axes.along(self.image.about.shape)["C"]

    def check(self) -> None:
        """Refuse what does not fit the image.

        Raises
        ------
        ValueError
            Naming the shapes.
        """
        shape = self.image.about.shape
        plain = tuple(side for axis, side in zip(self.axes.names, shape, strict=True) if axis != "C")
        for name, source in self.beside.items():
            if source.about.shape not in ((plain,) if name == "mask" else (plain, shape)):
                raise ValueError(
                    f"{name} must have the image's shape, {plain} without channels; got {source.about.shape}"
                )

    def read(self, name: str, index: int, tile: Tile) -> np.ndarray:
        """Return a tile of one image's planes (C, Z, Y, X)."""
        source = self.image if name == "image" else self.beside[name]
        axes = self.axes if len(source.about.shape) == len(self.axes.names) else self.axes.without_channels
        pixels = axes.planes(source.read(axes.region(slice(index, index + 1), tile)))[0]
        return np.nan_to_num(pixels) != 0 if name == "mask" else np.ascontiguousarray(pixels)

    def parts(self, seen: Any) -> Parts:
        """Return readers that a sample is taken with, and add what they read to the hash ``seen``."""

        def reader(name: str) -> Callable[[int, Sequence[Tile]], list[np.ndarray]]:
            def read(index: int, tiles: Sequence[Tile]) -> list[np.ndarray]:
                found = [self.read(name, index, tile) for tile in tiles]
                for planes in found:
                    seen.update(planes.tobytes())
                return found

            return read

        return Parts(self.sides, self.channels, reader("image"), **{name: reader(name) for name in self.beside})


@dataclass(frozen=True, eq=False)
class Job:
    """How blocks are done.

    Attributes
    ----------
    files : Files
        What is read.
    target : Target
        What is written.
    recipes : list of Recipe
        One for each separate image.
    halo : tuple of 3 int
        How far around a block is read.
    keep : bool
        Leave missing pixels as they are.
    threads : int
        For each block.
    stop : callable or None
        Raises when the work is to stop; called from time to time. It cannot be sent to another process.
    """

    files: Files
    target: Any
    recipes: list[Recipe]
    halo: Radii
    keep: bool
    threads: int
    stop: Callable[..., None] | None = None

    def __call__(self, block: Block) -> dict[str, int]:
        """Do a block; return how many of its pixels were missing, and how many had no valid neighbour."""
        found = [self.image(index, block.tile) for index in range(block.first, block.last)]
        pixels = self.files.axes.array(np.stack([one.pixels for one in found]))
        self.target.write(self.files.axes.region(slice(block.first, block.last), block.tile), pixels)
        return {"missing": sum(one.missing for one in found), "unfilled": sum(one.unfilled for one in found)}

    def image(self, index: int, tile: Tile) -> Outcome:
        """Denoise a tile of one of separate images."""
        return self.denoised(self.piece(index, tile), index)

    def piece(self, index: int, tile: Tile) -> Piece:
        """Read a tile with its halo."""
        around = tile.grown(self.halo, self.files.sides)
        parts = {name: self.files.read(name, index, around) for name in ("image", *self.files.beside)}
        known = known_in(parts["image"], parts.get("mask"))
        core = tile.moved(around.origin)
        return Piece(
            parts["image"], known, parts.get("sigma"), parts.get("guide"), core, around.origin, self.files.sides
        )

    def denoised(self, piece: Piece, index: int) -> Outcome:
        """Denoise what was read."""
        return estimate(piece, self.recipes[index], keep=self.keep, threads=self.threads, progress=self.stop)
