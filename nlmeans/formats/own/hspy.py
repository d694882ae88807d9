"""HSpy, HyperSpy's own files, by RosettaSciIO: read, and written with all that a signal's file said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..picture import Picture
from ..signals import Signals, new_signal
from .imaris import MAGIC


class HSpy(Signals):
    """Signals of any shape, by one title each."""

    name, endings = "HSpy", (".hspy",)
    reader = "hspy"

    def recognises(self, head: bytes, path: Path) -> bool:
        """Whether a file is HDF5, and named so."""
        return head.startswith(MAGIC) and path.name.lower().endswith(self.endings)

    def check(self, picture: Picture) -> None:
        """Raise if the library is not there."""
        self.library()

    def write(self, part: Path, picture: Picture, path: Path, **options: Any) -> None:
        """Write one signal."""
        package = {"package": "nlmeans", "package_version": ""}
        signal = new_signal(picture)
        signal |= {
            "package_info": package,
            "tmp_parameters": {},
            "attributes": {"_lazy": False, "ragged": False},
            "learning_results": {},
            "models": {},
        }
        self.library().file_writer(str(part), signal, show_progressbar=False)


FORMAT = HSpy()
