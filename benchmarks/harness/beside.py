"""An earlier build beside this one: the same methods on the same pictures, in a process that imports its packages."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tarfile
import tempfile
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import IO, Any, Self

from .environment import ROOT, available_cpus, for_child
from .methods import CannotRun, Method
from .timing import describe, pinned

PACKAGES = ("nlmeans", "nonlocal_block")
SHORT = 7
"""Letters of a commit that are enough to tell it."""
MARK = "@"
"""Between the name of a method and that of the build that it belongs to."""


class Build:
    """The packages of a commit, or of a folder that holds them, and the process that imported them.

    Nothing is taken out of the checkout, and no process is started, before the first method asks.

    Raises
    ------
    ValueError
        If there is no such commit or folder.
    """

    def __init__(self, origin: str) -> None:
        self.place = Path(origin).resolve() if (Path(origin) / PACKAGES[0]).is_dir() else None
        self.commit = None if self.place else commit_of(origin)
        if self.place is None and self.commit is None:
            raise ValueError(f"must be a commit of this checkout, or a folder that holds {PACKAGES[0]}, not {origin!r}")
        self.name = self.commit[:SHORT] if self.commit else Path(origin).resolve().name
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, order: Any) -> Any:
        """Have an order carried out by the build's process; RuntimeError with what it says went wrong."""
        if self._process is None or self._process.poll() is not None:
            self._process = self._started()
        given, got = self._process.stdin, self._process.stdout
        assert given is not None
        assert got is not None
        try:
            pickle.dump(order, given)
            given.flush()
            good, answer, install = pickle.load(got)
        except (OSError, EOFError) as error:
            raise RuntimeError(f"the process of {self.name} ended: {describe(error)}") from error
        if good:
            return answer
        raise CannotRun(answer, install) if good is None else RuntimeError(answer)

    def _started(self) -> subprocess.Popen[bytes]:
        """Return a process that finds the build's packages before this one's."""
        place = self.place
        if place is None:
            folder = tempfile.TemporaryDirectory(prefix=f"nlmeans-{self.name}-")
            weakref.finalize(self, folder.cleanup)
            place = Path(folder.name)
            with tarfile.open(fileobj=BytesIO(archive(str(self.commit)))) as tar:
                tar.extractall(place, filter="data")
        environment = for_child(available_cpus())
        path = os.pathsep.join([str(place), environment["PYTHONPATH"]])
        process = subprocess.Popen(
            [sys.executable, "-m", __name__], cwd=tempfile.gettempdir(), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=environment | {"PYTHONPATH": path, "PYTHONSAFEPATH": "1"},
        )  # fmt: skip
        weakref.finalize(self, end, process)
        return process


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process that waits for orders."""
    for stream in (process.stdin, process.stdout):
        with suppress(OSError):
            if stream is not None:
                stream.close()
    process.wait()


def commit_of(name: str) -> str | None:
    """Return the full name of a commit of this checkout, or None."""
    command = ["git", "-C", str(ROOT), "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def archive(commit: str) -> bytes:
    """Return the packages of a commit as a tar file."""
    command = ["git", "-C", str(ROOT), "archive", "--format=tar", commit, *PACKAGES]
    return subprocess.run(command, capture_output=True, check=True).stdout


@dataclass(frozen=True)
class Beside(Method):
    """A method of ours as an earlier build has it; its times include handing pictures over.

    Attributes
    ----------
    method : Method
        What is measured of this build.
    build : Build or str
        The earlier one; or why there is none.
    """

    method: Method = field(kw_only=True)
    build: Build | str = field(kw_only=True)

    @classmethod
    def of(cls, method: Method, build: Build | str, name: str) -> Self:
        """Return a method as a build has it, under its name with that of the build."""
        return cls(
            f"{method.name}{MARK}{name}", method.package, method.module, method.dtype, own=True,
            note=f"{method.note}{'; ' if method.note else ''}as {name} has it", method=method, build=build,
        )  # fmt: skip

    def missing(self) -> str | None:
        """Say why it cannot be measured here."""
        return self.build if isinstance(self.build, str) else self.method.missing()

    def edition(self, case: Any) -> str:
        """Return which build it is."""
        assert isinstance(self.build, Build)
        return self.build.commit or str(self.build.place)

    def pin(self, threads: int) -> None:
        """Leave the threads of this process alone: those of the other one are set with each order."""

    def call(self, case: Any, *given: Any) -> Callable[[], Any]:
        """Return the call, which the build's process makes."""
        assert isinstance(self.build, Build)
        return Asked(self.build, self.method, case, given)


@dataclass(frozen=True)
class Asked:
    """A call that another process makes; as text, what a user would write."""

    build: Build
    method: Method
    case: Any
    given: tuple[Any, ...]

    def __call__(self) -> Any:
        """Have it made."""
        return self.build.ask((self.method, self.case, self.given))

    def __str__(self) -> str:
        return str(self.method.call(self.case, *self.given))


def serve(orders: IO[bytes], answers: IO[bytes]) -> None:
    """Carry out one order after another, until there are no more: a method, a case, and what it is given of it."""
    while True:
        try:
            method, case, given = pickle.load(orders)
        except EOFError:
            return
        try:
            with pinned(given[-1]):
                method.pin(given[-1])
                answer: Any = (True, method.call(case, *given)(), None)
        except CannotRun as error:
            answer = (None, str(error), error.install)
        except Exception as error:
            answer = (False, describe(error), None)
        pickle.dump(answer, answers)
        answers.flush()


def main() -> None:
    """Serve at the pipes that the process was started with; what libraries print goes to standard error."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with suppress(BrokenPipeError):
        serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
