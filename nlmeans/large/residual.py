"""What was taken away of a large image, a part at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from ..formats.arrays import Slices, Source
from ..formats.format import Format
from ..formats.residual import difference, difference_type
from .files import Destination, open_source
from .output import Output

MOST = 1 << 22
"""Values that are subtracted at once."""


@dataclass(frozen=True)
class Residual:
    """Where it goes."""

    format: Format
    path: Path
    source: Source  # the noisy image
    axes: str  # names of its axes

    def write(self, result: Path, stop: Callable[[], None]) -> None:
        """Write the difference of the noisy image and a result; ``stop`` raises when the work is to stop."""
        clean = open_source(result)
        kind = difference_type(self.source.info.dtype, clean.info.dtype)
        made = Destination.of(self.format, self.source, self.axes, kind, None)
        made = replace(made, info=replace(made.info, nodata=None))
        order = _order(made.info.axes, clean.info.axes, made.info.shape, clean.info.shape)
        with Output(self.path) as output:
            target = output.begin({"residual": str(result)}, made.create)
            for part in _parts(made.info.shape, made.info.chunks):
                stop()
                there: list[slice] = [slice(None)] * len(part)
                for place, axis in enumerate(order):
                    there[place] = part[axis]
                pixels = clean.read(tuple(there)).transpose(sorted(range(len(order)), key=order.__getitem__))
                target.write(part, difference(self.source.read(part), pixels))
            for level, parts in enumerate(target.coarser(), 1):
                for part in parts:
                    stop()
                    target.shrink(level, part)
            output.finish(target.finish(stop, output.names.packed))


def _order(axes: str | None, stored: str | None, shape: tuple[int, ...], turned: tuple[int, ...]) -> list[int]:
    """Return which axis of the noisy image each axis of the result is: new files have them in an order of their own."""
    if axes and stored and axes != stored and sorted(axes) == sorted(stored):
        return [axes.index(axis) for axis in stored]
    assert shape == turned
    return [*range(len(shape))]


def _parts(shape: tuple[int, ...], chunks: tuple[int, ...]) -> Iterator[Slices]:
    """Yield parts of an array that are made of whole chunks."""
    sides = [min(chunk, side) for chunk, side in zip(chunks, shape, strict=True)]
    for axis in reversed(range(len(shape))):
        while sides[axis] < shape[axis] and 2 * math.prod(sides) <= MOST:
            sides[axis] = min(2 * sides[axis], shape[axis])
    firsts = product(*(range(0, n, side) for n, side in zip(shape, sides, strict=True)))
    for first in firsts:
        yield tuple(slice(f, min(f + side, n)) for f, side, n in zip(first, sides, shape, strict=True))
