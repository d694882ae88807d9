"""The one place that decides what an image comes in."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

from .. import _checks
from . import own
from .container import Container

logger = logging.getLogger("nlmeans")

GROUP = "nlmeans.containers"
OURS = (
    "masked", "quantity", "named", "pandas_", "stored", "volumes", "astronomical", "pictures", "tensor", "lazy",
)  # fmt: skip
"""The modules of `own`, in the order in which they are asked; each has a function ``opened``."""

Opener = Callable[[Any], Container | None]


@cache
def ours() -> tuple[Opener, ...]:
    """Return the openers of this package."""
    return tuple(import_module(f"{own.__name__}.{name}").opened for name in OURS)


@cache
def others() -> tuple[Opener, ...]:
    """Return other packages' openers, by their entry points."""
    from importlib.metadata import entry_points

    loaded = []
    for point in sorted(entry_points(group=GROUP)):
        try:
            loaded.append(point.load())
        except Exception as error:  # of a package that does not concern whoever has an image of another kind
            logger.warning("the container %s of another package cannot be used: %s", point.name, error)
    return tuple(loaded)


def opened(image: Any) -> Container | None:
    """Open a container; None for an array, and for what becomes one without a loss.

    Raises
    ------
    TypeError, ValueError
        For a container that cannot be closed or is no image: the message says what to do instead.
    """
    if type(image) is np.ndarray or isinstance(image, int | float | list | tuple | str | bytes):
        _check_list(image)
        return None
    for opener in ours():
        if (container := opener(image)) is not None:
            return container
    if isinstance(image, np.ndarray | np.generic) or _checks.is_dask(image):
        return None
    return next((container for opener in others() if (container := opener(image)) is not None), None)


def taken(image: Any, arguments: Mapping[str, Any], honoured: Collection[str] = ()) -> tuple[Any, dict[str, Any]]:
    """Return the pixels of an image and the arguments for them, where no result goes back into a container."""
    container = opened(image)
    return (
        (image, dict(arguments)) if container is None else (container.pixels, container.arguments(arguments, honoured))
    )


def within(inner: Any, close: Callable[[Any], Any], **facts: Any) -> Container:
    """Return the container of an ``inner`` image, which may be a container itself.

    Parameters
    ----------
    inner : array or container
        The image without what its class adds.
    close : callable
        Returns an image of the class with a result of the pixels' shape.
    **facts
        What else the class knows: ``mask``, ``axes``, ``unit``, ``spacing`` and ``sigma`` of `Container`. What is left
        out or None is what a container inside knows.

    Raises
    ------
    TypeError
        If it cannot be closed.

    Examples
    --------
    >>> import numpy as np
    >>> from nlmeans.extend import within
    >>> counts = np.ma.array(np.ones((2, 2)), mask=[[False, False], [False, True]])
    >>> within(counts, lambda result: ("frame", result), axes="YX").mask.tolist()
    [[True, True], [True, False]]
    """
    own_one = opened(inner)
    if own_one is not None:
        given = {name: value for name, value in facts.items() if value is not None}
        facts = {name: getattr(own_one, name) for name in ("mask", "axes", "unit", "spacing", "sigma")} | given
        container = Container(own_one.pixels, lambda result: close(own_one.close(result)), **facts)
    else:
        container = Container(inner if _checks.is_dask(inner) else np.asarray(inner), close, **facts)
    container.check(container.pixels)
    return container


def of_module(image: Any, *names: str) -> bool:
    """Whether a package of one of these names made an image's class, or one that it derives from."""
    return any(own_type.__module__.partition(".")[0] in names for own_type in type(image).__mro__)


def several(images: Any) -> bool:
    """Whether this is a list of images that cannot be one stack: of different sizes, or in containers."""
    if not isinstance(images, list | tuple) or not all(hasattr(each, "dtype") or _is_open(each) for each in images):
        return False
    return any(map(_is_open, images)) or (
        len({each.shape for each in images}) > 1 and all(len(each.shape) > 1 for each in images)
    )


def _is_open(image: Any) -> bool:
    return not isinstance(image, list | tuple | np.generic) and opened(image) is not None


def _check_list(images: Any) -> None:
    """Refuse a list of containers: their attributes would be lost."""
    for image in images if isinstance(images, list | tuple) else ():
        if _is_open(image):
            raise TypeError(f"a list must hold arrays here; got one of {_checks.called(image)}: take one call for each")
