"""A process of its own that makes calls and times them: another build of ours, or filters of another interpreter."""

from __future__ import annotations

import itertools
import os
import pickle
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, Any

from .environment import available_cpus, for_child
from .methods import CannotRun, Method
from .timing import Clocked, Reading, describe, pinned, timed


class Elsewhere:
    """An interpreter in a process of its own, which is started when the first method asks.

    Parameters
    ----------
    name : str
        What messages call it.
    interpreter : str, optional
        The program; by default the one that runs this.
    path : str, optional
        Folders in which it looks for packages before all others.
    threads : int, optional
        What pools start with that read it once; by default as many as this process may use.
    """

    def __init__(
        self, name: str, interpreter: str = sys.executable, path: str = "", threads: int | None = None
    ) -> None:
        self.name, self.interpreter, self.path, self.pool = name, interpreter, path, threads or available_cpus()
        self.gone: list[int] = []
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, what: str, *given: Any) -> Any:
        """Have an order carried out; RuntimeError with what the process says went wrong."""
        process = self.process()
        to, by = process.stdin, process.stdout
        assert to is not None
        assert by is not None
        gone = self.gone.copy()
        del self.gone[: len(gone)]
        try:
            pickle.dump((gone, (what, given)), to)
            to.flush()
            good, answer, install = pickle.load(by)
        except (OSError, EOFError) as error:
            raise RuntimeError(f"the process of {self.name} ended: {describe(error)}") from error
        if good:
            return answer
        raise CannotRun(answer, install) if good is None else RuntimeError(answer)

    def process(self) -> subprocess.Popen[bytes]:
        """Return the process: a new one at first, and where the last one ended."""
        if self._process is None or self._process.poll() is not None:
            self._process = self._started()
        return self._process

    def places(self) -> str:
        """Return the folders in which the process looks first."""
        return self.path

    def _started(self) -> subprocess.Popen[bytes]:
        """Return a process that waits for orders."""
        environment = for_child(self.pool)
        path = os.pathsep.join(filter(None, [self.places(), environment["PYTHONPATH"]]))
        process = subprocess.Popen(
            [self.interpreter, "-m", __name__], cwd=tempfile.gettempdir(), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, env=environment | {"PYTHONPATH": path, "PYTHONSAFEPATH": "1"},
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


KEYS = itertools.count()


@dataclass(eq=False)
class Asked(Clocked):
    """A call that another process makes and times; as text, what a user would write.

    What it is given is handed over before the first call, and let go of there when nobody holds this any more.
    """

    elsewhere: Elsewhere
    method: Method
    case: Any
    given: tuple[Any, ...]
    key: int = field(default_factory=KEYS.__next__)
    holder: subprocess.Popen[bytes] | None = None

    def __call__(self) -> Any:
        """Have it made."""
        return self.timed()[0]

    def timed(self) -> tuple[Any, Reading]:
        """Have it made, and return its answer and what it took there."""
        if self.holder is not self.elsewhere.process():
            self.elsewhere.ask("hold", self.key, self.method, self.case, self.given)
            self.holder = self.elsewhere.process()
            weakref.finalize(self, self.elsewhere.gone.append, self.key)
        answer, seconds, cpu_seconds = self.elsewhere.ask("time", self.key)
        return answer, Reading(seconds, cpu_seconds)

    def __str__(self) -> str:
        text: str = self.elsewhere.ask("text", self.method, self.case, self.given)
        return text


class Held:
    """The calls that a process was handed, each with its method and threads."""

    def __init__(self) -> None:
        self.calls: dict[int, tuple[Method, int, Callable[[], Any]]] = {}

    def carry_out(self, what: str, given: tuple[Any, ...]) -> Any:
        """Carry out one order."""
        if what == "hold":
            key, method, case, arguments = given
            method.pin(arguments[-1])
            self.calls[key] = method, arguments[-1], method.call(case, *arguments)
            return None
        if what == "time":
            method, threads, call = self.calls[given[0]]
            with pinned(threads):
                method.pin(threads)
                answer, reading = timed(call)
            return answer, reading.seconds, reading.cpu_seconds
        method, *more = given
        if what == "text":
            case, arguments = more
            return str(method.call(case, *arguments))
        return method.missing() or "" if what == "missing" else method.version()


def serve(orders: IO[bytes], answers: IO[bytes]) -> None:
    """Carry out one order after another, until there are no more."""
    held = Held()
    while True:
        try:
            gone, (what, given) = pickle.load(orders)
        except EOFError:
            return
        for key in gone:
            held.calls.pop(key, None)
        try:
            answer: Any = (True, held.carry_out(what, given), None)
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
