"""Progress: the caller's argument becomes a function of (done, total), or None."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

Progress = Callable[[int, int], object]
"""A function that is called with what is done and the total; it stops the work by raising."""

compiling: set[int] = set()
"""Threads that compile a kernel: they cannot check whether to stop, but can be interrupted."""

FINE = 1000
"""Steps of a unit of work."""


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

    def checked(done: int, total: int) -> None:
        if cancel.is_set():
            raise Cancelled(f"stopped by the cancel event at {done} of {total}")
        if progress is not None:
            progress(done, total)

    return checked


@contextmanager
def bar(progress: bool | Progress | None) -> Iterator[Progress | None]:
    """Yield the caller's own function, or one that moves a bar on standard error, or none."""
    if callable(progress) or not progress:
        yield progress or None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True)) as shown:
        task = shown.add_task("denoising")
        yield lambda done, total: shown.update(task, completed=done, total=total)


def part(progress: Progress | None, index: int, count: int) -> Progress | None:
    """Return the progress of the ``index``-th of ``count`` equal parts.

    Parameters
    ----------
    progress : callable or None
        A function of (done, total), or nothing to report to.
    index, count : int
        Which part, from 0, and how many there are.

    Returns
    -------
    callable or None

    Examples
    --------
    >>> half = part(lambda done, total: print(f"{done} of {total}"), 1, 2)
    >>> half(3, 10)
    13 of 20
    """
    if progress is None:
        return None
    return lambda done, total: progress(index * total + done, count * total)


def shares_of(progress: Progress | None, work: Sequence[int]) -> list[Progress | None]:
    """Return the progress of consecutive parts with these shares of the work; the total stays the same throughout.

    Parameters
    ----------
    progress : callable or None
        A function of (done, total), or nothing to report to.
    work : sequence of int
        How much work each part is, in any unit.

    Returns
    -------
    list of callable or None
        One for each part.

    Examples
    --------
    >>> first, second = shares_of(lambda done, total: print(f"{done / total:.0%}"), (1, 3))
    >>> first(1, 2)
    12%
    >>> second(1, 2)
    62%
    """
    if progress is None:
        return [None] * len(work)

    def stage(before: int, own: int) -> Progress:
        return lambda done, total: progress(before * FINE + own * FINE * done // total, sum(work) * FINE)

    return [stage(sum(work[:k]), own) for k, own in enumerate(work)]
