"""A part of an image as `denoise` would leave it: decided for the whole image, run on the part alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from .. import _checks, _containers
from .._axes import Layout
from .._progress import stoppable
from .._typing import Event
from ..methods import registry, scales
from ..methods.part import Pixels, denoised
from ..methods.recipe import Recipe
from ..methods.sample import Sample
from ..pairwise.tiles import Tile, whole
from ..plan.options import Options
from .settings import Settings

KEPT = 4
"""Fitted noises that are kept, of models or images that were looked at last."""


class Place(NamedTuple):
    """Where a part lies: which of separate images, the slice, its first pixel, and its longest side."""

    image: int = 0
    slice: int = 0
    row: int = 0
    column: int = 0
    side: int = 256

    def tile(self, sides: tuple[int, int, int]) -> Tile:
        """Return the part, moved into an image of these sides where it reaches beyond."""
        ends = [
            (first := max(min(at, side - self.side), 0), min(first + self.side, side))
            for at, side in ((self.row, sides[1]), (self.column, sides[2]))
        ]
        at = min(self.slice, sides[0] - 1)
        return Tile((at, at + 1), *ends)


@dataclass(frozen=True, eq=False)
class Preview:
    """A part of an image, noisy and denoised, planes (C, Y, X), and the recipe."""

    noisy: np.ndarray
    result: np.ndarray
    recipe: Recipe


class Previews:
    """Parts of one image.

    Parameters
    ----------
    image : array_like
        As for `denoise`, in memory.
    given : mapping
        Arguments of `denoise` that stay: axes.
    """

    def __init__(self, image: Any, given: Mapping[str, Any]) -> None:
        self.image, self.given = image, given
        array, options = self._options(Settings())
        self.layout: Layout = options.layout
        self.shape: tuple[int, ...] = self.layout.planes(array).shape
        self._sample = lru_cache(KEPT)(self._judged)

    def check(self, settings: Settings) -> None:
        """Refuse settings that `denoise` refuses."""
        self._options(settings)

    def show(self, settings: Settings, place: Place, cancel: Event | None = None) -> Preview:
        """Return a part as the whole image's result has it, up to rounding.

        Raises
        ------
        TypeError, ValueError
            As `denoise`.
        Cancelled
            If ``cancel`` was set.
        """
        array, options = self._options(settings)
        method, notify = registry.method_of(settings.method), stoppable(None, cancel)
        if method.whole is not None:
            raise ValueError(f"method {method.name!r} has no preview: {method.whole}")
        if notify is not None:
            notify(0, 1)
        sample = self._sample(place.image, settings.noise, settings.numbers)
        recipe = scales.decide(method, sample, options, notify)
        source = self.layout.planes(array)[place.image]
        sides = whole(source.shape[1:]).sides
        core = place.tile(sides)
        known = None if options.known is None else options.known[place.image]
        here = core.grown(recipe.reach(known is not None), sides)
        pixels = Pixels(
            here.of(source), None if known is None else here.of(known), core=core.moved(here.origin),
            origin=here.origin, sides=sides,
        )  # fmt: skip
        result = denoised(pixels, recipe, progress=notify, dtype=array.dtype)
        return Preview(core.of(source)[:, 0], result.pixels[:, 0], recipe)

    def _options(self, settings: Settings) -> tuple[np.ndarray, Options]:
        method = registry.method_of(settings.method)
        pixels, given = _containers.taken(self.image, {**self.given, **settings.arguments()}, method.options)
        array = _checks.image(pixels)
        registry.check(method, given)
        return array, Options.check(array, **{name: value for name, value in given.items() if name != "method"})

    def _judged(self, image: int, noise: str | None, numbers: str | None) -> Sample:
        array, options = self._options(Settings(noise, numbers))
        return Sample.of(self.layout.planes(array)[image], options, image)
