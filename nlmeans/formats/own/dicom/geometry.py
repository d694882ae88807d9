"""Where the planes of a series lie, in which order they make volumes, and how large their pixels are.

Source: PS3.3 C.7.6.2 (planes), C.7.6.16.2 (of frames), C.8.8.3.2 (of doses), C.8.4.8 (of nuclear medicine).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...picture import PictureError, Request
from .values import frame_group

logger = logging.getLogger("nlmeans")

SAME = 1e-3
"""Millimetres, and differences of cosines, that count as none."""
UNEVEN = 0.02
"""Share of a distance by which those between slices may differ."""
FRAME_TIMES = (0x00181063, 0x00181065)
SLICES = 0x00540080
CENTIMETRES = 3  # of an ultrasound region
_SIDES = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")

Vector = tuple[float, ...]


@dataclass(frozen=True)
class Plane:
    """One frame of one file.

    Attributes
    ----------
    place : tuple of 3 float or None
        Where its first pixel lies.
    turned : tuple of 6 float or None
        The directions of its rows and columns.
    sides : tuple of 2 float or None
        Distances of rows, and of columns.
    number : int
        Which of the series it is.
    """

    place: Vector | None
    turned: Vector | None
    sides: Vector | None
    number: int


@dataclass(frozen=True)
class Arrangement:
    """Planes as an array.

    Attributes
    ----------
    order : ndarray of int
        Which plane comes where, in the shape of the axes before Y and X.
    axes : str
        Their names, and those of Y and X.
    spacing : tuple of float or None
        Sides of a pixel along Z, Y and X, as far as there are such axes.
    """

    order: np.ndarray
    axes: str
    spacing: Vector | None


def planes_of(dataset: Any, frames: int) -> list[Plane]:
    """Return the frames of a file."""
    number = int(dataset.get("InstanceNumber") or 0)
    offsets = _offsets(dataset, frames)
    planes = []
    for k in range(frames):
        place = _vector(frame_group(dataset, k, "PlanePositionSequence") or dataset, "ImagePositionPatient", 3)
        turned = _vector(frame_group(dataset, k, "PlaneOrientationSequence") or dataset, "ImageOrientationPatient", 6)
        if place is not None and turned is not None and frames > 1 and offsets is not None:
            place = tuple(np.add(place, offsets[k] * _normal(turned)).tolist())
        elif frames > 1 and frame_group(dataset, k, "PlanePositionSequence") is None:
            place = None  # one for all of them says nothing
        planes.append(Plane(place, turned, _sides(dataset, k), number))
    return planes


def in_time(dataset: Any) -> bool:
    """Whether the frames of a file follow each other in time."""
    return bool(_pointers(dataset) & set(FRAME_TIMES))


def arranged(planes: Sequence[Plane], times: bool, request: Request) -> Arrangement:
    """Return the planes as volumes where their places say so, else as a video or separate images."""
    sides = _common(planes)
    if request.names_axes:
        axes = request.axes or ""
        spacing = sides if "Z" not in axes.upper() else None
        return Arrangement(np.arange(len(planes)) if len(planes) > 1 else np.array(0), axes, spacing)
    if len(planes) == 1:
        return Arrangement(np.array(0), "YX", sides)
    depths = _depths(planes)
    if depths is None:
        numbers = np.array([plane.number for plane in planes])
        return Arrangement(np.argsort(numbers, kind="stable"), "TYX" if times else "NYX", sides)
    order = np.argsort(depths, kind="stable")
    starts = np.flatnonzero(np.concatenate(([True], np.diff(depths[order]) > SAME)))
    counts = np.diff(np.append(starts, len(planes)))
    if counts.min() != counts.max():
        raise PictureError(
            "the slices of a series must make whole volumes, as many at one place as at any other: these are "
            f"{counts.min()} to {counts.max()}; --axes NYX (axes=) takes each by itself"
        )
    numbers = np.array([plane.number for plane in planes])
    order = np.concatenate([part[np.lexsort((part, numbers[part]))] for part in np.split(order, starts[1:])])
    if len(starts) == 1:
        return Arrangement(order, "NYX", sides)
    spacing = None if sides is None else (_distance(depths[order][:: counts[0]]), *sides)
    if counts[0] == 1:
        return Arrangement(order, "ZYX", spacing)
    return Arrangement(order.reshape(-1, counts[0]).T.copy(), "NZYX", spacing)


def _depths(planes: Sequence[Plane]) -> np.ndarray | None:
    """Return how far along their normal planes lie that are parallel; None of any others."""
    places, turned = [plane.place for plane in planes], [plane.turned for plane in planes]
    if None in places or None in turned:
        return None
    directions = np.array(turned)
    if np.abs(directions - directions[0]).max() > SAME:
        return None
    return np.array(places) @ _normal(directions[0])


def _distance(depths: np.ndarray) -> float:
    """Return how far slices are apart."""
    steps = np.diff(depths)
    if steps.max() - steps.min() > UNEVEN * steps.max() + SAME:
        logger.warning(
            "the slices are not equally far apart, %.4g to %.4g mm: one may be missing; %.4g is taken for all",
            steps.min(), steps.max(), np.median(steps),
        )  # fmt: skip
    return float(np.median(steps))


def _common(planes: Sequence[Plane]) -> Vector | None:
    """Return the sides of a pixel that all planes have."""
    if any(plane.sides is None for plane in planes):
        return None
    sides = np.array([plane.sides for plane in planes])
    if np.abs(sides / sides[0] - 1).max() > SAME:
        raise PictureError(
            f"the slices of a series must have pixels of one size: these have {sides.min():.4g} to {sides.max():.4g} mm"
        )
    return tuple(sides[0].tolist())


def _normal(turned: Sequence[float] | np.ndarray) -> np.ndarray:
    return np.cross(turned[:3], turned[3:])


def _vector(said: Any, name: str, count: int) -> Vector | None:
    values = said.get(name)
    if values is None or values == "" or len(values) != count:
        return None
    numbers = tuple(float(value) for value in values)
    return numbers if np.isfinite(numbers).all() else None


def _sides(dataset: Any, k: int) -> Vector | None:
    """Return the distances of a frame's rows and columns, in millimetres."""
    measured = frame_group(dataset, k, "PixelMeasuresSequence") or dataset
    found = [_vector(measured, name, 2) for name in _SIDES]
    regions = dataset.get("SequenceOfUltrasoundRegions")
    if regions and len(regions) == 1 and regions[0].get("PhysicalUnitsXDirection") == CENTIMETRES:
        steps = regions[0].get("PhysicalDeltaY"), regions[0].get("PhysicalDeltaX")
        if None not in steps:
            found.append(tuple(10 * abs(float(step)) for step in steps))
    return next((sides for sides in found if sides is not None and min(sides) > 0), None)


def _pointers(dataset: Any) -> set[int]:
    said = dataset.get("FrameIncrementPointer")
    return set() if said is None else {int(tag) for tag in ([said] if isinstance(said, int) else said)}


def _offsets(dataset: Any, frames: int) -> np.ndarray | None:
    """Return how far frames lie from the first one, along the normal, where one place is said for all."""
    vector = dataset.get("GridFrameOffsetVector")
    if vector is not None and frames > 1 and len(vector) == frames:
        return np.array([float(value) for value in vector]) - float(vector[0])
    step = dataset.get("SpacingBetweenSlices")
    if _pointers(dataset) == {SLICES} and step:
        return np.arange(frames) * float(step)
    return None
