"""Pairs of a header and pixels, `.hdr` and `.img`, by nibabel: Analyze, SPM's kinds of it, and NIfTI.

They can be read. Two files cannot be put in place as one, so they are written as one: as NIfTI, with what the header
says, where the picture's place in space is that which nibabel sees in the pair.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from ..format import Format
from ..picture import Picture, PictureError, Request, times
from . import nifti

SIZES = (348, 540)
"""Bytes of a header, of which it tells first."""
DEFLATE = 1032
"""Bytes that one byte can stand for."""
AXES = "XYZN"


class Analyze(Format):
    """One grey slice, volume, or series of them, in two files."""

    name, endings = "Analyze", (".img",)
    needs, extra = "nibabel", "medical"
    instead = (".nii",)
    loses = "that it is a pair: a NIfTI keeps its place in space and its stored grid; complex numbers are refused"
    x_first, colours = True, False

    def recognises(self, head: bytes, path: Path) -> bool:
        """Whether a file is such a header, or pixels with one beside them."""
        if path.suffix.lower() == ".hdr":
            return _begins(head)
        header = _beside(path, ".hdr")
        if path.suffix.lower() != ".img" or header is None:
            return False
        with header.open("rb") as file:
            return _begins(file.read(4))

    def read(self, request: Request) -> Picture:
        """Read real values: whole numbers as they are stored where they are not scaled, else floats."""
        nibabel = self.library()
        header, pixels = _beside(request.path, ".hdr"), _beside(request.path, ".img")
        if header is None or pixels is None:
            raise PictureError(f"a pair must be two files, .hdr and .img: there is no second one beside {request.path}")
        image = nibabel.load(header)
        shape, dtype = tuple(int(side) for side in image.shape), image.header.get_data_dtype()
        while len(shape) > len(AXES) and shape[-1] == 1:
            shape = shape[:-1]
        if not 2 <= len(shape) <= len(AXES) and not request.names_axes:
            raise PictureError(f"a pair must have 2 to 4 dimensions, x, y, z and volumes: this has {times(shape)}")
        if dtype.kind not in "iuf" or dtype.itemsize > 8:
            raise PictureError(f"a pair must hold real numbers of up to 64 bits: this holds {dtype}")
        request.check_size(shape[0], math.prod(shape[1:2]))
        if min(shape) < 1:
            raise PictureError(f"a picture must have pixels: its header says {times(shape)}")
        claimed = int(image.dataobj.offset) + math.prod(shape) * dtype.itemsize
        request.check_claim(claimed, pixels.stat().st_size, 1)
        stored = np.array(image.dataobj.get_unscaled()).reshape(shape, order="F")
        origin = nifti.origin_of(image, dtype, float(image.dataobj.slope), float(image.dataobj.inter))
        axes = request.axes or (AXES[: len(shape)] if request.channel_axis is None else None)
        zooms = tuple(abs(float(zoom)) for zoom in image.header.get_zooms())
        sides = tuple(side for side, axis in zip(zooms, (axes or "").upper(), strict=False) if axis in "XYZ")
        spacing = sides if sides and all(0 < side < math.inf for side in sides) else None
        unit = nifti.unit_of(image.header) if hasattr(image.header, "get_xyzt_units") else None
        return Picture(origin.decode(stored), axes, request.channel_axis, spacing=spacing, unit=unit, native=origin)


FORMAT = Analyze()


def _begins(head: bytes) -> bool:
    return not {int.from_bytes(head[:4], "little"), int.from_bytes(head[:4], "big")}.isdisjoint(SIZES)


def _beside(path: Path, ending: str) -> Path | None:
    """Return the file of a pair that has one of the endings, in letters as large as the other's."""
    named = ending.upper() if path.suffix.isupper() else ending
    place = path if path.suffix.lower() == ending else path.with_suffix(named)
    return place if place.is_file() else None
