"""Stripes: what whole rows or columns are too bright by, and an image without it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..pairwise.tiles import Tile

NAMES = {"y": "columns", "x": "rows"}
"""What stripes are, by the axis along which they run."""


@dataclass(frozen=True, eq=False)
class Stripes:
    """What lines of an image are too bright by.

    Attributes
    ----------
    offsets : dict of str to ndarray, shape (C, Z or 1, lines)
        By the axis along which the lines run: "y" for columns, "x" for rows; one for all slices or frames, or one each.
    """

    offsets: dict[str, np.ndarray]

    @property
    def text(self) -> str:
        """What was removed, in a line."""
        each = [f"{NAMES[axis]} by {float(values.std()):.3g}" for axis, values in self.offsets.items()]
        return f"{' and '.join(each)} (standard deviation), removed"

    def removed(self, planes: np.ndarray, places: Sequence[Tile]) -> np.ndarray:
        """Return planes (C, Z, Y, X) without them: tiles of the image, on top of each other."""
        result, first = planes.copy(), 0
        for tile in places:
            part = result[:, first : first + tile.z[1] - tile.z[0]]
            first += part.shape[1]
            for axis, values in self.offsets.items():
                slices = values[:, slice(*tile.z)] if values.shape[1] > 1 else values
                lines = slices[..., slice(*(tile.x if axis == "y" else tile.y))].astype(part.dtype)
                part -= lines[:, :, None, :] if axis == "y" else lines[:, :, :, None]
        return result
