"""Work in a thread: one piece at a time, the newest next; what runs is cancelled when something newer waits."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QCoreApplication, QObject, QTimer, Signal, Slot

import nlmeans

Progress = Callable[[int, int], object]
Work = Callable[[Progress, threading.Event], Any]

NAME = "nlmeans-napari"
GRACE = 0.2
"""Seconds that a piece of work has although something newer waits, so that a slider that moves has a picture."""
STEPS = 200
"""Steps in which progress is told."""


class Job:
    """A piece of work, and who hears of it, in the thread of the window."""

    def __init__(
        self,
        work: Work,
        done: Callable[[Any], object],
        failed: Callable[[Exception], object],
        progress: Callable[[int], object] | None = None,
        cancelled: Callable[[], object] | None = None,
    ) -> None:
        self.work, self.done, self.failed = work, done, failed
        self.progress, self.cancelled = progress, cancelled
        self.stop = threading.Event()
        self.started = 0.0
        self.moving = False  # whether its pixels are being computed: a kernel that compiles should be let alone


class Worker(QObject):
    """Runs jobs one after the other, each in a thread that ends with it."""

    _told = Signal(object, str, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._running: Job | None = None
        self._waiting: Job | None = None
        self._closed = False
        self._told.connect(self._hear)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._supersede)
        here = weakref.ref(self)  # whoever runs a job keeps it
        self.destroyed.connect(lambda *_: None if (worker := here()) is None else worker.close())
        QCoreApplication.instance().aboutToQuit.connect(self.close)

    @property
    def busy(self) -> bool:
        """Whether anything runs or waits."""
        return self._running is not None

    def submit(self, job: Job) -> None:
        """Run a job, in the place of what waits and, after a moment, of what runs."""
        if self._closed:
            return
        if self._running is None:
            self._start(job)
            return
        self._waiting = job
        if not self._timer.isActive():
            elapsed = time.monotonic() - self._running.started
            self._timer.start(max(int(1000 * (GRACE - elapsed)), 0))

    def cancel(self) -> None:
        """Stop what runs, and forget what waits."""
        self._waiting = None
        if self._running is not None:
            self._running.stop.set()

    def close(self) -> None:
        """Stop for good: nobody hears of anything any more."""
        self._closed = True
        self.cancel()

    def _start(self, job: Job) -> None:
        self._running, job.started = job, time.monotonic()
        threading.Thread(target=self._run, args=(job,), name=NAME).start()

    def _run(self, job: Job) -> None:
        told = -1

        def progress(done: int, total: int) -> None:
            nonlocal told
            job.moving = True
            step = STEPS * done // max(total, 1)
            if step != told:
                told = step
                self._tell(job, "progress", step)

        try:
            result = job.work(progress, job.stop)
        except nlmeans.Cancelled:
            self._tell(job, "cancelled", None)
        except Exception as error:  # whatever goes wrong with a user's image is shown to the user
            self._tell(job, "failed", error)
        else:
            self._tell(job, "done", result)

    def _tell(self, job: Job, what: str, value: Any) -> None:
        """Say something to the thread of the window, unless that is gone."""
        if not self._closed:
            try:
                self._told.emit(job, what, value)
            except RuntimeError:  # closed at this very moment
                self._closed = True

    @Slot(object, str, object)
    def _hear(self, job: Job, what: str, value: Any) -> None:
        if self._closed:
            return
        if what == "progress":
            if job.progress is not None and not job.stop.is_set():
                job.progress(value)
            return
        self._running, waiting, self._waiting = None, self._waiting, None
        self._timer.stop()
        if waiting is not None:
            self._start(waiting)
        if what == "cancelled":
            if job.cancelled is not None:
                job.cancelled()
        else:
            getattr(job, what)(value)

    def _supersede(self) -> None:
        if self._running is None or self._waiting is None:
            return
        if self._running.moving:
            self._running.stop.set()
        else:
            self._timer.start(int(1000 * GRACE))
