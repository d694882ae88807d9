"""Whether the strips and tiles of a TIFF can hold what its header claims: asked before memory is taken."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .codecs import LZW, MOST_LZW
from .picture import PictureError, Request, times

MOST: dict[int, float] = {
    1: 1,  # none
    LZW: MOST_LZW,
    6: 2048, 7: 2048,  # JPEG: a bit a block, chroma of the coarsest kind
    8: 1032, 32946: 1032,  # deflate
    32773: 64,  # PackBits
}  # fmt: skip
"""How many bytes a byte can stand for, by the number of a compression; those that are not here have no bound."""
ORDINARY = 2**24
"""Pixels of a tile that a picture of any size may have."""


def check(page: Any, pages: list[Any], size: int, request: Request) -> None:
    """Refuse pages like ``page`` whose pixels are not in a file of ``size`` bytes, or would fill the memory."""
    if page.is_tiled and page.tilewidth * page.tilelength * page.tiledepth > max(ORDINARY, math.prod(page.shaped)):
        raise PictureError(
            f"the file is damaged: it says tiles of {times((page.tilewidth, page.tilelength))} pixels for a picture of "
            f"{times((page.imagewidth, page.imagelength))}"
        )
    needed, most = _needed(page), MOST.get(int(page.compression))
    claimed = packed = 0
    for each in pages:
        offsets, counts = (_numbers(numbers) for numbers in (each.dataoffsets, each.databytecounts))
        if len(offsets) != len(counts) or (len(offsets) != len(needed) and not page.is_contiguous):
            raise PictureError(
                f"the file is damaged or cut short: it names {len(offsets):,} of {len(needed):,} strips or tiles"
            )
        there = counts > 0  # a file may leave out what is empty
        if np.any(there != (offsets > 0)) or np.any(counts < 0):
            raise PictureError(
                "the file is damaged: a strip or tile has a place and no length, or a length and no place"
            )
        end = int((offsets + counts).max(initial=0))
        if end > size:
            raise PictureError(f"the file is cut short: its pixels end at byte {end:,}, the file at {size:,}")
        if most is not None and len(counts) == len(needed):
            short = there & (needed > most * counts)
            if short.any():
                first = int(np.argmax(short))
                request.check_claim(int(needed[first]), int(counts[first]), most)
        if most is None or not there.all():
            claimed += int(needed.sum())
        packed += int(counts.sum())
    request.check_claim(claimed, packed, None)


def _needed(page: Any) -> np.ndarray:
    """Return how many bytes each segment has at least when it is unpacked: without what reaches over the edge."""
    apart, depth, length, width, beside = page.shaped
    high, wide = (page.tilelength, page.tilewidth) if page.is_tiled else (min(page.rowsperstrip, length), width)
    deep = page.tiledepth if page.is_tiled else 1
    if min(high, wide, deep) < 1:
        raise PictureError(f"the file is damaged: it says strips or tiles of {times((wide, high))} pixels")
    rows, columns, slices = _cut(length, high), _cut(width, wide), _cut(depth, deep)
    bits = page.bitspersample * beside
    each = -(-columns[None, None, :] * bits // 8) * rows[None, :, None] * slices[:, None, None]
    return np.tile(each.ravel(), apart)


def _cut(side: int, piece: int) -> np.ndarray:
    """Return the lengths of pieces of a side."""
    count = -(-side // piece)
    lengths = np.full(count, piece, np.int64)
    lengths[-1] = side - (count - 1) * piece
    return lengths


def _numbers(numbers: Any) -> np.ndarray:
    """Return offsets or lengths as numbers that add up without wrapping round."""
    if any(not 0 <= number < 2**62 for number in (min(numbers, default=0), max(numbers, default=0))):
        raise PictureError("the file is damaged: it names places that no file has")
    return np.asarray(numbers, np.int64)
