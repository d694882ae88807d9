"""From a picture and a pixel to a drawing of its weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

import nlmeans

from .. import formats
from .._axes import Layout
from ..show.explain import draw
from .options import Filtering


def explained(
    picture: formats.Picture, at: tuple[int, ...], filtering: Filtering, files: dict[str, formats.Picture]
) -> tuple[formats.Picture, str, nlmeans.Plan]:
    """Draw the weights of the pixel ``at``, indices along N, T, Z, Y, X; say what they amount to, and their plan.

    Raises
    ------
    ValueError
        If the pixel does not lie in the picture, or as the library does.
    """
    index = _index(picture, at)
    if apart := Layout(picture.dimensions).separate:
        axes = picture.dimensions
        pixels = picture.pixels.take(index.pop(apart), axis=axes.index(apart))
        picture = replace(picture, pixels=pixels, axes=axes.replace(apart, ""), channel_axis=None)
    axes = picture.dimensions
    plain = axes.replace("C", "")
    options = filtering.options(picture, files)
    chosen = nlmeans.plan(picture.pixels, **options)
    options["strength"] = chosen.strength  # so that "sure" does not search for it twice
    weights = nlmeans.weight_map(picture.pixels, tuple(index[axis] for axis in plain), **options)

    shown, drawn = (formats.Picture(*pair).in_rows().pixels for pair in ((picture.pixels, axes), (weights, plain)))
    *depth, y, x = index.values()
    for k in depth:
        shown, drawn = shown[k], drawn[k]
    if "C" in axes and shown.shape[-1] != 3:
        shown = shown.mean(axis=-1)
    sheet = draw(shown, drawn, (y, x), chosen.passes[-1].patch_radius)
    count, effective = np.count_nonzero(weights), 1 / float(np.square(weights).sum())
    summary = f"pixel {','.join(map(str, at))} averages {count} pixels, effectively {effective:.3g}"
    if depth:
        summary += f"; {drawn.sum():.0%} of the weight is in the slice drawn"
    return formats.Picture(sheet, "YXC"), summary, chosen


def _index(picture: formats.Picture, at: tuple[int, ...]) -> dict[str, int]:
    """Return the index from the beginning along each axis but that of the channels."""
    sides = dict(zip(picture.dimensions, picture.pixels.shape, strict=False))
    axes = [axis for axis in "NTZYX" if axis in sides]
    if len(at) != len(axes) or not all(-sides[axis] <= k < sides[axis] for axis, k in zip(axes, at, strict=True)):
        raise ValueError(
            f"--at must be a pixel along {', '.join(axes)} of {' × '.join(str(sides[axis]) for axis in axes)}; "
            f"got {','.join(map(str, at))}"
        )
    return {axis: k % sides[axis] for axis, k in zip(axes, at, strict=True)}
