"""Pictures of Pillow, and those that `nlmeans.io` reads."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from ..container import Container
from ..table import within

COLOURS = {"L": "YX", "RGB": "YXC", "I": "YX", "F": "YX", "I;16": "YX", "I;16L": "YX", "I;16B": "YX"}
"""Pillow's modes whose numbers can be averaged, and their axes."""


def opened(image: Any) -> Container | None:
    """Open a picture, whose colours are known."""
    if hasattr(image, "with_pixels") and hasattr(image, "dimensions"):
        return _read(image)
    mode = getattr(image, "mode", None)
    if not (isinstance(mode, str) and hasattr(image, "getbbox") and hasattr(image, "convert")):
        return None
    if mode not in COLOURS:
        other = "L" if mode in ("1", "LA", "La") else "RGB"
        why = {"P": "indices of colours", "PA": "indices of colours", "1": "black and white alone"}
        raise TypeError(
            f"the picture's mode must be one of {', '.join(COLOURS)}; got {mode}"
            f"{f', {why[mode]}' if mode in why else ''}: image.convert({other!r})"
        )

    def close(result: Any) -> Any:
        picture = sys.modules["PIL.Image"].fromarray(np.asarray(result))
        picture.info = dict(image.info)
        return picture

    return within(np.asarray(image), close, axes=COLOURS[mode])


def _read(picture: Any) -> Container:
    """Open what was read from a file: its axes and spacing count, and what it says is no data stays."""
    axes = picture.dimensions
    missing = None if picture.nodata is None else picture.pixels == picture.nodata

    def close(result: Any) -> Any:
        kept = result if missing is None else np.where(missing, picture.pixels, result)
        return (
            picture.typed(kept.dtype).with_pixels(kept)
            if kept.dtype != picture.pixels.dtype
            else picture.with_pixels(kept)
        )

    sides = zip((axis for axis in axes if axis in "XYZ"), picture.spacing or (), strict=False)
    spacing = None if picture.spacing is None or "T" in axes else tuple(side for _, side in sorted(sides, reverse=True))
    return within(picture.pixels, close, axes=axes, mask=None if missing is None else ~missing, spacing=spacing)
