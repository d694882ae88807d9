"""Method "ridge": linear combinations of similar patches, led by non-local means."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from ..._axes import Layout
from ..._progress import Progress, shares_of
from ...groups.spec import GroupSpec, RidgeSpec
from ...motion import FARTHEST, REACH
from ...pairwise.spec import Radii
from ...pairwise.tiles import moved
from ...plan.averaging import AveragingPlan, farther, total
from ...plan.choice import averaging, noise_ratio, space_of
from ...plan.defaults import Quality
from ...plan.options import Options
from ..average import average, motion_in
from ..combine import WINDOW, combine, in_image_units
from ..following import follows
from ..method import Method
from ..recipe import Recipe
from ..region import Outcome, Region
from ..sample import Sample
from ..scale import Scale
from ..split import FILTER_REACH, parts_of
from . import nlm

if TYPE_CHECKING:
    from ...noise.fitted import FittedNoise


@dataclass(frozen=True)
class Row:
    """A row of the table, for ``noise`` up to this ratio as in `nlmeans.plan.defaults.Defaults`.

    ``share`` is the share of non-local means in the pilot; each step has the side of a patch and the size of a group.
    """

    noise: float
    share: float
    first: tuple[int, int]
    second: tuple[int, int]


@dataclass(frozen=True)
class Effort:
    """The effort of a quality: the stride of groups and their search radius, in each step.

    ``pilot`` is the quality of non-local means as pilot; ``most`` bounds the size of the second step's groups.
    """

    pilot: Quality
    first: tuple[int, int]
    second: tuple[int, int]
    most: int


# Tuned on training pictures only (`python -m benchmarks tune-ridge`; for GREY and COLOUR every measurement is in
# benchmarks/results, VOLUME was chosen by a part of that search).
GREY = (
    Row(0.20, 0.60, (7, 16), (7, 64)),
    Row(0.45, 0.55, (8, 16), (7, 80)),
    Row(0.80, 0.50, (8, 16), (7, 96)),
    Row(1.30, 0.45, (9, 32), (8, 128)),
    Row(math.inf, 0.40, (9, 32), (8, 128)),
)
COLOUR = (
    Row(0.20, 0.50, (9, 16), (8, 64)),
    Row(0.45, 0.50, (9, 16), (7, 80)),
    Row(0.80, 0.50, (9, 16), (7, 96)),
    Row(1.30, 0.50, (9, 24), (7, 112)),
    Row(math.inf, 0.45, (9, 24), (8, 128)),
)
VOLUME = (  # tuned on volumes that are made up, and on a T1 brain (`tune-ridge --kinds volume brain`)
    Row(0.30, 0.35, (4, 32), (4, 64)),
    Row(0.60, 0.50, (4, 32), (4, 80)),
    Row(math.inf, 0.60, (4, 32), (4, 80)),
)
EFFORT: dict[Quality, Effort] = {
    "fast": Effort("balanced", (7, 12), (6, 15), 48),
    "balanced": Effort("best", (6, 15), (6, 18), 80),
    "best": Effort("best", (4, 18), (3, 23), 128),
}
VOLUME_EFFORT: dict[Quality, Effort] = {
    "fast": Effort("balanced", (3, 4), (3, 4), 32),
    "balanced": Effort("balanced", (3, 5), (3, 5), 64),
    "best": Effort("balanced", (2, 5), (2, 5), 80),
}
PROCESSED = 0.9
"""Part of the σ of processed noise that is removed."""
CORRELATED = 2.0
"""Factor on the σ of correlated noise."""
SPREAD = (11, 24)
"""The first step of noise of a known spectrum: the side of a patch and the size of a group."""
MILD, WIDE = 2, (11, 64)
"""The parts up to which noise of a known spectrum is not far from white, and the second step then."""
FRAMES = {"T": (2, 12), "Z": (1, 12)}
"""Search radius of a video or of thick slices along the first axis, and the largest within a frame or a slice."""
THICKEST = 3.0
"""Thickness of slices, in pixels, up to which patches have depth: of at least two slices, as of two pixels."""
PILOT_AND_STEPS = (3, 5)
"""Relative durations of non-local means and of the steps that follow."""


@dataclass(frozen=True)
class Space:
    """The axes that patches lie in, and how many pixels along each are as long as one along the finest.

    ``sliced`` says that the noise is known within slices alone.
    """

    axes: str
    scale: tuple[float, ...]
    sliced: bool = False

    @classmethod
    def of(cls, options: Options, whole: Radii, *, sliced: bool = False) -> Space:
        """Return the space of an image of sides ``whole``."""
        axes = space_of(options.layout, whole)
        spacing = (1.0,) * len(axes) if options.spacing is None else options.spacing[-len(axes) :]
        return cls(axes, tuple(min(spacing) / width for width in spacing), sliced)

    @property
    def deep(self) -> bool:
        """Whether patches have depth: where slices are thick, they are compared as pictures are."""
        return self.axes[0] == "Z" and not self.sliced and self.scale[0] * THICKEST >= 1

    @property
    def efforts(self) -> dict[Quality, Effort]:
        """The efforts of the qualities."""
        return VOLUME_EFFORT if self.deep else EFFORT


@dataclass(frozen=True, kw_only=True)
class RidgePlan(AveragingPlan):
    """The plan of method "ridge": passes of non-local means, which make its pilot, and two steps.

    Attributes
    ----------
    ridge : RidgeSpec
        The steps.
    grouped : bool
        Whether groups have their own variance, so that the noise of the first step depends on the pilot too.
    split : bool
        Whether the image is parted by the noise's spectrum, and the second step followed by a Wiener step.
    """

    ridge: RidgeSpec
    grouped: bool = False
    split: bool = False

    @property
    def frames(self) -> int:
        """How many frames before and after each one are compared with it."""
        return max(super().frames, self.ridge.first.search_radius[0], self.ridge.second.search_radius[0])

    def reach(self, missing: bool = False) -> Radii:
        """Return the halo along (z, y, x)."""
        pilot = super().reach(missing)
        if self.split:
            steps = self.steps_halo(missing)
            return total([pilot, steps]) if missing else steps
        first, second = (farther(step.halo, missing) for step in (self.ridge.first, self.ridge.second))
        if self.motion:
            first = total([first, (0, REACH - FARTHEST, REACH - FARTHEST)])
        if missing or self.grouped:  # averages fill holes, and give the variance
            return total([pilot, first, second])
        z, y, x = map(max, pilot, first)
        return total([(z, y, x), second])

    def steps_halo(self, missing: bool = False) -> Radii:
        """Return the halo of the two steps alone, with what is before and after them."""
        beyond = [(0, FILTER_REACH, FILTER_REACH), WINDOW] if self.split else []
        return total([farther(step.halo, missing) for step in (self.ridge.first, self.ridge.second)] + beyond)


class Ridge(Method):
    """Similar patches are replaced by the linear combinations of them with the least expected error."""

    name = "ridge"
    options = frozenset({"motion", "spacing"})
    plan = RidgePlan

    def decide(self, sample: Sample, options: Options, progress: Progress | None = None) -> Recipe:
        """Choose the pilot's averages and both steps by the tables, and the scale of the steps."""
        if sample.noise.model.processed:
            sample = replace(sample, noise=sample.noise.weaker(PROCESSED))
        judged, noise = sample.judged, sample.noise
        split = noise.power is not None
        space = Space.of(options, sample.sides, sliced=split)
        effort = space.efforts[options.quality]
        pilot = averaging(
            judged, options, noise, sample.sides, "fast" if split else effort.pilot,
            notes=sample.notes, peak=sample.peak, motion=not split and follows(sample, options),
        )  # fmt: skip
        spec = _steps(judged, noise, space, effort, sample.sides, pilot.motion)
        scale = Scale.of(sample.measured if noise.grouped else judged, noise, spec.correlated, _farthest(spec))
        pixels = math.prod(sample.sides)
        seconds = sum(_seconds(step, pixels, len(judged)) for step in (spec.first, spec.second))
        own = {field.name: getattr(pilot, field.name) for field in fields(pilot)} | {
            "method": "ridge: linear combinations of similar patches",
            "seconds": pilot.seconds + seconds,
            "details": _rows(spec, options.layout),
            "notes": (*pilot.notes, *scale.notes),
        }
        plan = RidgePlan(**own, ridge=spec, grouped=noise.grouped, split=split)
        return sample.recipe(self, plan, scale)

    def run(
        self, region: Region, recipe: Recipe, *, threads: int | None = None, progress: Progress | None = None
    ) -> Outcome:
        """Average a region, and combine patches around its core."""
        plan, noise, scale, core, planes = recipe.plan, region.noise, recipe.numbers, region.core, region.planes
        if not any(noise.sigma):  # there may be pixels to fill
            return nlm.METHOD.run(region, recipe, threads=threads, progress=progress)
        near = core.grown(plan.steps_halo(region.missing), planes.shape[1:])
        first, steps = shares_of(progress, PILOT_AND_STEPS)
        motion = motion_in(planes, plan, noise, region.origin, threads) if plan.motion else None
        if plan.split and not region.missing:  # no other pilot than the first step is any use
            averages = near.of(planes)
        else:
            averages, _ = average(
                planes, plan, noise,
                threads=threads, progress=first, origin=region.origin, region=near, motion=motion,
            )  # fmt: skip
        planes, noise = near.of(planes), noise.within(near)
        if plan.grouped:
            planes, averages, noise = in_image_units(near.of(region.measured), averages, noise, scale)
        averages = combine(
            planes, averages, plan.ridge, noise, scale, origin=moved(region.origin, near.origin), sides=region.sides,
            region=core.moved(near.origin), motion=motion, threads=threads, progress=steps,
        )  # fmt: skip
        averages = noise.restore(averages, core.of(region.measured))
        if any(noise.sigma):
            averages = noise.model.brightened(averages, known=not recipe.noise.estimated)
        return Outcome(averages)


def _steps(
    planes: np.ndarray, noise: FittedNoise, space: Space, effort: Effort, whole: Radii, motion: bool
) -> RidgeSpec:
    """Choose both steps by the tables."""
    ratio = noise_ratio(planes, noise.sigma)
    rows = VOLUME if space.deep else GREY if len(noise.sigma) == 1 else COLOUR
    row = next(row for row in rows if ratio <= row.noise)

    def step(side: int, size: int, apart: int, reach: int, sparse: bool) -> GroupSpec:
        count = len(space.axes)
        patch, stride, search = [side] * count, [apart] * count, [reach] * count
        if space.deep:
            patch = [max(round(side * part), 2) for part in space.scale]
            stride = [min(apart, length) for length in patch]
        elif count == 3:
            patch[0] = stride[0] = 1
            frames, within = FRAMES[space.axes[0]]
            search = [frames, *(min(r, within) for r in search[1:])]
        search = [max(round(r * part), 1) for r, part in zip(search, space.scale, strict=True)]
        z, y, x = (min(r, n - 1) for r, n in zip(_three(search, 0), whole, strict=True))
        farthest = FARTHEST if motion else 0
        return GroupSpec(_three(patch), size, _three(stride), (z, y, x), sparse, farthest).within(whole)

    if noise.power is not None:
        row, effort = replace(row, first=SPREAD, share=0.0), replace(effort, first=EFFORT["fast"].first)
        if max(map(parts_of, noise.power)) <= MILD:
            row = replace(row, second=WIDE)
    first = step(*row.first, *effort.first, sparse=False)
    second = step(row.second[0], min(row.second[1], effort.most), *effort.second, sparse=True)
    return RidgeSpec(first, second, row.share, CORRELATED)


def _farthest(spec: RidgeSpec) -> tuple[int, int]:
    """Return how many rows and columns the patches of a group lie apart at most."""
    rows, columns = (2 * max(step.search_radius[axis] for step in (spec.first, spec.second)) for axis in (1, 2))
    return rows, columns


def _three(numbers: list[int], absent: int = 1) -> tuple[int, int, int]:
    z, y, x = [absent, *numbers][-3:]
    return z, y, x


def _seconds(step: GroupSpec, pixels: int, channels: int) -> float:
    """Estimate the seconds of a step from its multiplications, in matching and in products."""
    groups = pixels / math.prod(step.stride)
    patch = math.prod(step.patch)
    compared = math.prod(2 * r + 1 for r in step.search_radius) * patch / (2 if step.sparse else 1)
    return groups * channels * (compared / 1.5e10 + step.size**2 * (2 * patch + step.size) / 8e10)


def _rows(spec: RidgeSpec, layout: Layout) -> tuple[tuple[str, str], ...]:
    """Return the printed rows on the steps."""
    space = layout.space

    def sides(numbers: tuple[int, ...]) -> str:
        return f"{' × '.join(map(str, numbers[-len(space) :]))} ({space})"

    def step(group: GroupSpec) -> str:
        window = sides(tuple(2 * r + 1 for r in group.search_radius))
        return f"{group.size} patches of {sides(group.patch)}, in windows of {window}, every {sides(group.stride)}"

    return (
        ("step 1: combines", step(spec.first)),
        ("step 2: combines", step(spec.second)),
        ("step 2: led by", f"{spec.share:.0%} of the pilot above, {1 - spec.share:.0%} of step 1"),
    )


METHOD = Ridge()
