"""Which file is read and written by which module, and what is there already."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from .. import formats
from ..formats import zarrs
from ..formats.npys import NpySource, NpyTarget
from ..formats.picture import PictureError, quoted
from ..formats.store import About, ArraySource, Source, Target
from ..formats.tiffs import TiffSource, TiffTarget
from ..formats.zarrs import ZarrSource, ZarrTarget
from .names import Names

RULE = "only Zarr, TIFF and NPY can be read and written in blocks"
IN_MEMORY = 40
"""Bytes that a value takes, about, where a picture is denoised whole."""


def open_source(given: Any, max_pixels: int | None = None, *, bilevel: bool = False) -> Source:
    """Return a file, or an array in memory, to read from; ``max_pixels`` and ``bilevel`` as of `nlmeans.io.read`.

    Raises
    ------
    PictureError, OSError
        If it cannot be read by regions.
    """
    if not isinstance(given, str | os.PathLike):
        return ArraySource(given if hasattr(given, "shape") and hasattr(given, "dtype") else np.asarray(given))
    path = Path(given).absolute()  # a worker of a cluster may be in another folder
    most = formats.MAX_PIXELS if max_pixels is None else max_pixels
    if zarrs.named(path):
        return ZarrSource.open(path, most)
    kind = formats.recognise(path)
    if kind not in ("npy", "tiff"):
        raise PictureError(f"{RULE}: {path} is {kind.upper()}")
    try:
        return NpySource.open(path) if kind == "npy" else TiffSource.open(path, most, bilevel=bilevel)
    except (PictureError, OSError, MemoryError, ImportError):
        raise
    except Exception as error:  # readers meet damaged headers with exceptions of every kind
        raise PictureError(f"{path} is damaged or cut short: {quoted(error)}") from error


def target_format(path: Path) -> str:
    """Return the format that the name of an output stands for.

    Raises
    ------
    PictureError
        If it is none that can be written by regions.
    """
    if path.suffix == ".zarr":
        return "zarr"
    kind = formats.FORMATS.get(formats.ending(path))
    if kind not in ("npy", "tiff"):
        raise PictureError(f"{RULE}: the name must end in .zarr, .tif, .tiff or .npy; got {path.name}")
    return kind


def described(source: Source, names: str, path: Path, dtype: np.dtype) -> About:
    """Return the output: the input's array in numbers of this type, in chunks if its format has them."""
    about = source.about
    axes = about.axes if "_" in names and about.axes else names
    shape, spacing, kind = about.shape, about.spacing, target_format(path)
    chunks = (1,) * len(shape)
    if kind == "zarr":
        chunks = about.chunks if isinstance(source, ZarrSource) else zarrs.chunks_for(shape, axes)
    return About(shape, dtype, axes, spacing, chunks, about.unit, about.nodata)


def create(part: Path, path: Path, about: About, source: Source) -> Target:
    """Write all of an output but its pixels."""
    kind = target_format(path)
    if kind == "zarr":
        return ZarrTarget.create(part, about, source)
    if kind == "tiff":
        return TiffTarget.create(part, about, source if isinstance(source, TiffSource) else None)
    return NpyTarget.create(part, about)


def reopen(part: Path, path: Path, about: About, source: Source) -> Target:
    """Return an output that was created before.

    Raises
    ------
    PictureError
        If it is not as it was created.
    """
    kind = target_format(path)
    try:
        if kind == "zarr":
            zarrs.sweep(part)
            image = source.image if isinstance(source, ZarrSource) else zarrs.Image.open(part)
            return ZarrTarget.reopen(part, about, image)
        if kind == "tiff":
            return TiffTarget.reopen(part, about, source if isinstance(source, TiffSource) else None)
        return NpyTarget.reopen(part, about)
    except Exception as error:  # readers meet damaged headers with exceptions of every kind
        manifest = Names(path).manifest.name
        raise PictureError(f"{part} is damaged, remove it and {manifest} to begin anew: {reason(error)}") from error


def check_target(path: Path, inputs: Iterable[Any], overwrite: bool) -> None:
    """Raise if an output may not or cannot be written; ``inputs`` are the paths among what is read, and arrays."""
    zarr = target_format(path) == "zarr"
    for given in inputs:
        if isinstance(given, str | os.PathLike):
            _check_apart(path, Path(given).resolve(), zarr)
    if not zarr:
        formats.check_target(path, overwrite)
        return
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the folder {path.parent} does not exist")
    if path.exists() and not zarrs.is_node(path):
        raise PictureError(f"only a Zarr store can be replaced by one: {path} is something else")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists already; --overwrite (overwrite=True) replaces it")


def _check_apart(path: Path, given: Path, zarr: bool) -> None:
    """Refuse an output that is in a store that is read, or holds what is read, or would lie beside it by its name."""
    if any(name in (given, *given.parents) for name in Names(path).beside):
        raise PictureError(f"what is read must have another name than what lies beside the output for a time: {given}")
    store = zarrs.split(given)[0]
    if zarr and (path == given or path in given.parents or store in (path, *path.parents)):
        raise PictureError(f"the output must be another store than the input: {path} and {given} are in each other")
    if not zarr and store.suffix == ".zarr" and store in path.parents:
        raise PictureError(f"the output must not lie in a store that is read: {path} lies in {store}")


def reason(error: Exception) -> str:
    """Return what went wrong, with the name of the file where the system tells it."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return str(error) or type(error).__name__


def is_large(path: Path) -> bool:
    """Whether a TIFF or NPY file would take half of the memory, if it were denoised whole."""
    try:
        if not path.is_file() or formats.recognise(path) not in ("npy", "tiff"):
            return False
        about = open_source(path).about
    except (PictureError, OSError, ImportError):
        return False  # the reader of whole pictures says what is wrong
    values = math.prod(about.shape)
    return values > formats.MAX_PIXELS or IN_MEMORY * values > physical_memory() / 2


def physical_memory() -> int:
    """Return how many bytes of memory this process may have: the machine's, or what its control group has."""
    try:
        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        machine = 8 << 30  # a guess, where the system does not tell
    return min([machine, *_group_limits()])


def _group_limits() -> list[int]:
    """Return the limits of the control groups that this process is in: of a container, or a job of a cluster."""
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    found = []
    for _, controllers, group in (line.split(":", 2) for line in lines if line.count(":") >= 2):
        root, name = ("", "memory.max") if not controllers else ("memory", "memory.limit_in_bytes")
        if controllers in ("", "memory"):
            place = PurePosixPath(group.lstrip("/"))
            for inner in (place, *place.parents):
                found += _number(Path("/sys/fs/cgroup", root, inner, name))
    return found


def _number(path: Path) -> list[int]:
    """Return the one number in a file; none if there is no such file or it says that there is no limit."""
    try:
        return [int(path.read_text(encoding="ascii"))]
    except (OSError, ValueError):
        return []


def resident_memory() -> int:
    """Return how many bytes of memory this process holds; the most it has held where the system does not tell."""
    return _status("VmRSS") or most_memory() or 300 << 20


def most_memory() -> int:
    """Return how many bytes of memory this process has held at most; 0 where the system does not tell."""
    if found := _status("VmHWM"):
        return found
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
    found = [int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")]
    return found[0] if found else 0
