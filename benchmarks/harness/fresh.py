"""Measurements that need a fresh process: memory, the first call of all, imports, whole programs."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from .cases import Case
from .checks import Finding
from .child import Order
from .environment import for_child
from .methods import Method
from .timing import summary

Measured = tuple[dict[str, Any], list[Finding], str]
"""Summaries by name, what was checked, and the call."""

HEAVY = ("numba", "scipy", "skimage", "torch", "cv2", "dask", "PIL", "rich", "typer")
"""Modules that an import of ours has to leave for their first use."""

IMPORT = (
    "import sys, time, numpy; start = time.perf_counter(); import {module}; "
    "print(time.perf_counter() - start, *({{*sys.modules}} & {{*sys.argv[1:]}}))"
)


def run(command: Sequence[str], environment: dict[str, str]) -> str:
    """Run a program and return what it printed; one that fails is an error that ends with its last words."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True, encoding="utf-8", check=False)
    if done.returncode != 0:
        words = done.stderr.strip().splitlines() or ["without a word"]
        raise RuntimeError(f"the program ended with {done.returncode}: {words[-1]}")
    return done.stdout


def begin(case: Case, method: Method, threads: int, folder: Path) -> Measurement:
    """Return what measures a case of kind memory, first-call or import: a turn a round, so that methods take turns."""
    kinds: dict[str, type[Measurement]] = {"import": Imports, "memory": Memory, "first-call": FirstCalls}
    return kinds[case.kind](case, method, threads, folder)


class Measurement(Protocol):
    """Measures one method in fresh processes."""

    def __init__(self, case: Case, method: Method, threads: int, folder: Path) -> None: ...

    def turn(self) -> None:
        """Measure once."""

    def measured(self) -> Measured:
        """Return the numbers; the findings say whether the answers are right."""


class Errand:
    """An order for fresh processes, one after another; all their answers have to be right."""

    def __init__(self, case: Case, method: Method, threads: int, folder: Path) -> None:
        self.case, self.threads, self.folder = case, threads, folder
        self.judge = method.judge(case, case.subject())
        self.findings: list[Finding] = []
        self.call = ""
        folder.mkdir()
        order = Order(case, method, self.judge.given, threads, folder / "answer")
        (folder / "order").write_bytes(pickle.dumps(order))

    def run(self, **settings: str) -> dict[str, float]:
        """Have it done by a fresh process and return its numbers."""
        command = [sys.executable, "-m", "benchmarks.harness.child", str(self.folder / "order")]
        done = json.loads(run(command, for_child(self.threads, **settings)))
        self.call = done["call"]
        answer = pickle.loads((self.folder / "answer").read_bytes())
        if not self.findings:
            self.findings = self.judge.examine(answer)
        elif fault := self.judge.fault(answer):
            raise RuntimeError(fault)
        numbers: dict[str, float] = done["numbers"]
        return numbers


class Memory(Errand):
    """Memory beyond the input, and seconds."""

    def __init__(self, case: Case, method: Method, threads: int, folder: Path) -> None:
        super().__init__(case, method, threads, folder)
        self.turns: list[dict[str, float]] = []

    def turn(self) -> None:
        """Measure once."""
        self.turns.append(self.run())

    def measured(self) -> Measured:
        """Return memory, also in copies of the input, seconds and cores."""
        seconds, cores, extra = ([turn[name] for turn in self.turns] for name in ("seconds", "cores", "extra_memory"))
        copies = [number / self.case.copy_bytes() for number in extra]
        measures = {
            "seconds": summary(seconds, "s"),
            "cores": summary(cores, "cores kept busy"),
            "extra_memory": summary(extra, "bytes"),
            "extra_copies": summary(copies, "float32 copies of the input"),
        }
        return measures, self.findings, self.call


class FirstCalls(Errand):
    """The first call of a process, compiled and with what was compiled before."""

    def __init__(self, case: Case, method: Method, threads: int, folder: Path) -> None:
        super().__init__(case, method, threads, folder)
        self.compiled: list[float] = []
        self.cached: list[float] = []

    def turn(self) -> None:
        """Measure both once."""
        cache = str(self.folder / f"cache-{len(self.cached)}")  # an empty folder: all is compiled; full: nothing is
        for times in (self.compiled, self.cached):
            times.append(self.run(NUMBA_CACHE_DIR=cache)["seconds"])

    def measured(self) -> Measured:
        """Return the seconds of both."""
        measures = {
            "compiled_first_call": summary(self.compiled, "s"), "cached_first_call": summary(self.cached, "s")
        }  # fmt: skip
        return measures, self.findings, self.call


class Imports:
    """An import where NumPy is imported already."""

    def __init__(self, case: Case, method: Method, threads: int, folder: Path) -> None:
        self.method, self.threads = method, threads
        self.command = [sys.executable, "-c", IMPORT.format(module=method.module), *HEAVY]
        self.seconds: list[float] = []
        self.loaded: set[str] = set()
        run(self.command, for_child(threads))  # writes byte code

    def turn(self) -> None:
        """Measure once."""
        seconds, *names = run(self.command, for_child(self.threads)).split()
        self.seconds.append(float(seconds))
        self.loaded |= set(names)

    def measured(self) -> Measured:
        """Return the seconds, and whether a heavy module was loaded before its use."""
        finding = Finding("modules loaded before their first use", len(self.loaded), "<=", 0)
        return {"import": summary(self.seconds, "s")}, [finding], f"import {self.method.module}"
