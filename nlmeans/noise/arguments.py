"""The arguments ``sigma`` and ``noise``: from what a caller gives to models whose numbers fit the image."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np

from .. import _checks, _companions
from .._axes import Layout
from .model import NoiseModel
from .models import Auto, Gaussian, Unnamed
from .units import check_units


def model_of(sigma: Any, noise: Any) -> NoiseModel:
    """Return the model that the arguments mean, of which one is None.

    Raises
    ------
    TypeError
        For what is no model, and no number.
    ValueError
        If numbers break a rule.
    """
    if noise is None:
        return Unnamed() if sigma is None else Gaussian(sigma)
    if isinstance(noise, str) and noise == Auto.name:
        return Auto()
    if not isinstance(noise, NoiseModel):
        raise TypeError(
            "noise must be Gaussian, PoissonGaussian, Rician or Camera of nlmeans.noise, another NoiseModel, or "
            f"'auto'; got {_checks.short(noise)}"
        )
    return noise


def models_of(
    model: NoiseModel,
    array: np.ndarray,
    layout: Layout,
    low: float,
    high: float,
    of: Layout | None = None,
) -> tuple[NoiseModel, ...]:
    """Return models whose numbers fit an image: one for each separate image, or one for all.

    Maps come as planes (C or 1, Z, Y, X). ``low`` and ``high`` are the least and the greatest pixel, ``of`` is
    the layout of the image that the array is a sample of.
    """
    if model.largest is not None:
        check_units(model.largest, array, of or layout, low, high)
    sides = dict(zip(layout.axes, array.shape, strict=True))
    models = each(model, sides.get(layout.separate, 1), sides.get("C", 1))
    if not model.maps:
        return models
    maps = {name: _companions.like(value, name, array, layout) for name, value in model.maps.items()}
    count = max(len(models), *(len(planes) if planes.strides[0] else 1 for planes in maps.values()))
    return tuple(
        replace(models[k % len(models)], **{name: planes[k] for name, planes in maps.items()}) for k in range(count)
    )


def each(model: NoiseModel, images: int, channels: int) -> tuple[NoiseModel, ...]:
    """Return the models of separate images; one alone where it serves all of them.

    Raises
    ------
    ValueError
        For numbers that are as many as neither images nor channels, or as both.
    """
    apart = {}
    model.check_channels(channels)
    if model.processed:  # its numbers are of the mean of channels
        channels = 1
    for name, value in [(field.name, getattr(model, field.name)) for field in fields(model)]:
        if not isinstance(value, tuple):
            continue
        if len(value) not in (1, channels, images):
            kinds = [f"{count} {what}" for count, what in ((channels, "channels"), (images, "images")) if count > 1]
            rule = "one number" + (f", or one for each of {' or '.join(kinds)}" if kinds else "")
            raise ValueError(f"{name} must be {rule}; got {len(value)}")
        if len(value) == images == channels > 1:
            raise ValueError(
                f"{name} could be one for each of {channels} channels or one for each of {images} images: give an "
                f"array with all axes, of length 1 where it is the same; got {len(value)} numbers"
            )
        if len(value) == images > 1:
            apart[name] = value
        elif len(value) == 1:
            model = replace(model, **{name: value[0]})
    if not apart:
        return (model,)
    return tuple(replace(model, **{name: value[k] for name, value in apart.items()}) for k in range(images))
