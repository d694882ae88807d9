"""Smaller copies of an image: each pixel is the mean of those that it stands for, so that no level is darker."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

SLAB = 1 << 22
"""Pixels of the finer level that are held in floating point at once."""


def shrunk(pixels: np.ndarray, shape: Sequence[int], nodata: float | None = None) -> np.ndarray:
    """Return a smaller copy of this shape, which has no longer side."""
    ends = [np.arange(small + 1) * large // small for large, small in zip(pixels.shape, shape, strict=True)]
    result = np.empty(shape, pixels.dtype)
    step = max(1, SLAB * shape[0] // max(pixels.size, 1))
    for first in range(0, shape[0], step):
        edges = ends[0][first : first + step + 1]
        part = pixels[edges[0] : edges[-1]]
        result[first : first + step] = means(part, [edges - edges[0], *ends[1:]], nodata)
    return result


def means(pixels: np.ndarray, ends: list[np.ndarray], nodata: float | None = None) -> np.ndarray:
    """Return the means of boxes of pixels, which begin at the ends along each axis.

    Whole numbers are rounded, halves to even ones: neither up nor down, so that the mean of a level is that of the
    image. Pixels that are missing, NaN or ``nodata``, have no say; a box of them alone stays what it is.
    """
    sums = pixels.astype(np.float64)
    missing = np.isnan(sums)
    if nodata is not None:
        missing |= pixels == nodata
    if not missing.any():
        return _whole(_over(sums, ends, mean=True), pixels.dtype)
    empty = np.nan if nodata is None else nodata
    sums[missing] = 0
    counts = _over((~missing).astype(np.float64), ends)
    result = np.where(counts > 0, _over(sums, ends) / np.maximum(counts, 1), empty)
    return _whole(result, pixels.dtype)


def _over(values: np.ndarray, ends: list[np.ndarray], mean: bool = False) -> np.ndarray:
    """Return the sums, or means, of boxes."""
    for axis, edges in enumerate(ends):
        starts, widths = edges[:-1], np.diff(edges)
        if (widths == 1).all() and len(widths) == values.shape[axis]:
            continue
        values = np.add.reduceat(values, starts, axis)
        if mean:
            values /= widths.reshape([-1 if k == axis else 1 for k in range(values.ndim)])
    return values


def _whole(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    return (np.rint(values) if dtype.kind in "iu" else values).astype(dtype)
