"""Noise that channels share: how much of it, and the channels turned so that none is shared.

Grey stored as colour has one noise in all of its channels, a demosaicked photograph much of it. What a filter takes to
be independent is then averaged as if there were more of it than there is, and its differences as if they were noisy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .colour import mix

CROP = (16, 64)
"""Rows and columns of the parts that are compared, ..."""
CROPS = 16
"""... and how many there are."""
SCALES = (1, 2)
"""Sides of the squares whose means are compared: noise that is not shared must be so at none of them."""
LEAST = 0.1
"""Correlation from which noise counts as shared: below, little is gained."""
MOST = 0.85
"""The greatest but 1: colours of next to no noise would be all that patches are compared by."""
FLATTEST = 0.25
"""Share of the parts from whose flattest a coarse scale is judged."""
FEWEST = 500
"""Differences from which a coarse scale is believed."""
NONE = 1e-6
"""Variance of a mix of channels, in units of its noise if it were independent, that is as good as none."""
CONSTANT = 1e-5
"""Span of a mix, in units of the largest, that rounding alone makes."""
ROUNDING = 1e-9
"""What is 0 in a sum of a mix's factors."""
NORMAL_MEDIAN = 0.6744897501960817


@dataclass(frozen=True, eq=False)
class Turn:
    """Channels turned into mixes with noise of their own, without what is constant.

    Attributes
    ----------
    forward : ndarray, shape (K, C)
        What channels are multiplied by. Mixes without noise that are constant are left out.
    back : ndarray, shape (C, K)
        The way back.
    rest : ndarray, shape (C,)
        What mixes that are left out add to the channels, where a pixel's own are not there; NaN in dead channels.
    shared : ndarray, shape (C, C)
        The correlation of the channels' noise.
    """

    forward: np.ndarray
    back: np.ndarray
    rest: np.ndarray
    shared: np.ndarray

    @classmethod
    def apart(cls, count: int) -> Turn:
        """Return the turn that leaves channels as they are."""
        each = np.eye(count)
        return cls(each, each, np.zeros(count), each)

    @property
    def mixes(self) -> bool:
        """Whether channels are mixed, rather than some of them left out."""
        return bool((np.count_nonzero(self.forward, axis=1) > 1).any())

    def repeated(self, first: Sequence[int]) -> Turn:
        """Return this turn of the channels that ``first`` names, for channels each of which repeats one of these."""
        own = sorted(set(first))
        of = [own.index(channel) for channel in first]
        forward = np.zeros((len(self.forward), len(first)))
        forward[:, own] = self.forward
        return Turn(forward, self.back[of], self.rest[of], self.shared[np.ix_(of, of)])

    def within(self, channels: Sequence[int], live: Sequence[int], planes: np.ndarray) -> Turn:
        """Return this turn of some channels of planes (C, Z, Y, X), next to ``live`` ones that stay as they are."""
        count, mixes = len(planes), len(self.forward)
        forward = np.zeros((mixes + len(live), count))
        back, rest, shared = forward.T.copy(), np.zeros(count), np.eye(count)
        forward[:mixes, channels], back[channels, :mixes] = self.forward, self.back
        forward[np.arange(mixes, mixes + len(live)), live] = back[live, np.arange(mixes, mixes + len(live))] = 1
        shared[np.ix_(channels, channels)], rest[channels] = self.shared, self.rest
        for c in set(range(count)) - {*channels, *live}:
            known = planes[c][np.isfinite(planes[c])]
            rest[c] = known[0] if known.size else np.nan
        return Turn(forward, back, rest, shared)

    def over(self, deviations: Sequence[float]) -> Turn:
        """Return the turn of channels whose noise has other deviations, in units of those that this one is for."""
        scale = np.asarray([deviation or 1.0 for deviation in deviations])
        return Turn(self.forward / scale, self.back * scale[:, None], self.rest * scale, self.shared)

    def variance(self, channels: np.ndarray) -> np.ndarray:
        """Return the variance of mixes (K, Z, Y, X) in units of their own, of that of channels (C, Z, Y, X)."""
        vectors = self.back / np.linalg.norm(self.back, axis=0)  # of channels in units of their mean variance
        roots = np.nan_to_num(np.sqrt(channels))
        mixes = np.zeros((len(self.forward), *channels.shape[1:]), channels.dtype)
        for mixed, vector in zip(mixes, vectors.T, strict=True):
            weights = self.shared * np.outer(vector, vector)
            for row, root in zip(weights, roots, strict=True):
                mixed += root * np.tensordot(row, roots, 1)
            mixed /= max(weights.sum(), NONE)
        return mixes

    def turned(self, planes: np.ndarray) -> np.ndarray:
        """Return mixes (K, Z, Y, X) of channels (C, Z, Y, X)."""
        return mix(self.forward, planes)

    def channels(self, mixes: np.ndarray, planes: np.ndarray) -> np.ndarray:
        """Return channels of mixes; what was left out stays as it is in ``planes``."""
        if len(self.forward) == len(self.back):
            return mix(self.back, mixes)
        result = planes - mix(self.back, self.turned(planes))  # 0 where a channel repeats another
        result += mix(self.back, mixes)
        lost = np.isnan(result)
        if lost.any():
            there = mix(self.back, mixes) + self.rest.reshape(-1, 1, 1, 1).astype(result.dtype)
            result[lost] = there[lost]
        return result


def first_of_each(planes: np.ndarray, sigma: Sequence[float]) -> list[int]:
    """Return the first channel that each channel repeats, often itself: grey stored as colour has one of its own."""
    first: list[int] = []
    for c, plane in enumerate(planes):
        same = (k for k in sorted(set(first)) if sigma[k] == sigma[c] and np.array_equal(planes[k], plane, True))
        first.append(next(same, c))
    return first


def correlation(planes: np.ndarray, sigma: Sequence[float]) -> np.ndarray:
    """Return the correlation of the noise of channels (C, Z, Y, X) with each other.

    What differences of channels hold, texture included, is an upper bound of the noise that they do not share, at every
    scale, and a near one where they are flat; so the least of what follows from the scales errs towards independent
    noise. Sums of channels say so of noise with opposite signs. ``sigma`` is believed as an upper bound of each
    channel's own.
    """
    count, most = len(planes), 0
    alike, opposite = np.ones((2, count, count))
    pairs = ~np.eye(count, dtype=bool)
    parts = _parts(planes) / np.reshape(sigma, (-1, 1, 1, 1))
    for side in SCALES:
        details, part = _details(parts, side)
        if details.shape[1] < max(min(FEWEST, most), 1):
            continue
        most = max(most, details.shape[1])
        own = np.minimum([_variance(detail) for detail in details], 1.0)
        starts = None if side == 1 else np.flatnonzero(np.diff(part, prepend=-1))
        for i in range(count):
            for j in range(i):
                scale = 2 * float(np.sqrt(own[i] * own[j]))
                for matrix, sign in ((alike, 1), (opposite, -1)):
                    apart = _flattest(details[i] - sign * details[j], starts)
                    same = scale == 0 and np.array_equal(parts[i], sign * parts[j])
                    shared = (own[i] + own[j] - apart) / scale if scale > 0 else float(same)
                    matrix[i, j] = matrix[j, i] = min(matrix[i, j], max(shared, 0.0))
        if np.maximum(alike, opposite)[pairs].max() < LEAST:  # a coarser scale can only lessen it
            break
    if not most:
        return np.eye(count)
    chance = LEAST + 3 / np.sqrt(most)
    opposite = np.where(alike < opposite, opposite, 0.0)  # the diagonal is alike
    shared = np.maximum(alike, opposite)
    shared = np.where((shared > 1 - NONE) | np.eye(count, dtype=bool), shared, np.minimum(shared, MOST))
    return np.where((shared >= chance) | (shared > 1 - NONE), np.where(opposite > 0, -shared, shared), 0.0)


def turn_of(
    shared: np.ndarray, sigma: np.ndarray, planes: np.ndarray, least: float = LEAST
) -> tuple[Turn, np.ndarray] | None:
    """Return the turn for noise of a correlation (C, C), and the variance of its mixes; None if little is shared."""
    count = len(shared)
    if count < 2 or not np.abs(shared[~np.eye(count, dtype=bool)]).max() > max(least - ROUNDING, ROUNDING):
        return None
    power, vectors = np.linalg.eigh(shared)
    vectors = np.round(vectors, 12)[:, ::-1]
    towards = vectors.sum(axis=0)
    towards = np.where(np.abs(towards) > ROUNDING, towards, vectors[0])
    vectors = vectors * np.where(towards < 0, -1, 1)
    power = np.where(power < NONE * count, 0.0, power)[::-1]
    mixes = (vectors / sigma[:, None]).T @ _parts(planes).reshape(count, -1)
    mixes = mixes[:, np.isfinite(mixes).all(axis=0)]
    if not mixes.size:
        return None
    middles = np.median(mixes, axis=1)
    spans = np.abs(mixes - middles[:, None]).max(axis=1)
    kept = (power > 0) | (spans > CONSTANT * np.maximum(spans.max(), np.abs(middles)))
    forward, back = (vectors / sigma[:, None]).T, vectors * sigma[:, None]
    return Turn(forward[kept], back[:, kept], back[:, ~kept] @ middles[~kept], shared), power[kept]


def _parts(planes: np.ndarray) -> np.ndarray:
    """Return small parts of the image, spread evenly, as (C, parts, rows, columns) of float64."""
    _, depth, height, width = planes.shape
    rows, columns = min(CROP[0], height), min(CROP[1], width)
    places = []
    for k in range(CROPS):
        shares = [(k * factor % CROPS + 0.5) / CROPS for factor in (5, 1, 11)]
        sides = [n - m + 1 for n, m in zip((depth, height, width), (1, rows, columns), strict=True)]
        places.append(tuple(int(share * side) for share, side in zip(shares, sides, strict=True)))
    parts = [planes[:, z, y : y + rows, x : x + columns] for z, y, x in dict.fromkeys(places)]
    return np.stack(parts, axis=1).astype(np.float64)


def _details(parts: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return differences along both axes of means of squares, and the number of the part that each is of.

    White noise has its own variance in them.
    """
    count, number, rows, columns = parts.shape
    rows, columns = rows // side, columns // side
    if rows < 2 or columns < 2:
        return np.empty((count, 0)), np.empty(0, int)
    means = parts
    if side > 1:
        cut = parts[..., : rows * side, : columns * side].reshape(count, number, rows, side, columns, side)
        means = cut.mean(axis=(3, 5)) * side
    details = np.diff(np.diff(means, axis=2), axis=3).reshape(count, -1) / 2
    known = np.isfinite(details).all(axis=0)
    return details[:, known], np.repeat(np.arange(number), (rows - 1) * (columns - 1))[known]


def _flattest(details: np.ndarray, starts: np.ndarray | None) -> float:
    """Return the variance of noise in details, or in the flattest quarter of the parts that start there.

    Means of squares hold more texture than pixels do, and few parts are without.
    """
    if starts is None:
        return _variance(details)
    return float(np.quantile([_variance(part) for part in np.split(details, starts[1:])], FLATTEST))


def _variance(details: np.ndarray) -> float:
    """Return the variance of normal noise among which there may be some texture."""
    middle = details.size // 2
    return float(np.partition(np.abs(details), middle)[middle] / NORMAL_MEDIAN) ** 2
