"""Units in which scores, weights and values of non-local means fit 16 bits, or why there are none."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .spec import PairwiseSpec

STEPS = 1023
"""Most steps from the bias to the end of a weight: two digits of 32."""
WHOLE = 4096
"""About what a weight of 1 counts, more where weights that end low would count less than one."""
FINENESS = 28.0
"""Least steps of a value to one σ: a hundredth of σ is lost at most, as a standard deviation."""
GRAIN = 256
"""Offsets of features are multiples of it, so that values are cut off alike in all parts of an image."""
ROOM = 2**16 - 2 - GRAIN
"""Steps that features may lie apart."""
TERMS = 16
"""Most channels times slices of a patch: a kernel is compiled for each number of them."""
MOST = 2.0**12
"""Spread from which on there are no units; how much more it is does not matter."""
PAIRS = 1024
"""Pairs that are summed up in 32 bits where a sum is taken in parts."""
BLUR = 0.056
"""Most relative error of a weight, as a standard deviation, that comes from rounding squares: costs up to 0.01 dB."""


@dataclass(frozen=True)
class Units:
    """Whole numbers for scores, weights and values.

    Attributes
    ----------
    scale : float
        What a feature in units of σ is multiplied by.
    share : int
        Steps of a feature to 256 of its value.
    whole : float
        What a weight of 1 counts.
    floor : int
        What is taken off a weight.
    lowest : int
        Least weight of a pixel that weighs as the largest.
    limit, bias, end : int
        Most that one place of a patch adds to a score, the part of a score that counts for nothing, and what is beyond
        it where a weight ends.
    step : float
        Binary orders of a weight to a step of its score.
    """

    scale: float
    share: int
    whole: float
    floor: int
    lowest: int
    limit: int
    bias: int
    end: int
    step: float

    @classmethod
    @lru_cache(maxsize=64)
    def of(cls, spec: PairwiseSpec, channels: int, spread: float, parts: bool = False) -> Units | str:
        """Choose units for features that lie at most ``spread`` apart, or say why there are none.

        Where sums are taken in ``parts``, each is of no more than `PAIRS`.
        """
        z, y, x = spec.patch_radius
        terms, places = channels * (2 * z + 1), (2 * y + 1) * (2 * x + 1)
        if not (spec.soft and spec.weight == "gaussian" and spec.aggregation == "pixel"):
            return "only single pixels are averaged so, with weights that end softly"
        if terms > TERMS:
            return f"channels times slices of a patch are {terms}, more than {TERMS}"
        wide = f"the image spans {spread:g} σ, too many for its patches"
        if spread >= MOST:
            return wide
        orders = -math.log2(spec.vanish)
        end = orders / math.log2(math.e) / spec.scale
        # one place alone can carry a score to its end
        own = min((2**16 - 1) / places / (spec.bias + end), STEPS / end)
        fine = min(own, (ROOM / spread) ** 2 / 2**16) * (1 - 2.0**-8)
        blur = math.sqrt(terms * places / 12) * orders / math.log2(math.e) / (end * fine)
        if blur > BLUR:
            return wide if fine < 0.9 * own else "patches are too large"
        floor = max(round(WHOLE * spec.vanish - 0.5), 1)
        whole = (floor + 0.5) / spec.vanish
        # squares of differences of noise, 2 on average, lose nearly half a step each (Euler's and Maclaurin's sum)
        lost = max(0.5 - 0.166 / math.sqrt(2 * fine), 0.0)
        bias = max(round(spec.bias * fine - terms * places * lost), 0)
        # what a pair adds at most: a weight times the difference that it allows, which is largest at the bias or beyond
        beyond = np.arange(STEPS + 1)
        apart = float(np.max(2.0 ** (-beyond * orders / (end * fine)) * np.sqrt((bias + beyond + 2) * 2.0**16)))
        pairs = min(math.prod(2 * r + 1 for r in spec.window), PAIRS if parts else sys.maxsize)
        share = min(math.floor((2.0**31 / (pairs * whole) - 1) / apart * GRAIN), GRAIN // 2 - 1)
        scale = math.sqrt(fine * 2.0**16)
        if scale * share / GRAIN < FINENESS:
            return f"its window holds {pairs} pixels, too many for sums of 32 bits"
        limit = (2**16 - 1) // places
        lowest, last = round(spec.lowest * whole), end * fine
        return cls(scale, share, whole, floor, lowest, limit, bias, round(last), orders / last)


def rounded(spread: float) -> float:
    """Return a power of 2 that a spread lies below: parts of an image mostly agree about it."""
    return 2.0 ** math.ceil(math.log2(min(max(spread, 16.0), MOST)))
