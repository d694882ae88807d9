"""From an image and options to what runs: planes of floating-point numbers, their noise, and the plan."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _checks
from .options import Options
from .plan import Plan, make

if TYPE_CHECKING:
    from .noise.setting import Setting

UNEVEN = 4096.0
"""Ratio of variances in one image up to which float32 holds the scores of all."""


def prepare(
    source: np.ndarray, options: Options, index: int, limits: tuple[float, float] | None
) -> tuple[np.ndarray, Setting, Plan]:
    """Return the ``index``-th image's planes as the filter takes them, its noise, and the plan.

    Missing pixels come as NaN; the noise is stabilised, and the numbers are wide enough for its range.
    """
    planes = known_planes(source, options, index)
    setting = options.setting(planes, index, limits)
    if setting.stabiliser is not None:
        planes = setting.stabiliser.forward(planes)
    if setting.variance is not None and setting.variance.max() > UNEVEN * setting.variance.min():
        planes = planes.astype(np.float64)
    plan = make(planes, options, setting)
    if limits is not None and limits[0] == 0:
        plan = replace(plan, peak=limits[1])
    if options.strength == "sure":
        from .sure import tuned  # brings Numba

        plan = tuned(planes, plan, setting, guide_of(planes, options, index))
    return planes, setting, plan


def known_planes(source: np.ndarray, options: Options, index: int) -> np.ndarray:
    """Return the ``index``-th image's planes in floating-point numbers, NaN where a pixel is missing."""
    planes = as_float(source)
    if options.known is None:
        return planes
    return np.where(options.known[index], planes, np.nan).astype(planes.dtype, copy=False)


def guide_of(planes: np.ndarray, options: Options, index: int) -> np.ndarray | None:
    """Return the ``index``-th image's guide in the planes' type."""
    return None if options.guide is None else np.ascontiguousarray(options.guide[index], planes.dtype)


def plan(image: Any, sigma: Any = None, **options: Any) -> Plan:
    """Choose parameters as `denoise` would, without denoising.

    Parameters
    ----------
    image, sigma, **options
        As for `denoise`, but for the options about the work itself (fill, threads, progress, cancel, out,
        full_output); ``method`` is "nlm" or "ridge".

    Returns
    -------
    Plan
        What `denoise` would do; prints as a small table. Of separate images (axis N), the first one's.

    Raises
    ------
    TypeError, ValueError
        As `denoise`.

    Examples
    --------
    >>> import numpy as np, nlmeans
    >>> noisy = np.random.default_rng(0).normal(100, 10, (64, 64))
    >>> nlmeans.plan(noisy, sigma=10, strength=0.5).strength
    0.5
    """
    array = _checks.image(image)
    parsed = Options.check(array, sigma=sigma, **options)
    return prepare(parsed.layout.planes(array)[0], parsed, 0, _checks.saturation(array.dtype))[2]


def as_float(planes: np.ndarray) -> np.ndarray:
    """Return planes as C-contiguous float32, or float64 where float32 would lose bits."""
    exact = (planes.dtype.kind == "f" and planes.dtype.itemsize <= 4) or planes.dtype.itemsize <= 2
    return np.ascontiguousarray(planes, np.float32 if exact else np.float64)
