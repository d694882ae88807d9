"""What a DNG says and LibRaw does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...picture import PictureError, times

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
VERSION, REPEATS = 50706, 50713
MOSAIC = 32803


def is_dng(path: Path) -> bool:
    """Whether a file is a DNG, whose level of white is to be believed; refuse one that cannot be read rightly.

    That is one whose mosaic ends early: LibRaw would notice, and print a line of its own. And one whose levels of black
    repeat after more than two rows or columns, of which it tells only some.
    """
    from tifffile import TiffFile

    with path.open("rb") as file:
        if file.read(4) not in MAGIC:
            return False
    try:
        with TiffFile(path) as tif:
            if VERSION not in tif.pages[0].tags:
                return False
            pages = [page for first in tif.pages for page in (first, *(first.pages or ()))]
            mosaics = [page for page in pages if page.photometric == MOSAIC]
            size = tif.filehandle.size
    except Exception:  # tifffile's limits are not LibRaw's
        return False
    for page in mosaics:
        _check(page, size)
    return True


def _check(page: Any, size: int) -> None:
    ends = [start + count for start, count in zip(page.dataoffsets, page.databytecounts, strict=False)]
    if ends and max(ends) > size:
        raise PictureError(f"the file is cut short: its mosaic ends at byte {max(ends):,}, the file at {size:,}")
    repeats = page.tags.valueof(REPEATS) or (1, 1)
    if max(repeats) > 2:
        raise PictureError(f"levels of black must repeat after two rows and columns: here after {times(repeats)}")
