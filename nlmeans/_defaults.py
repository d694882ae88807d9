"""None stands for the default, where other libraries' signatures have one."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def or_default(function: Callable[P, R]) -> Callable[P, R]:
    """Let None stand for the default of each parameter that has one: as if it were left out."""
    signature = inspect.signature(function)
    defaults = {
        name: parameter.default
        for name, parameter in signature.parameters.items()
        if parameter.default is not parameter.empty and parameter.default is not None
    }

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        if any(value is None for value in (*args, *kwargs.values())):
            bound = signature.bind(*args, **kwargs)
            left_out = {name for name, value in bound.arguments.items() if value is None and name in defaults}
            bound.arguments.update((name, defaults[name]) for name in left_out)
            return function(*bound.args, **bound.kwargs)
        return function(*args, **kwargs)

    return call
