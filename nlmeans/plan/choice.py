"""The choice of averages: from an image, its noise and the caller's options to the plan of non-local means."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from .. import _checks
from .._axes import Layout
from .._notes import Note
from ..pairwise.domain import covers
from ..pairwise.spec import Radii
from ..pairwise.units import rounded
from .averaging import AveragingPlan, Pass
from .defaults import ACROSS, COLOUR, GREY, MOVING, PREVIEW, VIDEO, VOLUME, Averaging, Defaults, Quality

if TYPE_CHECKING:
    from ..noise.fitted import FittedNoise
    from .options import Options

CAPPED = Note("capped", "the search radius is capped to the image")
SAMPLE = 1 << 16
"""Number of pixels of a channel from which the variance of the signal is taken."""
STRAY = 30.0
"""Standard deviations from the mean beyond which pixels are ignored: at most one in 900 can be."""
PAIRS = 1.5e9
"""Pairs of pixels a second and thread, on a processor of 2022: for the expected seconds alone."""
PATCHWISE = 3.0
"""Duration of a patchwise pass relative to a pixelwise one."""


def averaging(
    planes: np.ndarray,
    options: Options,
    noise: FittedNoise,
    whole: Radii,
    quality: Quality | None = None,
    notes: tuple[Note, ...] = (),
    peak: float | None = None,
    motion: bool = False,
) -> AveragingPlan:
    """Choose what the caller left open, for one image of sides ``whole``.

    ``planes`` (C, Z, Y, X) are the stabilised image or a sample of it; ``quality`` is that of the averages, where a
    method chooses another than the caller's; ``motion`` says whether they follow what moves.
    """
    layout = options.layout
    sides, space = whole[-len(layout.space) :], space_of(layout, whole)
    quality = quality or options.quality
    guided, alone = options.guide is not None, quality in ("preview", "fast")
    count = options.passes or (2 if quality == "best" and not guided else 1)
    steps = _steps(planes, noise.sigma, space, quality, guided, count)
    first = steps[0].strength
    passes: list[Pass] = []
    capped = False
    for k, step in enumerate(steps):
        patch, search = _default_radii(step, space, len(sides), options.spacing, quality, motion)
        search = options.search_radius or search
        reach = tuple(min(r, max(n - 1, 0)) for r, n in zip(search, sides, strict=True))
        capped |= any(r > c and r != _checks.WHOLE for r, c in zip(options.search_radius or (), reach, strict=False))
        share = step.wiener if not alone or options.wiener else 0.0
        strength = step.strength
        patch = options.patch_radius or patch
        if isinstance(options.strength, float):
            strength *= options.strength / first
        elif k == 0 and not guided:
            strength *= noise.coarseness((2 * patch[-2] + 1, 2 * patch[-1] + 1))
        passes.append(
            Pass(
                patch_radius=patch,
                search_radius=reach,
                strength=strength,
                aggregation=options.aggregation or ("pixel" if alone else step.aggregation),
                guided=k > 0 or guided,
                wiener=0.0 if options.wiener is False else share or float(options.wiener is True),
                end=step.end,
                kept=step.kept if passes and passes[-1].wiener else 0.0,  # an average alone is too noisy
            )
        )
    guide_noise = options.guide_sigma / _level(noise.sigma) if options.guide_sigma else 0.0
    if guide_noise > _checks.STRONGEST:
        raise ValueError(
            f"guide_sigma must be at most {_checks.STRONGEST:g} times sigma; got {options.guide_sigma:g} for a sigma "
            f"of {_level(noise.sigma):g}"
        )
    return AveragingPlan.of(
        options,
        noise,
        passes=tuple(passes),
        bias=options.bias,
        guide_noise=guide_noise,
        centre=options.centre or "max",
        seconds=_seconds(passes, math.prod(sides), len(planes), motion),
        notes=(*noise.notes, *[CAPPED] * capped, *notes),
        peak=peak,
        spread=_spread(planes, noise.sigma),
        everywhere=covers(layout.radii(passes[0].search_radius), whole),
        motion=motion,
    )


def space_of(layout: Layout, whole: Radii) -> str:
    """Return the spatial axes, without a first of three that has length 1: a single slice is a picture."""
    return layout.space[-2:] if whole[0] == 1 else layout.space


def _steps(
    planes: np.ndarray, sigma: tuple[float, ...], space: str, quality: Quality, guided: bool, count: int
) -> list[Averaging]:
    """Return the table's ``count`` passes of a quality, of which the first may be ``guided`` by the caller."""
    if quality == "preview" and not guided and count == 1:
        return [PREVIEW]
    row = _row(planes, sigma, space)
    first = row.guided if guided else {"preview": PREVIEW, "fast": row.fast}.get(quality, row.pilot)
    steps = [first, row.guided][:count]
    return [replace(step, search=PREVIEW.search) for step in steps] if quality == "preview" else steps


def _default_radii(
    step: Averaging, space: str, count: int, spacing: tuple[float, ...] | None, quality: Quality, motion: bool
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the radii of patches and window along ``count`` axes, of which the last are ``space``."""
    patch, search = [step.patch] * len(space), [step.search] * len(space)
    if quality == "preview" and len(space) == 3:
        patch[0], search[0] = ACROSS
    elif space[0] == "T":  # a patch that spans frames would tie a still background to what moves before it
        patch[0], search = 0, list(MOVING if motion else VIDEO)
    if spacing is not None:
        spacing = spacing[-len(space) :]
        finest = min(spacing)
        patch = [round(r * finest / width) for r, width in zip(patch, spacing, strict=True)]
        search = [max(round(r * finest / width), min(r, 1)) for r, width in zip(search, spacing, strict=True)]
    none = (0,) * (count - len(space))
    return (*none, *patch), (*none, *search)


def _row(planes: np.ndarray, sigma: tuple[float, ...], space: str) -> Defaults:
    rows = VOLUME if space[0] == "Z" else GREY if len(sigma) == 1 else COLOUR
    ratio = noise_ratio(planes, sigma)
    return next(row for row in rows if ratio <= row.noise)


def noise_ratio(planes: np.ndarray, sigma: tuple[float, ...]) -> float:
    """Return σ over the standard deviation of the signal."""
    variance = np.asarray([_variance(channel) for channel in planes])
    noise = np.square(sigma)
    signal = float(np.maximum(variance - noise, 0).mean())
    return math.sqrt(float(noise.mean()) / signal) if signal > 0 else math.inf


def _variance(channel: np.ndarray) -> float:
    """Return the variance of an even sample of a channel: enough to choose a row of the table."""
    pixels = channel.reshape(-1)
    values = pixels[:: pixels.size // SAMPLE | 1].astype(np.float64)  # odd: in step with few patterns
    if np.isnan(values.min()):
        values = values[~np.isnan(values)]
    while values.size:
        middle, variance = values.mean(), values.var()
        near = np.square(values - middle) <= STRAY**2 * variance
        if near.all():
            return float(variance)
        values = values[near]  # a few stray pixels, such as hot ones, are no signal
    return 0.0


def _spread(planes: np.ndarray, sigma: tuple[float, ...]) -> float:
    """Return a power of 2 that the range of the channels lies below, in units of what features are divided by."""
    least, widest = _level(sigma), 0.0
    for channel, deviation in zip(planes, sigma, strict=True):
        low, high = (float(np.fmin.reduce(channel, axis=None)), float(np.fmax.reduce(channel, axis=None)))
        widest = max(widest, (high - low) / (deviation or least))
    return rounded(widest)


def _level(sigma: tuple[float, ...]) -> float:
    """Return the least σ of the channels with noise."""
    return min((s for s in sigma if s > 0), default=1.0)


def _seconds(passes: list[Pass], pixels: int, channels: int, motion: bool) -> float:
    def pairs(step: Pass) -> float:
        window = math.prod(2 * r + 1 for r in step.search_radius)
        own = window / (2 * step.search_radius[0] + 1) if motion else window  # pairs within it serve both ends
        return pixels * min(window - own / 2, pixels / 2) * (PATCHWISE if step.aggregation == "patch" else 1)

    return sum(pairs(step) for step in passes) * (0.6 + 0.4 * channels) / PAIRS
