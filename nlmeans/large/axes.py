"""Names of the axes of arrays in files, and where a tile of an image lies in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .._axes import Layout
from ..formats.arrays import Slices
from ..pairwise.tiles import Tile


@dataclass(frozen=True)
class Axes:
    """Names of an array's axes, "_" for one of length 1 that is left out.

    Files of five axes often hold a picture: what they call a volume of one slice at one time is none.
    """

    names: str

    @property
    def layout(self) -> Layout:
        """The axes that are not left out."""
        return Layout(self.names.replace("_", ""))

    @property
    def without_channels(self) -> Axes:
        """The axes of what has one value a pixel."""
        return Axes(self.names.replace("C", ""))

    def slices(self, images: slice, tile: Tile) -> Slices:
        """Return where a tile of separate images lies in the array."""
        places = {"_": slice(0, 1), "N": images, "C": slice(None), "T": slice(*tile.z), "Z": slice(*tile.z)}
        places |= {"Y": slice(*tile.y), "X": slice(*tile.x)}
        return tuple(places[axis] for axis in self.names)

    def planes(self, pixels: np.ndarray) -> np.ndarray:
        """Return what lies in a region as planes (N, C, Z, Y, X)."""
        return self.layout.planes(pixels.squeeze(self._left_out))

    def array(self, planes: np.ndarray) -> np.ndarray:
        """Return planes (N, C, Z, Y, X) as they lie in a region."""
        return np.expand_dims(self.layout.array(planes), self._left_out)

    def along(self, numbers: Sequence[int]) -> Mapping[str, int]:
        """Return one number for each of N, C, Z, Y and X from those of all axes; 1 where there is no such axis."""
        named = {"Z" if axis == "T" else axis: n for axis, n in zip(self.names, numbers, strict=True)}
        return {axis: named.get(axis, 1) for axis in "NCZYX"}

    @property
    def _left_out(self) -> tuple[int, ...]:
        return tuple(k for k, name in enumerate(self.names) if name == "_")
