"""Non-local means in four dimensions, where the core has three: a few lines of NumPy, since few images need it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from ..pairwise.tiles import mirror


def average(planes: np.ndarray, patch: int, search: int, scale: float, bias: float, vanish: float) -> np.ndarray:
    """Average the pixels of planes (C, T, Z, Y, X) by the similarity of the patches around them.

    Parameters
    ----------
    planes : ndarray, shape (C, T, Z, Y, X)
        float32 or float64, finite.
    patch, search : int
        Radii along all axes.
    scale, bias, vanish : float
        As in `PairwiseSpec`; the pixel itself has the weight 1.

    Returns
    -------
    ndarray, shape (C, T, Z, Y, X)

    Notes
    -----
    Time grows with pixels · window, and at most 3⁴ times that, however large the patches are.
    """
    sides = planes.shape[1:]
    boxes, padded = [_Box.of(patch, side) for side in sides], planes
    for axis, (side, box) in enumerate(zip(sides, boxes, strict=True), 1):
        padded = padded.take(mirror(-box.margin, side + box.margin, side), axis)
    total, weights = planes.astype(np.float64), np.ones(sides)
    ranges = [range(-min(search, side - 1), min(search, side - 1) + 1) for side in sides]
    for shift in product(*ranges):
        if shift <= (0, 0, 0, 0):  # each pair once
            continue
        pairs = list(zip(shift, sides, strict=True))
        here = tuple(slice(max(-d, 0), side - max(d, 0)) for d, side in pairs)
        there = tuple(slice(max(d, 0), side - max(-d, 0)) for d, side in pairs)
        first, second = (
            padded[:, *(slice(c.start, c.stop + 2 * box.margin) for c, box in zip(cuts, boxes, strict=True))]
            for cuts in (here, there)
        )
        score = np.square(first - second, dtype=np.float64).sum(axis=0)
        for axis, box in enumerate(boxes):
            score = box.sums(score, axis)
        weight = np.exp(-np.maximum(score - bias, 0) * scale)
        weight[weight < vanish] = 0
        weights[here] += weight
        weights[there] += weight
        total[:, *here] += weight * planes[:, *there]
        total[:, *there] += weight * planes[:, *here]
    return (total / weights).astype(planes.dtype)


@dataclass(frozen=True)
class _Box:
    """The pixels of a patch along one axis: mirrored, an image repeats, and a long patch holds whole periods of it.

    It holds ``times`` a period, plus or minus, by ``sign``, the pixels up to ``radius``; ``margin`` is the number of
    mirrored pixels read at each end.
    """

    period: int
    times: int
    sign: int
    radius: int
    margin: int

    @classmethod
    def of(cls, patch: int, side: int) -> _Box:
        """Take the even number of periods that leaves least, so that the rest is centred on the same pixel."""
        period = max(2 * (side - 1), 1)
        pairs, radius = divmod(patch, period)
        if 2 * radius <= period:
            times, sign = 2 * pairs, 1
        else:
            times, sign, radius = 2 * pairs + 2, -1, period - 1 - radius
        return cls(period, times, sign, radius, max(radius, period // 2) if times else radius)

    def sums(self, planes: np.ndarray, axis: int) -> np.ndarray:
        """Return the sums over the patches around the pixels within the margins."""
        from scipy.ndimage import uniform_filter1d

        width, inner = 2 * self.radius + 1, slice(self.margin, planes.shape[axis] - self.margin)
        near = width * uniform_filter1d(planes, width, axis)[(slice(None),) * axis + (inner,)]
        if not self.times:
            return near
        period = planes[(slice(None),) * axis + (slice(self.period),)].sum(axis, keepdims=True)  # wherever it begins
        return self.sign * near + self.times * period
