"""Measurements that need a fresh process: memory, the first call of all, imports, whole programs."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .cases import Case
from .checks import Finding
from .child import Order
from .competitors import Method
from .environment import for_child
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


def measure(case: Case, method: Method, threads: int, rounds: int) -> Measured:
    """Measure a case of kind memory, first-call or import; the findings tell whether the answers are right."""
    if case.kind == "import":
        return _imports(method, threads, rounds)
    with tempfile.TemporaryDirectory() as folder:
        errand = _Errand(case, method, threads, Path(folder))
        measures = (_memory if case.kind == "memory" else _first_call)(errand, rounds)
        return measures, errand.findings, errand.call


class _Errand:
    """An order for fresh processes, one after another; all their answers have to be right."""

    def __init__(self, case: Case, method: Method, threads: int, folder: Path) -> None:
        self.case, self.threads, self.folder = case, threads, folder
        self.judge = method.judge(case, case.subject())
        self.findings: list[Finding] = []
        self.call = ""
        order = Order(case, method, self.judge.given, threads, folder / "answer")
        (folder / "order").write_bytes(pickle.dumps(order))

    def __call__(self, **settings: str) -> dict[str, float]:
        """Have it done by a fresh process and return the numbers that it found."""
        command = [sys.executable, "-m", "benchmarks.child", str(self.folder / "order")]
        told = json.loads(run(command, for_child(self.threads, **settings)))
        self.call = told["call"]
        answer = pickle.loads((self.folder / "answer").read_bytes())
        if not self.findings:
            self.findings = self.judge.examine(answer)
        elif fault := self.judge.fault(answer):
            raise RuntimeError(fault)
        numbers: dict[str, float] = told["numbers"]
        return numbers


def _memory(errand: _Errand, rounds: int) -> dict[str, Any]:
    found = [errand() for _ in range(rounds)]
    extra = [numbers["extra_memory"] for numbers in found]
    return {
        "seconds": summary([numbers["seconds"] for numbers in found], "s"),
        "cores": summary([numbers["cores"] for numbers in found], "cores kept busy"),
        "extra_memory": summary(extra, "bytes"),
        "extra_copies": summary([number / errand.case.copy_bytes() for number in extra], "float32 copies of the input"),
    }


def _first_call(errand: _Errand, rounds: int) -> dict[str, Any]:
    compiled, cached = [], []
    for k in range(rounds):
        cache = str(errand.folder / f"cache-{k}")  # an empty folder: all is compiled; full: all is found
        compiled.append(errand(NUMBA_CACHE_DIR=cache)["seconds"])
        cached.append(errand(NUMBA_CACHE_DIR=cache)["seconds"])
    return {"compiled_first_call": summary(compiled, "s"), "cached_first_call": summary(cached, "s")}


def _imports(method: Method, threads: int, rounds: int) -> Measured:
    command = [sys.executable, "-c", IMPORT.format(module=method.module), *HEAVY]
    run(command, for_child(threads))  # writes byte code
    told = [run(command, for_child(threads)).split() for _ in range(rounds)]
    loaded = {name for _, *names in told for name in names}
    finding = Finding("modules loaded before their first use", len(loaded), "<=", 0)
    return {"import": summary([float(seconds) for seconds, *_ in told], "s")}, [finding], f"import {method.module}"
