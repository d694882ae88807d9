"""The training loop of every task: epochs of shuffled batches, which can be stopped and continued bit for bit."""

from __future__ import annotations

import logging
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from .folder import Curves, Row, RunFolder

Setting = int | float | str | bool | None

_log = logging.getLogger(__name__)


class Task(Protocol):
    """A task to learn. The loop orders the samples; everything else is the task's."""

    device: torch.device
    size: int
    """Samples of an epoch."""
    batch: int
    """Samples of a step."""
    settings: Mapping[str, Setting]
    """Settings that must not change when a run is resumed; the loop adds the seed."""

    def step(self, samples: Tensor, progress: float) -> dict[str, Tensor]:
        """Learn from samples, given by their indices; return sums over them. ``progress`` of the run is 0 to 1."""

    def evaluate(self, last: bool, pause: Callable[[], None]) -> Row:
        """Return figures of the model, ``last`` after the last epoch. Call ``pause`` every now and then."""

    def state_dict(self) -> dict[str, Any]:
        """Return everything that `step` changes."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""


class Watcher:
    """Is notified of a run's events, and by default ignores them."""

    def batch(self, epoch: int, done: int, total: int) -> None:
        """Handle the end of a step."""

    def evaluating(self, epoch: int) -> None:
        """Handle the end of an epoch's steps."""

    def epoch(self, row: Row) -> None:
        """Handle the figures of an epoch."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C between two steps, when the state is complete."""


def train(
    task: Task,
    out: Path,
    *,
    epochs: int,
    seed: int,
    resume: bool = False,
    overwrite: bool = False,
    watcher: Watcher | None = None,
) -> list[Row]:
    """Run a task for a number of epochs.

    Parameters
    ----------
    task : Task
        The task, made with the same arguments if a run is resumed.
    out : Path
        The run's folder: ``checkpoint.pt``, written after every epoch and at Ctrl-C, ``log.csv``, and ``tensorboard``
        if that is installed.
    epochs : int
        Number of epochs, from the run's start.
    seed : int
        Decides the order of samples and all random numbers that the task draws from torch's own generators. The
        caller's generators are left as they were.
    resume : bool, default False
        Continue the run in ``out``. On the CPU with the same number of threads, the result is that of a run without
        the stop, bit for bit.
    overwrite : bool, default False
        Replace the run in ``out``.
    watcher : Watcher, optional
        Is notified of the run's events.

    Returns
    -------
    list of dict
        For every epoch its number from 1, means of the sums that the steps returned (``running_…``), seconds of
        steps and of evaluation, and the task's figures.

    Raises
    ------
    FileExistsError, FileNotFoundError
        As `RunFolder`.
    ValueError
        If the run in ``out`` was made with other settings, or its checkpoint is corrupt.
    FloatingPointError
        If a mean is not finite after an epoch; the checkpoint is that of the epoch before.
    KeyboardInterrupt
        At Ctrl-C or SIGTERM, after the checkpoint was written; a second one does not wait for that.
    """
    folder = RunFolder(out, resume=resume, overwrite=overwrite)
    watcher = watcher or Watcher()
    settings = {"seed": seed, **task.settings}
    with torch.random.fork_rng([task.device] if task.device.type == "cuda" else [], device_type="cuda"):
        run = _Run(task, settings)
        torch.manual_seed(seed)
        if resume:
            run.load(folder)
        curves = Curves(out, len(run.history))
        try:
            with _at_interrupt() as pause:
                while len(run.history) < epochs:
                    row = run.epoch(epochs, watcher, pause)
                    folder.save(run.state_dict())
                    folder.write_log(run.history)
                    curves.add(row)
                    watcher.epoch(row)
        except Interrupted:
            folder.save(run.state_dict())
            raise
        finally:
            curves.close()
    return run.history


class _Run:
    """The state of a run."""

    def __init__(self, task: Task, settings: Mapping[str, Setting]) -> None:
        self.task = task
        self.settings = dict(settings)
        self.history: list[Row] = []
        self.done = 0  # batches of the current epoch
        self.sums: dict[str, Tensor] = {}
        self.seconds = 0.0

    def epoch(self, epochs: int, watcher: Watcher, pause: Callable[[], None]) -> Row:
        """Finish the current epoch, and return its figures."""
        task, number = self.task, len(self.history) + 1
        batches = _order(task.size, int(self.settings["seed"] or 0), number).to(task.device).split(task.batch)
        start = time.perf_counter() - self.seconds
        for samples in batches[self.done :]:
            sums = task.step(samples, (number - 1 + self.done / len(batches)) / epochs)
            self.sums = {name: self.sums.get(name, 0) + value for name, value in sums.items()}
            self.done += 1
            self.seconds = time.perf_counter() - start
            watcher.batch(number, self.done, len(batches))
            pause()
        means = {f"running_{name}": float(total) / task.size for name, total in self.sums.items()}
        if not all(map(math.isfinite, means.values())):
            raise FloatingPointError(f"epoch {number} ended in {means}: try a lower learning rate")
        watcher.evaluating(number)
        middle = time.perf_counter()
        figures = task.evaluate(number == epochs, pause)
        times = {"seconds": self.seconds, "evaluation_seconds": time.perf_counter() - middle}
        row = {"epoch": number, **means, **figures, **{name: round(value, 3) for name, value in times.items()}}
        self.history.append(row)
        self.done, self.sums, self.seconds = 0, {}, 0.0
        return row

    def state_dict(self) -> dict[str, Any]:
        """Return everything needed to continue."""
        on_cuda = self.task.device.type == "cuda"
        return {
            "format": 1,
            "settings": self.settings,
            "threads": torch.get_num_threads(),
            "history": self.history,
            "done": self.done,
            "sums": self.sums,
            "seconds": self.seconds,
            "random": {
                "cpu": torch.get_rng_state(),
                "cuda": torch.cuda.get_rng_state(self.task.device) if on_cuda else None,
            },
            "task": self.task.state_dict(),
        }

    def load(self, folder: RunFolder) -> None:
        """Continue from the checkpoint."""
        state = folder.load()
        then, now = state.get("settings"), self.settings
        if not isinstance(then, dict):
            raise ValueError(f"{folder.checkpoint} does not hold a run: its settings are missing")
        changed = [f"{k}={then.get(k)!r}, not {now.get(k)!r}" for k in {**then, **now} if then.get(k) != now.get(k)]
        if changed:
            raise ValueError(f"the run in {folder.path} can only be resumed as it was begun: with {'; '.join(changed)}")
        try:
            self._take(state)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            what = type(error).__name__
            raise ValueError(f"{folder.checkpoint} does not hold all of a run: it was damaged ({what})") from error

    def _take(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        if state["threads"] != torch.get_num_threads() and self.task.device.type == "cpu":
            _log.warning(
                "begun with %d threads: with %d, last digits differ", state["threads"], torch.get_num_threads()
            )
        self.task.load_state_dict(state["task"])
        self.history, self.done, self.seconds = state["history"], state["done"], state["seconds"]
        self.sums = {name: total.to(self.task.device) for name, total in state["sums"].items()}
        torch.set_rng_state(state["random"]["cpu"])
        if state["random"]["cuda"] is not None and self.task.device.type == "cuda":
            torch.cuda.set_rng_state(state["random"]["cuda"], self.task.device)


def _order(size: int, seed: int, epoch: int) -> Tensor:
    """Return an epoch's order of samples, which depends on no earlier random number."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    return torch.randperm(size, generator=generator)


@contextmanager
def _at_interrupt() -> Iterator[Callable[[], None]]:
    """Yield a function that raises `Interrupted` after Ctrl-C, so that nothing is cut off midway."""
    received: list[int] = []

    def note(number: int, _: Any) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)

    def pause() -> None:
        if received:
            raise Interrupted

    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield pause
        return
    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield pause
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
