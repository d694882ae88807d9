"""Radiance HDR, by imagecodecs: colours of a shared exponent, and all lines of the header.

Source: G. Ward, Real Pixels, Graphics Gems II, 1991; the file formats of Radiance
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import stills
from ..format import Format
from ..picture import Picture, PictureError, Request

MAGIC = (b"#?RADIANCE", b"#?RGBE")
SIDES = re.compile(rb"([-+])([XY]) (\d{1,9}) ([-+])([XY]) (\d{1,9})\n")
RGBE = b"32-bit_rle_rgbe"
FORMAT_LINE = b"FORMAT="
RUNS = b"\2\2"
"""How a row begins that is stored in runs."""
BRIGHTEST, DARKEST = 127, -127
"""Powers of two that an exponent may be."""


class Lines(NamedTuple):
    """The header of a file, without its end."""

    text: bytes


class Radiance(Format):
    """One picture of RGB in floats, of which a file keeps 8 bits each and one exponent for the three."""

    name, endings, magic = "Radiance HDR", (".hdr", ".rgbe"), MAGIC
    needs, extra = "imagecodecs", "codecs"
    loses = "numbers below 0; runs of the old kind are refused, and XYZ"

    def read(self, request: Request) -> Picture:
        """Read a picture, upright; what the header says of exposure is carried along and not undone."""
        data = request.path.read_bytes()
        end = data.find(b"\n\n")
        sides = SIDES.match(data, end + 2) if end > 0 else None
        if sides is None:
            raise PictureError("the file is damaged: the header of a Radiance HDR ends with the sides of its picture")
        lines = Lines(data[: end + 1])
        kind = next(
            (line[len(FORMAT_LINE) :] for line in lines.text.splitlines() if line.startswith(FORMAT_LINE)), RGBE
        )
        if kind.strip() != RGBE:
            raise PictureError(f"a Radiance HDR must hold RGB: this one is of the kind {kind.decode('latin-1')}")
        rows_sign, rows, row_count, across_sign, across, across_count = sides.groups()
        if {rows, across} != {b"X", b"Y"}:
            raise PictureError("the file is damaged: a Radiance HDR has one side X and one Y")
        shape = int(row_count), int(across_count)
        request.check_size(*shape)
        request.check_claim(4 * shape[0] * shape[1], len(data) - sides.end(), 64)
        body = data[sides.end() :]
        if body[:2] != RUNS and len(body) != 4 * shape[0] * shape[1]:
            raise PictureError(
                "the file is cut short, or in runs of the old kind: its pixels take "
                f"{4 * shape[0] * shape[1]:,} bytes, there are {len(body):,}"
            )
        array = self.library().rgbe_decode(_plain(*shape) + body, header=True)
        if rows == b"X":  # columns stand one after the other
            array, rows_sign, across_sign = array.swapaxes(0, 1), across_sign, rows_sign
        array = array[:: 1 if rows_sign == b"-" else -1, :: 1 if across_sign == b"+" else -1]
        return stills.still(request, array, native=lines)

    def check(self, picture: Picture) -> None:
        """Refuse what a Radiance HDR cannot hold."""
        self.library()
        stills.check_still(picture, "Radiance HDR", ("float32", "float16"), 32767, alphas=0)

    def write(self, part: Path, picture: Picture, path: Path, **options: Any) -> None:
        """Write RGB, upright; what is below 0 cannot be held, and becomes 0."""
        self.check(picture)
        array = stills.samples(picture, turned=True).astype(np.float32)
        array = _rounded(np.broadcast_to(array, (*array.shape[:2], 3)))
        text = (
            picture.native.text if isinstance(picture.native, Lines) else MAGIC[0] + b"\n" + FORMAT_LINE + RGBE + b"\n"
        )
        most = 512 + array.shape[0] * (8 + 5 * array.shape[1])  # it takes less than what noise needs
        stream = bytes(self.library().rgbe_encode(array, header=True, out=most))
        part.write_bytes(text + stream[stream.index(b"\n\n") + 1 :])


FORMAT = Radiance()


def _plain(height: int, width: int) -> bytes:
    """Return the header of a file in the usual order."""
    return MAGIC[0] + b"\n" + FORMAT_LINE + RGBE + f"\n\n-Y {height} +X {width}\n".encode()


def _rounded(array: np.ndarray) -> np.ndarray:
    """Return the nearest colours that a file can hold: the encoder takes the next darker ones."""
    array = np.where(np.isfinite(array), np.maximum(array, 0), array)
    _, exponent = np.frexp(array.max(axis=-1, keepdims=True))
    step = np.ldexp(np.float32(1), np.clip(exponent, DARKEST, BRIGHTEST) - 8)
    return np.ascontiguousarray(np.minimum(np.rint(array / step), 255) * step, np.float32)
