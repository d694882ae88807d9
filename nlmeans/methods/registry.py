"""Denoisers that other packages bring, by the entry-point group ``nlmeans.methods``.

A method is a function ``f(image, noise, **options) -> (array, report)``: ``image`` is an array, ``noise`` a model of
`nlmeans.noise` or "auto", ``options`` are those of `nlmeans.denoise` that the caller gave; the result has the image's
shape.
"""

from __future__ import annotations

import inspect
from importlib.metadata import entry_points
from typing import Any

import numpy as np

from .. import _checks
from ..noise.models import Gaussian
from ..plan.options import OWN

GROUP = "nlmeans.methods"


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
        For an option that the method does not have, and for what is no image and report.
    """
    found = {point.name: point for point in entry_points(group=GROUP)}
    if not isinstance(name, str) or name not in found:
        raise ValueError(f"method must be one of {', '.join(map(repr, names()))}; got {_checks.short(name)}")
    if sigma is not None and noise is not None:
        raise ValueError("give sigma or noise, not both: sigma=s means noise=Gaussian(s)")
    method = found[name].load()
    array, given = _checks.image(image), {key: value for key, value in options.items() if value is not None}
    taken = inspect.signature(method).parameters
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in taken.values()):
        unknown = sorted(set(given) - set(taken))
        if unknown:
            raise TypeError(f"method {name!r} has no option {', '.join(unknown)}")
    found = method(array, Gaussian(sigma) if noise is None else noise, **given)
    if not (isinstance(found, tuple) and len(found) == 2):
        raise TypeError(f"method {name!r} must return an array and a report; got {_checks.called(found)}")
    if np.shape(found[0]) != array.shape:
        raise ValueError(f"method {name!r} must keep the image's shape, {array.shape}; got {np.shape(found[0])}")
    return found
