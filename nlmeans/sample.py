"""The recipe of an image that is too large to be looked at whole: decided once, from a sample."""

from __future__ import annotations

import inspect
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from . import _checks
from .layout import Layout
from .noise.models import Gaussian, given
from .options import OWN, Options
from .pairwise.spec import Radii
from .pairwise.tiles import Tile, whole
from .prepare import Recipe, prepare

CROPS, PIXELS, SLICES = 16, 1 << 17, 16
"""How many crops are looked at, and how many pixels and slices each has; an image of as many pixels is taken whole."""
LEAST = 1 << 13
"""Pixels of a crop where there are very many channels: with more than four, their number divides the pixels."""
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
    image : Reader
        The pixels as they are stored.
    mask, sigma, guide : Reader or None
        Where pixels count, a map of σ, and the guide, with one channel or as many as the image.
    """

    sides: Radii
    channels: int
    image: Reader
    mask: Reader | None = None
    sigma: Reader | None = None
    guide: Reader | None = None


def crops(sides: Radii, channels: int = 1) -> list[Tile]:
    """Return equal tiles, spread over the image evenly but in step with no grid; of a small image all of it."""
    pixels = max(PIXELS // max(channels // 4, 1), min(LEAST, PIXELS))
    if math.prod(sides) <= CROPS * pixels:
        return [whole(sides)]
    depth = min(sides[0], SLICES)
    height = min(sides[1], math.isqrt(pixels // depth))
    width = min(sides[2], pixels // (depth * height))
    height = min(sides[1], pixels // (depth * width))

    def place(share: float, side: int, length: int) -> tuple[int, int]:
        start = int(share * (side - length + 1))
        return start, start + length

    reverse = [int(f"{k:04b}"[::-1], 2) for k in range(CROPS)]
    lengths = (depth, height, width)
    shares = [((5 * k % CROPS + 0.5) / CROPS, (reverse[k] + 0.5) / CROPS, (k + 0.5) / CROPS) for k in range(CROPS)]
    return [Tile(*map(place, share, sides, lengths)) for share in shares]


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
    known = _checks.known(image, None if mask is None else mask[0], PLANES)
    deviations = _like(stacked(parts.sigma), image)
    model = given(sigma if deviations is None else deviations, noise, image, PLANES, *_checks.limits(image, known))
    guide = _checks.guide(_like(stacked(parts.guide), image), image, PLANES)
    options = Options.parsed(layout, None if known is None else known[None], model, guide, **others)
    *_, recipe = prepare(image, options, 0, parts.sides)
    return replace(recipe, setting=replace(recipe.setting, variance=None, still=None)), known is not None


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
    if sigma is not None and noise is not None:
        raise ValueError("give sigma or noise, not both: sigma=s means noise=Gaussian(s)")
    if isinstance(noise, Gaussian) and isinstance(noise.sigma, np.ndarray):
        return noise.sigma
    return sigma if isinstance(sigma, str | os.PathLike) or getattr(sigma, "ndim", 0) > 1 else None


def check_pieces(options: dict[str, Any]) -> None:
    """Refuse options with which no piece of an image can be denoised by itself, or that there are not.

    Raises
    ------
    TypeError, ValueError
        Naming the option.
    """
    unknown = sorted(set(options) - set(inspect.signature(Options.parsed).parameters))
    if unknown:
        raise TypeError(f"there is no option {', '.join(unknown)}")
    method, search = options.get("method", "nlm"), options.get("search_radius")
    if method not in OWN:
        raise ValueError(f"an image is denoised in pieces by method {' or '.join(map(repr, OWN))}; got {method!r}")
    if isinstance(search, str) and search == "image":
        raise ValueError("search_radius must be whole numbers for an image that is denoised in pieces; got 'image'")
