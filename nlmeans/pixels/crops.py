"""Evenly spread parts of an image that is too large to be judged whole, and stacks of images as one volume."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from ..pairwise.spec import Radii
from ..pairwise.tiles import Tile, whole

CROPS, PIXELS, SLICES = 16, 1 << 17, 16
"""How many crops are taken, and how many pixels and slices each has; an image of as many pixels is taken whole."""
LEAST = 1 << 13
"""Pixels of a crop where there are very many channels: with more than four, their number divides the pixels."""
GRID = 8
"""All parts begin on this grid, along y and x: the blocks of a JPEG picture lie the same way in each."""


def crops(sides: Radii, channels: int = 1) -> list[Tile]:
    """Return equal tiles, spread over the image evenly; of a small image all of it."""
    pixels = max(PIXELS // max(channels // 4, 1), min(LEAST, PIXELS))
    if math.prod(sides) <= CROPS * pixels:
        return [whole(sides)]
    depth = min(sides[0], SLICES)
    height = min(sides[1], math.isqrt(pixels // depth))
    width = min(sides[2], pixels // (depth * height))
    height = min(sides[1], pixels // (depth * width))

    reverse = [int(f"{k:04b}"[::-1], 2) for k in range(CROPS)]
    lengths = (depth, height, width)
    shares = [((5 * k % CROPS + 0.5) / CROPS, (reverse[k] + 0.5) / CROPS, (k + 0.5) / CROPS) for k in range(CROPS)]
    return [placed(share, sides, lengths) for share in shares]


def placed(shares: Sequence[float], sides: Radii, lengths: Radii) -> Tile:
    """Return the tile that lies at these shares, below 1, of the way from one end of each axis to the other."""
    starts = [int(share * (side - n + 1)) for share, side, n in zip(shares, sides, lengths, strict=True)]
    z, y, x = starts[0], starts[1] - starts[1] % GRID, starts[2] - starts[2] % GRID
    return Tile((z, z + lengths[0]), (y, y + lengths[1]), (x, x + lengths[2]))


def parts_of(tile: Tile, depth: int) -> Iterator[tuple[int, Tile]]:
    """Return which images a tile reaches through, of images of ``depth`` slices on top of each other, and its parts."""
    for index in range(tile.z[0] // depth, (tile.z[1] - 1) // depth + 1):
        first, last = (min(max(z - index * depth, 0), depth) for z in tile.z)
        yield index, Tile((first, last), tile.y, tile.x)


def cut(stack: np.ndarray, tiles: Sequence[Tile]) -> np.ndarray:
    """Return tiles of images (N, C, Z, Y, X) on top of each other, as planes (C, Z, Y, X) on top of each other."""
    parts = [(index, part) for tile in tiles for index, part in parts_of(tile, stack.shape[2])]
    return np.concatenate([stack[k][:, slice(*p.z), slice(*p.y), slice(*p.x)] for k, p in parts], axis=1)
