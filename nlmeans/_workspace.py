"""Memory that a call leaves to the next one, so that a loop over images of one shape takes no more from the system."""

from __future__ import annotations

import math
import weakref
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

LEAST = 1 << 14
"""Bytes of an array below which memory is not worth keeping."""


class Workspace:
    """Pieces of memory by their sizes: each is lent to one array, and comes back when that and all its views are gone.

    Any number of threads may use one.
    """

    def __init__(self) -> None:
        self._free: defaultdict[int, list[memoryview]] = defaultdict(list)

    def empty(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """Return an uninitialised array."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        shelf = self._free[size]
        try:
            piece = shelf.pop()
        except IndexError:
            piece = np.empty(size, np.uint8).data
        owner = np.frombuffer(piece, dtype)  # every view of it keeps it alive
        weakref.finalize(owner, shelf.append, piece).atexit = False
        return owner.reshape(shape)


_current: ContextVar[Workspace | None] = ContextVar("workspace", default=None)


@contextmanager
def lending(workspace: Workspace) -> Iterator[None]:
    """Have the arrays that are made in this thread come from a workspace."""
    token = _current.set(workspace)
    try:
        yield
    finally:
        _current.reset(token)


def empty(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Return an uninitialised array, from the workspace that is lending, if any."""
    workspace = _current.get()
    if workspace is None or math.prod(shape) * np.dtype(dtype).itemsize < LEAST:
        return np.empty(shape, dtype)
    return workspace.empty(shape, dtype)


def zeros(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Return an array of zeros, likewise."""
    if _current.get() is None:
        return np.zeros(shape, dtype)
    array = empty(shape, dtype)
    array.fill(0)
    return array
