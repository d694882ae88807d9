"""Progress: what a caller asked for becomes a function of (done, total), or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[int, int], object]


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
    """Return the progress of the ``index``-th of ``count`` equal parts."""
    if progress is None:
        return None
    return lambda done, total: progress(index * total + done, count * total)
