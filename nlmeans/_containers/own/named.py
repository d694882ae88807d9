"""Arrays of xarray, whose dimensions have names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ... import _checks
from ..container import Container
from ..table import within

NAMES: Mapping[str, str] = {
    name: letter
    for letter, names in {
        "T": "t time times frame frames",
        "Z": "z depth slice slices plane planes lev level altitude height_level",
        "C": "c channel channels band bands colour color rgb wavelength",
        "Y": "y lat latitude row rows line lines northing projection_y_coordinate nlat rlat",
        "X": "x lon longitude col cols column columns sample_x easting projection_x_coordinate nlon rlon",
        "N": "n image images sample samples batch realization member",
    }.items()
    for name in names.split()
}
"""Names of dimensions, in small letters, and the axes they stand for."""


MISSING = ("_FillValue", "missing_value")
"""Attributes by which files say what stands for no data."""
EVEN = 1e-3
"""How much steps of a coordinate may differ, relative to them."""


def opened(image: Any) -> Container | None:
    """Open an array whose dimensions are axes; values that its attributes say are missing stay as they are."""
    if hasattr(image, "data_vars"):
        raise TypeError("the image must be one array; got a Dataset, which holds several: pass dataset['name']")
    if not (hasattr(image, "dims") and hasattr(image, "attrs") and hasattr(image, "copy")):
        return None
    dims = tuple(map(str, image.dims))
    letters = [NAMES.get(name.lower(), "") for name in dims]
    axes: str | tuple[str, ...] | None = "".join(letters) if all(letters) and len(set(letters)) == len(dims) else dims
    if dims == tuple(f"dim_{k}" for k in range(len(dims))):  # xarray's own, for an array without names
        axes = None
    known = _known(image)

    def close(result: Any) -> Any:
        if known is None or result.dtype != image.dtype:
            return image.copy(data=result)
        if _checks.is_dask(result):
            import dask.array

            return image.copy(data=dask.array.where(known, result, image.data))
        return image.copy(data=np.where(known, result, image.data))

    return within(image.data, close, axes=axes, mask=known, spacing=_spacing(image, letters))


def _known(image: Any) -> Any:
    """Return where there is data, of the kind of the image's; None where no attribute declares a value for none."""
    attributes = image.attrs or {}
    declared = [attributes[name] for name in MISSING if name in attributes]
    values = [value for value in np.ravel(declared) if value == value]  # NaN is missing anyway
    if not values:
        return None
    known = image.data != values[0]
    for value in values[1:]:
        known &= image.data != value
    return known


def _spacing(image: Any, letters: list[str]) -> tuple[float, ...] | None:
    """Return the steps along the axes of space, where all have even coordinates in the same named unit."""
    coordinates = getattr(image, "coords", None)
    if "T" in letters or coordinates is None:
        return None
    steps, units = {}, set()
    for name, letter in zip(image.dims, letters, strict=True):
        if letter not in tuple("ZYX"):
            continue
        coordinate = coordinates.get(name)
        if np.ndim(coordinate) != 1 or len(coordinate) < 2 or coordinate.dtype.kind not in "iuf":
            return None
        step = np.diff(np.asarray(coordinate, np.float64))
        if not np.all(np.abs(step - step[0]) <= EVEN * abs(step[0])) or step[0] == 0:
            return None
        steps[letter] = abs(float(step.mean()))
        units.add(str(coordinate.attrs.get("units", "")))
    return tuple(steps[axis] for axis in "ZYX" if axis in steps) if len(units) == 1 and units != {""} else None
