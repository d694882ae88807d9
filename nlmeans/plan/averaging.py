"""AveragingPlan: the patches, search windows and strengths that an image is averaged with."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Self

from .._axes import Layout
from ..motion import FARTHEST, REACH
from ..pairwise.spec import VANISH, Aggregation, Centre, PairwiseSpec, Radii
from ..pairwise.units import Units
from ..show.card import windows
from .plan import Plan

_WINDOW: Radii = (3, 7, 7)
"""Halo of a Wiener step, whose windows are of 4 slices and 8 × 8 pixels."""
FRAMES = 2
"""How many frames before and after one a Wiener step reaches where windows follow what moves."""
AROUND: Radii = (0, 16, 16)
"""How far around a pixel decides what is kept of a pilot."""
LOWEST = 2.0**-6
"""Least weight of a pixel that weighs as the one most like it: it is hardly mixed with pixels that none is like."""
GUESS: Radii = (0, 3, 3)
"""Radius of the average that stands in for a pixel missing in only some channels."""


@dataclass(frozen=True)
class Pass:
    """One pass of averaging over the image.

    Attributes
    ----------
    patch_radius, search_radius : tuple of int
        Half-widths along the spatial axes, in pixels.
    strength : float
        h/σ: larger values smooth more.
    aggregation : {"pixel", "patch"}
        Whether single pixels are averaged, or whole patches, and then their overlaps.
    guided : bool
        Whether weights come from a guide (the result of the pass before, or the caller's) and not the noisy image.
    wiener : float
        Share of the Wiener step in the result: 0 for none.
    kept : float
        Share of the pilot, the result of the pass before, in this one's where the pilot has structure; 0 for none.
        Where it is flat nothing of it is kept, and more where averaging takes off more than noise.
    end : int
        Weights end at 2**end: those from the image itself softly, since it is taken off each.

    Examples
    --------
    >>> import numpy as np, nlmeans
    >>> noisy = np.random.default_rng(0).normal(100, 10, (64, 64))
    >>> step = nlmeans.plan(noisy, sigma=10, quality="fast", patch_radius=1, search_radius=5, strength=0.6).passes[0]
    >>> step.patch_radius, step.search_radius, step.strength, step.aggregation, step.guided, step.wiener, step.kept
    ((1, 1), (5, 5), 0.6, 'pixel', False, 0.0, 0.0)
    """

    patch_radius: tuple[int, ...]
    search_radius: tuple[int, ...]
    strength: float
    aggregation: Aggregation
    guided: bool
    wiener: float
    kept: float = 0.0
    end: int = round(math.log2(VANISH))


@dataclass(frozen=True, kw_only=True)
class AveragingPlan(Plan):
    """The plan of non-local means, or of a method whose pilot it makes.

    Attributes
    ----------
    passes : tuple of Pass
        The passes, in their order.
    bias : bool
        Whether the distance that noise alone causes is subtracted from that of noisy patches.
    guide_noise : float
        Standard deviation of the noise in a guide, in units of σ.
    centre : {"max", "one", "zero"}
        Rule for a pixel's own weight.
    predicted_mse : float or None
        With strength "sure": the mean squared error that Stein's estimate predicts, in the image's units squared. NaN
        where the prediction is impossible, since the given σ is not the image's.
    peak : float or None
        The value of white, where the image's type implies one (uint8, uint16, uint32).
    spread : float or None
        A power of 2 that the image's range lies below, in units of σ; None where averages are to be taken in the
        image's own arithmetic.
    everywhere : bool
        Whether the first pass searches an image of many pixels as a whole.
    motion : bool
        Whether windows in other frames lie where what is in a tile of a frame has moved to.

    Examples
    --------
    >>> import numpy as np, nlmeans
    >>> noisy = np.random.default_rng(0).normal(100, 10, (64, 64))
    >>> plan = nlmeans.plan(noisy, sigma=10, quality="best")
    >>> [(step.aggregation, step.guided) for step in plan.passes]
    [('pixel', False), ('patch', True)]
    """

    passes: tuple[Pass, ...]
    bias: bool
    guide_noise: float
    centre: Centre
    predicted_mse: float | None = None
    peak: float | None = None
    spread: float | None = None
    everywhere: bool = False
    motion: bool = False

    @property
    def patch_radius(self) -> tuple[int, ...]:
        """The first pass's half-widths of patches."""
        return self.passes[0].patch_radius

    @property
    def search_radius(self) -> tuple[int, ...]:
        """The first pass's half-widths of the search window."""
        return self.passes[0].search_radius

    @property
    def strength(self) -> float:
        """The first pass's h/σ."""
        return self.passes[0].strength

    @property
    def predicted_psnr(self) -> float | None:
        """The peak signal-to-noise ratio in dB that follows from the predicted error, where white is known."""
        if not self.predicted_mse or math.isnan(self.predicted_mse) or self.peak is None:
            return None
        return 10 * math.log10(self.peak**2 / self.predicted_mse)

    def reach(self, missing: bool = False) -> Radii:
        """Return the halo along (z, y, x).

        Where pixels are ``missing``, holes may be wider than a window. After an average, later steps get the nearest
        pixels repeated in them, which lie at most as far again.
        """
        reaches = self.reaches(missing)
        if self.motion:  # the first of all reads where a tile went, which more of the image decides
            reaches.append((0, REACH - FARTHEST, REACH - FARTHEST))
        return total(reaches)

    def reaches(self, missing: bool = False) -> list[Radii]:
        """Return the halos of each average and of its Wiener step, with what is kept of a pilot, in turn; 0 without."""
        reaches = []
        for step in self.passes:
            z, y, x = map(max, _WINDOW, AROUND) if step.kept else _WINDOW
            z = min(z, FRAMES) if self.motion else z
            window = farther((z, y, x), missing) if step.wiener else (0, 0, 0)
            halo = self.spec_of(step, len(self.sigma)).halo
            reaches += [total([halo, GUESS]) if missing else halo, window]
        return [total([reach, (0, FARTHEST, FARTHEST)]) if self.motion and any(reach) else reach for reach in reaches]

    @property
    def frames(self) -> int:
        """How many frames before and after each one are compared with it."""
        averages = (self.spec_of(step, len(self.sigma)).halo[0] for step in self.passes)
        return max(*averages, FRAMES * any(step.wiener for step in self.passes))

    @property
    def spec(self) -> PairwiseSpec:
        """The core's spec for the first pass."""
        return self.spec_of(self.passes[0], len(self.sigma))

    def spec_of(self, step: Pass, channels: int, noisy: float = 1.0) -> PairwiseSpec:
        """Return the core's spec for a pass over features in units of σ, of which a share is ``noisy``."""
        noise = 0.0 if not self.bias else self.guide_noise**2 if step.guided else 1.0
        return _spec(step, channels, Layout(self.axes), self.centre, noise * noisy)

    def times(self, factor: float) -> Self:
        """Return the plan with every strength multiplied."""
        return replace(self, passes=tuple(replace(step, strength=step.strength * factor) for step in self.passes))

    def chosen(self) -> list[tuple[str, str]]:
        """Return names and values of the passes, and of the steps that follow them."""
        pilot = "pilot: " if self.method else ""
        rows = []
        for k, step in enumerate(self.passes):
            rows += self._pass_rows(step, pilot + (f"pass {k + 1}: " if len(self.passes) > 1 else ""))
        return [
            *rows,
            *([("motion", f"followed from frame to frame, as far as {FARTHEST} pixels")] if self.motion else []),
            *self.details,
            ("bias 2σ²", "taken off" if self.bias else "left in"),
            ("centre weight", self.centre),
            ("arithmetic", self.arithmetic),
        ]

    @property
    def arithmetic(self) -> str:
        """What the first pass computes with, and why not with 16 bits."""
        if self.spread is None:
            return "floating point: the strength is chosen by changes too small for 16 bits"
        if self.passes[0].guided:
            return "floating point: weights come from another image than the one that is averaged"
        units = Units.of(self.spec, len(self.sigma), self.spread, self.everywhere)
        return (
            f"floating point: {units}"
            if isinstance(units, str)
            else "16 bits, of images of 32 bits without holes where the processor can"
        )

    def figures(self) -> list[str]:
        """Return the window and the patch of each pass, to scale."""
        return [windows([(step.patch_radius, step.search_radius) for step in self.passes])] if self.passes else []

    def predicted(self) -> list[tuple[str, str]]:
        """Return the error predicted by strength "sure"."""
        if self.predicted_mse is None:
            return []
        psnr = "" if self.predicted_psnr is None else f" (PSNR {self.predicted_psnr:.2f} dB)"
        return [("predicted MSE", f"{self.predicted_mse:.4g}{psnr}")]

    def _pass_rows(self, step: Pass, name: str) -> list[tuple[str, str]]:
        space = Layout(self.axes).space

        def widths(radii: tuple[int, ...]) -> str:
            size = " × ".join(str(2 * r + 1) for r in radii)
            return f"{size} ({space}; radius {', '.join(map(str, dict.fromkeys(radii)))})"

        what = "patches" if step.aggregation == "patch" else "pixels"
        weights = ", weights from the guide" if step.guided else ""
        share = "" if step.wiener in (0, 1) else f", taken at {step.wiener:.0%}"
        wiener = f", then a Wiener step{share}" if step.wiener else ""
        kept = f"; {step.kept:.0%} of the guide is kept where it has structure" if step.kept else ""
        return [
            (f"{name}averages", what + weights + wiener + kept),
            (f"{name}patch", widths(step.patch_radius)),
            (f"{name}search window", widths(step.search_radius)),
            (f"{name}strength h/σ", f"{step.strength:.3g}"),
            (f"{name}weights end at", f"2^{step.end}"),
        ]


@lru_cache(maxsize=64)
def _spec(step: Pass, channels: int, layout: Layout, centre: Centre, noise: float) -> PairwiseSpec:
    """Return the core's spec for a pass over features whose noise has this variance, the mean over their channels."""
    spec = PairwiseSpec(
        layout.radii(step.patch_radius),
        layout.radii(step.search_radius),
        scale=1.0,
        centre=centre,
        aggregation=step.aggregation,
        vanish=2.0**step.end,
        soft=not step.guided,
        lowest=0.0 if step.guided else LOWEST,
    )
    terms = spec.patch_size * channels
    return replace(spec, scale=1 / (step.strength**2 * terms), bias=2.0 * terms * noise)


def farther(reach: Radii, missing: bool) -> Radii:
    """Return the halo of a step that gets the nearest pixels in holes, where some are ``missing``."""
    more = math.ceil(math.hypot(*reach)) if missing else 0
    z, y, x = (r + more for r in reach)
    return z, y, x


def total(reaches: list[Radii]) -> Radii:
    """Return the halo of consecutive steps."""
    z, y, x = (sum(reach[axis] for reach in reaches) for axis in range(3))
    return z, y, x
