"""A recipe on an image, or on a piece of one with what surrounds it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .. import _checks, _companions
from .._axes import Layout
from .._notes import Note
from .._progress import Progress, shares_of
from ..noise.numbers import check_map
from ..pairwise.spec import Radii
from ..pairwise.tiles import Tile, moved, whole
from ..pixels.missing import Measured
from .average import average
from .combine import combine, in_image_units
from .recipe import Recipe
from .sure import refined

MOVED = 0.02
"""Share of an image's mean, above its darkest pixel, by which rounding may move it without a note."""
SHADES = Note(
    "shades",
    "what is left of the noise is less than a step, so that rounding to whole numbers lost shades and moved the mean: "
    "dtype='float32' (--dtype float32) keeps both",
)
PILOT_AND_STEPS = (3, 5)
"""About how long non-local means and the steps of method "ridge" take beside each other."""


@dataclass(frozen=True, eq=False)
class Piece:
    """Pixels as they are stored, and all that belongs to them.

    Attributes
    ----------
    source : ndarray, shape (C, Z, Y, X)
        Of any type.
    known : ndarray of bool, shape (C, Z, Y, X), or None
        Where pixels are not missing; None where none is.
    sigma : ndarray, shape (1 or C, Z, Y, X), or None
        This piece of a map of σ; None where the recipe's noise says all.
    guide : ndarray, shape (F, Z, Y, X), or None
        This piece of the guide.
    core : Tile or None
        The pixels that are asked for, all by default; the others are their surroundings.
    origin : tuple of 3 int
        Where the first pixel lies in the image.
    sides : tuple of 3 int, or None
        The image's; the piece's own by default.
    """

    source: np.ndarray
    known: np.ndarray | None = None
    sigma: np.ndarray | None = None
    guide: np.ndarray | None = None
    core: Tile | None = None
    origin: Radii = (0, 0, 0)
    sides: Radii | None = None


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of a piece.

    Attributes
    ----------
    pixels : ndarray, shape (C, Z, Y, X)
        The core, denoised, in the type asked for.
    plan : Plan
        The recipe's, with what only the result could tell.
    missing, unfilled, kept : int
        Pixels of the core that were missing in a channel, those of them that had no valid neighbour and kept their
        value, and those that are no part of the picture and were left as they are.
    maps : tuple of ndarray, or None
        Effective number of pixels (Z, Y, X) and residual noise (C, Z, Y, X).
    """

    pixels: np.ndarray
    plan: Any
    missing: int = 0
    unfilled: int = 0
    kept: int = 0
    maps: tuple[np.ndarray, np.ndarray] | None = None


def estimate(
    piece: Piece,
    recipe: Recipe,
    prepared: tuple[Measured, np.ndarray] | None = None,
    *,
    keep: bool = False,
    maps: bool = False,
    threads: int | None = None,
    progress: Progress | None = None,
    dtype: np.dtype | None = None,
) -> Outcome:
    """Denoise a piece.

    Parameters
    ----------
    piece : Piece
        What to denoise.
    recipe : Recipe
        How: that of the whole image.
    prepared : (Measured, ndarray of shape (C, Z, Y, X)), optional
        The piece's pixels that count, and its planes as the filter takes them, if they are there already.
    keep : bool, default False
        Leave missing pixels as they are.
    maps : bool, default False
        Of a whole image: say how much was averaged.
    threads, progress
        As for `pairwise.run.pairwise_average`.
    dtype : numpy.dtype, optional
        Type of the result, the source's by default.

    Returns
    -------
    Outcome
    """
    source, noise, plan = piece.source, recipe.noise, recipe.plan
    core, origin = piece.core or whole(source.shape[1:]), piece.origin
    kind = source.dtype if dtype is None else dtype
    measured, planes = prepared or (recipe.rules.measure(source, piece.known, origin), None)
    pixels, stays = core.of(source), None if measured.stays is None else core.of(measured.stays)
    missing = _missing(core.of(measured.planes))
    if piece.sigma is not None:
        check_map(piece.sigma)
        if not any(noise.sigma) and piece.sigma.any():
            raise ValueError(
                "a map of sigma must be above 0 somewhere in the sample that the noise is judged by; got 0"
            )
        noise = noise.mapped(np.square(piece.sigma, dtype=np.float64), measured.planes.dtype)
    kept = 0 if stays is None else _count(stays)
    lost = 0 if missing is None else _count(missing if stays is None else missing & ~stays)
    quiet = not any(noise.sigma) or (piece.sigma is not None and not piece.sigma.any())
    if quiet and not lost:
        return Outcome(pixels.astype(kind), plan, kept=kept)
    if planes is None:
        planes = noise.stabilise(measured.planes)
    guide = None if piece.guide is None else np.ascontiguousarray(piece.guide, planes.dtype)
    ridge = plan.ridge if any(noise.sigma) else None
    near = core if ridge is None else core.grown(plan.margin(missing is not None), source.shape[1:])
    again = piece.core is None and plan.predicted_mse is not None
    progress, last = shares_of(progress, (1, 1)) if again else (progress, None)
    pilot, steps = (progress, None) if ridge is None else shares_of(progress, PILOT_AND_STEPS)
    averages, looked = average(planes, plan, noise, guide, threads=threads, progress=pilot, maps=maps, region=near)
    if ridge is not None:
        assert recipe.units is not None
        planes, noise = near.of(planes), noise.within(near)
        if noise.grouped:
            planes, averages, noise = in_image_units(near.of(measured.planes), averages, noise, recipe.units)
        averages = combine(
            planes, averages, ridge, noise, recipe.units,
            origin=moved(origin, near.origin), sides=piece.sides or whole(source.shape[1:]).sides,
            region=core.moved(near.origin), threads=threads, progress=steps,
        )  # fmt: skip
    if again:
        plan = refined(planes, averages, plan, noise, guide, threads, last)
        if last is not None:
            last(1, 1)
    averages = noise.restore(averages, core.of(measured.planes))
    if ridge is not None and any(noise.sigma):
        averages = noise.model.brightened(averages, known=not recipe.noise.estimated)
    unfilled, keeps = None, None
    if missing is not None:  # what stays is missing, too
        unfilled = missing & np.isnan(averages)
        keeps = missing if keep else unfilled if stays is None else unfilled | stays
    if keeps is not None:
        averages[keeps] = 0
    _checks.result(averages)
    if kind.kind != "f" and loses_shades(averages, kind, float(pixels.min())):
        plan = replace(plan, notes=(*plan.notes, SHADES))
    elif kind.kind == "f" and kind.itemsize < averages.itemsize:  # an average may reach beyond the largest number
        largest = np.finfo(kind).max
        np.clip(averages, -largest, largest, out=averages)
    result = averages.astype(kind, copy=False)
    if keeps is not None:
        result[keeps] = pixels[keeps]
    if unfilled is not None and stays is not None:
        unfilled &= ~stays
    return Outcome(result, plan, lost, 0 if unfilled is None else _count(unfilled), kept, looked)


def loses_shades(averages: np.ndarray, kind: np.dtype, darkest: float) -> bool:
    """Round averages to whole numbers of a type, in place; return whether that moved their mean much."""
    info, low = np.iinfo(kind), averages.mean() < darkest + 1 / MOVED  # beyond, half a step is not much
    exact = averages.mean(dtype=np.float64) if low else math.inf
    np.clip(np.rint(averages, out=averages), info.min, info.max, out=averages)
    return bool(low and abs(averages.mean(dtype=np.float64) - exact) > MOVED * (exact - darkest))


def _missing(planes: np.ndarray) -> np.ndarray | None:
    """Return where planes have no pixel; None where they have all."""
    return np.isnan(planes) if np.isnan(planes.min()) else None  # the least of numbers with NaN is NaN


def _count(flags: np.ndarray) -> int:
    """Return in how many pixels a channel is flagged."""
    return int(flags.any(axis=0).sum())


def known_in(source: np.ndarray, mask: np.ndarray | None) -> np.ndarray | None:
    """Return where planes (C, Z, Y, X) have pixels, inside a mask (1, Z, Y, X) and finite; None where they have all."""
    return _companions.known(source, None if mask is None else mask[0], Layout("CZYX"))
