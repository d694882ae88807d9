"""From an image and options to what runs: planes of floating-point numbers, and the recipe."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from . import _checks
from ._progress import Progress
from .choose import make
from .options import Options
from .pairwise.spec import Radii
from .plan import Plan

if TYPE_CHECKING:
    from .noise.setting import Setting
    from .units import Units


@dataclass(frozen=True, eq=False)
class Recipe:
    """All that is decided from an image, or from samples of it, before any of its pixels is averaged.

    Attributes
    ----------
    setting : Setting
        The noise.
    plan : Plan
        The parameters.
    units : Units or None
        With method "ridge": what its steps take the image in.
    """

    setting: Setting
    plan: Plan
    units: Units | None


def prepare(
    source: np.ndarray, options: Options, index: int, sides: Radii | None = None, progress: Progress | None = None
) -> tuple[np.ndarray, Recipe]:
    """Return the ``index``-th image's planes as the filter takes them, and the recipe.

    Missing pixels come as NaN; the noise is stabilised, and the numbers are wide enough for its range. ``sides`` are
    those of the image, where the planes are samples of it; ``progress`` is told of the tries of strength "sure".
    """
    known = None if options.known is None else options.known[index]
    measured, limits = as_known(source, known), _checks.saturation(source.dtype)
    setting = options.setting(measured, index, limits)
    planes = setting.stabilise(measured)
    plan = make(planes, options, setting, sides or source.shape[1:])
    if limits is not None and limits[0] == 0:
        plan = replace(plan, peak=limits[1])
    if options.strength == "sure":
        from .sure import tuned  # brings Numba

        plan = tuned(planes, plan, setting, guide_of(planes, options, index), progress=progress)
    units = None
    if plan.ridge is not None:
        from .noise.models import PoissonGaussian
        from .units import FEW, Units

        counted = isinstance(setting.noise, PoissonGaussian)
        units = Units.of(measured if counted else planes, setting, plan.ridge.correlated)
        if counted and not units.noisy:
            plan = replace(plan, notes=(*plan.notes, FEW))
    return planes, Recipe(setting, plan, units)


def as_known(source: np.ndarray, known: np.ndarray | None) -> np.ndarray:
    """Return planes in floating-point numbers, NaN where they are not known."""
    planes = as_float(source)
    return planes if known is None else np.where(known, planes, np.nan).astype(planes.dtype, copy=False)


def guide_of(planes: np.ndarray, options: Options, index: int) -> np.ndarray | None:
    """Return the ``index``-th image's guide in the planes' type."""
    return None if options.guide is None else np.ascontiguousarray(options.guide[index], planes.dtype)


def as_float(planes: np.ndarray) -> np.ndarray:
    """Return planes as C-contiguous float32, or float64 where float32 would lose bits."""
    exact = (planes.dtype.kind == "f" and planes.dtype.itemsize <= 4) or planes.dtype.itemsize <= 2
    return np.ascontiguousarray(planes, np.float32 if exact else np.float64)
