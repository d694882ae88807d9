"""How a layer that is made of another one lies and looks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from napari.utils.transforms import Affine

PLACE = ("scale", "rotate", "shear", "affine", "units", "axis_labels")
LOOK = ("blending", "gamma", "opacity", "interpolation2d", "interpolation3d", "rendering")
COLOURS = ("colormap", "contrast_limits")


def place(layer: Any, start: Sequence[int] | None = None) -> dict[str, Any]:
    """Return arguments of `add_image` by which pixels lie where those of a layer do, from an index on."""
    given = {name: getattr(layer, name) for name in PLACE}
    given["affine"] = np.array(layer.affine.affine_matrix)
    inner = Affine(
        scale=layer.scale, rotate=layer.rotate, shear=layer.shear, translate=layer.translate, ndim=layer.ndim
    )
    given["translate"] = inner(np.zeros(layer.ndim) if start is None else np.asarray(start, float))
    return given


def look(layer: Any) -> dict[str, Any]:
    """Return arguments by which pixels look as those of a layer do."""
    names = LOOK if layer.rgb else (*LOOK, *COLOURS)
    return {"rgb": layer.rgb} | {name: getattr(layer, name) for name in names}
