"""The rules for a noise model's numbers: one, one a channel, or a map with one a pixel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from .. import _checks
from .._containers import unit_of

LISTED = 4
"""Numbers that are worth printing where there is one a channel."""


def numbers(value: Any, name: str, *, maps: bool = False) -> Any:
    """Return None, a float, a tuple of floats with one a channel, or a read-only map, all within the rules."""
    if value is None:
        return None
    if unit_of(value) is not None:
        raise TypeError(
            f"{name} must be plain numbers in the image's units; got {_checks.short(value)}: only sigma of denoise() "
            "may have a unit, with an image that has one"
        )
    if isinstance(value, np.ndarray) and value.ndim > 1:
        if not maps:
            raise ValueError(f"{name} must be one number, or one a channel; got an array of shape {value.shape}")
        return _map(value, name)
    if isinstance(value, Sequence | np.ndarray) and not isinstance(value, str) and np.ndim(value):
        if len(value) == 0:
            raise ValueError(f"{name} must be one number, or one a channel; got none")
        return tuple(_number(v, name) for v in value)
    return _number(value, name)


def listed(values: Iterable[float]) -> str:
    """Return numbers as people read them: of many the first few, and how many there are."""
    said = [f"{value:.4g}" for value in values]
    return " ".join(said) if len(said) <= LISTED else f"{' '.join(said[:LISTED])} … {len(said)} in all"


def check_map(value: np.ndarray, name: str) -> None:
    """Refuse a map, or a piece of one, that does not hold such numbers."""
    if value.dtype.kind not in "fiu":
        raise TypeError(f"a map of {name} must hold real numbers; got dtype {value.dtype}")
    if value.size == 0 or not np.isfinite(value).all():
        raise ValueError(f"a map of {name} must be finite everywhere; got shape {value.shape}")
    least = float(value.min())
    if (name == "sigma" and least < 0) or (name == "gain" and least <= 0):
        rule = "at least 0" if name == "sigma" else "above 0"
        raise ValueError(f"a map of {name} must be {rule} everywhere; got {least:g}")


def root_mean_square(sigma: np.ndarray) -> float | tuple[float, ...]:
    """Return the standard deviation of a map's mean variance, one a channel of planes (C, Z, Y, X)."""
    return over_pixels(sigma, lambda pixels: float(np.sqrt(np.square(pixels).mean())))


def over_pixels(values: np.ndarray, number: Callable[[np.ndarray], float]) -> float | tuple[float, ...]:
    """Return one number of a map's pixels, or one a channel of planes (C, Z, Y, X)."""
    if values.ndim < 4 or len(values) == 1:
        return number(values)
    return tuple(number(channel) for channel in values)


def _number(value: Any, name: str) -> float:
    number = _checks.real(value, name)
    if name not in ("gain", "offset", "excess") and number < 0:
        raise ValueError(f"{name} must be at least 0; got {number:g}")
    if name == "excess" and number < 1:
        raise ValueError(f"excess must be at least 1: no amplifier takes noise away; got {number:g}")
    if name == "gain" and number <= 0:
        raise ValueError(f"gain is in image units a count and must be above 0; got {number:g}")
    return number


def _map(value: np.ndarray, name: str) -> np.ndarray:
    if type(value) is np.ndarray and value.dtype == np.float64 and 0 in value.strides and not value.flags.writeable:
        return value  # one image's, spread along all: it was checked before
    value = _checks.unmasked(value, f"a map of {name}")
    check_map(value, name)
    result = value.astype(np.float64)
    result.flags.writeable = False
    return result
