"""The one place that decides which format a file is of: by its first bytes to read it, by its name to write it."""

from __future__ import annotations

import logging
import pkgutil
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any

from . import foreign, own
from .format import Format
from .inside import split
from .picture import PictureError

logger = logging.getLogger("nlmeans")

GROUP = "nlmeans.formats"
HEAD = 352
"""First bytes of a file that are enough to know what it is."""


@cache
def ours() -> tuple[Format, ...]:
    """Return this package's formats: the modules of a folder, so that to add one is to add a file."""
    return tuple(import_module(f"{own.__name__}.{module.name}").FORMAT for module in pkgutil.iter_modules(own.__path__))


@cache
def others() -> tuple[Format, ...]:
    """Return other packages' formats: asked where none of ours will do, since all that is installed is gone through."""
    from importlib.metadata import entry_points  # takes longer to import than all of ours

    loaded = []
    for point in sorted(entry_points(group=GROUP)):
        try:
            loaded.append(_checked(point.load()))
        except Exception as error:  # of a package that does not concern whoever has a file of another kind
            logger.warning("the format %s of another package cannot be used: %s", point.name, error)
    return tuple(loaded)


def _checked(given: Any) -> Format:
    """Return a format, given itself or by its class."""
    fmt = given() if isinstance(given, type) else given
    if not isinstance(fmt, Format):
        raise TypeError(f"it must be a Format of nlmeans.extend; got {given!r}")
    ends = getattr(fmt, "endings", None)
    if (
        not isinstance(getattr(fmt, "name", None), str)
        or not isinstance(ends, tuple)
        or [*ends] != [end.lower() for end in map(str, ends)]
    ):
        raise TypeError(f"it must have a name, and endings that are a tuple of small letters; got {ends!r}")
    return fmt


def _all() -> Iterator[Format]:
    yield from ours()
    yield from others()


def by_name(path: Path) -> Format | None:
    """Return the format that a name stands for; None if there is none."""
    suffixes = [suffix.lower() for suffix in split(path)[0].suffixes]
    ends = {"".join(suffixes[-2:]), *suffixes[-1:]}
    if not suffixes:
        return None
    return next((fmt for fmt in _all() if not ends.isdisjoint(fmt.endings)), None)


def by_store(path: Path) -> Format | None:
    """Return the format of a folder that is read as one file, or of what is in one; None for anything else."""
    return next((fmt for fmt in (_all() if path.is_dir() else ours()) if fmt.store(path)), None)


def to_read(path: Path, ability: str = "read") -> Format:
    """Return the format of a file that can be read, whole or (``"open"``) by regions.

    Raises `PictureError` for any other file, and `OSError` where it cannot be read.
    """
    fmt = by_store(path) or _by_content(path)
    if (file := fmt.file(path)) != path:
        file.stat()  # raises where it is not there
    if not fmt.can(ability):
        raise PictureError(f"{_rule(ability)}: {path} is {fmt.name}")
    return fmt


def to_write(path: Path, *abilities: str) -> Format:
    """Return the format that a name stands for, if it has an ability: ``"write"``, whole, or ``"create"``, by regions.

    Raises `PictureError` otherwise.
    """
    fmt = by_name(path)
    if fmt is None or not fmt.can(*abilities):
        suffix = path.suffix.lower() or "nothing"
        raise PictureError(f"{_rule(*abilities)}: the name ends in {suffix}, not in {', '.join(endings(*abilities))}")
    return fmt.at(path)


def is_file(path: Path) -> bool:
    """Whether there is a file of any kind, or a store that is read as one."""
    return path.is_file() or by_store(path) is not None


def series_in(path: Path) -> tuple[Path, str | None]:
    """Return a file, and the name of one of its images where the path says it: ``file.exr::albedo``."""
    file, series = split(path)
    fmt = by_name(file) if series else None
    return (file, series) if fmt is not None and fmt.has_series and fmt.file(path) == path else (path, None)


def endings(*abilities: str) -> list[str]:
    """Return the ends of the names that files of our formats with one of the abilities have."""
    return [ending for fmt in ours() if fmt.can(*abilities) for ending in fmt.endings]


def _by_content(path: Path) -> Format:
    with path.open("rb") as file:
        head = file.read(HEAD)
    advice, asked = foreign.before(head, path), _all()
    if foreign.is_raw(head, path):  # a package for one camera knows more of its files than LibRaw
        asked = chain(others(), ours())
    elif advice is not None:
        asked = iter(others())
    for fmt in asked:
        if fmt.recognises(head, path):
            return fmt
    raise PictureError(advice or foreign.after(head, path, _rule("read")))


def _rule(*abilities: str) -> str:
    """Return what our formats can do, whole or by regions."""
    if abilities in (("open",), ("create",)):
        return f"only {_listed(_names('open'))} can be read and written in blocks"
    read, written = _names("read"), _names("write")
    stores = [name for name in _names("open") if name not in read]
    rule = f"{_listed(written)} files can be read and written, and {_listed(stores)} stores"
    return f"{rule}; {_listed([name for name in read if name not in written])} can be read"


def _names(ability: str) -> list[str]:
    return [fmt.name for fmt in ours() if fmt.can(ability)]


def _listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), *words[-1:]] if len(words) > 1 else words)
