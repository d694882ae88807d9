"""MINC, versions 1 and 2, by nibabel: volumes and series of them in real units. It cannot be written."""

from __future__ import annotations

import io
import math
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from ..format import Format
from ..picture import LENGTHS, Picture, PictureError, Request, times
from . import nifti

NETCDF, HDF = (b"CDF\1", b"CDF\2"), b"\x89HDF\r\n\x1a\n"
NAMES = {"xspace": "X", "yspace": "Y", "zspace": "Z", "time": "T", "vector_dimension": "C"}
DIMENSIONS = 3
"""Of what lies in space as nibabel says it; as a NIfTI it does so too."""
FEW_BYTES = 2
"""Of a stored value, for real ones to be exact enough in float32."""


class Minc(Format):
    """One volume, or series of them."""

    name, endings = "MINC", (".mnc",)
    needs, extra = "nibabel", "medical"
    instead = (".nii",)
    loses = "what was acquired, and how values are stored: written as NIfTI, a volume keeps its place in space"
    colours = False

    def recognises(self, head: bytes, path: Path) -> bool:
        """Whether a file of netCDF or HDF5 is called MINC."""
        return head.startswith((*NETCDF, HDF)) and path.suffix.lower() in self.endings

    def read(self, request: Request) -> Picture:
        """Read the real values."""
        nibabel = self.library()
        with request.path.open("rb") as opened:
            packed = opened.read(len(HDF)) == HDF
        if packed:
            _require_h5py()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of spacings that are not said to be regular
            image = nibabel.load(request.path) if packed else _first(nibabel, request.path)
            shape = tuple(int(side) for side in image.shape)
            stored = np.dtype(image.get_data_dtype())
            if min(shape) < 1:
                raise PictureError(f"a picture must have pixels: its header says {times(shape)}")
            request.check_size(*shape[-2:])
            size = request.path.stat().st_size
            request.check_claim(math.prod(shape) * stored.itemsize, size, None if packed else 1)
            exact = stored.itemsize <= FEW_BYTES or stored == np.float32
            pixels = np.asarray(image.dataobj, np.float32 if exact else np.float64)
            native = nifti.origin_of(image, pixels.dtype) if pixels.ndim == DIMENSIONS else None
        file = image.dataobj.minc_file
        axes = request.axes or (_axes(file, shape) if request.channel_axis is None else None)
        zooms = [abs(float(zoom)) for zoom in image.header.get_zooms()]
        sides = tuple(side for side, axis in zip(zooms, (axes or "").upper(), strict=False) if axis in "XYZ")
        spacing = sides if sides and all(0 < side < math.inf for side in sides) else None
        unit = None if spacing is None else _unit(file)
        picture = Picture(pixels, axes, request.channel_axis, spacing=spacing, unit=unit, native=native)
        return picture if native is not None else picture.in_rows()


FORMAT = Minc()


def _first(nibabel: Any, path: Path) -> Any:
    """Return an image of version 1, of whose bytes no more are read than there are, whatever its header claims."""
    holder = nibabel.FileHolder(str(path), io.BytesIO(path.read_bytes()))
    return nibabel.Minc1Image.from_file_map({"image": holder})


def _require_h5py() -> None:
    if find_spec("h5py") is None:
        raise PictureError("MINC files of version 2 need h5py: install it with pip install h5py")


def _axes(file: Any, shape: tuple[int, ...]) -> str:
    """Name the axes as the file does."""
    names = [NAMES.get(str(name), "?") for name in getattr(file, "_dim_names", ())]
    if len(names) != len(shape) or "?" in names or len(set(names)) < len(names):
        raise PictureError(
            f"the dimensions of a MINC must be {', '.join(NAMES)}, each at most once: this has {len(shape)}; "
            "name each with --axes (axes=)"
        )
    return "".join(names)


def _unit(file: Any) -> str | None:
    """Return the unit of length that all spatial dimensions have."""
    said = set()
    for name, dimension in zip(file._dim_names, file._dims, strict=True):
        if NAMES.get(str(name), "?") in "XYZ":
            unit = getattr(dimension, "units", b"")
            said.add(unit.decode("ascii", "replace") if isinstance(unit, bytes) else str(unit))
    unit = said.pop() if len(said) == 1 else ""
    return unit if unit in LENGTHS else None
