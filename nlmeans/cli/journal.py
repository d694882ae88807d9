"""Which pictures of a folder a command has done: after a kill, the same command does the others alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nlmeans

from ..formats import PictureError
from ..formats.arrays import identity_of
from ..formats.table import by_store, series_in
from ..large.manifest import Record, differences
from ..large.names import stamp

NAME = ".nlmeans.part.manifest"


class Journal:
    """What a command has done to pictures that go to a folder.

    Parameters
    ----------
    record : Record or None
        Where it is written; None to write nothing.
    command : dict
        What the command is, besides its pictures.
    """

    def __init__(self, record: Record | None, command: Mapping[str, Any]) -> None:
        self._record, self._command = record, command
        self._same = record is not None and not record.differences(command)
        self._done = {step.get("picture"): step for step in record.steps} if record is not None and self._same else {}
        self._source: Any = None

    def begins(self, source: Path, target: Path) -> bool:
        """Whether a picture is to be done: not if the same command has made its output of the same."""
        if self._record is None:
            return True
        self._source, done = _identity(source), self._done.get(target.name)
        if done is None or not target.exists() or stamp(target.resolve()) != done["output"]:
            return True
        in_place = source.resolve() == target.resolve()  # what it was made of is gone
        return not in_place and bool(differences(done["source"], self._source))

    def ends(self, target: Path, finished: Path) -> None:
        """Note that the picture that was begun last is finished, by whatever name."""
        if self._record is None:
            return
        if not self._same:
            self._record.begin(self._command)
            self._same = True
        self._record.add({"picture": target.name, "source": self._source, "output": stamp(finished.resolve())})


@contextmanager
def journal(folder: Path | None, command: Mapping[str, Any]) -> Iterator[Journal]:
    """Yield the journal of a folder, which vanishes when all has had its turn: only who is killed leaves it.

    Nothing is written where there is no folder, where another command is at work in it, or where it cannot be.
    """
    files = {name: _identity(path) for name, path in command.items() if isinstance(path, Path)}
    values = {name: repr(value) for name, value in command.items()}
    record = None
    if folder is not None:
        try:
            record = Record(folder / NAME)
        except (PictureError, OSError):
            record = None
    if record is None:
        yield Journal(None, {})
        return
    with record:
        yield Journal(record, {"nlmeans": nlmeans.__version__, "command": values, "files": files})
        record.forget()


def _identity(path: Path) -> dict[str, Any]:
    """Return what changes when a file or a store is written again."""
    path = series_in(path)[0]
    fmt = by_store(path)
    if fmt is None or not fmt.can("open"):
        return identity_of(path)
    from ..large.files import open_source

    return open_source(path).identity()
