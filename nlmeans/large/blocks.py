"""How a large image is cut: into blocks that fit into memory, and are large enough that their halos cost little."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from ..pairwise.spec import Radii
from ..pairwise.tiles import Tile, whole

ENOUGH = 1.6
"""Pixels read over pixels written from which more memory for each block is worth more than more blocks at a time."""
TOO_MUCH = 4.0
"""The same from which the work would take too long."""


@dataclass(frozen=True)
class Sizes:
    """How large blocks are, of pictures and of volumes."""

    most: tuple[int, int] = (1 << 22, 1 << 25)  # values of a block beyond which a halo costs little
    # sides of the two pieces that are denoised first, to see what memory a value takes
    trial: tuple[tuple[Radii, Radii], ...] = (((1, 192, 192), (1, 512, 512)), ((12, 48, 48), (32, 112, 112)))


@dataclass(frozen=True)
class Block:
    """What is read, denoised and written at once: a tile of some of the separate images."""

    first: int
    last: int
    tile: Tile


@dataclass(frozen=True)
class Cut:
    """How an image is cut."""

    sides: Radii  # of a block
    images: int  # separate images that are written together, since they share chunks
    workers: int  # blocks that are computed at the same time
    threads: int  # for each of them
    needed: int  # bytes of all blocks that are computed at the same time

    def blocks(self, count: int, sides: Radii) -> list[Block]:
        """Return the blocks of ``count`` images."""
        tiles = whole(sides).cut(self.sides)
        firsts = range(0, count, self.images)
        return [Block(first, min(first + self.images, count), tile) for first, tile in product(firsts, tiles)]


@dataclass(frozen=True)
class Room:
    """What blocks of an image take."""

    sides: Radii  # the image's
    chunks: tuple[int, int, int, int]  # what can only be written whole: separate images, Z, Y, X
    halo: Radii  # how far around itself a block reads
    channels: int  # of a pixel
    fixed: float  # bytes that a block takes, whatever its size
    each: float  # and those of each of its values, with its halo
    source: Radii  # what can only be read whole
    itemsize: int  # bytes of a stored value
    most: int  # pixels of the largest block

    def read(self, block: Sequence[int]) -> int:
        """Return how many pixels a block reads."""
        return math.prod(min(b + 2 * h, n) for b, h, n in zip(block, self.halo, self.sides, strict=True))

    def bytes(self, block: Sequence[int]) -> float:
        """Return how many bytes a block takes.

        Chunks are packed and unpacked meanwhile, those that it only touches too; and results wait for images that share
        their chunks.
        """
        touched = (b + 2 * c if h else b for b, h, c in zip(block, self.halo, self.source, strict=True))
        packed = 2 * math.prod(min(t, n) for t, n in zip(touched, self.sides, strict=True))
        stored = packed + math.prod(block) * (self.chunks[0] + 1)
        return self.fixed + self.channels * (self.each * self.read(block) + self.itemsize * stored)

    def largest(self, room: float) -> list[int]:
        """Return the block that fits into ``room`` bytes, grown by whole chunks where that spares most of the halo."""
        block = [min(chunk, side) for chunk, side in zip(self.chunks[1:], self.sides, strict=True)]
        while True:
            grown = [
                [min(2 * b, n) if k == axis else b for k, (b, n) in enumerate(zip(block, self.sides, strict=True))]
                for axis in (2, 1, 0)  # of equal ones the longest rows, which are computed fastest
                if block[axis] < self.sides[axis]
            ]
            grown = [longer for longer in grown if self.bytes(longer) <= room and math.prod(longer) <= self.most]
            if not grown:
                return block
            block = min(grown, key=lambda longer: self.read(longer) / math.prod(longer))


def choose(room: Room, budget: float, cpus: int, given: Sequence[int] | None = None) -> Cut:
    """Choose blocks, and how many are computed at the same time, for a budget of bytes.

    Raises
    ------
    ValueError
        If the budget does not suffice for one block; ``given`` are the sides of one that was chosen before.
    """
    counts = sorted({cpus, *(2**k for k in range(cpus.bit_length()) if 2**k < cpus)}, reverse=True)
    for workers in counts:
        block = room.largest(budget / workers) if given is None else list(given)
        enough = 2 * math.prod(block) > room.most or room.read(block) <= ENOUGH * math.prod(block)
        if room.bytes(block) <= budget / workers and (enough or workers == 1 or given is not None):
            break
    what = " × ".join(map(str, block))
    if room.bytes(block) > budget:
        raise ValueError(
            f"max_memory must hold a block, {room.bytes(block) / 2**20:.0f} MiB for {what} pixels with what surrounds "
            f"them; got {max(budget, 0) / 2**20:.0f} MiB beside what the program itself takes"
        )
    if given is None and room.read(block) > TOO_MUCH * math.prod(block) and block != room.largest(math.inf):
        raise ValueError(
            f"max_memory must hold blocks that read at most {TOO_MUCH:g} times what they write; got "
            f"{max(budget, 0) / 2**20:.0f} MiB beside what the program itself takes, which hold {what} pixels"
        )
    z, y, x = block
    count = math.prod(math.ceil(n / b) for n, b in zip(room.sides, block, strict=True))
    workers = min(workers, count)
    return Cut((z, y, x), room.chunks[0], workers, max(cpus // workers, 1), int(workers * room.bytes(block)))
