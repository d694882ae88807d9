"""From pixels to what a notebook shows: 8 bits in a PNG."""

from __future__ import annotations

import io

import numpy as np

EXTREMES = (0.2, 99.8)
"""Percentiles that become black and white."""
LARGEST = 512
"""Pixels along a side up to which small parts are enlarged, by a whole number."""


def ends_of(planes: np.ndarray) -> tuple[float, float]:
    """Return what becomes black and white: of colours in 8 bits their range, else that of nearly all pixels."""
    if planes.dtype == np.uint8 and len(planes) == 3:
        return 0.0, 255.0
    finite = planes[np.isfinite(planes)]
    low, high = np.percentile(finite, EXTREMES) if finite.size else (0.0, 1.0)
    return float(low), float(high if high > low else low + 1)


def png_of(planes: np.ndarray, ends: tuple[float, float]) -> bytes:
    """Return a grey or RGB picture, planes (1 or 3, Y, X), as a PNG; what is not finite is black."""
    from PIL import Image

    low, high = ends
    share = np.nan_to_num((planes.astype(np.float64) - low) / (high - low), nan=0.0, posinf=0.0, neginf=0.0)
    pixels = np.rint(255 * np.clip(share, 0, 1)).astype(np.uint8)
    picture = Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    times = max(LARGEST // max(picture.size), 1)
    picture = picture.resize((times * picture.width, times * picture.height), Image.Resampling.NEAREST)
    file = io.BytesIO()
    picture.save(file, "png", compress_level=1)
    return file.getvalue()


def visible(planes: np.ndarray, channel: int | None) -> np.ndarray:
    """Return the channels that are shown: one, or three as red, green and blue."""
    return planes if channel is None else planes[channel : channel + 1]
