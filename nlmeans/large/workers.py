"""Who does the blocks: threads of this process, or the workers of a dask cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .._progress import Progress
from ..pairwise.tiles import run_tasks

Done = Callable[[int, dict[str, int]], None]

SHARE, UNKNOWN = 0.6, 4 << 30
"""Of a worker's memory, what its blocks may take; and what a thread of one is taken to have that does not say."""
PATIENCE = 10
"""Seconds to wait for an answer of the scheduler."""


class Threads:
    """Threads of this process.

    Parameters
    ----------
    count : int
        How many blocks are done at the same time.
    """

    def __init__(self, count: int) -> None:
        self.count = count

    def run(self, function: Any, tasks: Sequence[tuple[int, Any]], done: Done, progress: Progress | None) -> None:
        """Call ``function`` on the task of each pair, and ``done`` with the number and what it returned."""
        run_tasks(lambda pair: done(pair[0], function(pair[1])), tasks, self.count, progress)


class Cluster:
    """The workers of a dask cluster, which must see the files under the same names.

    A block that was on a worker when it died is done again by another: writing whole chunks twice does no harm.

    Parameters
    ----------
    address : str
        Of the scheduler.

    Raises
    ------
    ImportError
        If distributed is not installed.
    OSError
        If there is no scheduler.
    """

    def __init__(self, address: str) -> None:
        try:
            from distributed import Client
        except ImportError:
            raise ImportError("a cluster needs the extra 'scale': pip install 'nlmeans[scale]'") from None
        self.address = address
        self.client = Client(address, timeout=PATIENCE, set_as_default=False)
        workers = self.client.scheduler_info(n_workers=-1)["workers"].values()  # all: some versions list five
        self.threads = max(sum(worker["nthreads"] for worker in workers), 1)
        rooms = [worker["memory_limit"] / worker["nthreads"] for worker in workers if worker["memory_limit"]]
        self.memory = SHARE * min(rooms, default=UNKNOWN)

    def run(self, function: Any, tasks: Sequence[tuple[int, Any]], done: Done, progress: Progress | None) -> None:
        """Call ``function`` on the task of each pair, and ``done`` with the number and what it returned."""
        from distributed import as_completed

        # Sent once; a task of its own, so that the scheduler has it made again where the worker that holds it dies.
        held = self.client.submit(_same, function, pure=False)
        numbers = {self.client.submit(_apply, held, task, pure=False): number for number, task in tasks}
        try:
            finished = as_completed(list(numbers), self.client.loop, with_results=True)
            for count, (future, result) in enumerate(finished, 1):
                if future.cancelled():
                    raise ConnectionError(f"the scheduler at {self.address} went away")
                done(numbers.pop(future), result)
                future.release()
                if progress is not None:
                    progress(count, len(tasks))
        finally:
            if numbers and self.client.status == "running":
                self.client.cancel(list(numbers))

    def close(self) -> None:
        """Leave the cluster."""
        self.client.close(timeout=PATIENCE)


def _same(function: Any) -> Any:
    return function


def _apply(function: Any, task: Any) -> Any:
    return function(task)
