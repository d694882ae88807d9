"""The table of defaults: patches, windows and strengths by how strong the noise is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from ..pairwise.spec import VANISH, Aggregation

Quality = Literal["preview", "fast", "balanced", "best"]
"""How much time is spent on an image."""

DEFAULTS_VERSION = 6
"""Raised whenever a default changes, since changed defaults change results."""


END = -12
"""Weights from the image itself end at two to this power."""


@dataclass(frozen=True)
class Averaging:
    """Parameters of one pass.

    ``patch`` and ``search`` are radii in pixels, ``strength`` is h/σ; ``wiener`` is the share of the Wiener step in
    the pass's result, 0 for none. ``kept`` is the share of the pilot in the result of the pass it leads,
    where the pilot has structure. Weights end at 2**``end``.
    """

    patch: int
    search: int
    strength: float
    aggregation: Aggregation = "pixel"
    wiener: float = 0.0
    kept: float = 0.0
    end: int = round(math.log2(VANISH))


@dataclass(frozen=True)
class Defaults:
    """A row, for ratios of σ to the standard deviation of the signal up to ``noise``.

    ``fast`` compares noisy patches and is the only pass of quality "fast"; so does ``pilot``, with a little more detail
    and noise for the Wiener step that follows, in quality "balanced"; ``guided`` compares patches of the result of
    ``pilot``: the second pass of quality "best".
    """

    noise: float
    fast: Averaging
    pilot: Averaging
    guided: Averaging


def _row(
    noise: float,
    search: int,
    fast: tuple[int, float],
    pilot: tuple[int, float],
    guided: tuple[int, float],
    kept: float = 0.0,
) -> Defaults:
    return Defaults(
        noise,
        Averaging(fast[0], search, fast[1], end=END),
        Averaging(pilot[0], search, pilot[1], wiener=1.0, end=END),
        Averaging(guided[0], search, guided[1], aggregation="patch", wiener=0.3 if kept else 0.5, kept=kept),
    )


# Tuned on training pictures only (`python -m benchmarks tune`, and `tune-kept` for the last column of grey
# images; every measurement is in benchmarks/results).
GREY = (
    _row(0.16, 10, (1, 0.45), (1, 0.80), (1, 0.50), 0.5),
    _row(0.45, 10, (1, 0.80), (1, 0.80), (1, 0.40), 0.5),
    _row(0.70, 10, (2, 0.60), (1, 0.80), (1, 0.35), 0.4),
    _row(0.95, 10, (2, 0.60), (2, 0.50), (1, 0.30), 0.4),
    _row(math.inf, 10, (3, 0.50), (2, 0.50), (1, 0.25), 0.3),
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
MOVING = (2, 4, 4)
"""The same where the window follows what moves."""
PREVIEW = Averaging(3, 2, 0.80, end=END)
"""The pass of quality "preview", for any noise: the window is small, the patch costs nothing within a plane. Tuned on
training pictures in grey and colour, the brain, a phantom, and crops that move over training pictures."""
ACROSS = (0, 1)
"""Its patch and search radius along a first of three axes."""
