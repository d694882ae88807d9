"""PairwiseSpec: what every implementation of the core executes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Score = Literal["distance", "dot", "sum"]
"""What a pair of pixels is judged by."""
Weight = Literal["gaussian", "exp", "linear", "relu"]
"""What becomes of a score."""
Normalise = Literal["sum", "count"]
"""What a weighted sum is divided by: the sum of the weights, or the number of pixels."""
Centre = Literal["max", "one", "zero"]
"""The weight of the pixel itself: the largest of the others, 1 or 0."""
Aggregation = Literal["pixel", "patch"]
"""Whether single pixels are averaged, or whole patches and then their overlaps."""
Radii = tuple[int, int, int]
"""Half-widths along (z, y, x)."""

VANISH = 2.0**-32
"""A gaussian weight below this is none, unless a spec says otherwise."""

ROWS: dict[tuple[str, str, str], str] = {
    ("distance", "gaussian", "sum"): "non-local means, or learned distance",
    ("dot", "exp", "sum"): "gaussian and embedded gaussian",
    ("dot", "linear", "count"): "dot product",
    ("sum", "relu", "count"): "concatenation",
}
"""Score, weight and normaliser go together in these ways only."""


@dataclass(frozen=True)
class PairwiseSpec:
    """What to average, and how: an immutable specification.

    The output at pixel i is y_i = 1/C_i · Σ_j f(s_ij) · g_j, over the pixels j of the search window around i.

    ========== ============================ ======== ============================== ===========
    score      s_ij                         weight   f(s)                           normalise
    ========== ============================ ======== ============================== ===========
    distance   Σ_k Σ_c (q_c,i+k − k_c,j+k)² gaussian exp(−max(s − bias, 0) · scale) sum: Σ_j f
    dot        Σ_k Σ_c q_c,i+k · k_c,j+k    exp      exp(s · scale)                 sum: Σ_j f
    dot        the same                     linear   s · scale                      count of j
    sum        Σ_k (q_i+k + k_j+k)          relu     max(s · scale, 0)              count of j
    ========== ============================ ======== ============================== ===========

    k runs over the patch, c over the channels (one, for the sum). Patches that reach over the border of the image
    read mirrored pixels (without repeating the edge); only real pixels are averaged. A gaussian weight below
    ``vanish`` is 0; one that ends softly is less by that.

    Parameters
    ----------
    patch_radius : tuple of 3 int
        Half-widths in pixels along (z, y, x), at least 0; the widths are 2·radius + 1.
    search_radius : tuple of 3 int, or None
        The window around each pixel, likewise; ``None`` for every pixel, of keys on any grid.
    scale : float
        Decay of a gaussian weight with the score, in the score's inverse units, above 0; for the other weights the
        factor of the score, finite and not 0.
    bias : float
        The part of a distance that is not held against a pair, what noise alone brings; at least 0.
    centre : {"max", "one", "zero"}
        The pixel itself. With the gaussian weight: weighted by the largest weight of its window, by 1, or by 0; a
        pixel whose weights all vanish keeps its value. With the others: one of the j ("one"), or left out ("zero").
    score, weight, normalise : str
        A line of the table above.
    aggregation : {"pixel", "patch"}
        With the gaussian weight: a pixel is averaged with pixels, or each patch with patches, its weights summing to
        1, and then the averages that overlap at a pixel are averaged.
    vanish : float, default 2⁻³²
        A gaussian weight below this is none: the pair is left out; above 0 and below 1.
    soft : bool, default False
        With the gaussian weight of `pairwise_average`: whether ``vanish`` is taken off every weight, so that it reaches
        0 without a step.
    lowest : float, default 0
        Least weight of a pixel that weighs as the largest ("max"), below 1: with 0, it weighs as little as its only
        partner, however far that is from it. Above 0 with soft weights, the result is continuous also where the last
        weight ends.

    Raises
    ------
    ValueError
        For a combination outside the table, or a value out of its range.

    Examples
    --------
    Non-local means with patches of 7 × 7 pixels, a window of 21 × 21 and h = 0.5 · σ, of features in units of σ:

    >>> from nlmeans.pairwise import PairwiseSpec
    >>> spec = PairwiseSpec((0, 3, 3), (0, 10, 10), scale=1 / (49 * 0.5**2), bias=2 * 49)
    >>> spec.halo, spec.patch_size
    ((0, 13, 13), 49)
    """

    patch_radius: Radii
    search_radius: Radii | None
    scale: float
    bias: float = 0.0
    centre: Centre = "max"
    score: Score = "distance"
    weight: Weight = "gaussian"
    normalise: Normalise = "sum"
    aggregation: Aggregation = "pixel"
    vanish: float = VANISH
    soft: bool = False
    lowest: float = 0.0

    def __post_init__(self) -> None:
        row = (self.score, self.weight, self.normalise)
        if row not in ROWS:
            rows = "; ".join(f"{', '.join(names)} ({what})" for names, what in ROWS.items())
            raise ValueError(f"score, weight and normalise must be one of: {rows}; got {', '.join(map(str, row))}")
        for name in ("patch_radius", "search_radius"):
            radii = getattr(self, name)
            if radii is None and name == "search_radius":
                continue
            if len(radii) != 3 or any(not isinstance(r, int) or r < 0 for r in radii):
                raise ValueError(f"{name} must be 3 whole numbers of at least 0, along (z, y, x); got {radii!r}")
        if not math.isfinite(self.scale) or self.scale == 0 or (self.scale < 0 and self.weight == "gaussian"):
            raise ValueError(f"scale must be finite, not 0, and positive for a gaussian weight; got {self.scale!r}")
        if not 0 <= self.bias < math.inf or (self.bias and self.weight != "gaussian"):
            raise ValueError(f"bias must be at least 0, and 0 unless the weight is gaussian; got {self.bias!r}")
        centres = ("max", "one", "zero") if self.weight == "gaussian" else ("one", "zero")
        if self.centre not in centres:
            raise ValueError(f"centre must be one of {centres} for the weight {self.weight}; got {self.centre!r}")

        if not 0 < self.vanish < 1:
            raise ValueError(f"vanish must be above 0 and below 1; got {self.vanish!r}")
        if (self.soft or self.lowest) and self.weight != "gaussian":
            raise ValueError(f"soft and lowest are for the gaussian weight; got them with the weight {self.weight}")
        if not 0 <= self.lowest < 1:
            raise ValueError(f"lowest must be at least 0 and below 1; got {self.lowest!r}")
        if self.aggregation not in ("pixel", "patch") or (self.aggregation == "patch" and self.weight != "gaussian"):
            raise ValueError(
                "aggregation must be 'pixel', or 'patch' with a gaussian weight; "
                f"got {self.aggregation!r} with the weight {self.weight}"
            )

    @property
    def halo(self) -> Radii:
        """How far along (z, y, x) the input reaches that one output pixel depends on; a window is needed."""
        reach = 2 if self.aggregation == "patch" else 1
        z, y, x = (reach * p + s for p, s in zip(self.patch_radius, self.window, strict=True))
        return z, y, x

    @property
    def window(self) -> Radii:
        """The search radius, where there is a window."""
        if self.search_radius is None:
            raise ValueError("a search over the whole image has no window: every pixel depends on all")
        return self.search_radius

    @property
    def floor(self) -> float:
        """What is taken off a weight."""
        return self.vanish if self.soft else 0.0

    @property
    def patch_size(self) -> int:
        """Pixels in a patch."""
        z, y, x = self.patch_radius
        return (2 * z + 1) * (2 * y + 1) * (2 * x + 1)
