"""Progress: what a caller asked for becomes a function of (done, total), or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

Progress = Callable[[int, int], object]

compiling: set[int] = set()
"""Threads that compile a kernel: they do not see that they are to stop, but can be interrupted."""

FINE = 1000
"""Into how many steps a unit of work is divided."""


class Cancelled(Exception):
    """The work was stopped by the event given as ``cancel``; nothing was written.

    Examples
    --------
    >>> import threading, numpy as np, nlmeans
    >>> stop = threading.Event()
    >>> stop.set()
    >>> try:
    ...     nlmeans.denoise(np.zeros((9, 9)), sigma=1, cancel=stop)
    ... except nlmeans.Cancelled as reason:
    ...     print(reason)
    stopped by the cancel event at 0 of 1
    """


def stoppable(progress: Progress | None, cancel: Any) -> Progress | None:
    """Return a progress function that raises `Cancelled` once the event is set."""
    if cancel is None:
        return progress

    def tell(done: int, total: int) -> None:
        if cancel.is_set():
            raise Cancelled(f"stopped by the cancel event at {done} of {total}")
        if progress is not None:
            progress(done, total)

    return tell


@contextmanager
def bar(wanted: bool | Progress | None) -> Iterator[Progress | None]:
    """Yield the caller's own function, or one that moves a bar on standard error, or none."""
    if callable(wanted) or not wanted:
        yield wanted or None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True)) as shown:
        task = shown.add_task("denoising")
        yield lambda done, total: shown.update(task, completed=done, total=total)


def part(progress: Progress | None, index: int, count: int) -> Progress | None:
    """Return the progress of the ``index``-th of ``count`` equal parts.

    Examples
    --------
    >>> half = part(lambda done, total: print(f"{done} of {total}"), 1, 2)
    >>> half(3, 10)
    13 of 20
    """
    if progress is None:
        return None
    return lambda done, total: progress(index * total + done, count * total)


def shares_of(progress: Progress | None, weights: Sequence[int]) -> list[Progress | None]:
    """Return the progress of consecutive parts whose work is as ``weights``; the total stays the same throughout.

    Examples
    --------
    >>> first, second = shares_of(lambda done, total: print(f"{done / total:.0%}"), (1, 3))
    >>> first(1, 2)
    12%
    >>> second(1, 2)
    62%
    """
    if progress is None:
        return [None] * len(weights)

    def tell(before: int, weight: int) -> Progress:
        return lambda done, total: progress(before * FINE + weight * FINE * done // total, sum(weights) * FINE)

    return [tell(sum(weights[:k]), weight) for k, weight in enumerate(weights)]
