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


def _all(name: str = "") -> Iterator[Format]:
    """Yield all formats; of ours first those whose files have such a name: some share their first bytes with others."""
    yield from sorted(ours(), key=lambda fmt: not name.endswith(fmt.endings))
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


def to_write(path: Path, *abilities: str, folders: Format | None = None) -> Format:
    """Return the format that a name stands for, if it has an ability: ``"write"``, whole, or ``"create"``, by regions.

    A name of no format is that of a folder if what is written was one, and ``folders`` is its format.

    Raises `PictureError` otherwise.
    """
    fmt = by_name(path)
    if folders is not None and fmt in (None, folders):
        if fmt is not None:
            raise PictureError(
                f"a series of {fmt.name} files goes to a folder, whose name ends in none of {', '.join(fmt.endings)}"
            )
        fmt = folders
    if fmt is None or not fmt.can(*abilities):
        suffix = path.suffix.lower() or "nothing"
        raise PictureError(f"{_rule(*abilities)}: the name ends in {suffix}{_instead(fmt)}")
    return fmt.at(path)


def _instead(fmt: Format | None) -> str:
    """Return what to write for a format that is only read."""
    if fmt is None or fmt.can("write", "create"):
        return ""
    known = [ending for ending in fmt.instead if by_name(Path(f"picture{ending}"))]
    return f"; {fmt.name} is only read: write {' or '.join(known)}"


def is_file(path: Path) -> bool:
    """Whether there is a file of any kind, or a store that is read as one."""
    return path.is_file() or by_store(path) is not None


def series_in(path: Path) -> tuple[Path, str | None]:
    """Return a file, and the name of one of its images where the path says it: ``file.exr::albedo``."""
    file, series = split(path)
    fmt = by_name(file) if series else None
    return (file, series) if fmt is not None and fmt.has_series and fmt.file(path) == path else (path, None)


def _by_content(path: Path) -> Format:
    with path.open("rb") as file:
        head = file.read(HEAD)
    advice, asked = foreign.before(head, path), _all(path.name.lower())
    if foreign.is_raw(head, path):  # a package for one camera knows more of its files than LibRaw
        asked = chain(others(), ours())
    elif advice is not None:
        asked = iter(others())
    for fmt in asked:
        if fmt.recognises(head, path):
            return fmt
    raise PictureError(advice or foreign.after(head, path, _rule("read")))


def _rule(*abilities: str) -> str:
    """Return what is asked of a file that is read, or written, whole or by regions, with formats that most can use."""
    done = "read" if {"read", "open"} & set(abilities) else "written"
    how = " in blocks, such as TIFF or Zarr" if abilities in (("open",), ("create",)) else ", such as PNG or TIFF"
    return f"a file must be of a format that can be {done}{how} (`nlmeans formats` lists all)"
