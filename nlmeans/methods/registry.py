"""Methods by name: this package's own, and those of others by the entry-point group ``nlmeans.methods``."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, get_args

from .. import _checks
from ..plan.defaults import Quality
from ..plan.options import SPECIAL
from . import own

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from .method import Method

GROUP = "nlmeans.methods"
DEFAULT = "nlm"


@cache
def own_names() -> tuple[str, ...]:
    """Return the names of this package's methods, which are those of the modules in `nlmeans.methods.own`."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(own.__path__)))


def _points() -> Iterable[EntryPoint]:
    """Return the entry points of installed packages; importlib.metadata takes long to import."""
    from importlib.metadata import entry_points

    return entry_points(group=GROUP)


def method_names() -> tuple[str, ...]:
    """Return the names of all methods that are installed.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> from nlmeans.extend import method_names
    >>> "nlm" in method_names()
    True
    """
    return (*own_names(), *sorted(point.name for point in _points() if point.name not in own_names()))


def method_of(given: Any) -> Method:
    """Return a method by its name, by default "nlm"; a `Method` is returned as it is.

    Parameters
    ----------
    given : str, Method, class of a Method, or None
        As the argument ``method`` of `nlmeans.denoise`.

    Returns
    -------
    Method

    Raises
    ------
    ValueError
        For a name that no installed package has.
    TypeError
        For anything else.

    Examples
    --------
    >>> from nlmeans.extend import method_of
    >>> method_of(None).name, sorted(method_of("nlm").options)[:3]
    ('nlm', ['aggregation', 'bias', 'centre'])
    """
    if not isinstance(given, str | None):
        return _checked(given)
    return _named(DEFAULT if given is None else given)


@cache
def _named(name: str) -> Method:
    if name in own_names():
        method: Method = import_module(f"{own.__name__}.{name}").METHOD
        return method
    for point in _points():
        if point.name == name:
            return _checked(point.load())
    raise ValueError(f"method must be one of {', '.join(map(repr, method_names()))}; got {_checks.short(name)}")


def _checked(given: Any) -> Method:
    """Return a method, given itself or by its class."""
    from .method import Method

    method = given() if isinstance(given, type) and issubclass(given, Method) else given
    if not isinstance(method, Method):
        raise TypeError(f"method must be a name, or a Method of nlmeans.extend; got {_checks.short(given)}")
    if not {"balanced"} <= set(method.qualities) <= set(get_args(Quality)):
        raise ValueError(f"qualities must be of {get_args(Quality)}, and 'balanced' among them; got {method.qualities}")
    return method


def check(method: Method, options: Mapping[str, Any], *, whole: bool = True) -> None:
    """Refuse options that a method does not honour, and regions (not ``whole``) where it needs the whole image.

    Raises
    ------
    TypeError
        Naming the options.
    ValueError
        For a quality that it does not have, and for regions if it needs the whole image.
    """
    unknown = sorted(name for name, value in options.items() if value is not None and name in SPECIAL - method.options)
    if unknown:
        raise TypeError(f"method {method.name!r} has no option {', '.join(unknown)}: leave out, or take method 'nlm'")
    every = set(method.qualities) == set(get_args(Quality))
    name = "quality" if every else f"quality of method {method.name!r}"
    _checks.choice(options.get("quality"), name, method.qualities)
    if whole:
        return
    if method.whole is not None:
        raise ValueError(f"method {method.name!r} takes images in memory only: {method.whole}")
    if options.get("search_radius") == "image":
        raise ValueError("search_radius must be whole numbers for an image that is denoised in pieces; got 'image'")
