"""Method "nlm": non-local means, its passes and Wiener steps."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import get_args

from ..._notes import Note
from ..._progress import Progress, shares_of
from ...plan.averaging import AveragingPlan
from ...plan.choice import averaging
from ...plan.defaults import Quality
from ...plan.options import Options
from ..average import average
from ..left import remaining
from ..method import Method
from ..recipe import Recipe
from ..region import Outcome, Region
from ..sample import Sample

# Tuned with what `nlmeans.noise.camera` is tuned on.
PROCESSED: dict[Quality, float] = {"preview": 0.7, "fast": 0.4, "balanced": 0.75, "best": 0.7}
"""Part of the σ of processed noise that each quality averages by: averages take detail that looks like it."""

TUNERS = {"sure": "..sure", "j-invariant": "..blind"}
"""The modules that choose a strength, by its names."""

FINEST = Note("finest", "the map of the noise that is left knows of the finest scale alone: there is more of it")


class NonLocalMeans(Method):
    """Every pixel becomes a weighted average of those around it; similar patches weigh most."""

    name = "nlm"
    options = frozenset(
        {
            "aggregation", "bias", "centre", "guide", "guide_sigma", "maps", "passes", "patch_radius", "search_radius",
            "spacing", "strength", "wiener",
        }
    )  # fmt: skip
    qualities = get_args(Quality)
    plan = AveragingPlan

    def decide(self, sample: Sample, options: Options, progress: Progress | None = None) -> Recipe:
        """Choose patches, windows and strengths: by the table, or the strength by its estimated risk."""
        if sample.noise.model.processed:
            sample = replace(sample, noise=sample.noise.weaker(PROCESSED[options.quality]))
        plan = averaging(sample.judged, options, sample.noise, sample.sides, notes=sample.notes, peak=sample.peak)
        if isinstance(options.strength, str):
            tuned = import_module(TUNERS[options.strength], __package__).tuned
            plan = tuned(sample.planes, plan, sample.noise, sample.guide, progress=progress)
        return sample.recipe(self, plan)

    def run(
        self, region: Region, recipe: Recipe, *, threads: int | None = None, progress: Progress | None = None
    ) -> Outcome:
        """Average a region, pass by pass."""
        plan, noise, last, twice = recipe.plan, region.noise, None, None
        again = region.complete and plan.predicted_mse is not None
        if again:
            progress, last = shares_of(progress, (1, 1))
        if region.maps:
            progress, twice = shares_of(progress, (1, 1))
        averages, maps = average(
            region.planes, plan, noise, region.guide,
            threads=threads, progress=progress, maps=region.maps, origin=region.origin, region=region.core,
            missing=region.missing if region.complete else None,
        )  # fmt: skip
        if again:
            from ..sure import refined

            plan = refined(region.planes, averages, plan, noise, region.guide, threads, last)
            if last is not None:
                last(1, 1)
        if maps is not None:
            effective, residual = maps
            if noise.model.processed:
                plan = replace(plan, notes=(*plan.notes, FINEST))
            maps = effective, remaining(region, averages, residual, plan, threads, twice)
        return Outcome(region.restored(averages), plan, maps)


METHOD = NonLocalMeans()
