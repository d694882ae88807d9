"""From an image and options to what runs: planes of floating-point numbers, and the recipe."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from .. import _checks
from .._progress import Progress
from ..noise.stripes import stripes_in
from ..pairwise.spec import Radii
from ..pixels.crops import crops, cut
from ..pixels.missing import Measured, Rules
from ..plan.choice import make
from ..plan.options import Options
from ..plan.plan import Plan

if TYPE_CHECKING:
    from .._notes import Note
    from ..noise.fitted import FittedNoise
    from .scale import Units


@dataclass(frozen=True, eq=False)
class Recipe:
    """All that is decided from an image, or from samples of it, before any of its pixels is averaged.

    Attributes
    ----------
    noise : FittedNoise
        The noise.
    plan : Plan
        The parameters.
    units : Units or None
        With method "ridge": what its steps take the image in.
    rules : Rules
        Which pixels count.
    """

    noise: FittedNoise
    plan: Plan
    units: Units | None
    rules: Rules

    def reach(self, missing: bool) -> Radii:
        """Return how far (z, y, x) the image reaches that one pixel of the result depends on."""
        z, y, x = self.plan.reach(missing)
        return z, y + self.rules.reach, x + self.rules.reach


def prepare(
    source: np.ndarray, options: Options, index: int, sides: Radii | None = None, progress: Progress | None = None
) -> tuple[Measured, np.ndarray, Recipe]:
    """Return the ``index``-th image's pixels that count, its planes as the filter takes them, and the recipe.

    Pixels that do not count come as NaN; the noise is stabilised, and the numbers are wide enough for its range.
    ``sides`` are those of the image, where the planes are samples of it; ``progress`` is told of the tries of strength
    "sure".
    """
    known = None if options.known is None else options.known[index]
    limits, tiles = _checks.saturation(source.dtype), crops(source.shape[1:], len(source))

    def seen(planes: np.ndarray) -> np.ndarray:
        """Return what a large image is judged by, whole or in pieces."""
        return planes if len(tiles) == 1 else cut(planes[None], tiles)

    rules = Rules.of(
        seen(source), None if known is None else seen(known), options.nodata, options.padding, sides or source.shape[1:]
    )
    measured, stays = rules.measure(source, known)
    judged = seen(measured)
    noise = options.fitted_noise(judged, index, limits)
    if options.outliers == "fill" and noise.outliers is None:
        from ..noise.patches import Evidence  # what estimates noise, `import nlmeans` does not bring

        noise = replace(noise, outliers=Evidence.of(measured, None, limits).outliers)
    if noise.outliers is not None:
        rules = replace(rules, outliers=noise.outliers, fills=options.outliers == "fill")
        if rules.fills:
            measured = rules.measure(source, known).planes
            judged = seen(measured)
    if options.strength != "sure" or noise.bands is not None:  # its risk is that of the channels
        noise = noise.turned(judged)
    planes = noise.stabilise(measured)
    filtered = judged if planes is measured else seen(planes)
    noise = noise.audible(filtered)
    plan = make(filtered, options, noise, rules.sides)
    plan = replace(plan, notes=(*plan.notes, *rules.notes, *_striped(judged, options, noise)))
    if limits is not None and limits[0] == 0:
        plan = replace(plan, peak=limits[1])
    if options.strength == "sure":
        from .sure import tuned  # brings Numba

        plan = tuned(planes, plan, noise, guide_of(planes, options, index), progress=progress)
    units = None
    if plan.ridge is not None:
        from .scale import Units

        units = Units.of(judged if noise.grouped else filtered, noise, plan.ridge.correlated)
        plan = replace(plan, notes=(*plan.notes, *units.notes))
    return Measured(measured, stays), planes, Recipe(noise, plan, units, rules)


def _striped(planes: np.ndarray, options: Options, noise: FittedNoise) -> tuple[Note, ...]:
    """Return a note on stripes, if there are any, where the noise is judged."""
    if not options.fits_noise or not noise.plain:
        return ()
    if noise.outliers is not None:
        planes = np.where(noise.outliers.counting(planes, None), planes, np.nan)
    pairs = zip(planes[:, planes.shape[1] // 2], noise.channels, strict=True)
    return tuple(note for plane, sigma in pairs if (note := stripes_in(plane, sigma)))[:1]


def guide_of(planes: np.ndarray, options: Options, index: int) -> np.ndarray | None:
    """Return the ``index``-th image's guide in the planes' type."""
    return None if options.guide is None else np.ascontiguousarray(options.guide[index], planes.dtype)
