"""Whether the strips and tiles of a TIFF can hold what its header claims: asked before memory is taken."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...picture import PictureError, Request, times
from .codecs import LZW, MOST_LZW

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
    sides, pieces = _grid(page)
    number = math.prod(-(-side // piece) for side, piece in zip(sides, pieces, strict=True))
    named = next((len(each.dataoffsets) for each in pages if len(each.dataoffsets) != number), number)
    if named != number:  # before anybody makes a list of them
        raise PictureError(f"the file is damaged or cut short: it names {named:,} of {number:,} strips or tiles")
    needed, most = _needed(page, sides, pieces), MOST.get(int(page.compression))
    claimed = packed = 0
    for each in pages:
        offsets, counts = (_numbers(numbers) for numbers in (each.dataoffsets, each.databytecounts))
        if len(offsets) != len(counts):
            raise PictureError(
                f"the file is damaged: it has {len(offsets):,} places and {len(counts):,} lengths of strips"
            )
        there = counts > 0  # a file may leave out what is empty
        if np.any(there != (offsets > 0)) or np.any(counts < 0):
            raise PictureError(
                "the file is damaged: a strip or tile has a place and no length, or a length and no place"
            )
        end = int((offsets + counts).max(initial=0))
        if end > size:
            raise PictureError(f"the file is cut short: its pixels end at byte {end:,}, the file at {size:,}")
        if most is not None:
            short = there & (needed > most * counts)
            if short.any():
                first = int(np.argmax(short))
                request.check_claim(int(needed[first]), int(counts[first]), most)
        if most is None or not there.all():
            claimed += int(needed.sum())
        packed += int(counts.sum())
    request.check_claim(claimed, packed, None)


def _grid(page: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return sides of a page, and of its segments: channels apart, slices, rows, columns."""
    apart, depth, length, width, _ = page.shaped
    pieces = (page.tiledepth, page.tilelength, page.tilewidth) if page.is_tiled else (1, page.rowsperstrip, width)
    if min(pieces) < 1:
        raise PictureError(f"the file is damaged: it says strips or tiles of {times(pieces)} pixels")
    return (apart, depth, length, width), (1, *pieces)


def _needed(page: Any, sides: tuple[int, ...], pieces: tuple[int, ...]) -> np.ndarray:
    """Return how many bytes each segment has at least when it is unpacked: without what reaches over the edge."""
    channels, slices, rows, columns = (_cut(side, piece) for side, piece in zip(sides, pieces, strict=True))
    bits = page.bitspersample * page.shaped[-1]
    each = slices[:, None, None] * rows[None, :, None] * -(-columns[None, None, :] * bits // 8)
    return np.tile(each.ravel(), len(channels))


def _cut(side: int, piece: int) -> np.ndarray:
    """Return the lengths of pieces of a side."""
    count = -(-side // piece)
    lengths = np.full(count, min(piece, side), np.int64)
    lengths[-1] = side - (count - 1) * piece
    return lengths


def _numbers(numbers: Any) -> np.ndarray:
    """Return offsets or lengths as numbers that add up without wrapping round."""
    if any(not 0 <= number < 2**62 for number in (min(numbers, default=0), max(numbers, default=0))):
        raise PictureError("the file is damaged: it names places that no file has")
    return np.asarray(numbers, np.int64)
