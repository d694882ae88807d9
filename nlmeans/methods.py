"""Denoisers that other packages bring, by the entry-point group ``nlmeans.methods``.

A method is a function ``f(image, noise, **options) -> (array, report)``: ``noise`` is a model of `nlmeans.noise`,
``options`` are those of `nlmeans.denoise` that the caller gave.
"""

from __future__ import annotations

import inspect
from importlib.metadata import entry_points
from typing import Any

import numpy as np

from .noise.models import Gaussian
from .options import OWN

GROUP = "nlmeans.methods"
DEFAULTS = {"quality": "balanced", "fill": True, "guide_sigma": 0.0, "bias": True}
"""What `nlmeans.denoise` has for options that are not left out by ``None``."""


def names() -> tuple[str, ...]:
    """Return the methods that can be named."""
    return (*OWN, *sorted(point.name for point in entry_points(group=GROUP)))


def call(name: str, image: Any, sigma: Any, noise: Any, options: dict[str, Any]) -> tuple[Any, Any]:
    """Run another package's method with the options that were given.

    Raises
    ------
    ValueError
        For a method that is not there.
    TypeError
        For an option that the method does not have.
    """
    found = {point.name: point for point in entry_points(group=GROUP)}
    if name not in found:
        raise ValueError(f"method must be one of {', '.join(map(repr, names()))}; got {name!r}")
    if sigma is not None and noise is not None:
        raise ValueError(f"give sigma or noise, not both: sigma=s means noise=Gaussian(s); got {sigma!r} and {noise!r}")
    method = found[name].load()
    given = {
        key: value
        for key, value in options.items()
        if value is not None and (isinstance(value, np.ndarray) or value != DEFAULTS.get(key))
    }
    taken = inspect.signature(method).parameters
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in taken.values()):
        unknown = sorted(set(given) - set(taken))
        if unknown:
            raise TypeError(f"method {name!r} has no option {', '.join(unknown)}")
    result: tuple[Any, Any] = method(image, Gaussian(sigma) if noise is None else noise, **given)
    return result
