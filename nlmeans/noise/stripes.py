"""Stripes: rows or columns that are brighter or darker as a whole, as some sensors and scanners make them.

What a line shares along its whole length, beyond what it has in common with its neighbours, shows in each of its
parts alike. The content of a picture does not.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from .._notes import Note

PARTS = 4
"""Parts of a line that are compared."""
LEAST = 16
"""Lines, and pixels of a part of one, that there must be."""
ALIKE = 0.6
"""Correlation of the parts, at least, ..."""
VISIBLE = 0.25
"""... and standard deviation of what they share, in units of the noise, from which stripes are named."""
CURVE = 6.0
"""Variance of second differences of independent numbers of variance 1."""
WIDEST = 3.0
"""Bound of what one line counts, in units of the usual: an edge along a line is no stripe."""


def stripes_in(plane: np.ndarray, sigma: float) -> Note | None:
    """Return a note on stripes in a plane (Y, X) with noise of ``sigma``; None where there are none."""
    if not sigma > 0:
        return None
    for name, lines in (("rows", plane), ("columns", plane.T)):
        spread = _shared(lines)
        if spread > VISIBLE * sigma:
            return Note(
                "stripes",
                f"{name} differ as a whole, by a standard deviation of about {spread:.3g}: averaging does not remove "
                "such stripes",
            )
    return None


def _shared(lines: np.ndarray) -> float:
    """Return the standard deviation of what whole lines (rows of an array) share; 0 where that is content."""
    count, length = lines.shape
    if count < LEAST or length < PARTS * LEAST:
        return 0.0
    cut = lines[:, : length // PARTS * PARTS].reshape(count, PARTS, -1)
    known = np.isfinite(cut)
    with np.errstate(invalid="ignore"):  # a part that is missing as a whole
        parts = (cut.sum(axis=2, dtype=np.float64, where=known) / known.sum(axis=2)).T
    curves = parts[:, :-2] - 2 * parts[:, 1:-1] + parts[:, 2:]
    curves = curves[:, np.isfinite(curves).all(axis=0)]
    usual = np.median(np.abs(curves)) if curves.shape[1] >= LEAST else 0.0
    if not usual > 0:
        return 0.0
    curves = np.clip(curves, -WIDEST * usual, WIDEST * usual)
    power = np.square(curves).mean(axis=1)
    if not power.all():  # a part that does not vary, as of a clipped channel, shares nothing
        return 0.0
    pairs = [(float((curves[a] * curves[b]).mean()), power[a], power[b]) for a, b in combinations(range(PARTS), 2)]
    alike = min(product / np.sqrt(one * other) for product, one, other in pairs)
    return float(np.sqrt(np.mean([product for product, _, _ in pairs]) / CURVE)) if alike > ALIKE else 0.0
