"""Tiles, the tasks that threads share, and the threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._progress import Progress
from .spec import Radii


@dataclass(frozen=True)
class Tile:
    """Output pixels [first, last) along each axis that one task writes."""

    z: tuple[int, int]
    y: tuple[int, int]
    x: tuple[int, int]


def cut(sides: Radii, lengths: Radii) -> list[Tile]:
    """Cut the image into tiles of these sides, smaller at the ends."""

    def cuts(side: int, length: int) -> Iterator[tuple[int, int]]:
        return ((start, min(start + length, side)) for start in range(0, side, length))

    z, y, x = (tuple(cuts(side, length)) for side, length in zip(sides, lengths, strict=True))
    return [Tile(a, b, c) for a in z for b in y for c in x]


def mirror(first: int, last: int, side: int) -> np.ndarray:
    """Return the pixels that the positions [first, last) read, mirrored at both ends without repeating the edge."""
    period = max(2 * (side - 1), 1)
    position = np.arange(first, last) % period
    return np.minimum(position, period - position) if side > 1 else np.zeros(last - first, np.intp)


def available_cpus() -> int:
    """Return how many CPUs this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_tasks(work: Callable[[Any], None], tasks: Sequence[Any], threads: int, progress: Progress | None) -> None:
    """Run ``work`` on every task; an exception, Ctrl-C included, ends it as soon as the running tasks have."""
    if min(threads, len(tasks)) <= 1:
        for done, task in enumerate(tasks, 1):
            work(task)
            if progress:
                progress(done, len(tasks))
        return
    pool = ThreadPoolExecutor(min(threads, len(tasks)), thread_name_prefix="nlmeans")
    try:
        pending = {pool.submit(work, task) for task in tasks}
        while pending:
            # The time-out lets Ctrl-C through on systems whose lock waits it cannot interrupt.
            finished, pending = wait(pending, timeout=0.5, return_when=FIRST_COMPLETED)
            for future in finished:
                future.result()
                if progress:
                    progress(len(tasks) - len(pending), len(tasks))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
