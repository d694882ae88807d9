"""The sidecar file that tells which blocks of an unfinished output are done, and of what it is made.

That a chunk is not there tells nothing: Zarr leaves out chunks that hold the fill value alone.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
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

    def check(self, identity: Mapping[str, Any]) -> None:
        """Refuse to go on with an output that is made of something else."""
        before, now = self.identity or {}, json.loads(json.dumps(identity))
        other = [f"{key} was {before.get(key)!r}, now {now[key]!r}" for key in now if before.get(key) != now[key]]
        if other:
            raise PictureError(
                f"an unfinished output must be gone on with as it was begun: of {self.path.with_suffix('')}, "
                f"{_shortened('; '.join(other))}. Remove that and {self.path.name} to begin anew"
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
        for line in whole.split("\n"):
            found = _parsed(line)
            if isinstance(found.get("made of"), dict):
                self.identity = found["made of"]
            elif isinstance(found.get("block"), int):
                self.done[found.pop("block")] = found


def _parsed(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _shortened(text: str) -> str:
    return text if len(text) < 600 else text[:600] + " …"


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
