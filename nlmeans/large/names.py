"""Names of what lies next to an output while it is made: all are made from its own, and none is read from a file."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Names:
    """What belongs to an output."""

    output: Path  # what is asked for

    @property
    def part(self) -> Path:
        """The pixels, as far as they are done."""
        return self._with(".part")

    @property
    def packed(self) -> Path:
        """A packed copy of them, which is made at the end where the input was packed."""
        return self._with(".part.packed")

    @property
    def old(self) -> Path:
        """A store that is replaced, while it is."""
        return self._with(".part.old")

    @property
    def manifest(self) -> Path:
        """Of what the part is made, and what of it is done."""
        return self._with(".part.manifest")

    @property
    def companions(self) -> tuple[Path, ...]:
        """All of these."""
        return self.part, self.packed, self.old, self.manifest

    def check_free(self) -> None:
        """Refuse what has one of the names though no manifest says that it is ours."""
        for place in self.companions:
            if os.path.lexists(place):
                raise FileExistsError(f"{place} is there without its manifest: move it away")

    def _with(self, ending: str) -> Path:
        return self.output.with_name(self.output.name + ending)


def remove(place: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)


def stamp(place: Path) -> list[int]:
    """Return what stays the same when a file or folder gets another name, and of no other is the same."""
    status = place.lstat()
    return [status.st_ino, status.st_mtime_ns]
