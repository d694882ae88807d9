"""MetaImage, `.mha` and `.mhd`, read by SimpleITK.

Its writer leaves fields out, and makes others anew, so the lines before the values are kept and written back as they
were, but for the sides and where the values are. What is written is one file, under either name.

Source: https://itk.org/Wiki/ITK/MetaIO/Documentation, the format's definition.
"""

from __future__ import annotations

import math
import re
import zlib
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from .. import exif
from ..format import Format
from ..picture import LENGTHS, Picture, PictureError, Request, quoted, times
from ..scaled import Scaling

TYPES = {
    "int8": "MET_CHAR", "uint8": "MET_UCHAR", "int16": "MET_SHORT", "uint16": "MET_USHORT", "int32": "MET_INT",
    "uint32": "MET_UINT", "int64": "MET_LONG_LONG", "uint64": "MET_ULONG_LONG", "float32": "MET_FLOAT",
    "float64": "MET_DOUBLE",
}  # fmt: skip
SIZES = {name: np.dtype(key).itemsize for key, name in TYPES.items()} | {"MET_LONG": 4, "MET_ULONG": 4}
AXES = "NZYX"
DEFLATE = 1032
"""Bytes that one byte can stand for."""
LINES, LONGEST = 1000, 10_000
"""Of a header, and of a line in it."""
LEVEL = 6
UNITS = {"mm": "mm", "um": "µm", "cm": "cm"}
LAST = "ElementDataFile"
REQUIRED = ("NDims", "DimSize", "ElementType", LAST)
PLACES = ("HeaderSize", "CompressedDataSize", LAST)
"""Fields that say where the values are."""
CHANNELS = "ElementNumberOfChannels"
LOCAL = "LOCAL"

Fields = dict[str, str]


@dataclass(frozen=True)
class Origin(Scaling):
    """The fields of a header, and the names of the axes that they are about, slowest first."""

    fields: Fields = field(default_factory=dict, repr=False)
    axes: str = ""

    def typed(self, dtype: np.dtype) -> Origin:
        """Return the header of a file with values of another type."""
        order = self.dtype.byteorder
        return Origin(np.dtype(dtype).newbyteorder(order), fields=self.fields, axes=self.axes)


class MetaImage(Format):
    """One grey or RGB image, volume, or list of volumes."""

    name, endings = "MetaImage", (".mha", ".mhd")
    needs, extra = "SimpleITK", "metaimage"
    loses = "that values lie in a file beside it: it is one file; values as text become binary"

    def recognises(self, head: bytes, path: Path) -> bool:
        """Whether a file begins with a field, and with one that MetaImage has or under its name."""
        named = path.suffix.lower() in self.endings and re.match(rb"\w+\s*=", head) is not None
        return named or re.match(rb"ObjectType\s*=\s*Image", head) is not None

    def read(self, request: Request) -> Picture:
        """Read the values, wherever they are."""
        library = self.library()
        fields = _fields(request.path)
        sides = _checked(fields, request)
        reader = library.ImageFileReader()
        reader.SetImageIO("MetaImageIO")
        reader.SetFileName(str(request.path))
        image = reader.Execute()
        stored = library.GetArrayFromImage(image)
        axes = AXES[-len(sides) :] + "C" * (stored.ndim > len(sides))
        if request.names_axes:
            axes = request.axes or ""
        msb = fields.get("BinaryDataByteOrderMSB", fields.get("ElementByteOrderMSB", "")).lower() == "true"
        origin = Origin(stored.dtype.newbyteorder(">" if msb else "<"), fields=fields, axes=axes.upper())
        said = "ElementSpacing" in fields or "ElementSize" in fields
        spacing = tuple(float(side) for side in image.GetSpacing()[2::-1]) if said else None
        if request.names_axes:
            spacing = None
        unit = UNITS.get(fields.get("DistanceUnits", "")) if spacing else None
        return Picture(
            origin.decode(stored), axes or None, request.channel_axis, spacing=spacing, unit=unit, native=origin
        )

    def check(self, picture: Picture) -> None:
        """Refuse what a MetaImage cannot hold: half floats, volumes of volumes."""
        axes = picture.dimensions
        dtype = picture.pixels.dtype.newbyteorder("=").name
        if isinstance(picture.native, Origin):
            return
        if dtype not in TYPES or {"T", "N"} <= set(axes):
            raise PictureError(
                f"a MetaImage holds {', '.join(TYPES)} pixels of one list of volumes: these are {dtype}, axes {axes}; "
                "write a TIFF or NPY instead"
            )

    def write(self, part: Path, picture: Picture, path: Path, **options: Any) -> None:
        """Write the fields, with the sides of the axes that there are, and the values after them."""
        self.check(picture)
        origin, axes, pixels = picture.native, picture.dimensions, picture.with_alpha()
        if isinstance(origin, Origin) and set(axes) <= set(origin.axes):
            stored, fields, order = origin.encode(pixels), dict(origin.fields), origin.axes
        else:
            if axes == "YX":
                pixels = exif.upright(pixels, exif.orientation(picture.exif))
            order = "".join(axis for axis in "NTZYX" if axis in axes) + "C" * (pixels.ndim > len(axes.replace("C", "")))
            stored, fields = pixels, _new(picture, order.replace("C", ""))
            axes += "C" * (pixels.ndim > len(axes))
        stored = stored.transpose([axes.index(axis) for axis in order if axis in axes])
        stored = np.expand_dims(stored, [k for k, axis in enumerate(order) if axis not in axes])
        _state(fields, stored, order)
        data: Any = np.ascontiguousarray(stored)
        if fields.get("CompressedData", "").lower() == "true":
            data = zlib.compress(data, LEVEL)
            fields["CompressedDataSize"] = str(len(data))
        fields[LAST] = LOCAL
        with part.open("wb") as file:
            file.write(
                "".join(f"{name} = {value}\n" for name, value in fields.items()).encode("utf-8", "surrogateescape")
            )
            file.write(data)


FORMAT = MetaImage()


def _fields(path: Path) -> Fields:
    """Return the fields of a header in their order, up to the one that says where the values are."""
    fields: Fields = {}
    with path.open("rb") as file:
        for line in islice(iter(lambda: file.readline(LONGEST), b""), LINES):
            name, _, value = line.decode("utf-8", "surrogateescape").partition("=")
            fields[name.strip()] = value.strip()
            if name.strip() == LAST:
                break
    missing = [name for name in REQUIRED if name not in fields]
    if missing:
        raise PictureError(f"a MetaImage must say {', '.join(REQUIRED)}: this says no {missing[0]}, or is cut short")
    return fields


def _checked(fields: Fields, request: Request) -> tuple[int, ...]:
    """Return the sides, x first; refuse what cannot be read, or would fill the memory."""
    sides = tuple(int(side) for side in fields["DimSize"].split())
    if len(sides) != int(fields["NDims"]) or not 2 <= len(sides) <= len(AXES):
        raise PictureError(
            f"a MetaImage must have 2 to 4 dimensions, with a size for each: this has {fields['NDims']}, {times(sides)}"
        )
    if min(sides) < 1:
        raise PictureError(f"a picture must have pixels: its header says {times(sides)}")
    request.check_size(*sides[:2])
    kind = fields["ElementType"].removesuffix("_ARRAY")
    if kind not in SIZES:
        raise PictureError(f"a MetaImage must hold numbers of one of {', '.join(SIZES)}: this holds {quoted(kind)}")
    name, place = fields[LAST], request.path
    if name != LOCAL:
        if name.split()[0] == "LIST" or "%" in name:
            raise PictureError(f"the values of a MetaImage must be in one file: this names several, {quoted(name)}")
        place = request.path.parent / name
        if not place.is_file():
            raise PictureError(f"the values of a MetaImage must lie where its header says: there is no {place}")
    claimed = math.prod(sides) * SIZES[kind] * int(fields.get(CHANNELS, 1))
    packed = fields.get("CompressedData", "").lower() == "true"
    text = fields.get("BinaryData", "true").lower() == "false"
    size = place.stat().st_size
    request.check_claim(claimed, size, DEFLATE if packed else 8 if text else 1)
    if name == LOCAL and not text:
        held = size - _start(request.path)
        there = int(fields.get("CompressedDataSize", 0)) if packed else claimed
        if held < there:
            raise PictureError(f"the file is cut short: its values take {there:,} bytes, there are {held:,}")
    return sides


def _start(path: Path) -> int:
    """Return where the values begin in a file that holds them."""
    with path.open("rb") as file:
        for line in islice(iter(lambda: file.readline(LONGEST), b""), LINES):
            if line.partition(b"=")[0].strip() == LAST.encode():
                return file.tell()
    return 0


def _state(fields: Fields, stored: np.ndarray, order: str) -> None:
    """Say how many values of which type there are, and their range where it is said."""
    for name in PLACES:
        fields.pop(name, None)
    sides = [side for axis, side in zip(order, stored.shape, strict=True) if axis != "C"]
    fields["DimSize"] = " ".join(map(str, reversed(sides)))
    kind = TYPES[stored.dtype.newbyteorder("=").name]
    fields["ElementType"] = kind
    if "C" in order:
        fields[CHANNELS] = str(stored.shape[-1])
    fields["BinaryData"] = "True"
    if stored.itemsize > 1:
        name = "ElementByteOrderMSB" if "ElementByteOrderMSB" in fields else "BinaryDataByteOrderMSB"
        fields[name] = str(stored.dtype != stored.dtype.newbyteorder("<"))
    for name, value in (("ElementMin", stored.min()), ("ElementMax", stored.max())):
        if name in fields:
            fields[name] = f"{value:.17g}" if stored.dtype.kind == "f" else str(value)


def _new(picture: Picture, order: str) -> Fields:
    """Return the fields of a picture from elsewhere, but for the values' own."""
    fields = {"ObjectType": "Image", "NDims": str(len(order)), "BinaryData": "True", "CompressedData": "True"}
    if picture.spacing is not None:
        names = (axis for axis in picture.dimensions if axis in "XYZ")
        unit = picture.unit if picture.unit is None or picture.unit in UNITS.values() else "mm"
        scale = 1.0 if picture.unit is None or unit is None else LENGTHS[picture.unit] / LENGTHS[unit]
        sides = dict(zip(names, (side * scale for side in picture.spacing), strict=True))
        fields["ElementSpacing"] = " ".join(f"{sides.get(axis, 1):.17g}" for axis in reversed(order))
        if unit is not None:
            fields["DistanceUnits"] = {value: key for key, value in UNITS.items()}[unit]
    return fields
