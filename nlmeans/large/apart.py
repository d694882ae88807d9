"""Series of a file that belong to one picture in sizes of their own: each is denoised by itself, into one output."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from .._progress import Progress
from ..formats.arrays import Source, Target
from ..formats.format import Format
from ..formats.picture import PictureError
from ..formats.table import to_read
from ..plan.report import Report


@dataclass(frozen=True)
class Apart:
    """The series besides the one that a source is."""

    source: Source
    denoise: Callable[..., Report]  # a series into a file
    reports: list[Report] = field(default_factory=list)

    def check(self, fmt: Format, for_one: Iterable[str]) -> None:
        """Refuse a format that cannot hold all series, and what is given ``for_one`` array."""
        if not self.source.apart:
            return
        name = "--series (series=)"
        if to_read(self.source.path, "open") is not fmt:
            raise PictureError(
                f"{self.source.path} holds {', '.join(self.source.apart)} apart, and only a file of the same format "
                f"holds all: name one series, such as 0, with {name} to write it as another"
            )
        for given in for_one:
            raise PictureError(f"{given} is for one array: name a series of {self.source.path} with {name}")

    def make(self, target: Target, progress: Progress | None) -> None:
        """Denoise each series into its place, unless a run that was killed has done so."""
        self.source.release()
        for series in self.source.apart:
            place = target.place(series)
            if not place.exists():
                self.reports.append(self.denoise(self.source.path, place, series=series, progress=progress))

    def count(self, name: str) -> int:
        """Return how many pixels of these series have been counted."""
        return sum(getattr(report, name) for report in self.reports)
