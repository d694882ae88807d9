"""Camera RAW, read by LibRaw: the mosaic's four planes. What is made of them is developed, and written as a picture."""

from __future__ import annotations

from pathlib import Path

from ... import foreign
from ...format import Format
from ...picture import Picture, Request


class Raw(Format):
    """One photograph as the sensor read it, behind a mosaic of 2 x 2 colours; it can only be read."""

    name, endings = "camera RAW", foreign.RAW
    needs, extra = "rawpy", "raw"
    loses = "the mosaic: it is developed, and written as TIFF, PNG or NPY; the maker's own notes"

    def recognises(self, head: bytes, path: Path) -> bool:
        """Whether a file is named or begins as those of cameras; a DNG begins as any TIFF does."""
        return foreign.is_raw(head, path)

    def read(self, request: Request) -> Picture:
        """Read the planes of the mosaic."""
        self.library()
        from . import mosaic

        return mosaic.read(request)


FORMAT = Raw()
