"""DICOM by pydicom: single files, one or many frames each, and the folder of a series as one volume."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from itertools import islice
from pathlib import Path
from typing import Any

from ... import atomic
from ...format import Format
from ...picture import Picture, PictureError, Request

PREAMBLE = 128
MAGIC = b"DICM"
TRIED = 64
"""Files of a folder that are opened to find out whether it holds a series."""


class Dicom(Format):
    """Grey or RGB images in real units, with all that is known of whom they show: copied, and never said."""

    name, endings = "DICOM", (".dcm", ".dicom", ".ima")
    needs, extra = "pydicom", "dicom"
    loses = (
        "that it is the original: a derived series has identifiers of its own; compression, palettes and lookup "
        "tables, which are applied; signatures, and overlays in unused bits"
    )
    write_options = ("done",)
    has_series = True

    def recognises(self, head: bytes, path: Path) -> bool:
        """Whether a file begins as DICOM does, or is named so and begins as it did before there were preambles."""
        bare = path.suffix.lower() in self.endings and head[:4] in (b"\x08\0\0\0", b"\x08\0\5\0", b"\x08\0\x08\0")
        return head[PREAMBLE : PREAMBLE + len(MAGIC)] == MAGIC or bare

    def store(self, path: Path) -> Path | None:
        """Return a folder that holds a series: a DICOM file, and no picture of another kind by its name."""
        from ...table import by_name

        with suppress(OSError):  # of a folder, or a file in it, that may not be read
            if path.is_dir() and any(map(begins, islice(files_in(path), TRIED))):
                return path if all(by_name(file) in (None, self) for file in files_in(path)) else None
        return None

    def read(self, request: Request) -> Picture:
        """Read a file, or one series of a folder."""
        self.library()
        from . import series

        return series.read(request)

    def check(self, picture: Picture) -> None:
        """Refuse whatever was not read from DICOM, and changed but in its pixels."""
        from . import derived

        derived.check(picture)

    def write(self, part: Path, picture: Picture, path: Path, **options: Any) -> None:
        """Write a file, or a folder of as many files as were read."""
        from . import derived

        derived.write(part, picture, options.get("done"))

    def check_target(self, path: Path, overwrite: bool) -> None:
        """Refuse to replace a folder that holds anything but DICOM."""
        if not path.is_dir():
            super().check_target(path, overwrite)
            return
        if not all(file.is_file() and begins(file) for file in path.iterdir()):
            raise PictureError(f"only a folder that holds nothing but DICOM can be replaced by one: {path} holds more")
        if any(path.iterdir()) and not overwrite:
            raise FileExistsError(f"{path} exists already; --overwrite (overwrite=True) replaces it")

    def replacing(self, path: Path, overwrite: bool) -> AbstractContextManager[Path]:
        """Yield a file, or for a name without an ending a folder, that takes the place of ``path``."""
        if path.suffix.lower() in self.endings:
            return super().replacing(path, overwrite)
        self.check_target(path, overwrite)
        return atomic.replacing_folder(path)


FORMAT = Dicom()


def files_in(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder that may be images, by their names."""
    for file in sorted(folder.iterdir()):
        if file.is_file() and not file.name.startswith(".") and file.name.upper() != "DICOMDIR":
            yield file


def begins(file: Path) -> bool:
    """Whether a file begins as DICOM does."""
    with file.open("rb") as opened:
        return FORMAT.recognises(opened.read(PREAMBLE + len(MAGIC)), file)
