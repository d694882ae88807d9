"""The recipe of an image that is too large to be looked at whole: decided once, from a sample."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .. import _checks, _companions
from .._axes import Layout
from ..noise.arguments import each, model_of, models_of
from ..noise.fitted import FittedNoise
from ..noise.image import fitted
from ..noise.model import NoiseModel
from ..noise.models import Gaussian
from ..pairwise.spec import Radii
from ..pairwise.tiles import Tile
from ..pixels.crops import crops, parts_of
from ..plan.options import OWN, Options, check_together
from .recipe import Recipe, prepare

PLANES = Layout("CZYX")

Reader = Callable[[int, Sequence[Tile]], list[np.ndarray]]
"""Returns tiles, planes (C, Z, Y, X), of one of separate images."""


@dataclass(frozen=True, eq=False)
class Parts:
    """An image, and what belongs to its pixels, to be read by tiles.

    Attributes
    ----------
    sides : tuple of 3 int
        The image's sides (Z, Y, X).
    channels : int
        Values of a pixel.
    count : int
        Separate images.
    image : Reader
        The pixels as they are stored.
    mask, sigma, guide : Reader or None
        Where pixels count, a map of σ, and the guide, with one channel or as many as the image.
    """

    sides: Radii
    channels: int
    count: int
    image: Reader
    mask: Reader | None = None
    sigma: Reader | None = None
    guide: Reader | None = None


def recipe_of(
    parts: Parts, index: int, layout: Layout, *, sigma: Any, noise: Any, **others: Any
) -> tuple[Recipe, bool]:
    """Decide for the ``index``-th of separate images, from a sample.

    Parameters
    ----------
    parts : Parts
        What to look at.
    index : int
        Which image.
    layout : Layout
        The names of its axes.
    sigma, noise, **others
        As `denoise` takes them, but for those that the parts hold.

    Returns
    -------
    Recipe
        Without the sample's own map of σ.
    bool
        Whether pixels of the sample are missing.

    Raises
    ------
    TypeError, ValueError
        As `denoise`.
    """
    tiles = crops(parts.sides, parts.channels)

    def stacked(reader: Reader | None) -> np.ndarray | None:
        return None if reader is None else np.concatenate(reader(index, tiles), axis=1)

    image, mask = stacked(parts.image), stacked(parts.mask)
    assert image is not None
    known = _companions.known(image, None if mask is None else mask[0], PLANES)
    deviations = _like(stacked(parts.sigma), image)
    models = each(model_of(sigma, noise), parts.count, parts.channels)
    model = models[index % len(models)] if deviations is None else Gaussian(deviations)
    ends = _companions.limits(image, known, _checks.nodata(others.get("nodata")))
    models = models_of(model, image, PLANES, *ends, layout)
    guide = _companions.guide(_like(stacked(parts.guide), image), image, PLANES)
    options = Options.parsed(layout, None if known is None else known[None], models, guide, **others)
    *_, recipe = prepare(image, options, 0, parts.sides)
    return replace(recipe, noise=replace(recipe.noise, variance=None, still=None)), known is not None


def noise_of(parts: Parts, count: int, model: NoiseModel, nodata: float | None = None) -> FittedNoise:
    """Return the noise of ``count`` images together, as `estimate_sigma` and `estimate_noise` fit it to an array."""
    depth, rows, columns = parts.sides
    tiles = crops((count * depth, rows, columns), parts.channels)
    places = [place for tile in tiles for place in parts_of(tile, depth)]
    image = np.concatenate([parts.image(index, [part])[0] for index, part in places], axis=1)
    known = _companions.known(image, None, PLANES)
    _companions.limits(image, known)
    return fitted(image, known, model, nodata)


def _like(planes: np.ndarray | None, image: np.ndarray) -> np.ndarray | None:
    """Return planes of the image's channels, or without any."""
    return planes if planes is None or len(planes) == len(image) else planes[0]


def map_of(sigma: Any, noise: Any) -> Any:
    """Return the array, or the file, that says each pixel's σ; None if there is none.

    Raises
    ------
    ValueError
        If both arguments are given.
    """
    check_together({"sigma": sigma, "noise": noise})
    if (sigmas := getattr(noise, "map", None)) is not None:
        return sigmas
    return sigma if isinstance(sigma, str | os.PathLike) or getattr(sigma, "ndim", 0) > 1 else None


def check_pieces(options: dict[str, Any]) -> None:
    """Refuse options with which no piece of an image can be denoised by itself, or that there are not.

    Raises
    ------
    TypeError, ValueError
        Naming the option.
    """
    Options.check_names(options)
    method, search = options.get("method") or "nlm", options.get("search_radius")
    if method not in OWN:
        raise ValueError(f"an image is denoised in pieces by method {' or '.join(map(repr, OWN))}; got {method!r}")
    if isinstance(search, str) and search == "image":
        raise ValueError("search_radius must be whole numbers for an image that is denoised in pieces; got 'image'")
