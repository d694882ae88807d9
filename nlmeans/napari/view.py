"""Which part of a layer is looked at, and so is denoised while the settings change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nlmeans.extend import Layout

VALUES = 1 << 18
"""Pixels of a preview: those in the middle of what is seen, 512 × 512 of a picture."""
SLICES = 4
"""How many times fewer there are where slices before and after have a say."""
HALO, SLAB = 20, 4
"""Pixels around it that have a say in it: along axes that are seen, and slices before and after."""

Range = tuple[int, int]


@dataclass(frozen=True)
class Region:
    """A part of an image, with what is around it.

    Attributes
    ----------
    core : tuple of pairs of int
        First and last index plus one along each of the layer's axes.
    whole : tuple of pairs of int
        The same with the surroundings.
    """

    core: tuple[Range, ...]
    whole: tuple[Range, ...]

    def around(self, array: Any) -> Any:
        """Return this part of an array, with its surroundings."""
        return array[tuple(slice(*ends) for ends in self.whole)]

    def inner(self, part: Any) -> Any:
        """Return the core of what `around` returned."""
        ends = zip(self.core, self.whole, strict=True)
        return part[tuple(slice(first - start, last - start) for (first, last), (start, _) in ends)]

    @property
    def start(self) -> tuple[int, ...]:
        """The first index along each axis."""
        return tuple(first for first, _ in self.core)


def region_of(
    sides: Sequence[int],
    axes: str,
    seen: Sequence[Range],
    displayed: Sequence[int],
    point: Sequence[int],
    *,
    values: int = VALUES,
    halo: int = HALO,
) -> Region | None:
    """Return what to denoise of an image of which a part is seen; None where nothing of it is.

    Parameters
    ----------
    sides : sequence of int
        The layer's shape.
    axes : str
        Names of its axes.
    seen : sequence of pairs of int
        What is seen along each axis, of which those count that are ``displayed``.
    displayed : sequence of int
        Axes along which there is more than one pixel to see.
    point : sequence of int
        The slice along the others.

    Examples
    --------
    >>> region = region_of((9, 2000, 3000), "ZYX", ((0, 9), (100, 1900), (0, 400)), (1, 2), (7, 0, 0))
    >>> region.core, region.whole
    (((7, 8), (872, 1128), (72, 328)), ((3, 9), (852, 1148), (52, 348)))
    """
    core: list[Range] = []
    for k, side in enumerate(sides):
        first, last = seen[k] if k in displayed else (point[k], point[k] + 1)
        core.append((max(first, 0), min(last, side)))
    if any(first >= last for first, last in core):
        return None
    space = Layout(axes).space
    if any(axes[k] in space for k in range(len(sides)) if k not in displayed):
        values //= SLICES
    shown = sorted(displayed, key=lambda k: core[k][1] - core[k][0])
    for count, k in zip(range(len(shown), 0, -1), shown, strict=True):
        first, last = core[k]
        most = max(round(values ** (1 / count)), 1)
        if last - first > most:
            first += (last - first - most) // 2
            core[k] = first, first + most
        values = max(values // (core[k][1] - core[k][0]), 1)
    whole: list[Range] = []
    for k, ((first, last), side) in enumerate(zip(core, sides, strict=True)):
        if axes[k] == "C":
            whole.append((0, side))
        else:
            reach = 0 if axes[k] not in space else halo if k in displayed else SLAB
            whole.append((max(first - reach, 0), min(last + reach, side)))
    return Region(tuple(core), tuple(whole))


def slice_of(sides: Sequence[int], axes: str, displayed: Sequence[int], point: Sequence[int]) -> Region | None:
    """Return the slice that is looked at, whole: by it the noise is judged."""
    most = int(np.prod([sides[k] for k in displayed], dtype=np.int64))
    return region_of(
        sides, axes, [(0, side) for side in sides], displayed, point, values=SLICES * min(most, 1 << 24), halo=0
    )
