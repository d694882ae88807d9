"""How an array's axes map to the core's planes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np

SERVES = {"mask": ("NT", ""), "map": ("NTC", "ZYX"), "guide": ("NC", "")}
"""Axes that may be left out or have length 1, then shared by all along them, and others that may only have length 1."""


@cache
def _order(axes: str) -> tuple[tuple[int, ...], tuple[slice | None, ...]]:
    """Return the order in which planes have an array's axes, and the index that adds those that it lacks."""
    layout = Layout(axes)
    parts = layout.separate, "C" if "C" in axes else "", layout.space[:-2], "Y", "X"
    return tuple(map(axes.index, "".join(parts))), tuple(slice(None) if part else None for part in parts)


@dataclass(frozen=True)
class Layout:
    """Named axes of an array: N separate images, C channels, and space (T or Z, Y, X).

    Of an array with both T and Z, each time is an image of its own: what moves is not compared with what was there
    before, unless Z is named N.

    Parameters
    ----------
    axes : str
        One letter of ``NTZCYX`` a dimension, Y and X among them, and no more than two of N, T and Z.

    Examples
    --------
    >>> import numpy as np
    >>> from nlmeans.extend import Layout
    >>> layout = Layout("YXC")
    >>> layout.planes(np.zeros((30, 40, 3))).shape
    (1, 3, 1, 30, 40)
    >>> layout.space, layout.channel_axis, layout.radii((1, 2))
    ('YX', 2, (0, 1, 2))
    """

    axes: str

    @property
    def space(self) -> str:
        """The axes along which pixels are compared, slowest first."""
        return "".join(axis for axis in ("ZYX" if "Z" in self.axes else "TYX") if axis in self.axes)

    @property
    def separate(self) -> str:
        """The axis along which images are separate; "" where there is none."""
        return "".join(axis for axis in "NT" if axis in self.axes and axis not in self.space)

    @property
    def channel_axis(self) -> int | None:
        """The position of C."""
        return self.axes.index("C") if "C" in self.axes else None

    def planes(self, array: np.ndarray) -> np.ndarray:
        """Return a view of shape (N, C, Z, Y, X)."""
        order, places = _order(self.axes)
        return array.transpose(order)[places]

    def array(self, planes: np.ndarray) -> np.ndarray:
        """Return planes (N, C, Z, Y, X) as an array with these axes, without those that `planes` added."""
        order, places = _order(self.axes)
        absent = tuple(k for k, place in enumerate(places) if place is None)
        return planes.squeeze(absent).transpose(sorted(range(len(order)), key=order.__getitem__))

    def fitting(self, what: str, shape: tuple[int, ...], sides: tuple[int, ...]) -> list[str]:
        """Return each reading of the axes of a mask, a map of the noise or a guide for an image of these ``sides``.

        A reading is the names of its axes. Axes may be absent or of length 1 as `SERVES` allows; an axis "_" of
        length 1 may be absent too. Equivalent readings count as one.
        """
        absent, single = SERVES.get(what, SERVES["map"])  # maps have the names of a noise model's numbers
        absent += self.separate
        free = [k for k, axis in enumerate(self.axes) if axis in absent + "_"]
        readings: dict[str, str] = {}
        for left_out in (set(some) for count in range(len(free) + 1) for some in combinations(free, count)):
            own = [(self.axes[k], side) for k, side in enumerate(sides) if k not in left_out]
            if len(own) == len(shape) and all(
                n == side or (n == 1 and axis in absent + single) for n, (axis, side) in zip(shape, own, strict=True)
            ):
                varying = "".join(axis for n, (axis, _) in zip(shape, own, strict=True) if n > 1 or axis in "YX")
                readings.setdefault(varying, "".join(axis for axis, _ in own))
        return list(readings.values())

    def aligned(self, array: Any, names: str) -> Any:
        """Return an array with axes ``names`` in all of these axes, of length 1 where it lacks them."""
        return array[tuple(slice(None) if axis in names else None for axis in self.axes)]

    def radii(self, radii: tuple[int, ...]) -> tuple[int, int, int]:
        """Return radii of the spatial axes as (z, y, x)."""
        z, y, x = (0, *radii)[-3:]
        return z, y, x
