"""One thread that always does the newest job: what is superseded is dropped, or stopped if it takes long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from .._typing import Event

PATIENCE = 0.15
"""Seconds that a superseded job is left: what is quicker is shown while a slider moves."""

Job = Callable[[Event], object]


class Turn:
    """Whether a job is to stop: asked as an event is."""

    def __init__(self) -> None:
        self.began, self.superseded, self.stopped = time.monotonic(), False, False

    def is_set(self) -> bool:
        """Whether it was stopped, or superseded and takes long."""
        return self.stopped or (self.superseded and time.monotonic() - self.began > PATIENCE)


class Latest:
    """Does jobs in a thread of its own, which ends when there are none; a job must not raise."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next: Job | None = None
        self._turn = Turn()
        self._thread: threading.Thread | None = None

    def submit(self, job: Job) -> None:
        """Do a job when the one at work is done or stopped, in place of any other that waits."""
        with self._lock:
            self._next, self._turn.superseded = job, True
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="nlmeans.explore", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Stop the job at work, and drop the one that waits."""
        with self._lock:
            self._next, self._turn.stopped = None, True

    def wait(self) -> None:
        """Wait until nothing is left to do."""
        while (thread := self._thread) is not None:
            thread.join()

    def _work(self) -> None:
        while True:
            with self._lock:
                job, self._next, self._turn = self._next, None, Turn()
                if job is None:
                    self._thread = None
                    return
                turn = self._turn
            job(turn)
