"""Files that napari does not read or write itself, by `nlmeans.io`: with axes, pixel size, unit and all they say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from nlmeans import io

from .subject import named

PICTURE = "picture"
"""Key in a layer's metadata: the `Picture` that its file was read as, so that all that it says is written back."""
UNITS = {
    "pm": "picometer", "Å": "angstrom", "nm": "nanometer", "µm": "micrometer", "mm": "millimeter", "cm": "centimeter",
    "m": "meter", "in": "inch",
}  # fmt: skip
"""Units of length: as files have them, and as napari's layers do."""

LayerData = tuple[Any, dict[str, Any], str]


def reader(path: str | Sequence[str]) -> Callable[[str | Sequence[str]], list[LayerData]]:
    """Return what reads files whose names the manifest lists."""
    return read


def read(path: str | Sequence[str]) -> list[LayerData]:
    """Read files, each as one layer, or as one for each channel."""
    paths = [path] if isinstance(path, str) else path
    return [layer for one in paths for layer in _layers(io.read(one), Path(one).name)]


def _layers(picture: io.Picture, name: str) -> list[LayerData]:
    axes = picture.dimensions
    sides = dict(zip((axis for axis in axes if axis in "XYZ"), picture.spacing or (), strict=False))
    unit = UNITS.get(picture.unit or "", "pixel")
    space = axes.replace("C", "")
    given: dict[str, Any] = {
        "scale": tuple(sides.get(axis, 1.0) for axis in space),
        "units": tuple(unit if axis in sides else "pixel" for axis in space),
        "axis_labels": tuple(space.lower()),
    }
    count = dict(zip(axes, picture.pixels.shape, strict=True)).get("C")
    if count is None or (count == 3 and axes.endswith("C")):
        whole = picture.alpha is not None and picture.alpha.shape[-1] == 1 and count == 3
        pixels = picture.with_alpha() if whole else picture.pixels
        return [(pixels, given | {"name": name, "rgb": count == 3, "metadata": {PICTURE: picture}}, "image")]
    said = picture.channels or tuple(map(str, range(count)))
    channels = np.moveaxis(picture.pixels, axes.index("C"), 0)
    return [(one, given | {"name": f"{name} {what}"}, "image") for one, what in zip(channels, said, strict=True)]


def write(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write an image layer, in the format that the name stands for: whole, or not at all."""
    pixels = np.asarray(data[0] if attributes.get("multiscale") else data)
    io.write(path, _picture(pixels, attributes), overwrite=True)  # napari asks before it comes to this
    return [path]


def _picture(pixels: np.ndarray, attributes: dict[str, Any]) -> io.Picture:
    """Return a layer as its file is written: with all that the file it came from said."""
    rgb = bool(attributes.get("rgb"))
    alpha = pixels[..., 3:] if rgb and pixels.shape[-1] == 4 else None
    pixels = pixels[..., :3] if rgb else pixels
    came = attributes.get("metadata", {}).get(PICTURE)
    if came is not None and (came.pixels.shape, came.pixels.dtype) == (pixels.shape, pixels.dtype):
        return replace(came.with_pixels(pixels), alpha=alpha if came.alpha is None else came.alpha)
    axes = named(attributes.get("axis_labels", ())) or "NTZYX"[-(pixels.ndim - rgb) :]
    said = [(str(unit), side) for axis, side, unit in _sides(axes, attributes) if axis in "XYZ"]
    units = {unit for unit, _ in said}
    unit = next((short for short, long in UNITS.items() if units == {long}), None)
    spacing = None if unit is None else tuple(side for _, side in said)
    return io.Picture(pixels, axes + "C" * rgb, alpha=alpha, spacing=spacing, unit=unit)


def _sides(axes: str, attributes: dict[str, Any]) -> list[tuple[str, float, Any]]:
    scale = attributes.get("scale", (1.0,) * len(axes))
    units = attributes.get("units", ("pixel",) * len(axes))
    return [(axis, float(side), unit) for axis, side, unit in zip(axes, scale, units, strict=True)]
