"""Coarse to fine: noise whose power lies below the frequencies of a patch is removed where a patch can see it.

Means of 2 × 2 pixels halve an image. What a method changes in the half-size image is added to the image itself, and
then the method removes what is left there. So at every scale it works on the noise that this scale has.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from .._progress import Progress, shares_of
from ..pairwise.spec import Radii
from ..pairwise.tiles import moved
from ..pixels.halves import doubled, halved, halved_sides, halved_tile, origin_of
from .recipe import Recipe
from .region import Outcome, Region

if TYPE_CHECKING:
    from ..plan.options import Options
    from .method import Method
    from .sample import Sample

WORK = (1, 3)
"""Relative durations of the coarser scales and of the finest."""


def decide(method: Method, sample: Sample, options: Options, progress: Progress | None = None) -> Recipe:
    """Return a method's decision for an image, and for its coarser scales where the noise has some."""
    recipe = method.decide(sample, options, progress)
    if sample.noise.coarser is None:
        return recipe
    coarser = decide(method, sample.halved(), options)
    seconds = recipe.plan.seconds + coarser.plan.seconds
    return replace(recipe, coarser=coarser, plan=replace(recipe.plan, coarser=coarser.plan, seconds=seconds))


def run(region: Region, recipe: Recipe, *, threads: int | None = None, progress: Progress | None = None) -> Outcome:
    """Run a recipe on a region, whose planes are its measured pixels: on its coarser scales first, if it has any."""
    fine = progress
    if recipe.coarser is not None:
        coarse, fine = shares_of(progress, WORK)
        region = _led(region, recipe, recipe.coarser, threads, coarse)
    planes = region.noise.stabilise(region.measured)
    guide = None if region.guide is None else np.ascontiguousarray(region.guide, planes.dtype)
    region = replace(region, planes=planes, guide=guide)
    return recipe.method.run(region, recipe, threads=threads, progress=fine)


def _led(region: Region, recipe: Recipe, coarser: Recipe, threads: int | None, progress: Progress | None) -> Region:
    """Return the core, with the surroundings that the finest scale needs, as the coarser scales leave it."""
    here = region.core.grown(recipe.plan.reach(region.missing), region.measured.shape[1:])
    below, origin = halved(region.measured, region.origin), origin_of(region.origin)
    core = halved_tile(here, region.origin, below.shape[1:])
    guide = None if region.guide is None else halved(region.guide, region.origin)
    half = replace(
        region, planes=below, measured=below, noise=coarser.noise, guide=guide, core=core, origin=origin,
        sides=halved_sides(region.sides), maps=False,
    )  # fmt: skip
    change = run(half, coarser, threads=threads, progress=progress).pixels - core.of(below)
    np.nan_to_num(change, copy=False)  # of what is missing, nothing
    measured = here.of(region.measured) + doubled(change, core.moved(_back(origin)), here.moved(_back(region.origin)))
    return replace(
        region, planes=measured, measured=measured, noise=region.noise.within(here),
        guide=None if region.guide is None else here.of(region.guide),
        core=region.core.moved(here.origin), origin=moved(region.origin, here.origin),
    )  # fmt: skip


def _back(origin: Radii) -> Radii:
    z, y, x = origin
    return -z, -y, -x
