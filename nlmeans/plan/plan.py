"""Plan: the patches, search windows and strengths that an image is filtered with."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from .._axes import Layout
from .._notes import Note, noted
from ..groups.spec import GroupSpec, RidgeSpec
from ..pairwise.spec import Aggregation, Centre, PairwiseSpec, Radii
from .defaults import DEFAULTS_VERSION, Quality

_WINDOW: Radii = (3, 7, 7)
"""How far a Wiener step looks: its windows are of 4 slices and 8 × 8 pixels."""
GUESS: Radii = (0, 3, 3)
"""How far the pixels are from which a channel is guessed that misses one which others have."""


@dataclass(frozen=True)
class Pass:
    """One pass of averaging over the image.

    Attributes
    ----------
    patch_radius, search_radius : tuple of int
        Half-widths along the spatial axes, in pixels.
    strength : float
        h/σ: the larger, the smoother.
    aggregation : {"pixel", "patch"}
        Whether pixels are averaged, or patches and then their overlaps.
    guided : bool
        Whether weights come from a guide (the pass before, or the caller's) rather than from the noisy image.
    wiener : float
        Share of the Wiener step in the result: 0 for none.
    """

    patch_radius: tuple[int, ...]
    search_radius: tuple[int, ...]
    strength: float
    aggregation: Aggregation
    guided: bool
    wiener: float


@dataclass(frozen=True)
class Plan:
    """What `denoise` does with an image.

    Attributes
    ----------
    axes : str
        The names of the image's axes.
    quality : {"fast", "balanced", "best"}
        What the table of defaults was asked for.
    noise : str
        The noise model with its numbers.
    sigma : tuple of float
        Standard deviation of the noise, one a channel: in the image's units, or 1 where a transform made it so.
    estimated : bool
        Whether the noise was estimated from the image.
    passes : tuple of Pass
        What is averaged, and how.
    bias : bool
        Whether the noise's own share is taken from the distances of noisy patches.
    guide_noise : float
        Standard deviation of the noise in a guide, in units of σ.
    centre : {"max", "one", "zero"}
        Rule for a pixel's own weight.
    seconds : float
        What the work is expected to take on one thread; a rough figure.
    notes : tuple of Note
        What a user should know.
    predicted_mse : float or None
        With strength "sure": the mean squared error that Stein's estimate expects, in the image's units squared. NaN
        where that cannot be: the σ that was given is not the image's.
    peak : float or None
        White, where the image's type says what that is (uint8, uint16, uint32).
    ridge : RidgeSpec or None
        With method "ridge": the steps that follow the passes, which make its pilot.
    defaults_version : int
        Version of the table that the parameters left out were taken from.
    """

    axes: str
    quality: Quality
    noise: str
    sigma: tuple[float, ...]
    estimated: bool
    passes: tuple[Pass, ...]
    bias: bool
    guide_noise: float
    centre: Centre
    seconds: float
    notes: tuple[Note, ...] = ()
    predicted_mse: float | None = None
    peak: float | None = None
    ridge: RidgeSpec | None = None
    defaults_version: int = DEFAULTS_VERSION

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

    @property
    def correlated(self) -> bool:
        """Whether neighbouring pixels were found to share noise, as after JPEG or demosaicking."""
        return noted(self.notes, "correlated")

    @property
    def halo(self) -> tuple[int, ...]:
        """How far along the spatial axes the image reaches that one pixel of the result depends on.

        The numbers of the plan left aside, which come from the whole image.
        """
        return self.reach()[-len(Layout(self.axes).space) :]

    def reach(self, missing: bool = False) -> Radii:
        """Return the halo along (z, y, x).

        Where pixels are ``missing``, holes may be wider than a window. What follows an average sees the nearest pixels
        repeated in them, which are no farther from a pixel of the hole than the one that looks at it.
        """
        reach = total(self.reaches(missing))
        if self.ridge is None:
            return reach
        first, second = (_seen(step.halo, missing) for step in (self.ridge.first, self.ridge.second))
        # the averages lead the second step; they say the first one's noise too if photons are counted, and fill holes
        if missing or self.noise.startswith("PoissonGaussian"):
            return total([reach, first, second])
        z, y, x = map(max, reach, first)
        return total([(z, y, x), second])

    def reaches(self, missing: bool = False) -> list[Radii]:
        """Return how far each average, and the Wiener step that follows it or not, looks around a pixel."""
        found = []
        for step in self.passes:
            window = _seen(_WINDOW, missing) if step.wiener else (0, 0, 0)
            halo = self.recipe(step, len(self.sigma)).halo
            found += [total([halo, GUESS]) if missing else halo, window]
        return found

    def margin(self, missing: bool = False) -> Radii:
        """Return how far what follows non-local means looks around a pixel."""
        steps = [] if self.ridge is None else [self.ridge.first, self.ridge.second]
        return total([_seen(step.halo, missing) for step in steps])

    @property
    def spec(self) -> PairwiseSpec:
        """The core's recipe for the first pass."""
        return self.recipe(self.passes[0], len(self.sigma))

    def recipe(self, step: Pass, channels: int) -> PairwiseSpec:
        """Return the core's recipe for a pass over features in units of σ."""
        layout = Layout(self.axes)
        spec = PairwiseSpec(
            layout.radii(step.patch_radius),
            layout.radii(step.search_radius),
            scale=1.0,
            centre=self.centre,
            aggregation=step.aggregation,
        )
        terms = spec.patch_size * channels
        noise = 0.0 if not self.bias else self.guide_noise**2 if step.guided else 1.0
        return replace(spec, scale=1 / (step.strength**2 * terms), bias=2.0 * terms * noise)

    def times(self, factor: float) -> Plan:
        """Return the plan with every strength multiplied."""
        return replace(self, passes=tuple(replace(step, strength=step.strength * factor) for step in self.passes))

    def rows(self) -> list[tuple[str, str]]:
        """Return names and values as text, for printing."""
        sigma = " ".join(f"{s:.4g}" for s in self.sigma)
        rows = [("axes", self.axes), ("quality", self.quality)]
        if self.ridge is not None:
            rows.insert(0, ("method", "ridge: linear combinations of similar patches"))
        if not self.noise.startswith("Gaussian"):
            rows.append(("noise", self.noise))
        rows.append(("sigma", f"{sigma} ({'estimated' if self.estimated else 'given'})"))
        pilot = "pilot: " if self.ridge is not None else ""
        for k, step in enumerate(self.passes):
            rows += self._pass_rows(step, pilot + (f"pass {k + 1}: " if len(self.passes) > 1 else ""))
        if self.ridge is not None:
            rows += self._ridge_rows(self.ridge)
        rows += [
            ("bias 2σ²", "taken off" if self.bias else "left in"),
            ("centre weight", self.centre),
            ("expected", f"{self.seconds:.2g} s on one thread"),
            ("defaults version", str(self.defaults_version)),
        ]
        if self.predicted_mse is not None:
            psnr = "" if self.predicted_psnr is None else f" (PSNR {self.predicted_psnr:.2f} dB)"
            rows.append(("predicted MSE", f"{self.predicted_mse:.4g}{psnr}"))
        return rows + [("note", note) for note in self.notes]

    def _pass_rows(self, step: Pass, name: str) -> list[tuple[str, str]]:
        space = Layout(self.axes).space

        def widths(radii: tuple[int, ...]) -> str:
            size = " × ".join(str(2 * r + 1) for r in radii)
            return f"{size} ({space}; radius {', '.join(map(str, dict.fromkeys(radii)))})"

        what = "patches" if step.aggregation == "patch" else "pixels"
        weights = ", weights from the guide" if step.guided else ""
        share = (
            ""
            if not step.wiener
            else ", then a Wiener step" + ("" if step.wiener == 1 else f", taken at {step.wiener:.0%}")
        )
        return [
            (f"{name}averages", what + weights + share),
            (f"{name}patch", widths(step.patch_radius)),
            (f"{name}search window", widths(step.search_radius)),
            (f"{name}strength h/σ", f"{step.strength:.3g}"),
        ]

    def _ridge_rows(self, ridge: RidgeSpec) -> list[tuple[str, str]]:
        space = Layout(self.axes).space

        def sides(numbers: tuple[int, ...]) -> str:
            return f"{' × '.join(map(str, numbers[-len(space) :]))} ({space})"

        def step(spec: GroupSpec) -> str:
            window = sides(tuple(2 * r + 1 for r in spec.search_radius))
            return f"{spec.size} patches of {sides(spec.patch)}, in windows of {window}, every {sides(spec.stride)}"

        mixed = f"{ridge.share:.0%} of the pilot above"
        return [
            ("step 1: combines", step(ridge.first)),
            ("step 2: combines", step(ridge.second)),
            ("step 2: led by", f"{mixed}, {1 - ridge.share:.0%} of step 1"),
        ]

    def __str__(self) -> str:
        return table(self.rows())


def _seen(reach: Radii, missing: bool) -> Radii:
    farther = math.ceil(math.hypot(*reach)) if missing else 0
    z, y, x = (r + farther for r in reach)
    return z, y, x


def total(reaches: list[Radii]) -> Radii:
    """Return how far steps look that follow each other."""
    z, y, x = (sum(reach[axis] for reach in reaches) for axis in range(3))
    return z, y, x


def table(rows: list[tuple[str, str]]) -> str:
    """Return rows of a name and a value as aligned text."""
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)
