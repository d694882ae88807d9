"""What numbers, choices and flags must be."""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from .._axes import Layout

T = TypeVar("T")
WHOLE = sys.maxsize
"""The search radius of any whole image."""
TUNED = ("sure", "j-invariant")
"""The strengths that are chosen for an image by itself."""
STRONGEST = 1e6
"""The greatest ratio of h to σ, and its inverse the least: beyond, numbers only overflow."""


def integer(value: Any, name: str) -> int:
    """Return a whole number.

    Parameters
    ----------
    value : object
        What a caller gave.
    name : str
        What the message calls it.

    Returns
    -------
    int

    Raises
    ------
    TypeError
        For what is no whole number; a bool and 3.0 are none.

    Examples
    --------
    >>> integer(3.0, "radius")
    Traceback (most recent call last):
    TypeError: radius must be a whole number; got 3.0
    """
    try:
        if isinstance(value, bool | np.bool_):
            raise TypeError
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be a whole number; got {short(value)}") from None


def called(value: Any) -> str:
    """Return the name of a value's class, with its package."""
    own = type(value)
    return own.__qualname__ if own.__module__ == "builtins" else f"{own.__module__}.{own.__qualname__}"


def short(value: Any) -> str:
    """Return a value's repr, shortened if it is long."""
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # of more digits than Python prints
        text = f"a whole number of {value.bit_length()} bits" if isinstance(value, int) else called(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def real(value: Any, name: str, least: float = -math.inf) -> float:
    """Return a finite number of at least ``least``.

    Parameters
    ----------
    value : object
        What a caller gave.
    name : str
        What the message calls it.
    least : float
        The least value allowed; without a bound by default.

    Returns
    -------
    float

    Raises
    ------
    TypeError
        For what is no number.
    ValueError
        For a number that is not finite, or too small.

    Examples
    --------
    >>> real("5", "sigma")
    Traceback (most recent call last):
    TypeError: sigma must be a number; got '5'
    """
    try:
        if isinstance(value, str | bytes | bool | np.bool_ | np.complexfloating):
            raise TypeError
        number = float(value)
    except OverflowError:
        raise ValueError(f"{name} must be a number that a float can hold; got {short(value)}") from None
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number; got {short(value)}") from None
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite; got {number}")
    if number < least:
        raise ValueError(f"{name} must be at least {least:g}; got {number:g}")
    return number


def radii(value: Any, name: str, layout: Layout | None) -> tuple[int, ...]:
    """Return a radius for each spatial axis, or as many as are given where no image is known yet."""
    count = 1 if layout is None else len(layout.space)
    if name == "search_radius" and isinstance(value, str):
        if value == "image":
            return (WHOLE,) * count
        raise ValueError(f"search_radius must be whole numbers, or 'image' for all of it; got {short(value)}")
    given = several(value, count)
    if layout is not None and len(given) != count:
        raise ValueError(
            f"{name} must be a whole number, or one for each of the axes {', '.join(layout.space)}; got {short(value)}"
        )
    numbers = tuple(integer(v, name) for v in given)
    if min(numbers) < 0:
        raise ValueError(f"{name} is a radius (the width is 2·radius + 1) and must be at least 0; got {short(value)}")
    return numbers


def several(value: Any, count: int = 1) -> list[Any]:
    """Return the items of a sequence, or one value ``count`` times."""
    return list(value) if isinstance(value, Sequence | np.ndarray) and not isinstance(value, str) else [value] * count


def strength(value: Any) -> Any:
    """Return the decay h/σ, or the name of a way to choose it."""
    if isinstance(value, str) and value in TUNED:
        return value
    number = real(value, "strength") if not isinstance(value, str) else None
    if number is None:
        names = " or ".join(map(repr, TUNED))
        raise TypeError(f"strength must be a number, or {names} to have it chosen; got {short(value)}")
    if not 1 / STRONGEST <= number <= STRONGEST:
        raise ValueError(f"strength is h/σ and must be {1 / STRONGEST:g} to {STRONGEST:g}; got {number:g}")
    return number


def choice(value: T, name: str, choices: tuple[object, ...]) -> T:
    """Return one of several values; ``None`` stays.

    Parameters
    ----------
    value : object
        What a caller gave.
    name : str
        What the message calls it.
    choices : tuple
        The values that there are, at least two.

    Returns
    -------
    object
        The value.

    Raises
    ------
    ValueError
        If it is none of them.

    Examples
    --------
    >>> choice("fast", "quality", ("fast", "best"))
    'fast'
    >>> choice("quick", "quality", ("fast", "best"))
    Traceback (most recent call last):
    ValueError: quality must be 'fast' or 'best'; got 'quick'
    """
    known = isinstance(value, str | int | float | np.number) and not isinstance(value, bool)
    if value is None or (known and value in choices):
        return value
    raise ValueError(f"{name} must be {', '.join(map(repr, choices[:-1]))} or {choices[-1]!r}; got {short(value)}")


def spacing(value: Any, layout: Layout | None) -> tuple[float, ...]:
    """Return the distance of pixels along each spatial axis, or as many as are given where no image is known yet."""
    numbers = tuple(real(v, "spacing") for v in several(value))
    if (layout is not None and len(numbers) != len(layout.space)) or min(numbers) <= 0:
        axes = "one number for each " + (
            "axis of space" if layout is None else f"of the axes {', '.join(layout.space)}"
        )
        raise ValueError(f"spacing must be above 0, {axes}; got {short(value)}")
    return numbers


def nodata(value: Any) -> float | None:
    """Return the value that stands for no data."""
    if value is None:
        return None
    rule = "nodata must be the one number that stands for no data"
    try:
        if isinstance(value, str | bytes | bool | np.bool_ | np.complexfloating) or np.ndim(value):
            raise TypeError
        return float(value)
    except OverflowError:
        raise ValueError(f"{rule}, one that a float can hold; got {short(value)}") from None
    except (TypeError, ValueError):
        raise TypeError(f"{rule}; got {short(value)}") from None


def flag(value: object, name: str) -> bool | None:
    """Return a truth value; ``None`` stays.

    Parameters
    ----------
    value : object
        What a caller gave.
    name : str
        What the message calls it.

    Returns
    -------
    bool or None

    Raises
    ------
    TypeError
        For what is neither a bool nor None.

    Examples
    --------
    >>> flag(1, "bias")
    Traceback (most recent call last):
    TypeError: bias must be True or False; got 1
    """
    if value is None:
        return None
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False; got {short(value)}")
    return bool(value)


def report(value: Any) -> tuple[bool, bool]:
    """Return whether to return maps, and whether to return a report."""
    if isinstance(value, str):
        if value != "maps":
            raise ValueError(f"full_output must be True, False or 'maps'; got {short(value)}")
        return True, True
    return False, bool(flag(value, "full_output"))


def threads(value: Any) -> int | None:
    """Return the number of threads."""
    if value is None:
        return None
    number = integer(value, "threads")
    if number < 1:
        raise ValueError(f"threads must be at least 1; got {short(number)}")
    return min(number, sys.maxsize)  # which a float can hold


def progress(value: Any) -> Any:
    """Return a flag or a function of (done, total)."""
    if value is None or isinstance(value, bool | np.bool_) or callable(value):
        return value
    raise TypeError(f"progress must be True, False or a function of (done, total); got {short(value)}")


def cancel(value: Any) -> Any:
    """Return an event, such as `threading.Event`."""
    if value is None or callable(getattr(value, "is_set", None)):
        return value
    raise TypeError(f"cancel must be an event with is_set(), such as threading.Event(); got {short(value)}")
