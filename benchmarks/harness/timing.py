"""The clock: warm-up apart, methods interleaved round by round, medians with their quartiles."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Reading:
    """What one timed call took: wall seconds, and processor seconds of all threads of this process."""

    seconds: float
    cpu_seconds: float


@dataclass
class Timings:
    """What `interleave` measured: as many readings for each method as there were rounds, or why it has none."""

    readings: dict[str, list[Reading]] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)

    def seconds(self, name: str) -> list[float]:
        """Return a method's wall seconds, one a round."""
        return [reading.seconds for reading in self.readings[name]]

    def cores(self, name: str) -> list[float]:
        """Return how many cores a method kept busy, one number a round: it proves what its threads were."""
        return [reading.cpu_seconds / reading.seconds for reading in self.readings[name]]


class Clocked:
    """A call that is made in another process, whose own clock times it: what goes between the two costs it nothing."""

    def timed(self) -> tuple[Any, Reading]:
        """Return the answer and what it took."""
        raise NotImplementedError


def timed(call: Callable[[], Any]) -> tuple[Any, Reading]:
    """Run a call once and return its answer and what it took; the garbage collector waits until it is done."""
    if isinstance(call, Clocked):
        return call.timed()
    collecting = gc.isenabled()
    gc.disable()
    try:
        cpu, wall = time.process_time(), time.perf_counter()
        answer = call()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    finally:
        if collecting:
            gc.enable()
    return answer, Reading(wall, cpu)


def interleave(calls: Mapping[str, Callable[[], Any]], rounds: int, fault: Callable[[str, Any], str | None]) -> Timings:
    """Time calls that were warmed up and whose answers were checked.

    Each round runs every call once, so that whatever else the machine does meets all of them alike; the order
    rotates from round to round, so that no method always runs behind the same other one.

    Parameters
    ----------
    calls : mapping of str to callable
        The methods by name.
    rounds : int
        How often each is run.
    fault : callable
        ``fault(name, answer)`` says what is wrong with an answer, or None. It is asked outside the clock. A method
        that raises or whose answer is at fault loses all its times.

    Returns
    -------
    Timings
    """
    names = list(calls)
    timings = Timings({name: [] for name in names})
    for turn in range(rounds):
        gc.collect()
        start = turn % len(names) if names else 0
        for name in names[start:] + names[:start]:
            if name in timings.faults:
                continue
            try:
                answer, reading = timed(calls[name])
                wrong = fault(name, answer)
            except Exception as error:
                wrong = describe(error)
            if wrong:
                timings.faults[name] = wrong
                del timings.readings[name]
            else:
                timings.readings[name].append(reading)
    return timings


def describe(error: BaseException) -> str:
    """Return an exception as one line of text."""
    return f"{type(error).__name__}: {error}".strip().splitlines()[0]


def summary(values: Sequence[float], unit: str) -> dict[str, Any]:
    """Return values with their median and quartiles, as they stand in result files.

    Parameters
    ----------
    values : sequence of float
        At least one.
    unit : str
        The unit of all of them.

    Returns
    -------
    dict
        ``unit``, ``values``, ``median`` and ``quartiles``: the lower and the upper one, between which the middle half
        of the values lies (interpolated linearly).
    """
    numbers = [float(value) for value in values]
    lower, median, upper = statistics.quantiles(numbers, n=4, method="inclusive") if len(numbers) > 1 else numbers * 3
    return {"unit": unit, "values": numbers, "median": median, "quartiles": [lower, upper]}


def mean(summary: dict[str, Any]) -> float:
    """Return the mean of a summary's values: over pictures, papers state this, and not the median."""
    return float(sum(summary["values"]) / len(summary["values"]))


def ratios(ours: Sequence[float], theirs: Sequence[float], unit: str = "times as fast") -> dict[str, Any]:
    """Summarise how many times as fast a method was as another one, each ratio from the two times of one round."""
    return summary([other / own for own, other in zip(ours, theirs, strict=True)], unit)


@contextmanager
def pinned(threads: int) -> Iterator[None]:
    """Hold every BLAS and OpenMP pool that is loaded to this many threads; methods pin their own ones besides."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=threads):
        yield


def pin_opencv(threads: int) -> None:
    """Set OpenCV's threads, and see that they are set."""
    import cv2

    cv2.setNumThreads(threads)
    if cv2.getNumThreads() != threads:
        raise RuntimeError(f"OpenCV was asked for {threads} threads and took {cv2.getNumThreads()}")


def pin_torch(threads: int) -> None:
    """Set torch's threads, and see that they are set."""
    import torch

    torch.set_num_threads(threads)
    if torch.get_num_threads() != threads:
        raise RuntimeError(f"torch was asked for {threads} threads and took {torch.get_num_threads()}")
