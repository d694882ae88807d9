"""The table of defaults: patches, windows and strengths by how strong the noise is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from ..pairwise.spec import Aggregation

Quality = Literal["fast", "balanced", "best"]

DEFAULTS_VERSION = 3
"""Raised whenever a default changes, since changed defaults change results."""


@dataclass(frozen=True)
class Averaging:
    """How one pass averages.

    ``patch`` and ``search`` are radii in pixels, ``strength`` is h/σ; ``wiener`` is the share of the Wiener step in
    the pass's result, 0 for none.
    """

    patch: int
    search: int
    strength: float
    aggregation: Aggregation = "pixel"
    wiener: float = 0.0


@dataclass(frozen=True)
class Defaults:
    """A row: good up to ``noise``, the ratio of σ to the standard deviation of the signal.

    ``fast`` averages noisy patches and is all that quality "fast" does; ``pilot`` does too, for a Wiener step to
    follow, which likes a little more detail and noise: quality "balanced"; ``guided`` averages by what ``pilot``
    made of the picture: the second pass of quality "best".
    """

    noise: float
    fast: Averaging
    pilot: Averaging
    guided: Averaging


def _row(
    noise: float, search: int, fast: tuple[int, float], pilot: tuple[int, float], guided: tuple[int, float]
) -> Defaults:
    return Defaults(
        noise,
        Averaging(fast[0], search, fast[1]),
        Averaging(pilot[0], search, pilot[1], wiener=1.0),
        Averaging(guided[0], search, guided[1], aggregation="patch", wiener=0.5),
    )


# Tuned on training pictures only (`python -m benchmarks tune`; every score is in benchmarks/results).
GREY = (
    _row(0.16, 10, (1, 0.45), (1, 0.80), (1, 0.50)),
    _row(0.45, 10, (1, 0.80), (1, 0.80), (1, 0.40)),
    _row(0.70, 10, (2, 0.60), (1, 0.80), (1, 0.35)),
    _row(0.95, 10, (2, 0.60), (2, 0.50), (1, 0.30)),
    _row(math.inf, 10, (3, 0.50), (2, 0.50), (1, 0.25)),
)
COLOUR = (
    _row(0.16, 10, (1, 0.40), (1, 0.90), (0, 0.65)),
    _row(0.40, 10, (1, 0.60), (1, 0.70), (0, 0.55)),
    _row(0.80, 10, (1, 0.60), (1, 0.60), (0, 0.45)),
    _row(1.30, 10, (1, 0.60), (1, 0.50), (0, 0.35)),
    _row(math.inf, 10, (2, 0.45), (1, 0.50), (0, 0.35)),
)
VOLUME = (  # tuned on one T1 brain
    _row(0.50, 5, (2, 0.60), (1, 0.70), (0, 0.50)),
    _row(0.90, 5, (2, 0.45), (1, 0.60), (0, 0.40)),
    _row(1.40, 5, (2, 0.40), (1, 0.50), (0, 0.30)),
    _row(math.inf, 5, (2, 0.40), (1, 0.40), (0, 0.30)),
)
VIDEO = (2, 7, 7)
"""Search radii of a video: more frames gain nothing, and fewer pixels of each are enough."""


@dataclass(frozen=True)
class Ridging:
    """A row of method "ridge", up to ``noise`` as in `Defaults`.

    ``share`` is that of non-local means in the pilot; each step has the side of a patch and the size of a group.
    """

    noise: float
    share: float
    first: tuple[int, int]
    second: tuple[int, int]


@dataclass(frozen=True)
class Effort:
    """What a quality of method "ridge" spends: in each step, how far apart groups are gathered and from how far.

    ``most`` bounds the size of the second step's groups.
    """

    first: tuple[int, int]
    second: tuple[int, int]
    most: int


# Tuned on training pictures only (`python -m benchmarks tune-ridge`; every score is in benchmarks/results).
RIDGE_GREY = (
    Ridging(0.20, 0.60, (7, 16), (7, 64)),
    Ridging(0.45, 0.55, (8, 16), (7, 80)),
    Ridging(0.80, 0.50, (8, 16), (7, 96)),
    Ridging(1.30, 0.45, (9, 32), (8, 128)),
    Ridging(math.inf, 0.40, (9, 32), (8, 128)),
)
RIDGE_COLOUR = (
    Ridging(0.20, 0.50, (9, 16), (8, 64)),
    Ridging(0.45, 0.50, (9, 16), (7, 80)),
    Ridging(0.80, 0.50, (9, 16), (7, 96)),
    Ridging(1.30, 0.50, (9, 24), (7, 112)),
    Ridging(math.inf, 0.45, (9, 24), (8, 128)),
)
EFFORT: dict[Quality, Effort] = {
    "fast": Effort((7, 12), (6, 15), 48),
    "balanced": Effort((6, 15), (6, 18), 80),
    "best": Effort((4, 18), (3, 23), 128),
}
RIDGE_CORRELATED = 2.0
"""What the σ of correlated noise is multiplied by."""
RIDGE_PILOT: dict[Quality, Quality] = {"fast": "balanced", "balanced": "best", "best": "best"}
"""How well non-local means is done that leads the second step."""
RIDGE_FRAMES = {"T": (2, 12), "Z": (1, 12)}
"""How far groups of a video or a volume reach along its first axis, and at most within a frame or a slice."""
