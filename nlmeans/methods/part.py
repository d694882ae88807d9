"""Run a recipe on an image, or on a part of one with its surroundings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _checks, _companions
from .._axes import Layout
from .._notes import Note
from .._progress import Progress, shares_of
from ..pairwise.spec import Radii
from ..pairwise.tiles import Tile, whole
from ..pixels.missing import Measured
from ..plan.report import Maps
from . import scales
from .error import errorless, maps_of
from .recipe import Recipe
from .region import Outcome, Region

if TYPE_CHECKING:
    from ..noise.fitted import FittedNoise

MOVED = 0.02
"""Share of the mean, above the darkest pixel, by which rounding may move it without a note."""
CACHED = 1 << 15
"""Pixels that are rounded, and cast, while they are in a core's cache."""
SHADES = Note(
    "shades",
    "what is left of the noise is less than a step, so that rounding to whole numbers lost shades and moved the mean: "
    "dtype='float32' (--dtype float32) keeps both",
)


@dataclass(frozen=True, eq=False)
class Pixels:
    """Pixels as they are stored, with their mask, maps of the noise and guide.

    Attributes
    ----------
    source : ndarray, shape (C, Z, Y, X)
        The pixels, of any dtype.
    known : ndarray of bool, shape (C, Z, Y, X), or None
        Where pixels are not missing; None if none is.
    maps : mapping of str to ndarray, shape (1 or C, Z, Y, X)
        This part of the maps of the noise, by the names of its numbers.
    guide : ndarray, shape (F, Z, Y, X), or None
        This part of the guide.
    core : Tile or None
        The pixels to denoise, all by default; the others are their surroundings.
    origin : tuple of 3 int
        Where the first pixel lies in the image.
    sides : tuple of 3 int, or None
        The sides of the image; by default these pixels are all of it.
    """

    source: np.ndarray
    known: np.ndarray | None = None
    maps: Mapping[str, np.ndarray] = field(default_factory=dict)
    guide: np.ndarray | None = None
    core: Tile | None = None
    origin: Radii = (0, 0, 0)
    sides: Radii | None = None

    @classmethod
    def of(cls, parts: Mapping[str, np.ndarray], core: Tile, origin: Radii, sides: Radii) -> Pixels:
        """Return a block with its surroundings from its ``image``, ``mask``, ``guide``, and else maps of the noise.

        Each is planes (channels, Z, Y, X) that begin at ``origin`` in an image of these ``sides``.
        """
        mask = parts.get("mask")
        known = _companions.known(parts["image"], None if mask is None else mask[0], Layout("CZYX"))
        maps = {name: planes for name, planes in parts.items() if name not in ("image", "mask", "guide")}
        return cls(parts["image"], known, maps, parts.get("guide"), core, origin, sides)


@dataclass(frozen=True, eq=False)
class Result:
    """An outcome in its final dtype, with the pixels that must not change put back.

    Attributes
    ----------
    pixels : ndarray, shape (C, Z, Y, X)
        The core.
    plan : Plan
        The plan, completed by what only the result shows.
    missing, unfilled, kept : int
        Numbers of pixels of the core: missing in a channel; of these, without a valid neighbour, so that they kept
        their value; and outside the picture (padding, no data), left as they are.
    maps : Maps or None
        Planes (C, Z, Y, X), if they were asked for.
    """

    pixels: np.ndarray
    plan: Any
    missing: int = 0
    unfilled: int = 0
    kept: int = 0
    maps: Maps | None = None


def denoised(
    pixels: Pixels,
    recipe: Recipe,
    prepared: tuple[Measured, np.ndarray | None, FittedNoise] | None = None,
    *,
    keep: bool = False,
    maps: bool = False,
    threads: int | None = None,
    progress: Progress | None = None,
    dtype: np.dtype | None = None,
) -> Result:
    """Denoise a whole image or a part of one. Arrays, dask's blocks and blocks of files all come through here.

    Parameters
    ----------
    pixels : Pixels
        What to denoise.
    recipe : Recipe
        The recipe of the whole image.
    prepared : (Measured, ndarray of shape (K, Z, Y, X) or None, FittedNoise), optional
        The measured pixels, without coarser scales the stabilised planes, and the noise in its place, if they are known
        already.
    keep : bool, default False
        Leave missing pixels as they are.
    maps : bool, default False
        Of a whole image: return maps of how much was averaged, and of the error.
    threads, progress
        As for `Method.run`.
    dtype : numpy.dtype, optional
        The result's, by default the source's.

    Returns
    -------
    Result
    """
    source, plan, core = pixels.source, recipe.plan, pixels.core or whole(pixels.source.shape[1:])
    dtype = source.dtype if dtype is None else dtype
    planes, noise = None, recipe.noise
    if prepared is not None:
        measured, planes, placed = prepared
        noise = placed if placed.variance is not None else noise
    else:
        measured = recipe.rules.measure(source, pixels.known, pixels.origin)
        if pixels.maps or noise.reach:
            noise, measured = _placed(noise, pixels.maps, measured)
    stored, stays = core.of(source), None if measured.stays is None else core.of(measured.stays)
    missing = None if measured.complete else _missing(core.of(measured.planes))
    kept = 0 if stays is None else _count(stays)
    lost = 0 if missing is None else _count(missing if stays is None else missing & ~stays)
    quiet = (not any(noise.sigma) and recipe.coarser is None) or (noise.still is not None and bool(noise.still.all()))
    if quiet and not lost:
        if progress is not None:
            progress(1, 1)
        mapped = errorless(measured.planes) if maps else None
        if recipe.rules.stripes is None:
            return Result(stored.astype(dtype), plan, kept=kept, maps=mapped)
        wide, outcome = core, Outcome(core.of(measured.planes).copy())
    else:
        wide = core.grown((0, noise.around, noise.around), source.shape[1:])
        holes = missing if measured.complete or wide == core else _missing(wide.of(measured.planes))
        region = Region(
            measured.planes if planes is None else planes, measured.planes, noise,
            guide=None if pixels.guide is None else np.ascontiguousarray(pixels.guide, measured.planes.dtype),
            core=wide, origin=pixels.origin, sides=pixels.sides or whole(source.shape[1:]).sides,
            missing=holes is not None, complete=pixels.core is None, maps=maps,
        )  # fmt: skip
        run, mapped, probing = scales.run if planes is None else recipe.method.run, None, None
        if maps:
            progress, probing = shares_of(progress, (3, 1) if "maps" in recipe.method.options else (1, 1))
        outcome = run(region, recipe, threads=threads, progress=progress)
    averages, plan = _averages(outcome, recipe.method.name, wide.of(source)), outcome.plan or plan
    if maps and mapped is None:
        limits = _checks.saturation(source.dtype)
        mapped, notes = maps_of(region, averages, outcome.maps, recipe, limits, threads, probing)
        plan = replace(plan, notes=(*plan.notes, *notes))
    if wide != core:
        averages = core.moved(wide.origin).of(averages)
    unfilled, unchanged = None, None
    if missing is not None:  # what stays is missing, too
        unfilled = missing & np.isnan(averages)
        unchanged = missing if keep else unfilled if stays is None else unfilled | stays
        averages[unchanged] = 0
    if dtype.kind != "f":
        result, moved = _whole_numbers(averages, dtype, recipe.method.name, float(stored.min()))
        if moved:
            plan = replace(plan, notes=(*plan.notes, SHADES))
    else:
        _checks.result(averages, recipe.method.name)
        if dtype.itemsize < averages.itemsize:  # an average may reach beyond the largest number
            largest = np.finfo(dtype).max
            np.clip(averages, -largest, largest, out=averages)
        result = averages.astype(dtype, copy=False)
    if unchanged is not None:
        result[unchanged] = stored[unchanged]
    if unfilled is not None and stays is not None:
        unfilled &= ~stays
    if mapped is not None and dtype.kind != "f":
        mapped = mapped.rounded()
    return Result(result, plan, lost, 0 if unfilled is None else _count(unfilled), kept, mapped)


def _averages(outcome: Outcome, method: str, source: np.ndarray) -> np.ndarray:
    """Return an outcome's pixels, in memory that may be written."""
    if not isinstance(outcome, Outcome):
        raise TypeError(f"method {method!r} must return an Outcome; got {_checks.called(outcome)}")
    pixels = outcome.pixels
    if not isinstance(pixels, np.ndarray) or pixels.dtype.kind != "f":
        raise TypeError(f"method {method!r} must return floating-point pixels; got {_checks.called(pixels)}")
    if pixels.shape != source.shape:
        raise ValueError(
            f"method {method!r} must keep the shape of a region's core, {source.shape}; got {pixels.shape}"
        )
    own = pixels.flags.writeable and not np.may_share_memory(pixels, source)
    return pixels if own else pixels.copy()


def _placed(noise: FittedNoise, maps: Mapping[str, np.ndarray], measured: Measured) -> tuple[FittedNoise, Measured]:
    """Return the noise with this region's part of its maps, and the pixels as they are with these."""
    from ..noise.numbers import check_map

    for name, values in maps.items():
        check_map(values, name)
    noise, planes = noise.model.placed(noise, maps, measured.planes)
    return noise, measured._replace(planes=planes, complete=False)


def _whole_numbers(averages: np.ndarray, dtype: np.dtype, method: str, darkest: float) -> tuple[np.ndarray, bool]:
    """Return the nearest whole numbers of a dtype, and whether rounding moved their mean much.

    Averages that are not finite are refused.
    """
    info, result, total = np.iinfo(dtype), np.empty(averages.shape, dtype), 0.0
    numbers, targets = averages.reshape(-1), result.reshape(-1)
    room = np.empty(min(CACHED, numbers.size), averages.dtype)
    for first in range(0, numbers.size, CACHED):
        some = numbers[first : first + CACHED]
        total += float(some.sum())
        if not math.isfinite(total):
            _checks.result(averages, method)
        near = np.rint(some, out=room[: some.size])
        targets[first : first + CACHED] = np.clip(near, info.min, info.max, out=near)
    if total / averages.size >= darkest + 1 / MOVED:  # half a step is not much
        return result, False
    exact = averages.mean(dtype=np.float64)
    return result, bool(abs(result.mean(dtype=np.float64) - exact) > MOVED * (exact - darkest))


def _missing(planes: np.ndarray) -> np.ndarray | None:
    """Return where planes miss pixels; None if they have all."""
    return np.isnan(planes) if np.isnan(planes.min()) else None  # the least of numbers with NaN is NaN


def _count(flags: np.ndarray) -> int:
    """Return the number of pixels that are flagged in at least one channel."""
    return int(flags.any(axis=0).sum())
