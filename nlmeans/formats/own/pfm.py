"""PFM: floats of 32 bits, from the bottom row up, in the order of bytes that the sign of their scale says.

Source: https://netpbm.sourceforge.net/doc/pfm.html
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from .. import stills
from ..format import Format
from ..picture import Picture, PictureError, Request

HEADER = re.compile(rb"P([Ff])\s+(\d{1,12})\s+(\d{1,12})\s+([-+]?[0-9.]+(?:[eE][-+]?\d+)?)(\r\n|\s)")


class Pfm(Format):
    """One picture of floats, grey or RGB."""

    name, endings = "PFM", (".pfm",)
    loses = "nothing"

    def recognises(self, head: bytes, path: Path) -> bool:
        """Whether a file begins as a PFM."""
        return re.match(rb"P[Ff]\s", head) is not None

    def read(self, request: Request) -> Picture:
        """Read a picture; the scale is carried along and not multiplied."""
        data = request.path.read_bytes()
        header = HEADER.match(data)
        if header is None:
            raise PictureError("the file is damaged: a PFM begins with its width, its height and a scale")
        width, height, scale = int(header[2]), int(header[3]), float(header[4])
        request.check_size(width, height)
        if scale == 0:
            raise PictureError("the file is damaged: the scale of a PFM says by its sign how bytes stand; got 0")
        depth, there = 3 if header[1] == b"F" else 1, len(data) - header.end()
        if there != 4 * width * height * depth:
            raise PictureError(
                f"the file is damaged or cut short: its pixels take {4 * width * height * depth:,} bytes, "
                f"there are {there:,}"
            )
        stored = np.frombuffer(data, "<f4" if scale < 0 else ">f4", offset=header.end())
        rows = stored.reshape(height, width, depth)[::-1].astype(np.float32)
        return stills.still(request, rows, native=scale)

    def check(self, picture: Picture) -> None:
        """Refuse what a PFM cannot hold."""
        stills.check_still(picture, "PFM", ("float32",), 2**31 - 1, alphas=0)

    def write(self, part: Path, picture: Picture, path: Path, **options: Any) -> None:
        """Write floats; upright, since a PFM cannot say otherwise."""
        self.check(picture)
        array = stills.samples(picture, turned=True)
        height, width, depth = array.shape
        scale = picture.native if isinstance(picture.native, float) else -1.0
        with part.open("wb") as file:
            file.write(f"{'PF' if depth == 3 else 'Pf'}\n{width} {height}\n{scale!r}\n".encode())
            file.write(np.ascontiguousarray(array[::-1], "<f4" if scale < 0 else ">f4").data)


FORMAT = Pfm()
