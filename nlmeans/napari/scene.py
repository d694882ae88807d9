"""What of a layer is seen in a viewer: read from napari, in the layer's own pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .subject import Subject
from .view import Region, region_of, slice_of


@dataclass(frozen=True)
class Scene:
    """What to denoise for a preview, and the slice by which its noise is judged."""

    region: Region
    slice: Region


def scene_of(viewer: Any, layer: Any, subject: Subject, shapes: Any = None) -> Scene | None:
    """Return what is seen of a layer, or lies within shapes; None where that is nothing."""
    sides, axes = subject.sides, subject.axes
    above = viewer.dims.ndim - layer.ndim
    displayed = [axis - above for axis in viewer.dims.displayed if axis >= above]
    at = np.asarray(layer.world_to_data(viewer.dims.point))[-layer.ndim :]
    point = [int(np.clip(round(place), 0, side - 1)) for place, side in zip(at, sides, strict=True)]
    seen = _visible(layer, sides, displayed) if shapes is None else _enclosed(layer, shapes)
    region = region_of(sides, axes, seen, displayed, point)
    judged = slice_of(sides, axes, displayed, point)
    return None if region is None or judged is None else Scene(region, judged)


def _visible(layer: Any, sides: tuple[int, ...], displayed: list[int]) -> list[tuple[int, int]]:
    """Return what the canvas shows of a layer; all of it in three dimensions, and where nothing was drawn yet."""
    corners = np.asarray(layer.corner_pixels, float)
    if layer.multiscale:
        corners = corners * np.asarray(layer.downsample_factors[layer.data_level])
    if len(displayed) > 2 or not corners[:, displayed].any():
        return [(0, side) for side in sides]
    return [(int(np.floor(first)), int(np.ceil(last)) + 1) for first, last in corners.T]


def _enclosed(layer: Any, shapes: Any) -> list[tuple[int, int]]:
    """Return the box around all shapes of a layer, in another layer's pixels."""
    if not len(shapes.data):
        raise ValueError(f"draw a shape on {shapes.name!r} first: there is none to tune on")
    corners = [corner for shape in shapes.data for corner in shape]
    places = np.array(
        [np.asarray(layer.world_to_data(shapes.data_to_world(corner)))[-layer.ndim :] for corner in corners]
    )
    return [
        (int(np.floor(first)), int(np.ceil(last))) for first, last in zip(places.min(0), places.max(0), strict=True)
    ]
