"""A fresh process that measures one thing about itself: its argument is the file of a pickled `Order`."""

from __future__ import annotations

import ctypes
import gc
import json
import mmap
import pickle
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .cases import Case
from .methods import Method
from .timing import timed


@dataclass(frozen=True)
class Order:
    """What a fresh process is asked: what to do, with what, and the file that the pickled answer goes to."""

    case: Case
    method: Method
    given: tuple[Any, ...]
    threads: int
    answer: Path


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


def held_memory() -> int:
    """Return the bytes that are held now; give back what is free, and forget the peak, where the system can."""
    import psutil

    gc.collect()
    with suppress(OSError, AttributeError, TypeError):  # glibc
        ctypes.CDLL(None).malloc_trim(0)
    with suppress(OSError):  # Linux
        Path("/proc/self/clear_refs").write_text("5")
    return int(psutil.Process().memory_info().rss)


def memory(order: Order) -> tuple[Any, dict[str, float]]:
    """Return the answer, the seconds of a call, the cores it kept busy, and the bytes at its peak beyond those before.

    Where the system cannot forget a peak that lay before the call, the bytes are too many, never too few.
    """
    call, case = order.method.call, order.case
    call(case, *case.warm_up(order.given), order.threads)()
    ready = call(case, *order.given, order.threads)
    before = held_memory()
    answer, reading = timed(ready)
    extra = max(peak_memory() - before, mmap.PAGESIZE)
    return answer, {"extra_memory": extra, "seconds": reading.seconds, "cores": reading.cpu_seconds / reading.seconds}


def first_call(order: Order) -> tuple[Any, dict[str, float]]:
    """Return the answer and the seconds of the first call of this process, with the package itself imported."""
    answer, reading = timed(order.method.call(order.case, *order.given, order.threads))
    return answer, {"seconds": reading.seconds}


def main() -> None:
    """Carry out an order: save the answer where it says, and print the call and the numbers."""
    order: Order = pickle.loads(Path(sys.argv[1]).read_bytes())
    order.method.pin(order.threads)
    answer, numbers = {"memory": memory, "first-call": first_call}[order.case.kind](order)
    order.answer.write_bytes(pickle.dumps(answer))
    call = order.method.call(order.case, *order.given, order.threads)
    json.dump({"numbers": numbers, "call": str(call)}, sys.stdout)


if __name__ == "__main__":
    main()
