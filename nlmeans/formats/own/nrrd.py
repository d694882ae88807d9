"""NRRD by pynrrd: `.nrrd`, and `.nhdr` with its data beside it; axes, space and key/value pairs are kept.

What is written is one file, under either name. Fields that say something of each axis follow the axes that the picture
still has, so that a slice of a volume is a valid file too: a volume of one slice, if it lies in space.

Source: https://teem.sourceforge.net/nrrd/format.html, the format's definition.
"""

from __future__ import annotations

import bz2
import gzip
import io
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from .. import exif
from ..format import Format
from ..mapped import fill
from ..picture import LENGTHS, Picture, PictureError, Request, times
from ..scaled import Scaling

DTYPES = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64")
DEFLATE = 1032
"""Bytes that one byte can stand for."""
LEVEL = 6
SPATIAL = ("space", "domain", "???", "none")
COLOURS = ("RGB-color", "HSV-color", "XYZ-color", "3-color", "RGBA-color", "4-color")
WITH_ALPHA = "RGBA-color"
SMALL = 4
"""Components that are taken for channels; more are separate images."""
PER_AXIS = (
    *("spacings", "thicknesses", "axis mins", "axismins", "axis maxs", "axismaxs", "centerings", "labels", "units"),
    *("kinds", "space directions"),
)
PLACES = ("line skip", "lineskip", "byte skip", "byteskip", "data file", "datafile")
"""Fields that say where the data are."""
UNITS = {
    "mm": "mm",
    "um": "µm",
    "µm": "µm",
    "micron": "µm",
    "microns": "µm",
    "m": "m",
    "cm": "cm",
    "nm": "nm",
    "in": "in",
}
UNPACK = {"raw": None, "gzip": gzip.open, "gz": gzip.open, "bzip2": bz2.open, "bz2": bz2.open}
ENDS = {"little": "<", "big": ">"}
TEXT = ("ascii", "text", "txt")


@dataclass(frozen=True)
class Origin(Scaling):
    """The fields of a header, and the names of the axes that they are about."""

    x_first: ClassVar[bool] = True
    fields: dict[str, Any] = field(default_factory=dict, repr=False)
    axes: str = ""

    @property
    def lies(self) -> bool:
        """Whether directions in space are said: readers want as many as space has, of a slice too."""
        return "space directions" in self.fields

    def typed(self, dtype: np.dtype) -> Origin:
        """Return the header of a file with values of another type."""
        return Origin(np.dtype(dtype), fields=self.fields, axes=self.axes)


class Nrrd(Format):
    """One grey or RGB image, volume, or list of them."""

    name, endings, magic = "NRRD", (".nrrd", ".nhdr"), (b"NRRD",)
    needs, extra = "nrrd", "nrrd"
    loses = "that data lie in a file beside it: it is one file; comments, and letters that are not ASCII"
    x_first = True

    def read(self, request: Request) -> Picture:
        """Read the values, whatever packs them."""
        nrrd = self.library()
        with request.path.open("rb") as file:
            header = nrrd.read_header(file)
            fields, dtype, shape = _checked(nrrd, header, request)
            stored = _array(nrrd, file, header, dtype, shape, request)
        axes = request.axes or _axes(fields, shape, request)
        origin = Origin(dtype, fields=fields, axes=axes.upper())
        pixels, alpha = origin.decode(stored), None
        if "C" in axes and WITH_ALPHA in fields.get("kinds", ()) and shape[axes.index("C")] == 4:
            planes = np.moveaxis(pixels, axes.index("C"), -1)
            alpha, pixels = planes[..., 3:], np.moveaxis(planes[..., :3], -1, axes.index("C"))
        spacing = _spacing(fields, axes)
        unit = None if spacing is None else _unit(fields)
        return Picture(pixels, axes, spacing=spacing, unit=unit, alpha=alpha, native=origin)

    def check(self, picture: Picture) -> None:
        """Refuse what a NRRD cannot hold: half floats."""
        self.library()
        if not isinstance(picture.native, Origin) and picture.pixels.dtype.name not in DTYPES:
            raise PictureError(
                f"a NRRD holds {', '.join(DTYPES)} pixels: these are {picture.pixels.dtype}; "
                "write a TIFF or NPY instead"
            )

    def write(self, part: Path, picture: Picture, path: Path, **options: Any) -> None:
        """Write a header, with all that was read of the axes that are left, and the values after it."""
        nrrd = self.library()
        self.check(picture)
        origin, axes, pixels = picture.native, picture.dimensions, _with_alpha(picture)
        if isinstance(origin, Origin) and set(axes) <= set(origin.axes):
            order = [axis for axis in origin.axes if axis in axes or (axis in "XYZ" and origin.lies)]
            fields = _of(origin, order)
            stored = origin.encode(pixels.transpose([axes.index(axis) for axis in order if axis in axes]))
            stored = np.expand_dims(stored, [k for k, axis in enumerate(order) if axis not in axes])
        else:
            if axes == "YX":
                pixels = exif.upright(pixels, exif.orientation(picture.exif))
            order = [axis for axis in "CXYZTN" if axis in axes]
            fields = _new(picture, order)
            stored = pixels.transpose([axes.index(axis) for axis in order])
        with part.open("wb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of the clock that it takes the date from
            nrrd.write(file, stored, fields, compression_level=LEVEL)


FORMAT = Nrrd()


def _checked(nrrd: Any, header: dict[str, Any], request: Request) -> tuple[dict[str, Any], np.dtype, tuple[int, ...]]:
    """Return the fields that stay, the values' type and the sides; refuse what cannot be read."""
    shape = tuple(int(side) for side in header.get("sizes", ()))
    if not shape or header.get("dimension") != len(shape):
        raise PictureError(
            f"a NRRD must have a size for each dimension: this has {len(shape)} of {header.get('dimension')}"
        )
    if min(shape) < 1:
        raise PictureError(f"a picture must have pixels: its header says {times(shape)}")
    kind = nrrd.reader._TYPEMAP_NRRD2NUMPY.get(header.get("type"), "V")
    if kind == "V":
        raise PictureError(f"a NRRD must hold numbers: this holds the type {header.get('type')}")
    encoding = str(header.get("encoding", "nothing")).lower()
    if encoding not in UNPACK and encoding not in TEXT:
        raise PictureError(f"a NRRD must be packed by raw, gzip, bzip2 or ascii: this is {encoding}")
    header["encoding"] = encoding
    endian = "little" if encoding in TEXT or np.dtype(kind).itemsize == 1 else header.get("endian")
    if endian not in ENDS:
        raise PictureError(f"a NRRD must say which byte of its values is first, little or big: this says {endian}")
    order = ENDS[endian]
    fields = {name: value for name, value in header.items() if name not in PLACES}
    return fields, np.dtype(order + kind), shape


def _array(
    nrrd: Any, file: Any, header: dict[str, Any], dtype: np.dtype, shape: tuple[int, ...], request: Request
) -> np.ndarray:
    """Unpack the values, no more of them than the header says, and leave the rest to pynrrd."""
    name = header.get("data file", header.get("datafile"))
    if name is None:
        return _unpacked(nrrd, file, header, dtype, shape, request, request.path.stat().st_size)
    if name.startswith("LIST") or "%" in name:
        raise PictureError(f"the data of a NRRD must be in one file: this names several, {name!r}")
    place = request.path.parent / name
    if not place.is_file():
        raise PictureError(f"the data of a NRRD must lie where its header says: there is no {place}")
    with place.open("rb") as data:
        return _unpacked(nrrd, data, header, dtype, shape, request, place.stat().st_size)


def _unpacked(
    nrrd: Any, file: Any, header: dict[str, Any], dtype: np.dtype, shape: tuple[int, ...], request: Request, size: int
) -> np.ndarray:
    count, encoding = math.prod(shape), header["encoding"]
    skip = int(header.get("byte skip", header.get("byteskip", 0)))
    lines = int(header.get("line skip", header.get("lineskip", 0)))
    request.check_size(shape[0], shape[1] if len(shape) > 1 else 1)
    if encoding in TEXT:
        request.check_claim(count, size, 1)
        return np.asarray(nrrd.read_data(header | {"data file": None}, file))
    claimed = count * dtype.itemsize
    packed = UNPACK[encoding]
    request.check_claim(claimed, size, 1 if packed is None else DEFLATE if packed is gzip.open else None)
    for _ in range(lines):
        file.readline()
    if packed is None and skip >= 0:
        file.seek(skip, io.SEEK_CUR)
    elif packed is None:
        file.seek(-claimed, io.SEEK_END)
    data = file if packed is None else packed(file)
    if packed is not None and skip < 0:
        raise PictureError(f"a packed NRRD must say how many bytes to skip: this skips {skip}, from its end")
    if packed is not None:
        data.read(skip)
    values = fill(data, np.empty(shape[::-1], dtype)).T
    if packed is not None:
        data.read(1)  # there it is seen whether all was right
    return values


def _axes(fields: dict[str, Any], shape: tuple[int, ...], request: Request) -> str:
    """Name the axes by their kinds and directions."""
    count = len(shape)
    kinds = [*fields.get("kinds", ()), *["???"] * count][:count]
    directions = _directions(fields, count)
    lies = [kind in SPATIAL and (directions is None or directions[k] is not None) for k, kind in enumerate(kinds)]
    names, free = "", iter("XYZ")
    for k, kind in enumerate(kinds):
        if lies[k]:
            names += next(free, "N")
        elif kind == "time":
            names += "T"
        elif kind in COLOURS or (kind not in ("list", *SPATIAL) and shape[k] <= SMALL):
            names += "C"
        else:
            names += "N"
    if request.channel_axis is not None and -count <= request.channel_axis < count:
        rest = iter("XYZN")
        names = "".join("C" if k == request.channel_axis % count else next(rest, "?") for k in range(count))
    if len(set(names)) < len(names) or not {"X", "Y"} <= set(names) or "?" in names:
        raise PictureError(
            f"a NRRD must have axes x and y, and at most z, channels and one list besides: this has {times(shape)}, "
            f"kinds {' '.join(kinds)}; name each axis, fastest first, with --axes (axes=), such as XYZN"
        )
    return names


def _directions(fields: dict[str, Any], count: int) -> list[np.ndarray | None] | None:
    """Return the direction of each axis, None for those that have none; None where none is said for any."""
    said = fields.get("space directions")
    if said is None or len(said) != count:
        return None
    return [None if row is None or np.isnan(row).any() else np.asarray(row, float) for row in said]


def _spacing(fields: dict[str, Any], axes: str) -> tuple[float, ...] | None:
    """Return the sides of a pixel along X, Y and Z."""
    directions = _directions(fields, len(axes))
    said = fields.get("spacings")
    if directions is not None:
        steps = [math.nan if row is None else float(np.linalg.norm(row)) for row in directions]
    elif said is not None and len(said) == len(axes):
        steps = [abs(float(step)) for step in said]
    else:
        return None
    sides = tuple(step for step, axis in zip(steps, axes.upper(), strict=False) if axis in "XYZ")
    return sides if all(0 < side < math.inf for side in sides) else None


def _unit(fields: dict[str, Any]) -> str | None:
    """Return the unit of length that all spatial axes have."""
    said = {UNITS.get(str(unit)) for unit in (fields.get("space units") or fields.get("units") or ()) if str(unit)}
    return said.pop() if len(said) == 1 else None


def _of(origin: Origin, order: Sequence[str]) -> dict[str, Any]:
    """Return the fields that say something of the axes that are left."""
    kept = [origin.axes.index(axis) for axis in order]
    fields = dict(origin.fields)
    for name in PER_AXIS:
        said = fields.get(name)
        if said is not None and len(said) == len(origin.axes):
            fields[name] = said[kept] if isinstance(said, np.ndarray) else [said[k] for k in kept]
    return fields


def _new(picture: Picture, order: Sequence[str]) -> dict[str, Any]:
    """Return the fields of a picture from elsewhere."""
    kinds = {"X": "domain", "Y": "domain", "Z": "domain", "T": "time", "N": "list", "C": "list"}
    channels = dict(zip(picture.dimensions, picture.pixels.shape, strict=True)).get("C", 0)
    kinds["C"] = WITH_ALPHA if picture.alpha is not None and channels == 3 else {3: "RGB-color"}.get(channels, "list")
    fields: dict[str, Any] = {"kinds": [kinds[axis] for axis in order], "encoding": "gzip"}
    if picture.spacing is not None:
        names = (axis for axis in picture.dimensions if axis in "XYZ")
        sides = dict(zip(names, picture.spacing, strict=True))
        fields["spacings"] = np.array([sides.get(axis, math.nan) for axis in order])
        if picture.unit is not None:
            unit, scale = ("um" if picture.unit == "µm" else picture.unit), 1.0
            if not unit.isascii():
                unit, scale = "nm", LENGTHS[picture.unit] / LENGTHS["nm"]
            fields["spacings"] = fields["spacings"] * scale
            fields["units"] = [unit if axis in sides else "" for axis in order]
    return fields


def _with_alpha(picture: Picture) -> np.ndarray:
    """Return the pixels, with the alpha as the last of the channels."""
    if picture.alpha is None or "C" not in picture.dimensions:
        return picture.with_alpha()
    channel = picture.dimensions.index("C")
    return np.concatenate((picture.pixels, np.moveaxis(picture.alpha, -1, channel)), axis=channel)
