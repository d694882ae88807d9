"""A video that is written: planes as they are until all are done, then the source once more with these in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...arrays import ArrayInfo, Slices, Target
from ..npy import FORMAT as NPY
from .encoding import encode
from .source import VideoSource


@dataclass(frozen=True)
class VideoTarget(Target):
    """A folder of planes, of which a video is made at the end."""

    path: Path
    info: ArrayInfo
    source: VideoSource
    container: str
    crf: int | None

    def begin(self) -> VideoTarget:
        """Make the folder, and try whether the container takes what it will get."""
        self.path.mkdir()
        trial = self.path / "trial"
        encode(self.source, {}, trial, self.container, self.crf, lambda: None, most=1)
        trial.unlink()
        NPY.create(self.place(self.source.series), self.info, self.source)
        return self

    def again(self) -> VideoTarget:
        """Check the folder."""
        NPY.reopen(self.place(self.source.series), self.info, self.source)
        return self

    def place(self, series: str) -> Path:
        """Return the file of the planes of a series."""
        return self.path / f"{series}.npy"

    def write(self, slices: Slices, pixels: np.ndarray) -> None:
        """Write a part."""
        within = np.minimum(pixels, pixels.dtype.type(self.source.white))
        NPY.reopen(self.place(self.source.series), self.info, self.source).write(slices, within)

    def finish(self, stop: Callable[[], None], spare: Path) -> Path:
        """Encode all frames."""
        self.source.release()
        made = {name: self.place(name) for name in (self.source.series, *self.source.apart)}
        try:
            encode(self.source, made, spare, self.container, self.crf, stop)
        except BaseException:
            spare.unlink(missing_ok=True)
            raise
        return spare
