"""How an array's axes map to the core's planes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Layout:
    """Named axes of an array: N separate images, C channels, and space (T or Z, Y, X).

    Parameters
    ----------
    axes : str
        One letter of ``NTZCYX`` a dimension, Y and X among them, T or Z at most once.
    """

    axes: str

    @property
    def space(self) -> str:
        """The axes along which pixels are compared, slowest first."""
        return "".join(axis for axis in "TZYX" if axis in self.axes)

    @property
    def channel_axis(self) -> int | None:
        """The position of C."""
        return self.axes.index("C") if "C" in self.axes else None

    def planes(self, array: np.ndarray) -> np.ndarray:
        """Return a view of shape (N, C, Z, Y, X)."""
        order = [axis for axis in "NCTZYX" if axis in self.axes]
        view = array.transpose([self.axes.index(axis) for axis in order])
        absent = [k for k, axes in enumerate(("N", "C", "TZ")) if not set(axes) & set(self.axes)]
        return np.expand_dims(view, tuple(absent))

    def array(self, planes: np.ndarray) -> np.ndarray:
        """Return planes (N, C, Z, Y, X) as an array with these axes; what `planes` added goes."""
        order = [axis for axis in "NCTZYX" if axis in self.axes]
        absent = tuple(k for k, axes in enumerate(("N", "C", "TZ")) if not set(axes) & set(self.axes))
        return planes.squeeze(absent).transpose([order.index(axis) for axis in self.axes])

    def radii(self, radii: tuple[int, ...]) -> tuple[int, int, int]:
        """Return radii of the spatial axes as (z, y, x)."""
        z, y, x = (0, *radii)[-3:]
        return z, y, x
