"""Stripes of an image: looked for in bands across its lines, so that it need not be in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from .. import _checks
from ..noise import stripes
from ..pairwise.spec import Radii
from ..pairwise.tiles import Tile
from ..pixels.missing import Rules
from ..pixels.stripes import Stripes

Look = Callable[[Sequence[Tile]], list[tuple[np.ndarray, np.ndarray | None]]]
"""Returns tiles, planes (C, Z, Y, X) as they are stored, and where they are known."""
SLICES = 16
"""Slices, evenly spread, by which it is judged whether all share their stripes."""
SAME = 0.5
"""Correlation of every other one of them with the others from which they do."""
PIXELS = 1 << 22
"""Values that are read at once."""


def stripes_of(rules: Rules, look: Look, channels: int, which: str) -> Stripes | None:
    """Return the stripes of an image that run along an axis, "x" or "y", or "auto"; None if there are none."""
    depth, height, width = rules.sides
    rules = replace(rules, outliers=None, stripes=None)
    offsets = {}
    for axis, length, count in (("y", height, width), ("x", width, height)):
        if which in (axis, "auto") and stripes.enough(count, length):
            found = _offsets(Tables(rules, look, channels, axis), depth, channels, count)
            if found is not None:
                offsets[axis] = found
    return Stripes(offsets) if offsets else None


class Tables:
    """Means of the pieces of lines, read from an image."""

    def __init__(self, rules: Rules, look: Look, channels: int, axis: str) -> None:
        self.rules, self.look, self.channels, self.axis = rules, look, channels, axis

    def of(self, z: int) -> np.ndarray:
        """Return the tables (C, pieces, lines) of a slice."""
        return np.stack([self._means(*tile) for tile in self._read(z)], axis=1)

    def _read(self, z: int) -> Iterator[tuple[np.ndarray, np.ndarray | None, Radii]]:
        """Yield bands across all lines, with where they begin."""
        _, height, width = self.rules.sides
        length, count = (height, width) if self.axis == "y" else (width, height)
        bands = stripes.places(length)
        slices = (z, z + 1)
        tiles = [Tile(slices, *((ends, (0, width)) if self.axis == "y" else ((0, height), ends))) for ends in bands]
        group = max(PIXELS // (self.channels * count * (bands[0][1] - bands[0][0])), 1)
        for first in range(0, len(tiles), group):
            some = tiles[first : first + group]
            for tile, (source, known) in zip(some, self.look(some), strict=True):
                yield source, known, tile.origin

    def _means(self, source: np.ndarray, known: np.ndarray | None, origin: Radii) -> np.ndarray:
        """Return the means (C, lines) over a band; clipped pixels do not count."""
        planes, limits = self.rules.measure(source, known, origin).planes[:, 0], _checks.saturation(source.dtype)
        if limits is not None and (clipped := np.isin(source[:, 0], limits)).any():
            planes = np.where(clipped, np.nan, planes)
        return stripes.piece(planes if self.axis == "y" else planes.swapaxes(1, 2))


def _offsets(tables: Tables, depth: int, channels: int, count: int) -> np.ndarray | None:
    """Return offsets (C, Z or 1, lines): of all slices together, in channels that show the same in all, or of each."""
    chosen = range(depth) if depth <= SLICES else np.linspace(0, depth - 1, SLICES).round().astype(int).tolist()
    seen = {z: tables.of(z) for z in chosen}
    shared = [_shared([seen[z][c] for z in chosen]) for c in range(channels)]
    alone = [c for c, found in enumerate(shared) if found is None] if depth > 1 else []
    offsets = np.zeros((channels, depth if alone else 1, count))
    for c, found in enumerate(shared):
        if found is not None:
            offsets[c] = found
    for z in range(depth) if alone else ():
        each = seen.pop(z) if z in seen else tables.of(z)
        for c in alone:
            found = stripes.offsets_of(each[c])
            if found is not None:
                offsets[c, z] = found
    return offsets if offsets.any() else None


def _shared(tables: Sequence[np.ndarray]) -> np.ndarray | None:
    """Return the offsets of lines that slices share, from their tables; None where these have others, or none."""
    found = stripes.offsets_of(_mean(tables))
    if found is None or len(tables) == 1:
        return found
    halves = [stripes.offsets_of(_mean(tables[first::2])) for first in (0, 1)]
    if any(one is None or not one.any() for one in halves):
        return None
    return found if np.corrcoef(np.stack(halves))[0, 1] > SAME else None  # type: ignore[arg-type]


def _mean(tables: Sequence[np.ndarray]) -> np.ndarray:
    """Return the mean of tables; pieces that are missing in any are missing."""
    mean: np.ndarray = np.mean(tables, axis=0)
    return mean
