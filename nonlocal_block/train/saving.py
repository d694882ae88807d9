"""Runs of the tasks of denoising, whose averaged network is a checkpoint after every epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .. import weights as files
from .folder import Row
from .loop import Watcher, train
from .tasks import DenoiserTask


def saved_run(
    task: DenoiserTask,
    path: Path,
    arguments: Mapping[str, Any],
    notes: Mapping[str, Any],
    *,
    epochs: int,
    seed: int,
    resume: bool,
    overwrite: bool,
    watcher: Watcher | None,
) -> Any:
    """Run a task as `loop.train` does, in the folder of a checkpoint, and return its averaged network to evaluate.

    ``arguments`` are those that the network is made with; ``notes`` join those of the task in the checkpoint.
    """
    if overwrite and not resume:
        path.unlink(missing_ok=True)
    average: Any = task.average.module
    common = {**task.settings, "seed": seed, "recipe": asdict(task.recipe), "torch": torch.__version__}
    saving = _Saving(path, average, arguments, {**common, "device": task.device.type, **notes}, watcher or Watcher())
    history = train(task, path.parent, epochs=epochs, seed=seed, resume=resume, overwrite=overwrite, watcher=saving)
    saving.save(history[-1])  # a run that was stopped before this file was written gets it now
    return average.eval()


class _Saving(Watcher):
    """Saves the averaged network after every epoch, and passes events on."""

    def __init__(
        self, path: Path, network: nn.Module, arguments: Mapping[str, Any], notes: Mapping[str, Any], watcher: Watcher
    ) -> None:
        self._path, self._network, self._notes, self._watcher = path, network, notes, watcher
        self._arguments = arguments

    def batch(self, epoch: int, done: int, total: int) -> None:
        """Pass it on."""
        self._watcher.batch(epoch, done, total)

    def evaluating(self, epoch: int) -> None:
        """Pass it on."""
        self._watcher.evaluating(epoch)

    def epoch(self, row: Row) -> None:
        """Save, and pass it on."""
        self.save(row)
        self._watcher.epoch(row)

    def save(self, row: Row) -> None:
        """Write the network, with its figures."""
        files.save(self._path, self._network, self._arguments, {**self._notes, "figures": row})
