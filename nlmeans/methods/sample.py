"""Sample: what a method decides from. An image too large to be read whole is judged by crops of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from .. import _checks, _companions
from .._axes import Layout
from ..pairwise.spec import Radii
from ..pairwise.tiles import Tile
from ..pixels.crops import crops, cut, parts_of
from ..pixels.halves import halved, halved_sides
from ..pixels.missing import Measured, Rules
from ..plan.options import Options, check_together
from ..plan.plan import Plan
from . import scales
from .recipe import Recipe
from .striped import Look, stripes_of

if TYPE_CHECKING:
    from .._notes import Note
    from ..noise.fitted import FittedNoise
    from ..noise.patches import Evidence
    from .method import Method

PLANES = Layout("CZYX")

AnyPlan = TypeVar("AnyPlan", bound=Plan)
Reader = Callable[[int, Sequence[Tile]], list[np.ndarray]]
"""Returns tiles, planes (C, Z, Y, X), of one of separate images."""


@dataclass(frozen=True, eq=False)
class Sample:
    """One image, or crops of it on top of each other, and its noise.

    Attributes
    ----------
    pixels : Measured
        The pixels that count, as floating-point numbers.
    planes : ndarray, shape (K, Z, Y, X)
        The same with Gaussian noise, as `Region.planes`.
    judged : ndarray, shape (K, Z, Y, X)
        The planes, or crops of large ones, by which the image is judged.
    measured : ndarray, shape (C, Z, Y, X)
        The same part of the pixels, in the image's units.
    tiles : sequence of Tile
        The places of these crops.
    noise : FittedNoise
        The noise of the planes.
    rules : Rules
        Which pixels count.
    sides : tuple of 3 int
        The sides of the image (Z, Y, X).
    guide : ndarray, shape (F, Z, Y, X), or None
        The image that scores are taken from in place of the planes.
    notes : tuple of Note
        Notes on the pixels; the noise has its own.
    peak : float or None
        White, where the dtype defines it.
    stripes : str
        Which stripes are removed, in a line of text; empty where none are to be.

    Examples
    --------
    >>> import numpy as np
    >>> from nlmeans.extend import Options, Sample
    >>> noisy = np.random.default_rng(0).normal(100, 10, (64, 64)).astype(np.uint8)
    >>> options = Options.check(noisy, sigma=10)
    >>> sample = Sample.of(noisy[None, None], options, 0)
    >>> sample.planes.shape, sample.noise.sigma, sample.complete, sample.peak
    ((1, 1, 64, 64), (10.0,), True, 255.0)
    """

    pixels: Measured
    planes: np.ndarray
    judged: np.ndarray
    measured: np.ndarray
    tiles: Sequence[Tile]
    noise: FittedNoise
    rules: Rules
    sides: Radii
    guide: np.ndarray | None
    notes: tuple[Note, ...]
    peak: float | None
    stripes: str = ""

    @classmethod
    def of(
        cls, source: np.ndarray, options: Options, index: int, sides: Radii | None = None, look: Look | None = None
    ) -> Sample:
        """Judge the ``index``-th of separate images: which of its pixels count, and its noise.

        ``source`` (C, Z, Y, X) are the pixels as they are stored; if they are crops, ``sides`` are those of the image,
        and ``look`` returns other tiles of it.
        """
        known = None if options.known is None else options.known[index]
        limits, tiles = _checks.saturation(source.dtype), crops(source.shape[1:], len(source))

        def visible(planes: np.ndarray) -> np.ndarray:
            """Return the part by which the image is judged."""
            return planes if len(tiles) == 1 else cut(planes[None], tiles)

        rules = Rules.of(
            visible(source), None if known is None else visible(known), options.nodata, options.padding,
            sides or source.shape[1:],
        )  # fmt: skip
        places = None if sides is None or sides == source.shape[1:] else crops(sides, len(source))
        if options.stripes is not None:
            look = look or _in_memory(source, known)
            rules = replace(rules, stripes=stripes_of(rules, look, len(source), options.stripes))
        measured, stays, complete = rules.measure(source, known, places=places)
        judged = visible(measured)
        noise = options.fitted_noise(judged, index, limits)
        if options.outliers == "fill" and noise.outliers is None:
            from ..noise.patches import Evidence  # not imported with `import nlmeans`

            noise = replace(noise, outliers=Evidence.of(measured, None, limits).outliers)
        if noise.outliers is not None:
            rules = replace(rules, outliers=noise.outliers, fills=options.outliers == "fill")
            if rules.fills:
                measured, _, complete = rules.measure(source, known, places=places)
                judged = visible(measured)
        maps = noise.model.maps
        noise = noise.model.seen(noise, judged)
        if maps or noise.reach:
            noise, measured = noise.model.even().placed(noise, maps, measured)
            complete = False
            judged = visible(measured)
        if options.strength != "sure" or noise.known:  # SURE is for the channels themselves
            noise = noise.turned(judged)
        planes = noise.stabilise(measured)
        if noise.stabiliser is not None and np.isnan(planes.min()) and _loses(planes, measured):
            raise ValueError(f"the stabiliser of {noise.text} must give a number for each pixel; got NaN for some")
        stabilised = judged if planes is measured else visible(planes)
        noise = noise.audible(stabilised)
        return cls(
            Measured(measured, stays, complete), planes, stabilised, judged, tiles, noise, rules, rules.sides,
            guide=None if options.guide is None else np.ascontiguousarray(options.guide[index], planes.dtype),
            notes=(*rules.notes, *_striped(judged, options, noise)),
            peak=limits[1] if limits is not None and limits[0] == 0 else None,
            stripes="" if options.stripes is None else "none" if rules.stripes is None else rules.stripes.text,
        )  # fmt: skip

    def of_planes(self, chosen: Sequence[int]) -> Sample:
        """Return the sample of some planes as of one flat image, for a method that runs another one on them."""
        from ..noise.models import of_planes

        judged = self.judged[list(chosen)]
        return replace(
            self, planes=self.planes[list(chosen)], judged=judged, measured=judged,
            noise=of_planes(self.noise, chosen), sides=(1, *self.sides[1:]), guide=None, notes=(), stripes="",
        )  # fmt: skip

    @property
    def complete(self) -> bool:
        """Whether the image itself is judged, not crops of it."""
        return self.judged.shape[1:] == self.sides

    @property
    def judged_noise(self) -> FittedNoise:
        """The noise of the judged planes, with their part of a map."""
        noise = self.noise
        if noise.variance is None or noise.variance.shape[1:] == self.judged.shape[1:]:
            return noise
        still = None if noise.still is None else cut(noise.still[None], self.tiles)
        return replace(noise, variance=cut(noise.variance[None], self.tiles), still=still)

    def halved(self) -> Sample:
        """Return the half-size image, with the noise that it has."""
        noise = self.noise.coarser
        assert noise is not None
        measured = halved(self.pixels.planes)
        seen = measured if self.measured is self.pixels.planes else halved(self.measured)
        planes = noise.stabilise(measured)
        return replace(
            self, pixels=Measured(measured, None), planes=planes, measured=seen, noise=noise,
            judged=planes if seen is measured else noise.stabilise(seen), sides=halved_sides(self.sides),
            guide=None if self.guide is None else halved(self.guide), notes=(),
        )  # fmt: skip

    def plan(self, plan_type: type[AnyPlan], options: Options, **own: Any) -> AnyPlan:
        """Return a plan of a class, with the notes on noise and pixels; ``own`` are its other fields."""
        return plan_type.of(options, self.noise, notes=(*self.noise.notes, *self.notes), **own)

    def recipe(self, method: Method, plan: Plan, numbers: Any = None) -> Recipe:
        """Return a method's decision; ``numbers`` are data that only the method knows."""
        if self.stripes:
            plan = replace(plan, stripes=self.stripes)
        noise = self.noise
        if noise.variance is not None or noise.model.maps:  # regions bring their own
            noise = replace(noise, model=noise.model.even(), variance=None, still=None)
        return Recipe(method, noise, self.rules, plan, numbers)


def _in_memory(source: np.ndarray, known: np.ndarray | None) -> Look:
    """Return what looks at tiles of an image."""
    return lambda wanted: [(tile.of(source), None if known is None else tile.of(known)) for tile in wanted]


def _loses(planes: np.ndarray, measured: np.ndarray) -> bool:
    """Whether planes lack a pixel that was measured in all channels."""
    return bool((np.isnan(planes).any(axis=0) & ~np.isnan(measured).any(axis=0)).any())


def _striped(planes: np.ndarray, options: Options, noise: FittedNoise) -> tuple[Note, ...]:
    """Return a note on stripes, if the noise has any that are not looked for."""
    if not options.fits_noise or not noise.plain or options.stripes is not None:
        return ()
    from ..noise.stripes import stripes_in

    if noise.outliers is not None:
        planes = np.where(noise.outliers.counting(planes, None), planes, np.nan)
    pairs = zip(planes[:, planes.shape[1] // 2], noise.channels, strict=True)
    return tuple(note for plane, sigma in pairs if (note := stripes_in(plane, sigma)))[:1]


@dataclass(frozen=True, eq=False)
class Parts:
    """An image with its mask, map of σ and guide, to be read by tiles.

    Attributes
    ----------
    sides : tuple of 3 int
        The sides of the image (Z, Y, X).
    channels : int
        Number of channels.
    count : int
        Number of separate images.
    image : Reader
        The pixels as they are stored.
    mask, guide : Reader or None
        Where pixels count, and the guide, with one channel or as many as the image.
    maps : mapping of str to Reader
        Maps of the noise, by the names of its numbers.
    """

    sides: Radii
    channels: int
    count: int
    image: Reader
    mask: Reader | None = None
    guide: Reader | None = None
    maps: Mapping[str, Reader] = field(default_factory=dict)

    @classmethod
    def of(cls, sides: Radii, channels: int, count: int, readers: Mapping[str, Reader]) -> Parts:
        """Return them from readers of the ``image``, the ``mask`` and the ``guide``, and else of maps."""
        maps = {name: reader for name, reader in readers.items() if name not in ("image", "mask", "guide")}
        return cls(sides, channels, count, readers["image"], readers.get("mask"), readers.get("guide"), maps)


def recipe_of(
    parts: Parts, index: int, layout: Layout, method: Method, *, sigma: Any, noise: Any, **others: Any
) -> tuple[Recipe, bool]:
    """Decide for the ``index``-th of separate images, from crops of it.

    Parameters
    ----------
    parts : Parts
        The image, to be read by tiles.
    index : int
        Which of the separate images.
    layout : Layout
        Its axes.
    method : Method
        The method that decides.
    sigma, noise, **others
        As for `denoise`, without mask and guide; of maps, those of ``parts`` are taken.

    Returns
    -------
    Recipe
        The method's decision.
    bool
        Whether pixels of the sample are missing.

    Raises
    ------
    TypeError, ValueError
        As for `denoise`.
    """
    from ..noise.arguments import each, model_of, models_of
    from ..noise.models import Gaussian

    tiles = crops(parts.sides, parts.channels)

    def stacked(reader: Reader | None) -> np.ndarray | None:
        return None if reader is None else np.concatenate(reader(index, tiles), axis=1)

    image, mask = stacked(parts.image), stacked(parts.mask)
    assert image is not None
    known = _companions.known(image, None if mask is None else mask[0], PLANES)
    model = Gaussian() if noise is None and parts.maps else model_of(sigma, noise)
    models = each(model, parts.count, parts.channels)
    maps = {name: _like(stacked(reader), image) for name, reader in parts.maps.items()}
    model = replace(models[index % len(models)], **maps)
    ends = _companions.limits(image, known, _checks.nodata(others.get("nodata")))
    models = models_of(model, image, PLANES, *ends, layout)
    guide = _companions.guide(_like(stacked(parts.guide), image), image, PLANES)
    options = Options.parsed(layout, None if known is None else known[None], models, guide, **others)

    def look(wanted: Sequence[Tile]) -> list[tuple[np.ndarray, np.ndarray | None]]:
        images = parts.image(index, wanted)
        masks = [None] * len(images) if parts.mask is None else [mask[0] for mask in parts.mask(index, wanted)]
        return [(one, _companions.known(one, mask, PLANES)) for one, mask in zip(images, masks, strict=True)]

    return scales.decide(method, Sample.of(image, options, 0, parts.sides, look), options), known is not None


def evidence_of(parts: Parts, count: int, nodata: float | None = None) -> Evidence:
    """Return what the noise of ``count`` images together is judged by, as that of arrays is."""
    from ..noise.image import evidence_of

    depth, rows, columns = parts.sides
    tiles = crops((count * depth, rows, columns), parts.channels)
    places = [place for tile in tiles for place in parts_of(tile, depth)]
    image = np.concatenate([parts.image(index, [part])[0] for index, part in places], axis=1)
    known = _companions.known(image, None, PLANES)
    _companions.limits(image, known)
    return evidence_of(image, known, nodata)


def _like(planes: np.ndarray | None, image: np.ndarray) -> np.ndarray | None:
    """Return planes with the channels of the image, or without the axis of channels."""
    return planes if planes is None or len(planes) == len(image) else planes[0]


def maps_of(sigma: Any, noise: Any) -> dict[str, Any]:
    """Return maps of the noise, arrays or files, by the names of its numbers.

    Raises
    ------
    ValueError
        If both arguments are given.
    """
    check_together({"sigma": sigma, "noise": noise})
    if isinstance(sigma, str | os.PathLike) or getattr(sigma, "ndim", 0) > 1:
        return {"sigma": sigma}
    return dict(getattr(noise, "maps", {}))
