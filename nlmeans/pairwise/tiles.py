"""Tiles, the tasks that threads share, and the threads."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from .._progress import Progress
from .spec import Radii


@dataclass(frozen=True)
class Tile:
    """Pixels [first, last) along each axis: what one task writes, or all that is asked for."""

    z: tuple[int, int]
    y: tuple[int, int]
    x: tuple[int, int]

    def grown(self, margin: Radii, sides: Radii) -> Tile:
        """Return the tile with a margin, as far as the image goes."""
        each = zip((self.z, self.y, self.x), margin, sides, strict=True)
        z, y, x = ((max(first - m, 0), min(last + m, side)) for (first, last), m, side in each)
        return Tile(z, y, x)

    def moved(self, origin: Sequence[int]) -> Tile:
        """Return the tile as seen from a pixel of the image."""
        z, y, x = ((first - o, last - o) for (first, last), o in zip((self.z, self.y, self.x), origin, strict=True))
        return Tile(z, y, x)

    @property
    def origin(self) -> Radii:
        """Its first pixel."""
        return self.z[0], self.y[0], self.x[0]

    def of(self, planes: np.ndarray) -> np.ndarray:
        """Return the tile of planes (..., Z, Y, X), C-contiguous."""
        return np.ascontiguousarray(planes[..., slice(*self.z), slice(*self.y), slice(*self.x)])

    def cut(self, lengths: Radii) -> list[Tile]:
        """Cut it into tiles of these sides, smaller at the ends."""

        def cuts(ends: tuple[int, int], length: int) -> Iterator[tuple[int, int]]:
            return ((start, min(start + length, ends[1])) for start in range(*ends, length))

        z, y, x = (tuple(cuts(*each)) for each in zip((self.z, self.y, self.x), lengths, strict=True))
        return [Tile(a, b, c) for a in z for b in y for c in x]

    @property
    def sides(self) -> Radii:
        """Pixels along each axis."""
        return self.z[1] - self.z[0], self.y[1] - self.y[0], self.x[1] - self.x[0]


def whole(sides: Sequence[int]) -> Tile:
    """Return all of an image."""
    z, y, x = ((0, side) for side in sides)
    return Tile(z, y, x)


def moved(origin: Radii, by: Radii) -> Radii:
    """Return where a pixel lies from an origin."""
    z, y, x = (first + step for first, step in zip(origin, by, strict=True))
    return z, y, x


def mirror(first: int, last: int, side: int) -> np.ndarray:
    """Return the pixels that the positions [first, last) read, mirrored at both ends without repeating the edge."""
    period = max(2 * (side - 1), 1)
    position = np.arange(first, last) % period
    return np.minimum(position, period - position) if side > 1 else np.zeros(last - first, np.intp)


def available_cpus() -> int:
    """Return how many CPUs this process may use: of its affinity, as far as its control group's quota goes."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(min(cpus, _quota(Path("/"))), 1)


@cache
def _quota(root: Path) -> int:
    """Return the CPUs that the control groups allow; as many as there may be where they do not say."""
    return min(map(math.ceil, _quotas(root)), default=sys.maxsize)


def _quotas(root: Path) -> Iterator[float]:
    """Yield the CPUs that the control groups of this process allow, those of a container among them, where they do."""
    try:
        groups = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for _, controllers, name in (line.split(":", 2) for line in groups if line.count(":") >= 2):
        names = controllers.split(",")
        if controllers and "cpu" not in names:
            continue
        place = PurePosixPath(name.lstrip("/"))
        for inner in (place, *place.parents):
            folder = root / "sys/fs/cgroup" / ("cpu" if controllers else "") / inner
            files = ("cpu.cfs_quota_us", "cpu.cfs_period_us") if controllers else ("cpu.max",)
            try:
                quota, period, *_ = " ".join((folder / file).read_text(encoding="ascii") for file in files).split()
                if quota not in ("max", "-1"):
                    yield int(quota) / int(period)
            except (OSError, ValueError, ZeroDivisionError):
                continue


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
