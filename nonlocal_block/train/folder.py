"""The files of a training run: a checkpoint, a log, and curves for TensorBoard."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from nlmeans.formats import replacing

Row = dict[str, float]


class RunFolder:
    """The folder of a run; its files appear whole or not at all.

    Parameters
    ----------
    path : Path
        The folder, made if need be.
    resume : bool
        Whether to continue the run in it.
    overwrite : bool
        Whether to replace the run in it.

    Raises
    ------
    ValueError
        If both are given.
    FileExistsError
        If there is a run, and neither is given.
    FileNotFoundError
        If there is no run to continue.
    """

    def __init__(self, path: Path, *, resume: bool = False, overwrite: bool = False) -> None:
        self.path = path
        self.checkpoint = path / "checkpoint.pt"
        self.log = path / "log.csv"
        if resume and overwrite:
            raise ValueError("a run can be resumed or overwritten, not both; got resume=True and overwrite=True")
        exists = self.checkpoint.exists()
        if resume and not exists:
            raise FileNotFoundError(f"there is nothing to resume: {self.checkpoint} does not exist")
        if exists and not resume and not overwrite:
            raise FileExistsError(f"{path} holds a run already: --resume continues it, --overwrite starts afresh")
        path.mkdir(parents=True, exist_ok=True)
        if overwrite:
            for old in (self.checkpoint, self.log):
                old.unlink(missing_ok=True)

    def save(self, state: dict[str, Any]) -> None:
        """Write the checkpoint, of tensors, numbers, strings and containers of them."""
        with replacing(self.checkpoint, overwrite=True) as part:
            torch.save(state, part)

    def load(self) -> dict[str, Any]:
        """Return the checkpoint; nothing in it is executed.

        Raises
        ------
        ValueError
            If it is corrupt, or not a checkpoint of `loop.train`.
        """
        content = io.BytesIO(self.checkpoint.read_bytes())
        try:
            state = torch.load(content, map_location="cpu", weights_only=True)
        except Exception:  # of any class; torch's own message recommends to execute the file's content
            raise ValueError(f"{self.checkpoint} is corrupt, or not a checkpoint of nonlocal_block.train") from None
        if not isinstance(state, dict) or state.get("format") != 1:
            raise ValueError(f"{self.checkpoint} is not a checkpoint of this version of nonlocal_block.train")
        return state

    def write_log(self, history: Sequence[Row]) -> None:
        """Write a row for every epoch."""
        names = list(dict.fromkeys(name for row in history for name in row))
        text = io.StringIO(newline="")
        table = csv.DictWriter(text, names, lineterminator="\n")
        table.writeheader()
        table.writerows(history)
        with replacing(self.log, overwrite=True) as part:
            part.write_text(text.getvalue(), encoding="utf-8", newline="\n")


class Curves:
    """Draws rows in TensorBoard, if that is installed, again from the epoch after ``done``."""

    def __init__(self, path: Path, done: int) -> None:
        self._writer: Any = None
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            return
        self._writer = SummaryWriter(str(path / "tensorboard"), purge_step=done + 1)

    def add(self, row: Row) -> None:
        """Add the points of an epoch."""
        if self._writer is not None:
            for name, value in row.items():
                if name != "epoch":
                    self._writer.add_scalar(name, value, int(row["epoch"]))
            self._writer.flush()

    def close(self) -> None:
        """Close the writer."""
        if self._writer is not None:
            self._writer.close()
