"""Half-size images: means of 2 × 2 pixels on the image's own grid, and the way back between pixels."""

from __future__ import annotations

import numpy as np

from ..pairwise.spec import Radii
from ..pairwise.tiles import Tile

KEYS = ((0, 0.8671875), (1, 0.2265625), (2, -0.0234375), (-1, -0.0703125))
"""Weights of half-size pixels so many steps from a pixel's own towards the one that is next nearest."""


def halved_sides(sides: Radii) -> Radii:
    """Return the sides of a half-size image; of an odd side, the last pixel makes one of its own."""
    z, y, x = sides
    return z, (y + 1) // 2, (x + 1) // 2


def origin_of(origin: Radii) -> Radii:
    """Return where the half-size pixel lies that holds a pixel."""
    z, y, x = origin
    return z, y // 2, x // 2


def halved_tile(tile: Tile, origin: Radii, sides: Radii) -> Tile:
    """Return the half-size pixels that a tile is interpolated from, in a half-size region of these sides.

    The tile is counted from the region's ``origin`` in the image; the result from the half-size region's.
    """

    def halves(ends: tuple[int, int], first: int, side: int) -> tuple[int, int]:
        start, stop = (first + end for end in ends)
        return max((start // 2) - first // 2 - 2, 0), min((stop + 1) // 2 - first // 2 + 2, side)

    return Tile(tile.z, halves(tile.y, origin[1], sides[1]), halves(tile.x, origin[2], sides[2]))


def halved(planes: np.ndarray, origin: Radii = (0, 0, 0)) -> np.ndarray:
    """Return the means of 2 × 2 pixels of planes (C, Z, Y, X) that begin at ``origin`` in their image.

    Squares lie on the image's own grid; of one that the planes cut, and of one with missing pixels, the others count.
    """
    (_, y, x), (height, width) = origin, planes.shape[2:]
    ends = [(first % 2, (first + side) % 2) for first, side in ((y, height), (x, width))]
    if any(map(any, ends)):
        planes = np.pad(planes, [(0, 0), (0, 0), *ends], mode="edge")
    result = _squares(planes)
    result *= planes.dtype.type(0.25)
    lost = np.isnan(result)
    if lost.any():
        known = np.isfinite(planes)
        counts, totals = (_squares(part) for part in (known.astype(planes.dtype), np.where(known, planes, 0)))
        some = lost & (counts > 0)
        result[some] = totals[some] / counts[some]
    return result


def _squares(planes: np.ndarray) -> np.ndarray:
    """Return the sums of 2 × 2 pixels."""
    rows = planes[:, :, ::2] + planes[:, :, 1::2]
    sums: np.ndarray = rows[..., ::2] + rows[..., 1::2]
    return sums


def doubled(planes: np.ndarray, coarse: Tile, tile: Tile) -> np.ndarray:
    """Return half-size planes (C, Z, Y, X), a ``coarse`` tile of their image, interpolated at the pixels of a tile.

    By a cubic through four of them along each axis (R. Keys, IEEE TASSP 1981, doi:10.1109/TASSP.1981.1163711).
    Both are counted from the first pixel of the image and of the half-size one. Beyond its ends an image goes on as it
    is there.
    """
    for axis, ends, (first, last) in ((2, tile.y, coarse.y), (3, tile.x, coarse.x)):
        pixels = np.arange(*ends)
        towards = np.where(pixels % 2, 1, -1)
        result: np.ndarray | None = None
        for steps, weight in KEYS:
            places = np.clip(pixels // 2 + steps * towards, first, last - 1) - first
            part = np.take(planes, places, axis)
            part *= planes.dtype.type(weight)
            result = part if result is None else np.add(result, part, out=result)
        assert result is not None
        planes = result
    return planes
