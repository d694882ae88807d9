"""The sidecar file that records which blocks of an unfinished output are done, and of what it is made.

That a chunk is not there means nothing: Zarr leaves out chunks that hold the fill value alone.
"""

from __future__ import annotations

import json
import os
import re
import stat
import threading
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, Self

from ..formats import locks
from ..formats.picture import PictureError

HEAD = b'{"made of": {"nlmeans": '
"""What every record begins with: its identity's first name is that of this library."""
START = "nlmeans"
"""What the first line's sum is taken with; those of the others, with its sum."""
OPAQUE = {"modified": "{} is another: the file was written since", "sample": "the pixels of a {} are others"}
"""How to say that numbers differ that mean nothing to a reader."""
_LINE = re.compile(rb'(\{.*), "sum": "([0-9a-f]{16})"\}')


class Record:
    """An open file with a line that says of what something is made, and a line for each step that is done.

    A line is appended when its step is done, and ends with a check sum over it and the first line's: one that was cut
    off or changed is not believed. A file that does not begin as a record does is somebody else's, and is refused; an
    empty one is ours, and nothing was begun. It is locked while it is open, where the system can lock files, and goes
    at the end where nothing was begun or nothing is left to do.

    Attributes
    ----------
    identity : dict or None
        Of what it is made; None before it is begun.
    steps : list of dict
        What is done.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.identity: dict[str, Any] | None = None
        self.steps: list[dict[str, Any]] = []
        self._salt = START
        self._lock = threading.Lock()
        self._file = _opened(path)
        try:
            self._read()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.identity is None:
            locks.remove(self._file, self.path)
        self._file.close()

    def forget(self) -> None:
        """Take all for done: unless something is begun anew, the file goes at the end, in one operation."""
        self.identity, self.steps, self._salt = None, [], START

    def begin(self, identity: Mapping[str, Any]) -> None:
        """Begin anew."""
        self.forget()
        self._file.truncate(0)
        self._salt = self._append({"made of": identity})
        self.identity = dict(identity)

    def add(self, step: Mapping[str, Any]) -> None:
        """Note that a step is done."""
        with self._lock:
            self._append(step)
            self.steps.append(dict(step))

    def differences(self, identity: Mapping[str, Any]) -> list[str]:
        """Return what differs of an identity, as text; what only the record has is its own."""
        return differences(self.identity, identity)

    def _append(self, line: Mapping[str, Any]) -> str:
        body = json.dumps(line)[:-1].encode()
        summed = _sum(self._salt, body)
        self._file.write(body + f', "sum": "{summed}"}}\n'.encode())
        self._file.flush()
        os.fsync(self._file.fileno())
        return summed

    def _read(self) -> None:
        self._file.seek(0)
        head = self._file.read(len(HEAD))
        rest = self._file.read() if head == HEAD else b""
        first, *lines = (head + rest).split(b"\n")
        if not head or (head == HEAD and not lines):  # killed before the end of the first line, and before all else
            return
        made = self._parsed(first).get("made of")
        if not isinstance(made, dict):
            raise PictureError(f"{self.path} is not the manifest of an unfinished output: move it away")
        self.identity, self._salt = made, first[-18:-2].decode()
        if lines.pop():  # killed in the middle of a line
            self._file.write(b"\n")
        self.steps = [step for line in lines if (step := self._parsed(line))]

    def _parsed(self, line: bytes) -> dict[str, Any]:
        """Return what a line says; nothing, where it is not as it was written."""
        parts = _LINE.fullmatch(line)
        if parts is None or parts[2].decode() != _sum(self._salt, parts[1]):
            return {}
        try:
            parsed: dict[str, Any] = json.loads(parts[1] + b"}")
        except (ValueError, RecursionError):  # summed by somebody else
            return {}
        return parsed


class Manifest(Record):
    """The record of an output that is made block by block."""

    def check(self, identity: Mapping[str, Any]) -> None:
        """Refuse to go on with an output that is made of something else."""
        other = self.differences(identity)
        if (self.identity or {}).get("form") != identity.get("form"):
            other = ["it was begun by another version of nlmeans"]
        if other:
            raise PictureError(
                f"an unfinished output must be gone on with as it was begun: of {self.path.with_suffix('')}, "
                f"{'; '.join(other[:4])}. Remove that and {self.path.name} to begin anew"
            )

    @property
    def created(self) -> bool:
        """Whether the part was created whole, so that blocks can be written."""
        return any("created" in step for step in self.steps)

    @property
    def done(self) -> dict[int, dict[str, int]]:
        """What was counted of each block that is done."""
        return {step["block"]: step for step in self.steps if "block" in step}

    @property
    def finished(self) -> dict[str, Any] | None:
        """The stamp of what is to get the output's name, as "finished", and which folder it "replaces"."""
        return next((step for step in reversed(self.steps) if "finished" in step), None)


def _sum(salt: str, body: bytes) -> str:
    return sha256(salt.encode() + body).hexdigest()[:16]


def _opened(path: Path) -> IO[bytes]:
    """Open and lock a manifest; one that is removed meanwhile, by a process that ends, is made anew."""
    while True:
        if os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
            raise PictureError(f"{path} is not the manifest of an unfinished output: move it away")
        file = path.open("a+b")
        try:
            locks.lock(file.fileno())
        except BlockingIOError:
            file.close()
            raise PictureError(f"another process is at work on what {path} records: wait until it has ended") from None
        if locks.is_still(file.fileno(), path):
            return file
        file.close()


def differences(before: Any, now: Any) -> list[str]:
    """Return what differs of what is known now, as text; both as JSON has them."""
    return list(_differences("", *(json.loads(json.dumps(one)) for one in (before, now))))


def _differences(name: str, before: Any, now: Any) -> Iterator[str]:
    if isinstance(now, dict) and isinstance(before, dict):
        for key in now if not name else before | now:
            yield from _differences(f"{name}, {key}" if name else key, before.get(key), now.get(key))
    elif isinstance(now, list) and isinstance(before, list) and len(now) == len(before):
        for one, other in zip(before, now, strict=True):
            yield from _differences(name, one, other)
    elif before != now:
        of, _, last = name.rpartition(", ")
        said = OPAQUE.get(last)
        yield said.format(of or last) if said else f"{name} was {_short(before)}, now {_short(now)}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 90 else f"{text[:90]} …"
