"""Tiles, the tasks that threads share, and the threads."""

from __future__ import annotations

import ctypes
import math
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextvars import copy_context
from functools import cache
from pathlib import Path, PurePosixPath
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

import numpy as np

from .._progress import Cancelled, Progress, compiling
from .._workspace import empty
from .spec import Radii

TICK = 0.1
"""Seconds between two reports of progress."""
QUICK = 1 << 23
"""Terms of a sum that take about 5 ms: a thread would cost a twentieth of that, or more."""


class Tile(NamedTuple):
    """Pixels [first, last) along each axis: what one task writes, or all that is asked for.

    Parameters
    ----------
    z, y, x : tuple of 2 int
        First pixel and the one after the last.

    Examples
    --------
    >>> from nlmeans.pairwise import Tile
    >>> tile = Tile((0, 1), (0, 64), (32, 96))
    >>> tile.sides, tile.grown((0, 5, 5), (1, 128, 128))
    ((1, 64, 64), Tile(z=(0, 1), y=(0, 69), x=(27, 101)))
    """

    z: tuple[int, int]
    y: tuple[int, int]
    x: tuple[int, int]

    def grown(self, margin: Radii, sides: Radii) -> Tile:
        """Return the tile with a margin, as far as the image goes."""
        each = zip((self.z, self.y, self.x), margin, sides, strict=True)
        z, y, x = ((max(first - m, 0), min(last + m, side)) for (first, last), m, side in each)
        return Tile(z, y, x)

    def moved(self, origin: Sequence[int]) -> Tile:
        """Return the tile with its places counted from a pixel of the image."""
        z, y, x = ((first - o, last - o) for (first, last), o in zip((self.z, self.y, self.x), origin, strict=True))
        return Tile(z, y, x)

    @property
    def origin(self) -> Radii:
        """Its first pixel."""
        return self.z[0], self.y[0], self.x[0]

    def of(self, planes: np.ndarray) -> np.ndarray:
        """Return the tile of planes (..., Z, Y, X), C-contiguous."""
        part = planes[..., slice(*self.z), slice(*self.y), slice(*self.x)]
        if part.flags.c_contiguous:
            return part
        copy = empty(part.shape, part.dtype)
        copy[...] = part
        return copy

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


def mirrored(positions: np.ndarray, side: int) -> np.ndarray:
    """Return the pixels that positions read, mirrored at both ends without repeating the edge."""
    period = max(2 * (side - 1), 1)
    inside = positions % period
    pixels: np.ndarray = np.minimum(inside, period - inside)
    return pixels


def mirror(first: int, last: int, side: int) -> np.ndarray:
    """Return the pixels that the positions [first, last) read."""
    return mirrored(np.arange(first, last), side)


def available_cpus() -> int:
    """Return how many CPUs this process may use: of its affinity, as far as its control group's quota goes.

    Returns
    -------
    int
        At least 1.

    Examples
    --------
    >>> available_cpus() >= 1
    True
    """
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


class _Own(threading.local):
    """What belongs to the task that a thread is at."""

    def __init__(self) -> None:
        self.pulse = np.zeros(2, np.int64)


_own = _Own()


def pulse() -> np.ndarray:
    """Return the two numbers that this thread's task shares with the thread that waits for it.

    The first is not 0 once the task is to stop, for which kernels check between any two rows; the second counts the
    steps that they have done.
    """
    return _own.pulse


def _interrupt(thread: int) -> None:
    """Raise a KeyboardInterrupt in a thread, as Python does in the first one."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(KeyboardInterrupt))


def run_tasks(
    work: Callable[[Any], None],
    tasks: Sequence[Any],
    threads: int,
    progress: Progress | None,
    *,
    steps: int = 0,
    terms: float = math.inf,
) -> None:
    """Run ``work`` on every task; an exception, Ctrl-C included, ends it as soon as running kernels have seen that.

    Tasks run on threads of their own, be it one, since neither Ctrl-C nor ``progress`` reaches a thread that is inside
    a kernel; unless one thread adds up no more than so few ``terms``, in less than the blink of an eye. ``progress`` is
    called when a task is done, before the next begins if there is one thread, and, where kernels count up to so many
    ``steps`` a task, every `TICK` seconds with what they have counted. What a task runs in turn stops with it.
    """
    outer, pulses, unit = pulse(), np.zeros((len(tasks), 2), np.int64), max(steps, 1)
    waiting = deque(range(len(tasks)))
    news: SimpleQueue[int | BaseException | None] = SimpleQueue()  # a task is done, has failed, or there is no other
    noted = threading.Semaphore(0)

    def run() -> None:
        try:
            while waiting:
                try:
                    k = waiting.popleft()
                except IndexError:  # another thread was faster
                    break
                _own.pulse = pulses[k]
                work(tasks[k])
                if progress:
                    news.put(k)
                    if alone:
                        noted.acquire()
            news.put(None)
        except BaseException as error:
            news.put(error)
        finally:
            compiling.discard(threading.get_ident())

    def report() -> None:
        if outer[0]:
            raise Cancelled("stopped with the work that this is a part of")
        if progress:
            progress(int(pulses[:, 1].sum()), len(tasks) * unit)

    busy = min(max(threads, 1), len(tasks))
    quick = busy == 1 and terms <= QUICK
    alone = busy == 1 and not quick
    pool: list[threading.Thread] = []
    try:
        if quick:
            run()
        else:
            pool += (threading.Thread(target=copy_context().run, args=(run,), name=f"nlmeans-{k}") for k in range(busy))
            for thread in pool:
                thread.start()
        while busy:
            try:
                item = news.get(timeout=TICK)
            except Empty:
                if steps or outer[0]:
                    report()
                continue
            if isinstance(item, BaseException):
                raise item
            if item is None:
                busy -= 1
            else:
                pulses[item, 1] = unit
                report()
                noted.release()
    finally:
        pulses[:, 0], _own.pulse = 1, outer
        waiting.clear()
        noted.release()
        for thread in pool:
            while thread.is_alive():
                if thread.ident in compiling:
                    _interrupt(thread.ident)
                thread.join(TICK)
