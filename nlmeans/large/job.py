"""What is done with each block: read with its halo, denoise, write. A job can be sent to another process."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _checks
from .._axes import Layout
from .._notes import noted
from ..formats.picture import PictureError
from ..formats.store import Axes, Source
from ..methods.recipe import Recipe
from ..methods.region import SHADES, Pixels, Result, denoised
from ..methods.sample import Parts
from ..pairwise.spec import Radii
from ..pairwise.tiles import Tile
from .blocks import Block
from .manifest import differences


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
        for name in self.beside:
            self.axes_of(name)

    def axes_of(self, name: str) -> Axes:
        """Return the axes of a file; along those that it lacks, what belongs to the image's pixels serves all."""
        if name == "image":
            return self.axes
        shape, own = self.image.about.shape, self.beside[name].about.shape
        of = Layout((self.axes.without_channels if name == "mask" else self.axes).names)
        sides = tuple(side for axis, side in zip(self.axes.names, shape, strict=True) if axis in of.axes)
        names = of.fitting(name, own, sides)
        if not names:
            plain = tuple(side for axis, side in zip(self.axes.names, shape, strict=True) if axis != "C")
            raise ValueError(f"{name} must have the image's shape, {plain} without channels; got {own}")
        return Axes(_checks.only(names, name, own))

    def identity(self) -> dict[str, Any]:
        """Return what changes when something that is read is another."""
        return {
            "source": self.image.identity(),
            "beside": {name: other.identity() for name, other in self.beside.items()},
        }

    def read(self, name: str, index: int, tile: Tile) -> np.ndarray:
        """Return a tile of one image's planes (C, Z, Y, X)."""
        source, axes = self.image if name == "image" else self.beside[name], self.axes_of(name)
        region = axes.region(slice(index, index + 1), tile)
        there = tuple(slice(0, 1) if side == 1 else cut for side, cut in zip(source.about.shape, region, strict=True))
        planes = axes.planes(source.read(there))[0]
        pixels = np.broadcast_to(planes, (len(planes), *tile.sides))
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

        return Parts(
            self.sides, self.channels, self.count, reader("image"), **{name: reader(name) for name in self.beside}
        )


class Changed(PictureError):
    """Something that is read changed while it was."""


class Watch:
    """Sees whether all that is read stays as it is: at the end, and now and then before, in a hundredth of the time.

    Parameters
    ----------
    files : Files
        What is read.

    Attributes
    ----------
    identity : dict
        What it was at the start.
    """

    def __init__(self, files: Files) -> None:
        self.files = files
        self.identity = self._identity()

    def _identity(self) -> dict[str, Any]:
        start = time.monotonic()
        identity = self.files.identity()
        self._due = time.monotonic() + 100 * (time.monotonic() - start)
        return identity

    def look(self) -> None:
        """Raise `Changed` if something is another, as far as it is time to look."""
        if time.monotonic() >= self._due and (changed := self.changed()):
            raise changed

    def changed(self) -> Changed | None:
        """Return what is to be raised if something is another."""
        try:
            now = self._identity()
        except OSError as error:
            other = [str(error.filename)]
        else:
            other = [
                str(entry.get("path", name))
                for name, entry in _flat(self.identity).items()
                if differences(entry, _flat(now)[name])
            ]
        if not other:
            return None
        return Changed(
            f"what is read must stay as it is until the end: {', '.join(other)} changed under way; nothing of this run "
            "is kept, and the same call begins anew"
        )


def _flat(identity: dict[str, Any]) -> dict[str, Any]:
    return {"source": identity["source"]} | identity["beside"]


COUNTED = ("missing", "unfilled", "kept")
"""What a block counts of its pixels: attributes of `Result`, and of a report."""


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
    dtype : numpy.dtype or None
        Type of the result; the image's by default.
    """

    files: Files
    target: Any
    recipes: list[Recipe]
    halo: Radii
    keep: bool
    threads: int
    stop: Callable[..., None] | None = None
    dtype: np.dtype | None = None

    def __call__(self, block: Block) -> dict[str, int]:
        """Do a block; return what is counted of its pixels, and if shades were lost."""
        found = [self.image(index, block.tile) for index in range(block.first, block.last)]
        pixels = self.files.axes.array(np.stack([one.pixels for one in found]))
        self.target.write(self.files.axes.region(slice(block.first, block.last), block.tile), pixels)
        lost = sum(noted(one.plan.notes, SHADES.code) for one in found)
        counts = {name: sum(getattr(one, name) for one in found) for name in COUNTED}
        return counts | ({"shades": 1} if 2 * lost > len(found) else {})

    def image(self, index: int, tile: Tile) -> Result:
        """Denoise a tile of one of separate images."""
        return self.denoised(self.piece(index, tile), index)

    def piece(self, index: int, tile: Tile) -> Pixels:
        """Read a tile with its halo."""
        around = tile.grown(self.halo, self.files.sides)
        parts = {name: self.files.read(name, index, around) for name in ("image", *self.files.beside)}
        return Pixels.of(parts, tile.moved(around.origin), around.origin, self.files.sides)

    def denoised(self, piece: Pixels, index: int) -> Result:
        """Denoise what was read."""
        recipe = self.recipes[index]
        return denoised(piece, recipe, keep=self.keep, threads=self.threads, progress=self.stop, dtype=self.dtype)
