"""The one place that compiles: the flags of every kernel, and what happens to the cache of compiled code, live here.

Kernels release the GIL and never raise, so that plain Python threads run them side by side. A multiplication and an
addition may fuse into one instruction; NaN and infinity keep their meaning, and sums keep their order.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba
import numba.extending

from .._progress import compiling

logger = logging.getLogger("nlmeans")

FLAGS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "boundscheck": False, "fastmath": {"contract"}}


def row(function: Callable[..., Any]) -> Any:
    """Compile an inner function, one that only kernels call."""
    return numba.njit(**FLAGS)(function)


def inline(function: Callable[..., Any]) -> Any:
    """Compile a function so small that it becomes part of its caller's loop."""
    return numba.njit(forceinline=True, **FLAGS)(function)


def optional(function: Callable[..., Any]) -> Any:
    """Compile an inner function that is None where its first argument is.

    A caller's type then says which of the two it has, where an ``if`` would leave it to hold either.
    """
    compiled = row(function)

    def choose(first: Any, *others: Any) -> Any:
        """Stand for either."""

    @numba.extending.overload(choose, strict=False)
    def chosen(first: Any, *others: Any) -> Any:
        if isinstance(first, numba.types.NoneType):
            return lambda first, *others: None
        return lambda first, *others: compiled(first, *others)

    return choose


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function that Python calls: at its first call, or load it from the cache of an earlier process."""
    try:
        dispatcher = numba.njit(cache=True, **FLAGS)(function)
    except RuntimeError as error:  # numba has no folder that it may write
        logger.info("%s is compiled anew in each process: %s", function.__name__, error)
        return numba.njit(**FLAGS)(function)
    try:
        _guard(dispatcher, function.__name__)
    except AttributeError as error:  # numba has renamed what is its own: without the guard, nothing may be kept
        logger.info("%s is compiled anew in each process: numba has changed, %s", function.__name__, error)
        return numba.njit(**FLAGS)(function)
    return dispatcher


def _guard(dispatcher: Any, name: str) -> None:
    """Let no trouble with the cache reach a user, and let no kernel outlive the code that it was made of.

    Numba stamps a cached kernel with the source file of its own function alone, so a change in the lanes beneath it
    would go unseen; and a full disk or a damaged cache file would end the call.
    """
    store = dispatcher._cache
    if not hasattr(store._cache_file, "_source_stamp"):
        raise AttributeError("its cache has no stamp")
    store._cache_file._source_stamp = _stamp()
    load, save = store.load_overload, store.save_overload

    def load_or_compile(*args: Any) -> Any:
        try:
            compiled = load(*args)
        except Exception as error:  # whatever a damaged file makes of unpickling
            logger.info("ignoring the cached %s: %s", name, error)
            compiled = None
        if compiled is None:
            logger.warning("compiling %s, once for this kind of input (a few seconds)", name)
            compiling.add(threading.get_ident())
        return compiled

    def save_if_possible(*args: Any) -> None:
        compiling.discard(threading.get_ident())
        try:
            save(*args)
        except Exception as error:  # a full disk, or Numba's own, after a signal that came while it compiled
            logger.info("%s could not be cached: %s", name, error)

    store.load_overload, store.save_overload = load_or_compile, save_if_possible


@cache
def _stamp() -> bytes:
    here = Path(__file__).parent
    sources = [*sorted(here.glob("*.py")), *sorted(here.parent.glob("*/kernels*.py"))]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).digest()
