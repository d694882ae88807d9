"""The learned side's refusals: each check states the rule, then the value, and returns it normalised."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from nlmeans.extend import flag, integer, real
from nlmeans.pairwise import Radii

from . import _modes

__all__ = [
    "count",
    "counts",
    "deviation",
    "features",
    "finite",
    "flag",
    "image",
    "integer",
    "number",
    "one_of",
    "positive",
    "radii",
    "real",
    "search",
]
DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def features(query: Any, key: Any, value: Any, score: str) -> None:
    """Refuse tensors that cannot be a query, its keys and their values."""
    named = {"query": query, "key": key, "value": value}
    for name, tensor in named.items():
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{name} must be a torch.Tensor; got {type(tensor).__name__}")
        if tensor.dtype not in DTYPES:
            raise TypeError(f"{name} must be floating-point, of 16, 32 or 64 bits; got {tensor.dtype}")
        if not 3 <= tensor.ndim <= 5:
            raise ValueError(
                f"{name} must have 1 to 3 spatial dimensions after batch and channels; got shape {tuple(tensor.shape)}"
            )
        if 0 in tensor.shape[1:]:
            raise ValueError(f"{name} must have channels and pixels (only a batch may be empty); got {_shape(tensor)}")
    for name, what in (("dtype", "dtypes"), ("device", "devices"), ("ndim", "dimensions")):
        values = [getattr(tensor, name) for tensor in named.values()]
        if values.count(values[0]) != 3:
            raise ValueError(f"query, key and value must share one {name}; got the {what} {_listed(values)}")
    if not query.shape[0] == key.shape[0] == value.shape[0]:
        batches = [tensor.shape[0] for tensor in named.values()]
        raise ValueError(f"query, key and value must be of one batch size; got {_listed(batches)}")
    if query.shape[1] != key.shape[1]:
        raise ValueError(f"query and key must have as many channels; got {query.shape[1]} and {key.shape[1]}")
    if key.shape[2:] != value.shape[2:]:
        raise ValueError(f"key and value must lie on one grid; got {_shape(key)} and {_shape(value)}")
    if score == "sum" and query.shape[1] != 1:
        raise ValueError(f"the score 'sum' takes query and key of 1 channel; got {query.shape[1]}")


def _shape(tensor: Tensor) -> str:
    return f"shape {tuple(tensor.shape)}"


def _listed(values: Sequence[Any]) -> str:
    return ", ".join(map(str, values))


def radii(value: Any, name: str, axes: int) -> Radii:
    """Return a radius for each of (z, y, x) from one for all, or one for each, of the last ``axes`` of them."""
    given = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value] * axes
    if len(given) != axes:
        raise ValueError(f"{name} must be one whole number, or one for each of {axes} spatial axes; got {value!r}")
    numbers = [integer(number, name) for number in given]
    if min(numbers) < 0:
        raise ValueError(f"{name} is a radius (the width is 2·radius + 1) and must be at least 0; got {value!r}")
    z, y, x = [0] * (3 - axes) + numbers
    return z, y, x


def search(value: Any, axes: int) -> Radii | None:
    """Return the window's radii along (z, y, x), or None for the whole image."""
    if isinstance(value, str):
        if value != "image":
            raise ValueError(f"search_radius must be 'image', or whole numbers of at least 0; got {value!r}")
        return None
    return radii(value, "search_radius", axes)


def number(value: Any, name: str) -> float | Tensor:
    """Return a finite number, or a tensor that holds one."""
    if not isinstance(value, Tensor):
        return real(value, name)
    if value.ndim != 0 or value.dtype not in DTYPES:
        raise ValueError(
            f"{name} must be a number, or a floating-point tensor without dimensions; got {value.dtype}, "
            f"{_shape(value)}"
        )
    return value


def count(value: Any, name: str, least: int = 1) -> int:
    """Return a whole number that is not too small."""
    number = integer(value, name)
    if number < least:
        raise ValueError(f"{name} must be at least {least}; got {number}")
    return number


def counts(values: Any, name: str, number: int, least: int) -> tuple[int, ...]:
    """Return so many whole numbers that are not too small."""
    if isinstance(values, str) or not isinstance(values, Sequence) or len(values) != number:
        raise ValueError(f"{name} must be {number} whole numbers of at least {least}; got {values!r}")
    return tuple(count(value, name, least) for value in values)


def one_of(value: Any, name: str, names: Sequence[str]) -> str:
    """Return one of several names."""
    if not isinstance(value, str) or value not in names:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, names))}; got {value!r}")
    return value


def image(x: Any, channels: int | None, axes: int) -> Tensor:
    """Return a batch of images (B, C, ...) with as many channels and spatial axes as a layer was made for."""
    if not isinstance(x, Tensor):
        raise TypeError(f"x must be a torch.Tensor; got {type(x).__name__}")
    expected = f"(B, {channels or 'C'}, {', '.join('THW'[3 - axes :])})"
    if x.ndim != axes + 2 or channels not in (None, x.shape[1]):
        raise ValueError(f"x must have the shape {expected}; got {_shape(x)}")
    if x.dtype not in DTYPES:
        raise TypeError(f"x must be floating-point, of 16, 32 or 64 bits; got {x.dtype}")
    if 0 in x.shape[1:]:
        raise ValueError(f"x must have channels and pixels (only a batch may be empty); got {_shape(x)}")
    return x


def deviation(sigma: Any, x: Tensor) -> Tensor:
    """Return one standard deviation of the noise for each image of a batch, shaped (B or 1, 1, 1, ...)."""
    if isinstance(sigma, Tensor):
        if sigma.dtype == torch.bool or sigma.is_complex():
            raise TypeError(f"sigma must be a real number, or one for each image; got a tensor of {sigma.dtype}")
        if sigma.ndim > 1 or (sigma.ndim == 1 and sigma.shape[0] != x.shape[0]):
            raise ValueError(f"sigma must be a number, or one for each of {x.shape[0]} images; got {_shape(sigma)}")
        deviations = sigma.to(x)
    else:
        deviations = torch.as_tensor(real(sigma, "sigma"), dtype=x.dtype, device=x.device)
    finite(deviations)
    return deviations.reshape(-1, *[1] * (x.ndim - 1))


def finite(sigma: Tensor) -> None:
    """Refuse deviations below 0, infinite or NaN, where their numbers can be read."""
    if _modes.hidden(sigma):
        return
    good = (sigma >= 0) & (sigma < math.inf)
    if not bool(good.all()):
        raise ValueError(
            f"sigma must be at least 0 and finite, in the units of x; got {float(sigma.detach()[~good][0]):g}"
        )


def positive(value: Any, name: str) -> float:
    """Return a finite number above 0."""
    number = real(value, name)
    if number <= 0:
        raise ValueError(f"{name} must be above 0; got {number:g}")
    return number
