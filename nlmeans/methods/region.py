"""A recipe on an image, or on a region of one with what surrounds it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _checks, _companions
from .._axes import Layout
from .._notes import Note
from .._progress import Progress
from ..pairwise.spec import Radii
from ..pairwise.tiles import Tile, whole
from ..pixels.missing import Measured
from .recipe import Recipe

if TYPE_CHECKING:
    from ..noise.fitted import FittedNoise

MOVED = 0.02
"""Share of an image's mean, above its darkest pixel, by which rounding may move it without a note."""
SHADES = Note(
    "shades",
    "what is left of the noise is less than a step, so that rounding to whole numbers lost shades and moved the mean: "
    "dtype='float32' (--dtype float32) keeps both",
)


@dataclass(frozen=True, eq=False)
class Pixels:
    """Pixels as they are stored, and all that belongs to them.

    Attributes
    ----------
    source : ndarray, shape (C, Z, Y, X)
        Of any type.
    known : ndarray of bool, shape (C, Z, Y, X), or None
        Where pixels are not missing; None where none is.
    sigma : ndarray, shape (1 or C, Z, Y, X), or None
        This part of a map of σ; None where the recipe's noise says all.
    guide : ndarray, shape (F, Z, Y, X), or None
        This part of the guide.
    core : Tile or None
        The pixels that are asked for, all by default; the others are their surroundings.
    origin : tuple of 3 int
        Where the first pixel lies in the image.
    sides : tuple of 3 int, or None
        The image's; the pixels' own by default.
    """

    source: np.ndarray
    known: np.ndarray | None = None
    sigma: np.ndarray | None = None
    guide: np.ndarray | None = None
    core: Tile | None = None
    origin: Radii = (0, 0, 0)
    sides: Radii | None = None

    @classmethod
    def of(cls, parts: Mapping[str, np.ndarray], core: Tile, origin: Radii, sides: Radii) -> Pixels:
        """Return a block with its surroundings from what was read of it: ``image``, and ``mask``, ``sigma``, ``guide``.

        Each is planes (channels, Z, Y, X); ``origin`` is where they begin in an image of these ``sides``.
        """
        mask = parts.get("mask")
        known = _companions.known(parts["image"], None if mask is None else mask[0], Layout("CZYX"))
        return cls(parts["image"], known, parts.get("sigma"), parts.get("guide"), core, origin, sides)


@dataclass(frozen=True, eq=False)
class Region:
    """What a method runs on: planes with Gaussian noise, and the pixels that surround those that are asked for.

    Attributes
    ----------
    planes : ndarray, shape (K, Z, Y, X)
        Floating-point numbers with Gaussian noise, NaN where pixels do not count. Channels that share their noise are
        turned so that they do not; constant ones may be left out.
    measured : ndarray, shape (C, Z, Y, X)
        The same in the image's units.
    noise : FittedNoise
        The noise of the planes: ``sigma``, one a plane, and ``variance``, each pixel's in units of the mean one.
    guide : ndarray, shape (F, Z, Y, X), or None
        What is compared in place of the noisy planes.
    core : Tile
        The pixels that are asked for.
    origin, sides : tuple of 3 int
        Where the first pixel lies in the image, and the image's sides (Z, Y, X).
    missing : bool
        Whether pixels of the core are missing.
    complete : bool
        Whether the region is the whole image.
    maps : bool
        Whether to say how much was averaged.

    Examples
    --------
    >>> import numpy as np, nlmeans
    >>> from nlmeans.extend import Method, Outcome, Plan
    >>> class Copy(Method):
    ...     name = "copy"
    ...     def decide(self, sample, options, progress=None):
    ...         return sample.recipe(self, sample.plan(Plan, options))
    ...     def run(self, region, recipe, *, threads=None, progress=None):
    ...         print(region.planes.shape, region.noise.sigma, region.missing, region.core.sides)
    ...         return Outcome(region.restored(region.core.of(region.planes)))
    >>> noisy = np.random.default_rng(0).normal(100, 10, (30, 40, 2))
    >>> same = nlmeans.denoise(noisy, sigma=(5, 10), channel_axis=-1, method=Copy())
    (2, 1, 30, 40) (5.0, 10.0) False (1, 30, 40)
    """

    planes: np.ndarray
    measured: np.ndarray
    noise: FittedNoise
    guide: np.ndarray | None
    core: Tile
    origin: Radii
    sides: Radii
    missing: bool
    complete: bool
    maps: bool = False

    def restored(self, planes: np.ndarray) -> np.ndarray:
        """Return the core's pixels (C, Z, Y, X) in the image's units from its planes (K, Z, Y, X)."""
        return self.noise.restore(planes, self.core.of(self.measured))


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of a region.

    Attributes
    ----------
    pixels : ndarray, shape (C, Z, Y, X)
        The core in the image's units, as floating-point numbers; NaN where there was nothing to estimate from.
    plan : Plan or None
        The plan with what only the result could tell; the recipe's by default.
    maps : tuple of ndarray, or None
        If the region asks for them: effective number of pixels (Z, Y, X) and residual noise (C, Z, Y, X).

    Examples
    --------
    >>> import numpy as np
    >>> from nlmeans.extend import Outcome
    >>> Outcome(np.zeros((1, 1, 30, 40))).pixels.shape
    (1, 1, 30, 40)
    """

    pixels: np.ndarray
    plan: Any = None
    maps: tuple[np.ndarray, np.ndarray] | None = None


@dataclass(frozen=True, eq=False)
class Result:
    """An outcome in the type asked for, with what stays put back.

    Attributes
    ----------
    pixels : ndarray, shape (C, Z, Y, X)
        The core.
    plan : Plan
        The recipe's, with what only the result could tell.
    missing, unfilled, kept : int
        Pixels of the core that were missing in a channel, those of them that had no valid neighbour and kept their
        value, and those that are no part of the picture and were left as they are.
    maps : tuple of ndarray, or None
        As of `Outcome`.
    """

    pixels: np.ndarray
    plan: Any
    missing: int = 0
    unfilled: int = 0
    kept: int = 0
    maps: tuple[np.ndarray, np.ndarray] | None = None


def denoised(
    pixels: Pixels,
    recipe: Recipe,
    prepared: tuple[Measured, np.ndarray] | None = None,
    *,
    keep: bool = False,
    maps: bool = False,
    threads: int | None = None,
    progress: Progress | None = None,
    dtype: np.dtype | None = None,
) -> Result:
    """Denoise a whole image or a part of one: this is the way of arrays, of dask's blocks and of blocks of files.

    Parameters
    ----------
    pixels : Pixels
        What to denoise.
    recipe : Recipe
        How: that of the whole image.
    prepared : (Measured, ndarray of shape (K, Z, Y, X)), optional
        Which of the pixels count, and the planes as the method takes them, if they are there already.
    keep : bool, default False
        Leave missing pixels as they are.
    maps : bool, default False
        Of a whole image: say how much was averaged.
    threads, progress
        As for `Method.run`.
    dtype : numpy.dtype, optional
        Type of the result, the source's by default.

    Returns
    -------
    Result
    """
    source, plan, core = pixels.source, recipe.plan, pixels.core or whole(pixels.source.shape[1:])
    kind = source.dtype if dtype is None else dtype
    measured, planes = prepared or (recipe.rules.measure(source, pixels.known, pixels.origin), None)
    stored, stays = core.of(source), None if measured.stays is None else core.of(measured.stays)
    missing = _missing(core.of(measured.planes))
    noise = recipe.noise if pixels.sigma is None else _mapped(recipe.noise, pixels.sigma, measured.planes.dtype)
    kept = 0 if stays is None else _count(stays)
    lost = 0 if missing is None else _count(missing if stays is None else missing & ~stays)
    quiet = not any(noise.sigma) or (pixels.sigma is not None and not pixels.sigma.any())
    if quiet and not lost:
        if progress is not None:
            progress(1, 1)
        return Result(stored.astype(kind), plan, kept=kept)
    if planes is None:
        planes = noise.stabilise(measured.planes)
    region = Region(
        planes, measured.planes, noise,
        guide=None if pixels.guide is None else np.ascontiguousarray(pixels.guide, planes.dtype),
        core=core, origin=pixels.origin, sides=pixels.sides or whole(source.shape[1:]).sides,
        missing=missing is not None, complete=pixels.core is None, maps=maps,
    )  # fmt: skip
    outcome = recipe.method.run(region, recipe, threads=threads, progress=progress)
    averages, plan = outcome.pixels, outcome.plan or plan
    if averages.shape != stored.shape:
        raise ValueError(
            f"method {recipe.method.name!r} must keep the shape of a region's core, {stored.shape}; "
            f"got {averages.shape}"
        )
    unfilled, keeps = None, None
    if missing is not None:  # what stays is missing, too
        unfilled = missing & np.isnan(averages)
        keeps = missing if keep else unfilled if stays is None else unfilled | stays
    if keeps is not None:
        averages[keeps] = 0
    _checks.result(averages)
    if kind.kind != "f" and loses_shades(averages, kind, float(stored.min())):
        plan = replace(plan, notes=(*plan.notes, SHADES))
    elif kind.kind == "f" and kind.itemsize < averages.itemsize:  # an average may reach beyond the largest number
        largest = np.finfo(kind).max
        np.clip(averages, -largest, largest, out=averages)
    result = averages.astype(kind, copy=False)
    if keeps is not None:
        result[keeps] = stored[keeps]
    if unfilled is not None and stays is not None:
        unfilled &= ~stays
    return Result(result, plan, lost, 0 if unfilled is None else _count(unfilled), kept, outcome.maps)


def _mapped(noise: FittedNoise, sigma: np.ndarray, dtype: np.dtype) -> FittedNoise:
    """Return the noise with this part of the map of σ."""
    from ..noise.numbers import check_map

    check_map(sigma)
    if not any(noise.channels) and sigma.any():
        raise ValueError("a map of sigma must be above 0 somewhere in the sample that the noise is judged by; got 0")
    return noise.mapped(np.square(sigma, dtype=np.float64), dtype)


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
