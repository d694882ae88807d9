"""Stripes: rows or columns that are brighter or darker as a whole, as some sensors and scanners make them.

What a line shares along its whole length, beyond what it has in common with its neighbours, shows in each of its
parts alike. The content of a picture does not. Lines are judged by a table: the mean of each of their pieces.
"""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np

from .._notes import Note

PARTS = 4
"""Parts of a line that are compared."""
LEAST = 16
"""Lines, and pixels of a part of one, that there must be."""
PIECE, PIECES = 16, 64
"""Pixels of a piece of a line, at least, and the most pieces; of very long ones, pieces are spread evenly."""
LONGEST = 64
"""The most pixels of a piece."""
WIDTHS = (9, 17, 33, 65)
"""Lines in whose median a line is compared with its neighbours, from fine to coarse."""
BROAD = 6.0
"""How much more power stripes may have among neighbouring lines than if all of them were independent."""
ALIKE = ((5, 0.25), (9, 0.4))
"""Lines in whose median a line is compared, and the correlation of all parts from which stripes are taken to be there;
one of these suffices. None of 400 training pictures without stripes or noise was above them."""
VISIBLE = 0.25
"""Standard deviation, in units of the noise, from which stripes are named in a note."""
FAR, STEPS = 2.0, 4
"""Distance from the mean of a line's pieces, in units of their spread, from which they lose their say; and how often
their weights are found anew."""
WIDEST = 4.0
"""Bound of what one line counts for where parts are compared, in units of the usual."""
BORDER = 4
"""Lines at either border by which nothing is judged: pictures have frames."""
CLEAR, STEADY, NARROW = 8.0, 6.0, 0.25
"""What each part of a single line must exceed, in units of the usual; how many times the distance of its pieces from
their mean this must be; and the most of it that the lines beside it may have, as what a lens has drawn has more."""
NORMAL = 1.4826
"""Standard deviation of normal numbers over their median distance from the mean."""


def places(length: int) -> list[tuple[int, int]]:
    """Return where the pieces of lines of this length begin and end."""
    count = min(length // PIECE, PIECES)
    side = min(length // count, LONGEST)
    starts = [round((k + 0.5) * length / count - side / 2) for k in range(count)]
    return [(start, start + side) for start in starts]


def enough(lines: int, length: int) -> bool:
    """Whether there are lines enough to tell stripes from content."""
    return lines >= LEAST and length >= PARTS * LEAST


def piece(lines: np.ndarray) -> np.ndarray:
    """Return the means of pieces (..., pixels, lines) over their pixels; NaN where most are missing."""
    known = np.isfinite(lines)
    count = known.sum(axis=-2)
    sums = lines.sum(axis=-2, dtype=np.float64, where=known)
    few = 2 * count < lines.shape[-2]
    return np.where(few, np.nan, sums / np.maximum(count, 1))


def table_of(lines: np.ndarray) -> np.ndarray:
    """Return the means (pieces, lines) of the pieces of lines that are the columns of a plane."""
    return np.stack([piece(lines[first:last]) for first, last in places(len(lines))])


class Shared(NamedTuple):
    """What parts of lines share."""

    alike: float
    """The least correlation of two parts."""
    power: float
    """The least mean product of two parts."""
    bound: float
    """Beyond which a line counts no more."""


def offsets_of(table: np.ndarray) -> np.ndarray | None:
    """Return what each line is too bright by, with mean 0, from a table (pieces, lines); None if none is.

    At each scale, the median of so many lines is what a line has in common with its neighbours. What differs from it
    is averaged over the pieces of the line, but for those far off, and counts as far as the parts agree. If the parts
    of all lines do not, single lines may.
    """
    table = _there(table)
    judged = _judged(table)
    if np.count_nonzero(judged) < LEAST:
        return None
    lines = np.flatnonzero(judged)
    inner = (lines >= BORDER) & (lines < len(judged) - BORDER)
    table, total, power, before = _level(table), np.zeros(table.shape[1]), 0.0, 0
    for width in WIDTHS:
        if 2 * width > table.shape[1] and before:
            break
        apart = _apart(table - total, width, judged)
        found, parts = _means(apart), _parts(apart)
        shared = _shared(parts[:, inner])
        if not before and not _alike(table, judged, inner):
            return _single(apart, found, parts, judged, inner)
        limit = BROAD * power / before if before else np.inf
        seen = np.square(np.clip(found[inner], -shared.bound, shared.bound)).mean()
        real = min(max(shared.power, 0.0), limit)
        share = min(real / seen, 1.0) if seen > 0 else 0.0
        total[judged] += share * (found - found.mean())
        power, before = power + real, width
    total[judged] -= total[judged].mean()
    return total


def spread_of(table: np.ndarray) -> float:
    """Return the standard deviation of what lines are too bright by; 0 where that is content."""
    table = _there(table)
    judged = _judged(table)
    judged[:BORDER] = judged[-BORDER:] = False
    if np.count_nonzero(judged) < LEAST:
        return 0.0
    table, inner = _level(table), np.ones(np.count_nonzero(judged), bool)
    if not _alike(table, judged, inner):
        return 0.0
    power = _shared(_parts(_apart(table, WIDTHS[0], judged))).power
    return float(np.sqrt(max(power, 0.0)))


def stripes_in(plane: np.ndarray, sigma: float) -> Note | None:
    """Return a note on stripes in a plane (Y, X) with noise of ``sigma``; None where there are none."""
    if not sigma > 0:
        return None
    for name, lines in (("rows", plane.T), ("columns", plane)):
        if not enough(lines.shape[1], len(lines)):
            continue
        spread = spread_of(table_of(lines))
        if spread > VISIBLE * sigma:
            return Note(
                "stripes",
                f"{name} differ as a whole, by a standard deviation of about {spread:.3g}: averaging does not remove "
                "such stripes, stripes='auto' (--stripes auto) does",
            )
    return None


def _alike(table: np.ndarray, judged: np.ndarray, inner: np.ndarray) -> bool:
    """Whether the parts of lines are alike."""
    return any(_shared(_parts(_apart(table, width, judged))[:, inner]).alike > least for width, least in ALIKE)


def _there(table: np.ndarray) -> np.ndarray:
    """Return a table without the pieces that all lines miss, as beside the picture in its padding."""
    there: np.ndarray = table[np.isfinite(table).any(axis=1)]
    return there


def _judged(table: np.ndarray) -> np.ndarray:
    """Return which lines have pieces enough in each part."""
    known = np.isfinite(table)
    if len(known) < PARTS:
        return np.zeros(table.shape[1], bool)
    parts = np.array_split(known, PARTS)
    judged: np.ndarray = np.logical_and.reduce([2 * part.sum(axis=0) > len(part) for part in parts])
    return judged


def _level(table: np.ndarray) -> np.ndarray:
    """Return a table without the slope that its lines have together."""
    half = table.shape[1] // 2
    steps = table[:, half:] - table[:, :-half]
    slope = np.nanmedian(steps) / half if np.isfinite(steps).any() else 0.0
    level: np.ndarray = table - slope * np.arange(table.shape[1])
    return level


def _apart(table: np.ndarray, width: int, judged: np.ndarray) -> np.ndarray:
    """Return by how much the lines that are judged differ from the median of their neighbours, piece by piece."""
    from scipy.ndimage import median_filter  # not imported with `import nlmeans`

    whole = table if np.isfinite(table).all() else _filled(table)
    apart: np.ndarray = (table - median_filter(whole, (1, width), mode="reflect"))[:, judged]
    return apart


def _filled(table: np.ndarray) -> np.ndarray:
    """Return a table whose missing pieces lie between those of the lines around."""
    filled, lines = table.copy(), np.arange(table.shape[1])
    for row in filled:
        known = np.isfinite(row)
        row[~known] = np.interp(lines[~known], lines[known], row[known]) if known.any() else 0.0
    return filled


def _means(apart: np.ndarray) -> np.ndarray:
    """Return the mean of each line's pieces; what is far off counts less, and missing ones do not."""
    middle = np.nanmedian(apart, axis=0)
    spread = FAR * NORMAL * np.nanmedian(np.abs(apart - middle))
    if not spread > 0:
        return middle
    known = np.isfinite(apart)
    values = np.where(known, apart, 0.0)
    for _ in range(STEPS):
        weights = known / np.square(1 + np.square((values - middle) / spread))
        middle = (weights * values).sum(axis=0) / weights.sum(axis=0)
    return middle


def _parts(apart: np.ndarray) -> np.ndarray:
    """Return the means of each part of the lines (parts, lines)."""
    return np.stack([_means(part) for part in np.array_split(apart, PARTS)])


def _shared(parts: np.ndarray) -> Shared:
    bound = WIDEST * NORMAL * float(np.median(np.abs(parts)))
    kept = np.clip(parts, -bound, bound)
    power = np.square(kept).mean(axis=1)
    if not power.all():  # a part that does not vary shares nothing
        return Shared(0.0, 0.0, bound)
    pairs = [((kept[a] * kept[b]).mean(), power[a] * power[b]) for a, b in combinations(range(PARTS), 2)]
    alike = min(float(product / np.sqrt(own)) for product, own in pairs)
    return Shared(alike, min(float(product) for product, _ in pairs), bound)


def _single(
    apart: np.ndarray, found: np.ndarray, parts: np.ndarray, judged: np.ndarray, inner: np.ndarray
) -> np.ndarray | None:
    """Return the offsets of single lines that stand out in each part, steadily; None if none does."""
    usual = NORMAL * float(np.median(np.abs(parts)))
    if not usual > 0:
        return None
    clear = (parts > CLEAR * usual).all(axis=0) | (parts < -CLEAR * usual).all(axis=0)
    clear &= np.abs(found) > STEADY * np.nanmedian(np.abs(apart - found), axis=0)
    beside = np.maximum(np.abs(np.roll(found, 1)), np.abs(np.roll(found, -1)))
    clear &= inner & (beside <= NARROW * np.abs(found))
    if not clear.any():
        return None
    offsets = np.zeros(len(judged))
    offsets[judged] = np.where(clear, found, 0.0)
    return offsets - offsets.mean()
