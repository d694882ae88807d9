"""HSpy, HyperSpy's own files, by RosettaSciIO: read, and written with all that a signal's file said."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..picture import Picture, PictureError
from ..signals import Signals, new_signal
from .imaris import MAGIC


class HSpy(Signals):
    """Signals of any shape, by one title each."""

    name, endings = "HSpy", (".hspy",)
    reader = "hspy"
    loses = "models; the order of long lists of lists, which the library sorts as texts"

    def recognises(self, head: bytes, path: Path) -> bool:
        """Whether a file is HDF5, and named so."""
        return head.startswith(MAGIC) and path.name.lower().endswith(self.endings)

    def check(self, picture: Picture) -> None:
        """Raise if the library is not there, or there is opacity, which it cannot hold."""
        self.library()
        if picture.alpha is not None:
            raise PictureError("an HSpy holds signals without opacity: write a TIFF instead")

    def write(self, part: Path, picture: Picture, path: Path, **options: Any) -> None:
        """Write one signal; HDF5 locks what it writes, and ``part`` is locked already."""
        self.check(picture)
        with TemporaryDirectory(dir=part.parent, prefix=".nlmeans-") as folder:
            place = Path(folder) / "signal.hspy"
            self.library().file_writer(str(place), new_signal(picture), show_progressbar=False)
            shutil.copyfile(place, part)


FORMAT = HSpy()
