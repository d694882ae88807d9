"""FreeSurfer's volumes, `.mgz` and `.mgh`, by nibabel: volumes and series of them.

The bytes before and after the pixels are kept and written back as they were: orientation, acquisition and tags stay
whatever they are. Only the pixels are replaced.

Source: https://surfer.nmr.mgh.harvard.edu/fswiki/FsTutorial/MghFormat, the format's definition.
"""

from __future__ import annotations

import gzip
import io
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..format import Format
from ..gzipped import ZIPPED, inside
from ..mapped import fill, put
from ..picture import LENGTHS, Picture, PictureError, Request, times
from ..scaled import Scaling

VERSION = b"\0\0\0\1"
START = 284
"""Where the pixels begin."""
FIELDS = 90
"""Bytes of the header that say something."""
MOST_AFTER = 2**23
"""Bytes after the pixels that are kept."""
DEFLATE = 1032
"""Bytes that one byte can stand for."""
AXES = "XYZN"
ZIP_LEVEL = 6


@dataclass(frozen=True)
class Origin(Scaling):
    """What stands before and after the pixels in a file."""

    x_first: ClassVar[bool] = True
    head: bytes = field(default=b"", repr=False)
    tail: bytes = field(default=b"", repr=False)

    def typed(self, dtype: np.dtype) -> Origin:
        """Return what stands around pixels of another type."""
        header = _header(self.head)
        header.set_data_dtype(_stored(dtype))
        block = header.binaryblock[:FIELDS]
        return Origin(np.dtype(_stored(dtype)).newbyteorder(">"), head=block + self.head[len(block) :], tail=self.tail)


class Mgh(Format):
    """One grey volume, or series of them."""

    name, endings = "MGH", (".mgz", ".mgh", ".mgh.gz")
    needs, extra = "nibabel", "medical"
    loses = "nothing; colours are refused"
    x_first, colours = True, False

    def recognises(self, head: bytes, path: Path) -> bool:
        """Whether a file begins as a volume of FreeSurfer, packed or not, or is packed and named so."""
        signs = (inside(head).startswith(VERSION), head.startswith(ZIPPED), path.name.lower().endswith(self.endings))
        return signs.count(True) >= 2

    def read(self, request: Request) -> Picture:
        """Read the values as they are stored."""
        self.library()
        size = request.path.stat().st_size
        with request.path.open("rb") as raw:
            zipped = raw.read(2) == ZIPPED
            raw.seek(0)
            file: Any = gzip.GzipFile(fileobj=raw) if zipped else raw
            head = file.read(START)
            header = _header(head)
            shape, dtype = tuple(int(side) for side in header.get_data_shape()), header.get_data_dtype()
            request.check_size(shape[0], shape[1])
            if min(shape) < 1:
                raise PictureError(f"a picture must have pixels: its header says {times(shape)}")
            request.check_claim(START + math.prod(shape) * dtype.itemsize, size, DEFLATE if zipped else 1)
            stored = fill(file, np.empty(shape[::-1], dtype)).T
            tail = file.read(MOST_AFTER + 1)
        if len(tail) > MOST_AFTER:
            raise PictureError(
                f"what follows the pixels of a MGH must take at most {MOST_AFTER:,} bytes: this takes more"
            )
        origin = Origin(dtype, head=head, tail=tail)
        axes = request.axes or (AXES[: len(shape)] if request.channel_axis is None else None)
        lies = bool(header["goodRASFlag"]) and axes is not None
        zooms = [float(zoom) for zoom in header["delta"]]
        sides = tuple(side for side, axis in zip(zooms, (axes or "").upper(), strict=False) if axis in "XYZ")
        spacing = sides if lies and all(0 < side < math.inf for side in sides) else None
        unit = None if spacing is None else "mm"
        return Picture(origin.decode(stored), axes, request.channel_axis, spacing=spacing, unit=unit, native=origin)

    def check(self, picture: Picture) -> None:
        """Refuse colours, opacity, and types that FreeSurfer has not."""
        if isinstance(picture.native, Origin):
            return
        self.library()
        axes, dtype = picture.dimensions, picture.pixels.dtype.newbyteorder("=").name
        if not _known(picture.pixels.dtype):
            raise PictureError(
                f"a MGH holds 8-bit to 32-bit whole numbers or float32: these are {dtype}; write a NIfTI instead"
            )
        if picture.alpha is not None or "C" in axes or {"T", "N"} <= set(axes) or not {"X", "Y"} <= set(axes):
            raise PictureError(
                "a MGH holds grey slices, volumes, or one series of them: this has "
                f"{'opacity and ' if picture.alpha is not None else ''}shape {picture.pixels.shape}, axes {axes}; "
                "write a TIFF or NPY instead"
            )

    def write(self, part: Path, picture: Picture, path: Path, **options: Any) -> None:
        """Write what stood around the pixels, or a new header, and the pixels."""
        self.check(picture)
        pixels, origin = picture.pixels, picture.native
        if not isinstance(origin, Origin):
            pixels, origin = _new(picture)
        with part.open("wb") as raw:
            zipped = path.name.lower().endswith(("z", ".gz"))
            file: Any = gzip.GzipFile("", "wb", ZIP_LEVEL, raw, mtime=0) if zipped else raw
            file.write(origin.head)
            put(file, pixels, origin)
            file.write(origin.tail)
            file.close()


FORMAT = Mgh()


def _header(head: bytes) -> Any:
    """Return the header at the beginning of a file."""
    kind = FORMAT.library().freesurfer.mghformat.MGHHeader
    if not head.startswith(VERSION) or len(head) < START:
        raise PictureError("the file is cut short, or no MGH of version 1")
    return kind(head[:FIELDS].ljust(kind.template_dtype.itemsize, b"\0"), check=False)


def _known(dtype: np.dtype) -> bool:
    """Whether FreeSurfer has a type."""
    header = FORMAT.library().freesurfer.mghformat.MGHHeader()
    try:
        header.set_data_dtype(dtype.newbyteorder("="))
    except Exception:
        return False
    return True


def _stored(dtype: np.dtype) -> np.dtype:
    """Return the type that is stored for another: there is no float64."""
    return np.dtype(np.float32) if np.dtype(dtype).kind == "f" else np.dtype(dtype)


def _new(picture: Picture) -> tuple[np.ndarray, Origin]:
    """Return x, y, z and volumes, and a header of no turning, for a picture from elsewhere."""
    axes, pixels = picture.dimensions, picture.pixels
    order = [axis for axis in "XYZTN" if axis in axes]
    pixels = pixels.transpose([axes.index(axis) for axis in order])
    if "Z" not in order:
        pixels = np.expand_dims(pixels, 2)
    header = FORMAT.library().freesurfer.mghformat.MGHHeader()
    dtype = pixels.dtype.newbyteorder("=")
    header.set_data_dtype(dtype)
    header.set_data_shape(pixels.shape)
    header["Mdc"], header["Pxyz_c"] = np.eye(3), 0
    if picture.spacing is not None:
        scale = 1.0 if picture.unit is None else LENGTHS[picture.unit] / LENGTHS["mm"]
        sides = dict(zip((axis for axis in axes if axis in "XYZ"), picture.spacing, strict=True))
        header["delta"] = [sides[axis] * scale if axis in sides else 1.0 for axis in "XYZ"]
    block = io.BytesIO()
    header.writehdr_to(block)
    return pixels, Origin(dtype.newbyteorder(">"), head=block.getvalue().ljust(START, b"\0"))
