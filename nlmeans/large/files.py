"""Files that are opened by regions, and the memory that there is for them."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ..formats import MAX_PIXELS
from ..formats.arrays import ArrayInfo, ArraySource, Source, Target
from ..formats.format import Format
from ..formats.picture import PictureError, Request, quoted, series_of
from ..formats.table import by_store, to_read
from .names import Names

IN_MEMORY = 40
"""Bytes that a value takes, about, where a picture is denoised whole."""


def open_source(
    given: Any, max_pixels: int | None = None, *, bilevel: bool = False, series: int | str | None = None
) -> Source:
    """Return a file, or an array in memory, to read from; the options as of `nlmeans.io.read`.

    Raises
    ------
    PictureError, OSError
        If it cannot be read by regions.
    """
    if not isinstance(given, str | os.PathLike):
        return ArraySource(given if hasattr(given, "shape") and hasattr(given, "dtype") else np.asarray(given))
    path = Path(given).absolute()  # a worker of a cluster may be in another folder
    most = MAX_PIXELS if max_pixels is None else max_pixels
    request = Request(path, None, None, most, bilevel, whole=False, series=series_of(series))
    fmt = to_read(path, "open")
    fmt.check_series(request)
    try:
        return fmt.open(request)
    except (PictureError, OSError, MemoryError, ImportError):
        raise
    except Exception as error:  # readers meet damaged headers with exceptions of every kind
        raise PictureError(f"{path} is damaged or cut short: {quoted(error)}") from error


@dataclass(frozen=True)
class Destination:
    """Where the result goes: a file of a format, made of a source."""

    format: Format  # as the output's name ends
    info: ArrayInfo  # what it will hold
    source: Source  # the image, of which it takes over what the format can keep
    others: str | None = None  # how what else is in a store comes along, if it does
    options: Mapping[str, Any] = field(default_factory=dict)  # of the format's that the caller has given

    @classmethod
    def of(cls, fmt: Format, source: Source, names: str, dtype: np.dtype, others: str | None) -> Destination:
        """Describe the output: the input's array in numbers of this type, in chunks if its format has them."""
        info = source.info
        axes = info.axes if "_" in names and info.axes else names
        chunks = fmt.chunks(info.shape, axes, source)
        return cls(fmt, replace(info, dtype=dtype, axes=axes, chunks=chunks), source, others)

    def create(self, part: Path) -> Target:
        """Write all of the output but its pixels."""
        target = self.format.create(part, self.info, self.source, **self.options)
        target.accompany(self.source, self.others)
        return target

    def reopen(self, part: Path, manifest: str) -> Target:
        """Return an output that was created before; raise `PictureError` if it is not as it was created."""
        try:
            return self.format.reopen(part, self.info, self.source, **self.options)
        except Exception as error:  # readers meet damaged headers with exceptions of every kind
            raise PictureError(f"{part} is damaged, remove it and {manifest} to begin anew: {reason(error)}") from error


def check_target(fmt: Format, path: Path, inputs: Iterable[Any], overwrite: bool) -> None:
    """Raise if an output may not or cannot be written; ``inputs`` are the paths among what is read, and arrays."""
    for given in inputs:
        if isinstance(given, str | os.PathLike):
            _check_apart(path, Path(given).resolve(), fmt.store(path) is not None)
    fmt.check_target(path, overwrite)


def _check_apart(path: Path, given: Path, is_store: bool) -> None:
    """Refuse an output that is in a store that is read, or holds what is read, or would lie next to it by its name."""
    if any(name in (given, *given.parents) for name in Names(path).companions):
        raise PictureError(f"what is read must have another name than what lies beside the output for a time: {given}")
    fmt = by_store(given)
    store = None if fmt is None else fmt.store(given)
    if is_store and (path == given or path in given.parents or store in (path, *path.parents)):
        raise PictureError(f"the output must be another store than the input: {path} and {given} are in each other")
    if not is_store and store in path.parents:
        raise PictureError(f"the output must not lie in a store that is read: {path} lies in {store}")


def reason(error: Exception) -> str:
    """Return what went wrong, with the name of the file where the system has it."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return str(error) or type(error).__name__


def is_large(path: Path, series: str | None = None) -> bool:
    """Whether a file that can be read by regions would take half of the memory, if it were denoised whole."""
    try:
        info = open_source(path, series=series).info
    except (PictureError, OSError, ImportError):
        return False  # the reader of whole pictures says what is wrong
    values = math.prod(info.shape)
    return values > MAX_PIXELS or IN_MEMORY * values > physical_memory() / 2


def physical_memory() -> int:
    """Return how many bytes of memory this process may have: the machine's, or what its control group has."""
    try:
        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        machine = 8 << 30  # a guess, where the system does not say
    return min([machine, *_group_limits()])


def _group_limits() -> list[int]:
    """Return the limits of the control groups that this process is in: of a container, or a job of a cluster."""
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    limits: list[int] = []
    for _, controllers, group in (line.split(":", 2) for line in lines if line.count(":") >= 2):
        root, name = ("", "memory.max") if not controllers else ("memory", "memory.limit_in_bytes")
        if controllers in ("", "memory"):
            place = PurePosixPath(group.lstrip("/"))
            for inner in (place, *place.parents):
                limits += _number(Path("/sys/fs/cgroup", root, inner, name))
    return limits


def _number(path: Path) -> list[int]:
    """Return the one number in a file; none if there is no such file or it says that there is no limit."""
    try:
        return [int(path.read_text(encoding="ascii"))]
    except (OSError, ValueError):
        return []


def resident_memory() -> int:
    """Return how many bytes of memory this process holds; the most it has held where the system does not say."""
    return _status("VmRSS") or most_memory() or 300 << 20


def most_memory() -> int:
    """Return how many bytes of memory this process has held at most; 0 where the system does not say."""
    if most := _status("VmHWM"):
        return most
    try:
        import resource
    except ImportError:  # Windows
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _status(name: str) -> int:
    """Return a number of bytes that Linux keeps of this process."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")), 0)
