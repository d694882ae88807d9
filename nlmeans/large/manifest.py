"""The sidecar file that tells which blocks of an unfinished output are done, and of what it is made.

That a chunk is not there tells nothing: Zarr leaves out chunks that hold the fill value alone.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Self

from ..io.picture import PictureError


class Manifest:
    """An open manifest: a line that says of what the output is made, and a line for each block that is done.

    A line is appended when a block has been written; one that was cut off is not believed. The file is locked while it
    is open, where the system can lock files.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.new = path, not path.exists()
        self.identity: dict[str, Any] | None = None
        self.done: dict[int, dict[str, int]] = {}
        self.finished: tuple[str, str] | None = None
        self._lock = threading.Lock()
        self._file: IO[str] = path.open("a+", encoding="utf-8")
        try:
            _claim(self._file, path)
            self._read()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.identity is None:  # nothing was begun
            self.path.unlink(missing_ok=True)
        self._file.close()

    def begin(self, identity: Mapping[str, Any]) -> None:
        """Begin anew."""
        self._file.truncate(0)
        self.done = {}
        self.identity = dict(identity)
        self._append({"made of": identity})

    def finish(self, finished: Path, old: Path) -> None:
        """Note that all is done: ``finished`` gets the output's name, and what had it before goes by ``old``."""
        self._append({"finished": finished.name, "old": old.name})

    def check(self, identity: Mapping[str, Any]) -> None:
        """Refuse to go on with an output that is made of something else."""
        other = list(_differences("", self.identity, json.loads(json.dumps(identity))))
        if other:
            raise PictureError(
                f"an unfinished output must be gone on with as it was begun: of {self.path.with_suffix('')}, "
                f"{'; '.join(other[:4])}. Remove that and {self.path.name} to begin anew"
            )

    def add(self, block: int, counts: dict[str, int]) -> None:
        """Note that a block is done, and what was counted of it."""
        with self._lock:
            self.done[block] = counts
            self._append({"block": block} | counts)

    def _append(self, line: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def _read(self) -> None:
        self._file.seek(0)
        whole, _, cut = self._file.read().rpartition("\n")
        if cut:  # killed in the middle of a line
            self._file.write("\n")
        if whole and not isinstance(_parsed(whole.partition("\n")[0]).get("made of"), dict):
            raise PictureError(f"{self.path} is not the manifest of an unfinished output: move it away")
        for line in whole.split("\n"):
            found = _parsed(line)
            if "finished" in found:
                self.finished = str(found["finished"]), str(found.get("old"))
            elif isinstance(found.get("made of"), dict):
                self.identity = found["made of"]
            elif isinstance(found.get("block"), int):
                self.done[found.pop("block")] = found


def _parsed(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _differences(name: str, before: Any, now: Any) -> Iterator[str]:
    """Yield what differs of what is known now; what only the manifest has is its own."""
    if isinstance(now, dict) and isinstance(before, dict):
        for key in now:
            yield from _differences(f"{name}, {key}" if name else key, before.get(key), now[key])
    elif isinstance(now, list) and isinstance(before, list) and len(now) == len(before):
        for one, other in zip(before, now, strict=True):
            yield from _differences(name, one, other)
    elif before != now:
        yield f"{name} was {_short(before)}, now {_short(now)}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 90 else f"{text[:90]} …"


def _claim(file: IO[str], path: Path) -> None:
    """Lock the file until it is closed, or the process ends."""
    try:
        import fcntl
    except ImportError:  # Windows
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise PictureError(f"another process is at work on what {path} tells of: wait until it has ended") from None
