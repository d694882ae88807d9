"""EMD, the files of Velox and of NCEM, by RosettaSciIO: HDF5 of two kinds by one name."""

from __future__ import annotations

from pathlib import Path

from ..signals import Signals
from .imaris import MAGIC


class Emd(Signals):
    """Images and stacks; a detector's stream of spectra is left out."""

    name, endings = "EMD", (".emd",)
    reader = "emd"
    options = (("select_type", "images"),)

    def recognises(self, head: bytes, path: Path) -> bool:
        """Whether a file is HDF5, and named so."""
        return head.startswith(MAGIC) and path.name.lower().endswith(self.endings)


FORMAT = Emd()
