"""TIFF, single pictures and stacks, by tifffile: whole, or by regions, which are read by tiles and strips."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...arrays import ArrayInfo, Source, Target
from ...format import Format
from ...picture import Picture, Request


class Tiff(Format):
    """One picture or stack of any type, with what its file says besides."""

    name, endings, has_series = "TIFF", (".tif", ".tiff"), True
    loses = (
        "other pictures, thumbnails and masks in the file; a palette, which becomes RGB; compressions other than "
        "deflate"
    )
    magic = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

    def read(self, request: Request) -> Picture:
        """Read the one picture or stack of a file, or that which is asked for."""
        from . import whole

        return whole.read(request)

    def write(self, part: Path, picture: Picture, path: Path, **options: Any) -> None:
        """Write back into a copy of the file that was read, or a new file."""
        from . import saving

        saving.write(part, picture)

    def open(self, request: Request) -> Source:
        """Read the header, and refuse what cannot be filtered by regions."""
        from .regions import TiffSource

        return TiffSource.open(request)

    def create(self, part: Path, info: ArrayInfo, source: Source) -> Target:
        """Write all but the pixels, and take the room that they need."""
        from . import regions

        return regions.create(part, info, source)

    def reopen(self, part: Path, info: ArrayInfo, source: Source) -> Target:
        """Go on with a file that was created."""
        from . import regions

        return regions.reopen(part, info, source)


FORMAT = Tiff()
