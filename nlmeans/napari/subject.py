"""What a layer gives to `nlmeans.denoise`: its pixels, the names of their axes, their spacing and a mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from nlmeans.extend import Layout, method_of

ORDERS = ("NTCZ", "NTZC")
"""Orders in which axes come before Y and X."""
LETTERS = "NTCZYX"


@dataclass(frozen=True, eq=False)
class Subject:
    """The image of a layer, as `nlmeans.denoise` takes it.

    Attributes
    ----------
    name : str
        The layer's.
    levels : tuple of arrays
        The image, and smaller copies of it where the layer is multiscale; each may be a dask array.
    axes : str
        Names of the axes.
    spacing : tuple of float or None
        Distances of pixels along the axes of space, where they differ.
    mask : array of bool or None
        True where a pixel counts.
    mask_name : str or None
        The name of the labels that the mask is made of.
    """

    name: str
    levels: tuple[Any, ...]
    axes: str
    spacing: tuple[float, ...] | None = None
    mask: Any = None
    mask_name: str | None = None

    @property
    def alpha(self) -> bool:
        """Whether the last channel is opacity, which is kept as it is."""
        return self.axes.endswith("C") and self.levels[0].shape[-1] == 4

    @property
    def sides(self) -> tuple[int, ...]:
        """The shape of the layer: that of the image, without colours along its last axis."""
        shape: tuple[int, ...] = self.levels[0].shape
        return shape[:-1] if self.axes.endswith("C") else shape

    def colours(self, array: Any) -> Any:
        """Return an array without its opacity."""
        return array[..., :3] if self.alpha else array

    def arguments(self, method: str) -> dict[str, Any]:
        """Return the arguments of `nlmeans.denoise` that the layer decides, without the mask."""
        given: dict[str, Any] = {"axes": self.axes}
        if self.spacing is not None and "spacing" in method_of(method).options:
            given["spacing"] = self.spacing
        return given


def subject_of(layer: Any, axes: str, labels: Any = None) -> Subject:
    """Return what an image layer gives, with labels that say by not being 0 where pixels count."""
    levels = tuple(layer.data) if layer.multiscale else (layer.data,)
    scale = dict(zip(axes, map(float, layer.scale), strict=False))
    spacing = tuple(scale[axis] for axis in Layout(axes).space)
    mask = None
    if labels is not None:
        mask = (labels.data[0] if labels.multiscale else labels.data) != 0
    return Subject(
        layer.name, levels, axes, spacing if len(set(spacing)) > 1 else None, mask,
        None if labels is None else labels.name,
    )  # fmt: skip


def choices(layer: Any) -> list[str]:
    """Return the names that a layer's axes may have, the likeliest first; none where it has too few or too many."""
    colours = "C" if layer.rgb else ""
    count = layer.ndim - 2
    if count < 0:
        return []
    own = named(layer.axis_labels)
    result = [own + colours] if own and not (colours and "C" in own) else []
    for order in ORDERS:
        for some in sorted(combinations(order, count), key=_unlikely):
            axes = "".join(some) + "YX" + colours
            if valid(axes) and axes not in result:
                result.append(axes)
    return result


def named(labels: Sequence[str]) -> str | None:
    """Return labels of axes as letters; None where they are no names of axes.

    >>> named(("time", "z", "y", "x")), named(("axis -2", "axis -1"))
    ('TZYX', None)
    """
    axes = "".join(label[:1].upper() for label in labels)
    return axes if valid(axes) else None


def valid(axes: str) -> bool:
    """Whether letters can be the axes of an image."""
    plain = len(set(axes)) == len(axes) and set("YX") <= set(axes) <= set(LETTERS)
    return plain and len(set(axes) & set("NTZ")) <= 2


def _unlikely(axes: Sequence[str]) -> tuple[int, ...]:
    """Return how unlikely it is that these are the axes before Y and X: depth and time are what most have."""
    return tuple(sorted("ZTCN".index(axis) for axis in axes))


def is_lazy(array: Any) -> bool:
    """Whether an array is computed, or read, when it is looked at."""
    return not isinstance(array, np.ndarray)
