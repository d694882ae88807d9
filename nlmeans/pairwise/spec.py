"""PairwiseSpec: the recipe that every implementation of the core executes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Centre = Literal["max", "one", "zero"]
Radii = tuple[int, int, int]

VANISH = 2.0**-32
"""A weight below this is none: the pair is left out."""


@dataclass(frozen=True)
class PairwiseSpec:
    """What to average, and how: an immutable recipe.

    The output at pixel i is the average of the pixels j of the search window around i, each weighted by

        f(s_ij) = exp(−max(s_ij − bias, 0) · scale),  0 where that is below `VANISH`

    where the score s_ij = Σ_k Σ_c (x_c,i+k − x_c,j+k)² sums the squared differences of the patches around i and j,
    over all channels c. Patches that reach over the border of the image read mirrored pixels (without repeating the
    edge); only real pixels are averaged.

    Parameters
    ----------
    patch_radius, search_radius : tuple of 3 int
        Half-widths in pixels along (z, y, x), at least 0; the widths are 2·radius + 1.
    scale : float
        Decay of the weight with the score, above 0, in the score's inverse units.
    bias : float
        The part of a score that is not held against a pair: what noise alone brings, at least 0.
    centre : {"max", "one", "zero"}
        Weight of the pixel itself: the largest weight of its window, 1, or 0. A pixel whose weights all vanish
        keeps its value.
    """

    patch_radius: Radii
    search_radius: Radii
    scale: float
    bias: float = 0.0
    centre: Centre = "max"

    @property
    def halo(self) -> Radii:
        """How far along (z, y, x) the input reaches that one output pixel depends on."""
        z, y, x = (p + s for p, s in zip(self.patch_radius, self.search_radius, strict=True))
        return z, y, x

    @property
    def patch_size(self) -> int:
        """Pixels in a patch."""
        z, y, x = self.patch_radius
        return (2 * z + 1) * (2 * y + 1) * (2 * x + 1)
