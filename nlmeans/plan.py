"""Plan: from an image and its noise to patches, search windows and strengths."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from . import _checks
from .defaults import (
    COLOUR,
    DEFAULTS_VERSION,
    EFFORT,
    GREY,
    RIDGE_COLOUR,
    RIDGE_CORRELATED,
    RIDGE_FRAMES,
    RIDGE_GREY,
    RIDGE_PILOT,
    VIDEO,
    VOLUME,
    Averaging,
    Defaults,
    Quality,
)
from .groups.spec import GroupSpec, RidgeSpec
from .layout import Layout
from .pairwise.spec import Aggregation, Centre, PairwiseSpec

if TYPE_CHECKING:
    from .noise.setting import Setting
    from .options import Options

SAMPLE = 1 << 16
"""Pixels of a channel from which the signal's variance is taken."""
PAIRS = 1.5e9
"""Pairs of pixels a second and thread, on a processor of 2022: for the expected seconds alone."""
_WINDOW = (3, 7, 7)
"""How far a Wiener step looks: its windows are of 4 slices and 8 × 8 pixels."""
PATCHWISE = 3.0
"""How much longer a pass takes that averages patches."""


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
    notes : tuple of str
        What a user should know.
    predicted_mse : float or None
        With strength "sure": the mean squared error that Stein's estimate expects, in the image's units squared.
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
    notes: tuple[str, ...] = ()
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
        if not self.predicted_mse or self.peak is None:
            return None
        return 10 * math.log10(self.peak**2 / self.predicted_mse)

    @property
    def correlated(self) -> bool:
        """Whether neighbouring pixels were found to share noise, as after JPEG or demosaicking."""
        return any("correlated" in note for note in self.notes)

    @property
    def halo(self) -> tuple[int, ...]:
        """How far along the spatial axes the image reaches that one pixel of the result depends on.

        The numbers of the plan left aside, which come from the whole image.
        """
        recipes = [self.recipe(step, len(self.sigma)).halo for step in self.passes]
        windows = [tuple(_WINDOW if step.wiener else (0, 0, 0)) for step in self.passes]
        reach = np.sum([*recipes, *windows], axis=0)
        if self.ridge is not None:
            reach = np.maximum(reach, self.ridge.first.halo) + self.ridge.second.halo
        return tuple(reach[-len(Layout(self.axes).space) :].tolist())

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


def table(rows: list[tuple[str, str]]) -> str:
    """Return rows of a name and a value as aligned text."""
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def make(planes: np.ndarray, options: Options, setting: Setting) -> Plan:
    """Choose what the caller left open, for one image (C, Z, Y, X) without missing pixels, its noise stabilised."""
    layout = options.layout
    sides = planes.shape[-len(layout.space) :]
    row = _row(planes, setting.sigma, layout)
    quality = RIDGE_PILOT[options.quality] if options.method == "ridge" else options.quality
    steps = [row.fast] if quality == "fast" else [row.pilot]
    if options.guide is not None:
        steps = [row.guided]
    wanted = options.passes or (2 if quality == "best" and options.guide is None else 1)
    if wanted == 2:
        steps.append(row.guided)
    first = steps[0].strength
    passes, capped = [], False
    for k, step in enumerate(steps):
        patch, search = _default_radii(step, layout, options.spacing)
        search = options.search_radius or search
        reach = tuple(min(r, max(n - 1, 0)) for r, n in zip(search, sides, strict=True))
        capped |= any(r > c and r != _checks.WHOLE for r, c in zip(options.search_radius or (), reach, strict=False))
        share = step.wiener if quality != "fast" or options.wiener else 0.0
        strength = step.strength
        if isinstance(options.strength, float):
            strength *= options.strength / first
        passes.append(
            Pass(
                patch_radius=options.patch_radius or patch,
                search_radius=reach,
                strength=strength,
                aggregation=options.aggregation or ("pixel" if quality == "fast" else step.aggregation),
                guided=k > 0 or options.guide is not None,
                wiener=0.0 if options.wiener is False else share or float(options.wiener is True),
            )
        )
    ridge = _ridge(planes, setting, options) if options.method == "ridge" else None
    seconds = _seconds(passes, math.prod(sides), len(planes))
    if ridge is not None:
        seconds += sum(_step_seconds(step, math.prod(sides), len(planes)) for step in (ridge.first, ridge.second))
    return Plan(
        axes=layout.axes,
        quality=options.quality,
        noise=setting.text,
        sigma=setting.sigma,
        estimated=setting.estimated,
        passes=tuple(passes),
        bias=options.bias,
        guide_noise=options.guide_sigma / _level(setting.sigma) if options.guide_sigma else 0.0,
        centre=options.centre or "max",
        seconds=seconds,
        notes=setting.notes + (("the search radius is capped to the image",) if capped else ()),
        ridge=ridge,
    )


def _ridge(planes: np.ndarray, setting: Setting, options: Options) -> RidgeSpec:
    """Choose the steps of method "ridge" as the table has them."""
    ratio, effort = _noise_ratio(planes, setting.sigma), EFFORT[options.quality]
    rows = RIDGE_GREY if len(setting.sigma) == 1 else RIDGE_COLOUR
    row = next(row for row in rows if ratio <= row.noise)
    space = len(options.layout.space)

    def step(side: int, size: int, apart: int, reach: int, sparse: bool) -> GroupSpec:
        patch, stride, search = [side] * space, [apart] * space, [reach] * space
        if space == 3:
            patch[0] = stride[0] = 1
            frames, within = RIDGE_FRAMES[options.layout.space[0]]
            search = [frames, *(min(r, within) for r in search[1:])]
        if options.spacing is not None:
            finest = min(options.spacing)
            search = [max(round(r * finest / width), 1) for r, width in zip(search, options.spacing, strict=True)]
        z, y, x = (min(r, n - 1) for r, n in zip(_three(search, 0), planes.shape[1:], strict=True))
        whole = GroupSpec(_three(patch), size, _three(stride), (z, y, x), sparse)
        return whole.within((planes.shape[1], planes.shape[2], planes.shape[3]))

    first = step(*row.first, *effort.first, sparse=False)
    second = step(row.second[0], min(row.second[1], effort.most), *effort.second, sparse=True)
    return RidgeSpec(first, second, row.share, RIDGE_CORRELATED)


def _three(numbers: list[int], absent: int = 1) -> tuple[int, int, int]:
    z, y, x = [absent, *numbers][-3:]
    return z, y, x


def _default_radii(
    step: Averaging, layout: Layout, spacing: tuple[float, ...] | None
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    patch, search = [step.patch] * len(layout.space), [step.search] * len(layout.space)
    if layout.space[0] == "T":  # a patch that spans frames would tie a still background to what moves before it
        patch[0], search = 0, list(VIDEO)
    if spacing is not None:
        finest = min(spacing)
        patch = [round(r * finest / width) for r, width in zip(patch, spacing, strict=True)]
        search = [max(round(r * finest / width), min(r, 1)) for r, width in zip(search, spacing, strict=True)]
    return tuple(patch), tuple(search)


def _row(planes: np.ndarray, sigma: tuple[float, ...], layout: Layout) -> Defaults:
    rows = VOLUME if layout.space[0] == "Z" and len(layout.space) == 3 else GREY if len(sigma) == 1 else COLOUR
    ratio = _noise_ratio(planes, sigma)
    return next(row for row in rows if ratio <= row.noise)


def _noise_ratio(planes: np.ndarray, sigma: tuple[float, ...]) -> float:
    """Return σ over the standard deviation of the signal."""
    variance = np.asarray([_variance(channel) for channel in planes])
    noise = np.square(sigma)
    signal = float(np.maximum(variance - noise, 0).mean())
    return math.sqrt(float(noise.mean()) / signal) if signal > 0 else math.inf


def _variance(channel: np.ndarray) -> float:
    """Return the variance of an even sample of a channel: a row of the table asks for no more."""
    pixels = channel.reshape(-1)
    sample = pixels[:: pixels.size // SAMPLE | 1]  # odd: in step with few patterns
    known = np.isfinite(sample)
    return float(sample.var(dtype=np.float64, where=known)) if known.any() else 0.0


def _level(sigma: tuple[float, ...]) -> float:
    """Return one number for the noise of all channels, the least that is none."""
    return min((s for s in sigma if s > 0), default=1.0)


def _step_seconds(step: GroupSpec, pixels: int, channels: int) -> float:
    """Return what matching and products of a step take: multiplications over how many a second are usual."""
    groups = pixels / math.prod(step.stride)
    patch = math.prod(step.patch)
    compared = math.prod(2 * r + 1 for r in step.search_radius) * patch / (2 if step.sparse else 1)
    return groups * channels * (compared / 1.5e10 + step.size**2 * (2 * patch + step.size) / 8e10)


def _seconds(passes: list[Pass], pixels: int, channels: int) -> float:
    def pairs(step: Pass) -> float:
        window = math.prod(2 * r + 1 for r in step.search_radius)
        return pixels * min(window, pixels) / 2 * (PATCHWISE if step.aggregation == "patch" else 1)

    return sum(pairs(step) for step in passes) * (0.6 + 0.4 * channels) / PAIRS
