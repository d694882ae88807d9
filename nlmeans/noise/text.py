"""Noise models as the command line writes them: ``poisson:gain=2.5,sigma=3``, ``poisson:gain=gain.tif,sigma=3``."""

from __future__ import annotations

import math
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import numpy as np

from .model import NoiseModel
from .models import MODELS, Auto, Gaussian

SPECTRA = ("psd", "covariance", "sample")
"""What names the file of a spectrum, the last one that of a picture of noise."""


def parse(text: str) -> NoiseModel | str:
    """Return the model that a text names, or "auto", as `denoise` takes it.

    A map is the name of its file; ``variance`` is short for the square of ``sigma``, as calibrations have it. A
    spectrum is that of a file of its ``psd``, its ``covariance``, or a ``sample`` of pure noise.

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
    names = [
        each for field in fields(MODELS[name]) for each in (SPECTRA if field.name == "spectrum" else (field.name,))
    ]
    given: dict[str, list[Any]] = {}
    for part in rest.split(",") if colon else ():
        key, equals, number = part.rpartition("=")
        if equals and key not in given:
            given[key] = []
        elif equals or not given:
            raise ValueError(f"must give each of its numbers once, as {names[0]}=2.5; got {text!r}")
        last = list(given)[-1]
        given[last].append(_number_or_map(number, key or last))
    values = {key: value[0] if len(value) == 1 else value for key, value in given.items()}
    if "variance" in values and "sigma" in names:
        if "sigma" in values:
            raise ValueError(f"must give sigma or variance, not both; got {text!r}")
        variance = np.asarray(values.pop("variance"), np.float64)
        if variance.min() < 0:
            raise ValueError(f"must have a variance of at least 0 everywhere; got {variance.min():g}")
        values["sigma"] = np.sqrt(variance) if variance.ndim else math.sqrt(variance)
    sample: Any = values.pop(SPECTRA[-1], None) if SPECTRA[-1] in names else None
    if unknown := [key for key in values if key not in names]:
        raise ValueError(f"{name} has {', '.join(names)}; got {unknown[0]!r}")
    if sample is None:
        return MODELS[name](**values)
    if twice := [key for key in SPECTRA if key in values]:
        raise ValueError(f"must give {twice[0]} or sample, not both; got {text!r}")
    return Gaussian.measured(sample.pixels, values.get("sigma"), axes=sample.axes)


def _number_or_map(text: str, key: str) -> Any:
    """Return a number, or the pixels of a file."""
    try:
        number = float(text)
    except ValueError:
        if not Path(text).is_file():
            raise ValueError(f"must be a model with numbers for {key}; got {text!r}, no file of a map either") from None
        from .. import formats

        picture = formats.read(Path(text))
        return picture if key == SPECTRA[-1] else picture.pixels
    if key in SPECTRA:
        raise ValueError(f"must name a file for {key}; got {text!r}")
    if not math.isfinite(number):
        raise ValueError(f"must be finite; got {text!r}")
    return number


def text(model: NoiseModel, form: str = ".6g") -> str:
    """Return a model without maps as `parse` takes it, without numbers that are those of most or left to the image.

    Numbers have six digits; with the ``form`` "" they have all.
    """
    values = {field.name: value for field in fields(model) if (value := getattr(model, field.name)) is not None}
    usual = {field.name: field.default for field in fields(model) if field.default not in (None, MISSING)}
    values = {name: value for name, value in values.items() if name not in usual or value != usual[name]}
    return f"{model.name}:" + ",".join(
        f"{key}=" + ",".join(format(v, form) for v in (value if isinstance(value, tuple) else (value,)))
        for key, value in values.items()
    )
