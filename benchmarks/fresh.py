"""Measurements that need a fresh process: memory, the first call of all, imports, whole programs."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from .cases import Case, Image
from .checks import Finding, Judge
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


def run(command: Sequence[str], environment: dict[str, str], given: str | None = None) -> str:
    """Run a program and return what it printed; one that fails is an error that ends with its last words."""
    done = subprocess.run(
        command, env=environment, input=given, capture_output=True, text=True, encoding="utf-8", check=False
    )  # fmt: skip
    if done.returncode != 0:
        words = done.stderr.strip().splitlines() or ["without a word"]
        raise RuntimeError(f"the program ended with {done.returncode}: {words[-1]}")
    return done.stdout


def measure(case: Case, method: Method, threads: int, rounds: int) -> Measured:
    """Measure a case of kind memory, first-call or import; the findings tell whether the answers are right."""
    if case.kind == "import":
        return _imports(method, threads, rounds)
    image = case.picture().image(method.dtype)
    with tempfile.TemporaryDirectory() as folder:
        order = _Order(case, method, image, threads, Path(folder))
        return (_memory if case.kind == "memory" else _first_call)(order, rounds)


class _Order:
    """What a child process is told, again and again; all its answers have to be the first one."""

    def __init__(self, case: Case, method: Method, image: Image, threads: int, folder: Path) -> None:
        self.image, self.threads, self.folder = image, threads, folder
        self.judge = Judge.of(case, image, method.likeness(case, image.sigma))
        self.findings: list[Finding] = []
        self.call = ""
        np.save(folder / "image.npy", image.noisy)
        self.text = json.dumps(
            {
                "method": method.name,
                "case": asdict(case),
                "image": str(folder / "image.npy"),
                "answer": str(folder / "answer.npy"),
                "sigma": image.sigma,
                "threads": threads,
            }
        )

    def __call__(self, **settings: str) -> float:
        """Have it done by a fresh process and return the number that it found."""
        command = [sys.executable, "-m", "benchmarks.child"]
        told = json.loads(run(command, for_child(self.threads, **settings), self.text))
        self.call = told["call"]
        answer = np.load(self.folder / "answer.npy")
        if not self.findings:
            self.findings = self.judge.examine(answer)
        elif fault := self.judge.fault(answer):
            raise RuntimeError(fault)
        return float(told["value"])


def _memory(order: _Order, rounds: int) -> Measured:
    extra = [order() for _ in range(rounds)]
    copy = order.image.noisy.size * np.dtype(np.float32).itemsize
    measures = {
        "extra_memory": summary(extra, "bytes"),
        "extra_copies": summary([number / copy for number in extra], "float32 copies of the image"),
    }
    return measures, order.findings, order.call


def _first_call(order: _Order, rounds: int) -> Measured:
    compiled, cached = [], []
    for k in range(rounds):
        cache = order.folder / f"cache-{k}"  # an empty folder: all is compiled; full: all is found
        compiled.append(order(NUMBA_CACHE_DIR=str(cache)))
        cached.append(order(NUMBA_CACHE_DIR=str(cache)))
    measures = {"compiled_first_call": summary(compiled, "s"), "cached_first_call": summary(cached, "s")}
    return measures, order.findings, order.call


def _imports(method: Method, threads: int, rounds: int) -> Measured:
    command = [sys.executable, "-c", IMPORT.format(module=method.module), *HEAVY]
    run(command, for_child(threads))  # writes byte code
    told = [run(command, for_child(threads)).split() for _ in range(rounds)]
    loaded = {name for _, *names in told for name in names}
    finding = Finding("modules loaded before their first use", len(loaded), "<=", 0)
    return {"import": summary([float(seconds) for seconds, *_ in told], "s")}, [finding], f"import {method.module}"
