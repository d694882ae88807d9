"""Arrays that come with an image (mask, guide, map of σ): checked, and returned in its axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _checks
from ._axes import Layout


def known(array: np.ndarray, mask: Any, layout: Layout) -> np.ndarray | None:
    """Return where the image has values, in the image's shape: inside the mask, finite; None where it has all."""
    channel = layout.channel_axis
    finite = None
    if array.dtype.kind == "f" and not (np.isfinite(array.min()) and np.isfinite(array.max())):  # NaN spreads to both
        finite = np.isfinite(array)
    if mask is not None:
        given = _mask(mask, tuple(n for k, n in enumerate(array.shape) if k != channel), layout)
        if not given.all():
            given = given if channel is None else np.broadcast_to(np.expand_dims(given, channel), array.shape)
            return given if finite is None else finite & given
    return finite


def _mask(value: Any, sides: tuple[int, ...], layout: Layout) -> np.ndarray:
    """Return a mask in an image's shape without channels; that of one image serves along N and T."""
    array, of = _checks.unmasked(value, "mask"), Layout(layout.axes.replace("C", ""))
    names = of.fitting("mask", array.shape, sides)
    if array.dtype != np.bool_ or not names:
        raise ValueError(
            f"mask must be boolean, True where a pixel counts, of the image's shape without channels, {sides}; "
            f"got {array.dtype}, shape {array.shape}"
        )
    return np.broadcast_to(of.aligned(array, only(names, "mask", array.shape)), sides)


def only(names: list[str], name: str, shape: tuple[int, ...]) -> str:
    """Return the only reading of an array's axes, or refuse an ambiguous one."""
    if len(names) > 1:
        raise ValueError(
            f"{name} could be meant for the axes {' or '.join(names)}: give it in all axes, of length 1 where it is "
            f"the same; got shape {shape}"
        )
    return names[0]


def like(value: np.ndarray, what: str, array: np.ndarray, layout: Layout) -> np.ndarray:
    """Return a map of ``what`` or a guide as planes (N, C or 1, Z, Y, X); of one image or channel, spread over all."""
    names, name = layout.fitting(what, value.shape, array.shape), what if what == "guide" else f"a map of {what}"
    if not names:
        channel = layout.channel_axis
        space = tuple(n for k, n in enumerate(array.shape) if k != channel)
        shapes = f"{array.shape}" if channel is None else f"{array.shape}, or without channels {space}"
        raise ValueError(f"{name} must have the image's shape {shapes}; got {value.shape}")
    planes = layout.planes(layout.aligned(value, only(names, name, value.shape)))
    images, _, *sides = layout.planes(array).shape
    return np.broadcast_to(planes, (images, planes.shape[1], *sides))


def guide(value: Any, array: np.ndarray, layout: Layout) -> np.ndarray | None:
    """Return the image that scores are taken from, as planes (N, C or 1, Z, Y, X)."""
    if value is None:
        return None
    given = _checks.unmasked(value, "guide")
    if given.dtype.newbyteorder("=").name not in _checks.DTYPES:
        raise TypeError(f"the guide's dtype must be one of {', '.join(_checks.DTYPES)}; got {given.dtype}")
    return like(given, "guide", array, layout)


def limits(array: np.ndarray, known: np.ndarray | None, nodata: float | None = None) -> tuple[float, float]:
    """Return the least and the greatest pixel that counts; 0 for both where none does and NaN is declared no data."""
    counting = array if known is None else array[known]
    if counting.size:
        return float(counting.min()), float(counting.max())
    if nodata is not None and np.isnan(nodata):  # a tile outside the scanned area
        return 0.0, 0.0
    raise ValueError("at least one pixel must be valid; got an image that is masked, NaN or infinite everywhere")
