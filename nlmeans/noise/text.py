"""Noise models as the command line writes them: ``poisson:gain=2.5,sigma=3``."""

from __future__ import annotations

import math
from dataclasses import fields

from .model import NoiseModel
from .models import MODELS, Auto


def parse(text: str) -> NoiseModel | str:
    """Return the model that a text names, or "auto", as `denoise` takes it.

    Raises
    ------
    TypeError, ValueError
        Saying what the text must be.
    """
    if text == Auto.name:
        return text
    name, colon, rest = text.partition(":")
    if name not in MODELS:
        raise ValueError(
            f"must be auto, {', '.join(MODELS)}, or one with numbers such as poisson:gain=2.5,sigma=3; got {text!r}"
        )
    names = [field.name for field in fields(MODELS[name])]
    given: dict[str, list[float]] = {}
    for part in rest.split(",") if colon else ():
        key, equals, number = part.rpartition("=")
        if equals and key not in given:
            given[key] = []
        elif equals or not given:
            raise ValueError(f"must give each of its numbers once, as {names[0]}=2.5; got {text!r}")
        last = list(given)[-1]
        try:
            given[last].append(float(number))
        except ValueError:
            raise ValueError(f"must be a model with numbers for {key or last}; got {number!r}") from None
        if not math.isfinite(given[last][-1]):
            raise ValueError(f"must be finite; got {number!r}")
    if unknown := [key for key in given if key not in names]:
        raise ValueError(f"{name} has {', '.join(names)}; got {unknown[0]!r}")
    return MODELS[name](**{key: value[0] if len(value) == 1 else value for key, value in given.items()})


def text(model: NoiseModel) -> str:
    """Return a model as `parse` takes it."""
    values = {field.name: getattr(model, field.name) for field in fields(model)}
    return f"{model.name}:" + ",".join(
        f"{key}=" + ",".join(f"{v:.6g}" for v in (value if isinstance(value, tuple) else (value,)))
        for key, value in values.items()
    )
