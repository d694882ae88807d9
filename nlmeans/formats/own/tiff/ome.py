"""OME metadata of a TIFF: what they say of planes and of a pixel's size, checked before anybody acts on it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from xml.etree import ElementTree

from ...picture import LENGTHS, PictureError, quoted, times

MOST_PLANES = 2**24
"""Planes that metadata may speak of: a list is made of them."""
TYPES = ("bool", "int8", "int16", "int32", "uint8", "uint16", "uint32", "float32", "float64")
"""Types of pixels that OME knows."""
UNITS = {
    "nanometer": "nm", "micrometer": "µm", "micron": "µm", "um": "µm", "μm": "µm", r"\u00B5m": "µm", "millimeter": "mm",
    "centimeter": "cm", "meter": "m", "inch": "in", "angstrom": "Å", "picometer": "pm",
}  # fmt: skip
"""Other names of units; the second of the two letters that look like µ is Greek."""


@dataclass(frozen=True)
class Described:
    """An image of the metadata."""

    sides: dict[str, float]  # of a pixel by X, Y and Z, as far as they are there
    unit: str | None
    channels: tuple[str, ...] | None = None  # their names, if all have one

    @classmethod
    def of(cls, sides: Mapping[str, Any], units: Mapping[str, Any]) -> Described:
        """Return what is known of sides in units: those that are lengths, in the unit of X."""
        lengths: dict[str, tuple[float, str]] = {}
        for axis, side in sides.items():
            unit = UNITS.get(str(units[axis]), str(units[axis]))
            try:
                if 0 < float(side) < math.inf and unit in LENGTHS:
                    lengths[axis] = float(side), unit
            except (TypeError, ValueError):
                continue
        if not lengths:
            return cls({}, None)
        unit = lengths["X" if "X" in lengths else min(lengths)][1]
        return cls({axis: side * (LENGTHS[own] / LENGTHS[unit]) for axis, (side, own) in lengths.items()}, unit)


def described(xml: str, filename: str) -> list[Described]:
    """Return what the metadata of a file say of each of its images.

    Raises
    ------
    PictureError
        If they are damaged, or a plane is in another file.
    """
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError as error:
        raise PictureError(f"the OME metadata are damaged: {quoted(error)}") from None
    pixels = [element for element in root.iter() if _name(element) == "Pixels"]
    for each in pixels:
        _check_planes(each)
        _check_files(each, root.get("UUID"), filename)
    _check_modulo(root)
    return [_described(each) for each in pixels]


def _described(pixels: Any) -> Described:
    names = {axis: f"PhysicalSize{axis}" for axis in "XYZ"}
    said = Described.of(
        {axis: pixels.get(name) for axis, name in names.items()},
        {axis: pixels.get(f"{name}Unit", "µm") for axis, name in names.items()},
    )
    channels = tuple(each.get("Name", "") for each in pixels if _name(each) == "Channel")
    return replace(said, channels=channels if channels and all(channels) else None)


def plain(xml: str, number: int) -> str:
    """Return the metadata of one image alone, for a file whose pages follow each other in the order that they name."""
    root = ElementTree.fromstring(xml)
    space = root.tag.partition("}")[0] + "}"
    ElementTree.register_namespace("", space[1:-1])
    root.attrib.pop("UUID", None)
    images = [each for each in root if _name(each) == "Image"]
    for image in images[:number] + images[number + 1 :]:
        root.remove(image)
        for holder in list(root.iter()):
            for each in [one for one in holder if _name(one) == "ImageRef" and one.get("ID") == image.get("ID")]:
                holder.remove(each)
    for pixels in root.iter(f"{space}Pixels"):
        places = pixels.findall(f"{space}TiffData")
        for place in places[1:]:
            pixels.remove(place)
        for place in places[:1]:
            place.clear()
    return ElementTree.tostring(root, encoding="us-ascii", xml_declaration=True).decode()


def naming(channels: tuple[str, ...] | None) -> dict[str, Any]:
    """Return names of channels as tifffile takes them for OME metadata."""
    return {} if channels is None else {"Channel": {"Name": list(channels)}}


def size(spacing: tuple[float, ...] | None, unit: str | None, axes: str) -> dict[str, Any]:
    """Return a pixel's size as tifffile takes it for OME metadata."""
    sides = dict(zip((axis for axis in axes if axis in "XYZ"), spacing or (), strict=False))
    named = {f"PhysicalSize{axis}": side for axis, side in sides.items()}
    return named | ({f"{name}Unit": unit for name in named} if unit else {})


def in_rows(size: Described, axes: str) -> tuple[float, ...] | None:
    """Return the sides along those of X, Y and Z that ``axes`` names, in its order, if all are known."""
    space = [axis for axis in axes if axis in "XYZ"]
    return tuple(size.sides[axis] for axis in space) if space and set(space) <= set(size.sides) else None


def _name(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]


def _number(element: Any, name: str, default: int) -> int:
    said = element.get(name, default)
    try:
        return int(said)
    except ValueError:
        raise PictureError(f"the OME metadata are damaged: {name} is {quoted(said)}") from None


def _check_planes(pixels: Any) -> None:
    """Refuse counts that nobody should count up to."""
    counts = [_number(pixels, f"Size{axis}", 1) for axis in "XYZCT"]
    planes = [_number(each, name, 0) for each in pixels for name in ("PlaneCount", "NumPlanes", "IFD")]
    if min(counts) < 1 or math.prod(counts[2:]) > MOST_PLANES or not 0 <= max(planes, default=0) <= MOST_PLANES:
        raise PictureError(
            f"the OME metadata are damaged: they say {times(counts)} pixels, and {max(planes, default=0)} planes"
        )


def _check_modulo(root: Any) -> None:
    """Refuse axes within an axis whose steps nobody should count."""
    for each in root.iter():
        if _name(each).startswith("ModuloAlong") and "Start" in each.attrib:
            try:
                start, end, step = (float(each.get(name, 1)) for name in ("Start", "End", "Step"))
                fine = abs(end - start) <= MOST_PLANES * abs(step)
            except ValueError:
                fine = False
            if not fine:
                raise PictureError(f"the OME metadata are damaged: {_name(each)} has {quoted(each.attrib)}")


def _check_files(pixels: Any, ours: str | None, filename: str) -> None:
    """Refuse planes that are in another file, which the metadata know by a name and an identity."""
    for place in pixels.iter():
        other = place.get("FileName", filename)
        if _name(place) == "UUID" and other.lower() != filename.lower() and (place.text is None or place.text != ours):
            raise PictureError(f"a stack must be in one file: this says that planes are in {quoted(other)}")
