"""A fresh process that measures one thing about itself: ``python -m benchmarks.child < order.json``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from .cases import Case
from .competitors import METHODS, Method
from .timing import timed

WARM_UP = 64
"""Side of the cut-out whose denoising loads the code before memory is looked at."""


def peak_memory() -> int:
    """Return the most bytes of memory that this process ever held.

    Linux keeps the peak of a process's own memory in /proc; ``ru_maxrss`` there starts at what the parent held.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def memory(method: Method, case: Case, image: np.ndarray, sigma: float, threads: int) -> tuple[Any, float]:
    """Return the answer and the bytes that a call holds at its peak beyond what was held before it.

    The process's peak may lie before the call: then the number is too large, never too small.
    """
    import psutil

    method.call(case, image[:WARM_UP, :WARM_UP].copy(), sigma, threads)()
    call = method.call(case, image, sigma, threads)
    before = psutil.Process().memory_info().rss
    answer = call()
    return answer, float(peak_memory() - before)


def first_call(method: Method, case: Case, image: np.ndarray, sigma: float, threads: int) -> tuple[Any, float]:
    """Return the answer and the seconds of the first call of this process, with the package itself imported."""
    answer, reading = timed(method.call(case, image, sigma, threads))
    return answer, reading.seconds


def main() -> None:
    """Read an order from standard input, save the answer where it says, and print the call and its number."""
    order = json.load(sys.stdin)
    method, case = METHODS[order["method"]], Case(**order["case"])
    image, sigma, threads = np.load(order["image"]), order["sigma"], order["threads"]
    method.pin(threads)
    task = {"memory": memory, "first-call": first_call}[case.kind]
    answer, value = task(method, case, image, sigma, threads)
    np.save(order["answer"], answer)
    json.dump({"value": value, "call": str(method.call(case, image, sigma, threads))}, sys.stdout)


if __name__ == "__main__":
    main()
