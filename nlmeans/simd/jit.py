"""The one place that compiles: the flags of every kernel, and how Python calls one, live here.

Kernels release the GIL and never raise, so that plain Python threads run them side by side. A multiplication and an
addition may fuse into one instruction; NaN and infinity keep their meaning, and sums keep their order.

Numba is imported where something is to be compiled, and not before: `native` keeps machine code for later processes.
"""

from __future__ import annotations

import hashlib
import logging
import os
import struct
import threading
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from .._progress import compiling
from . import native

logger = logging.getLogger("nlmeans")

FLAGS: dict[str, Any] = {
    "nogil": True, "error_model": "numpy", "boundscheck": False, "fastmath": {"contract"},
    "_nrt": False, "no_cpython_wrapper": True, "no_cfunc_wrapper": True,
}  # fmt: skip
"""The last three leave out what kernels have no use for: counting references, and being called by Numba itself."""
PACKAGE = __name__.split(".")[0]
ORDER, ASPECTS = 0x1, 0x1 | 0x2 | 0x100
"""Flags of an array that it is compiled for: C order, without that Fortran's, and aligned; any may be written."""
SAME = {np.float64: float, np.int64: int, np.bool_: bool}
"""Numbers of NumPy that Numba takes for Python's."""


def row(function: Callable[..., Any], **more: Any) -> Any:
    """Compile an inner function, one that only kernels call."""
    import numba

    from .passes import Passes

    return numba.njit(pipeline_class=Passes, **FLAGS, **more)(function)


def inline(function: Callable[..., Any]) -> Any:
    """Compile a function so small that it becomes part of its caller's loop."""
    return row(function, forceinline=True)


def optional(function: Callable[..., Any]) -> Any:
    """Compile an inner function that is None where its first argument is.

    A caller's type then says which of the two it has, where an ``if`` would leave it to hold either.
    """
    import numba
    import numba.extending

    compiled = row(function)

    def choose(first: Any, *others: Any) -> Any:
        """Stand for either."""

    @numba.extending.overload(choose, strict=False)
    def chosen(first: Any, *others: Any) -> Any:
        if isinstance(first, numba.types.NoneType):
            return lambda first, *others: None
        return lambda first, *others: compiled(first, *others)

    return choose


class Kernel:
    """A function that Python calls: compiled at its first call for a kind of arguments, or loaded from an earlier one.

    Arguments are arrays, numbers (Python's or NumPy's), None, and tuples of such, named ones at best; there is no
    result. A kind is the types of all of them, and of arrays their dimensions and order, too. What a kernel writes to
    must be writeable, which nobody checks.
    """

    def __init__(self, module: str, name: str, function: Callable[..., Any] | None = None) -> None:
        self.module, self.name, self._function = module, name, function
        self._ready: dict[tuple[Any, ...], tuple[struct.Struct, Callable[[bytes], int] | None]] = {}
        self._lock = threading.Lock()

    @property
    def function(self) -> Callable[..., Any]:
        """The function in Python; its module is imported if nobody has."""
        if self._function is None:
            self._function = getattr(import_module(self.module), self.name).function
        assert self._function is not None
        return self._function

    def __call__(self, *arguments: Any) -> None:
        """Run it."""
        kinds: list[Any] = []
        words: list[Any] = []
        _take_apart(arguments, kinds, words)
        kind = tuple(kinds)
        ready = self._ready.get(kind)
        if ready is None:
            with self._lock:
                ready = self._ready.get(kind) or self._prepare(kind, words, arguments)
                self._ready[kind] = ready
        pack, call = ready
        if call is None:
            self.function(*arguments)
        elif status := call(pack.pack(*words)):
            raise RuntimeError(f"the kernel {self.name} failed with status {status}")

    def _prepare(self, kind: tuple[Any, ...], words: list[Any], arguments: tuple[Any, ...]) -> Any:
        """Load machine code, or compile it, letting no trouble with what is kept reach a user."""
        pack = struct.Struct("=" + "".join(map(_letter, words)))
        if os.environ.get("NUMBA_DISABLE_JIT", "0") != "0":
            return pack, None
        place = self._place(kind)
        if code := place.read() if place else b"":
            try:
                return pack, native.load(code)
            except Exception as error:  # another LLVM's ideas of an object
                logger.info("ignoring the cached %s: %s", self.name, error)
        logger.warning("compiling %s, once for this kind of input (a few seconds)", self.name)
        compiling.add(threading.get_ident())
        try:
            call, code = native.build(row(self.function), arguments)
        finally:
            compiling.discard(threading.get_ident())
        if place and code:
            place.write(code)
        return pack, call

    def _place(self, kind: tuple[Any, ...]) -> native.Place | None:
        """Return where the machine code is kept: nowhere, for a function whose code cannot be told from another's."""
        text = " ".join(map(str, kind))
        name = f"{self.module}.{self.name}"
        if self.module.split(".")[0] != PACKAGE:  # the stamp is that of our own files
            if self.function.__closure__:
                return None
            try:
                text += hashlib.sha256(Path(self.function.__code__.co_filename).read_bytes()).hexdigest()
            except OSError:
                return None
        try:
            return native.Place(name, text)
        except Exception as error:
            logger.info("%s is compiled anew in each process: %s", self.name, error)
            return None


def kernel(function: Callable[..., Any]) -> Kernel:
    """Make a kernel of a function."""
    return Kernel(function.__module__, function.__name__, function)


def named(module: str, name: str) -> Kernel:
    """Return the kernel of this name in a module, which is not imported unless it is to be compiled."""
    return Kernel(module, name)


def _take_apart(arguments: tuple[Any, ...], kinds: list[Any], words: list[Any]) -> None:
    """Append the kind of each argument, and for each number and array what stands for it in the row of words."""
    for value in arguments:
        kind = type(value)
        if kind is np.ndarray:
            aspects = value.flags.num & ASPECTS
            kinds += value.dtype, value.ndim, aspects & ~((aspects & ORDER) << 1)
            words.append(id(value))
        elif isinstance(value, tuple):
            kinds += kind, len(value)
            _take_apart(value, kinds, words)
        else:
            kinds.append(SAME.get(kind, kind))
            if value is not None:
                words.append(value)


def _letter(word: Any) -> str:
    """Return how `struct` packs a word; the addresses of arrays are whole numbers."""
    if isinstance(word, bool | np.bool_):
        return "?7x"
    return "d" if isinstance(word, float | np.floating) else "Q" if isinstance(word, np.unsignedinteger) else "q"
