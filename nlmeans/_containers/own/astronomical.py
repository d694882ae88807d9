"""Images of astropy, and others with masks of their own."""

from __future__ import annotations

import copy
import inspect
from typing import Any

import numpy as np

from ... import _checks
from ..container import Container, Unit
from ..table import within

ATTRIBUTES = ("uncertainty", "mask", "wcs", "meta", "unit", "psf", "flags")
"""Attributes of astropy's images besides the pixels; their constructors take arguments of the same names."""
POWERS = {"std": 1.0, "var": 0.5, "ivar": -0.5}
"""Of astropy's uncertainties, what makes a standard deviation of each."""


def opened(image: Any) -> Container | None:
    """Open an image whose mask is True where a pixel does not count, and whose uncertainty is the noise."""
    if isinstance(image, np.ndarray) or not hasattr(image, "mask"):
        return None
    mask = None if _checks.own_mask(image) is None else ~np.asarray(image.mask, bool)
    if not isinstance(getattr(image, "data", None), np.ndarray):
        return Container(np.asarray(image), lambda result: result, _in_shape(mask, np.shape(np.asarray(image))))
    makers = [parent.__dict__["__init__"] for parent in type(image).__mro__[:-1] if "__init__" in parent.__dict__]
    accepted = {name for maker in makers for name in inspect.signature(maker).parameters}
    kept = [name for name in ATTRIBUTES if getattr(image, name, None) is not None]
    if lost := sorted(set(kept) - accepted):
        raise TypeError(f"a result must fit into {_checks.called(image)}; it would lose its {lost[0]}: pass its data")

    def close(result: Any) -> Any:
        return type(image)(result, **{name: copy.copy(getattr(image, name)) for name in kept})

    named = getattr(image, "unit", None)
    unit = None if named is None else Unit(named, lambda other, unit: other.to_value(unit))
    there = _in_shape(mask, image.data.shape)
    return within(image.data, close, mask=there, unit=unit, sigma=_sigma(image, there))


def _sigma(image: Any, there: np.ndarray | None) -> np.ndarray | None:
    """Return the standard deviation of each pixel as the image says it; where none is there, any that is."""
    uncertainty = getattr(image, "uncertainty", None)
    kind, values = getattr(uncertainty, "uncertainty_type", None), getattr(uncertainty, "array", None)
    if kind not in POWERS or values is None or np.shape(values) != image.data.shape:
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        sigma = np.asarray(values, np.float64) ** POWERS[kind]
    unit, own = getattr(uncertainty, "unit", None), getattr(image, "unit", None)
    if unit is not None and own is not None:
        sigma = sigma * (1 * unit ** POWERS[kind]).to_value(own)
    counting = sigma if there is None else sigma[there]
    return sigma if there is None or not counting.size else np.where(there, sigma, np.median(counting))


def _in_shape(mask: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray | None:
    if mask is not None and mask.shape not in ((), shape):
        raise ValueError(f"an image's own mask must have its shape, {shape}; got {mask.shape}")
    return None if mask is None else np.broadcast_to(mask, shape)
