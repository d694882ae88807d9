"""Training the denoiser: what a run learns from, begins with and saves."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from .. import _checks
from .. import weights as files
from .._device import chosen_device, half_precision
from ..denoiser import FAST, NonLocalDenoiser, Weights
from ..trained import load_denoiser
from .loop import Watcher
from .pictures import pictures
from .saving import saved_run
from .tasks import ColoursTask, DenoiserTask, Recipe, blind

WEIGHTS = "denoiser.safetensors"
QUICK = Recipe(side=80, filters=0.006, others=2e-3, average=0.999, smooth=0.0)
"""Recipe of the small network, which bears higher rates."""
COLOUR = Recipe(side=80, filters=0.003, average=0.999, smooth=0.0, decibels=True)
"""Recipe of the small network for differences of colours, which goes on from grey weights."""


def train_denoiser(
    out: str | os.PathLike[str],
    data: str | os.PathLike[str],
    *,
    colour: bool = False,
    epochs: int = 40,
    seed: int = 0,
    weights: Weights = "learned",
    fast: bool = False,
    recipe: Recipe | None = None,
    start: str | os.PathLike[str] | None = None,
    device: str = "auto",
    precision: Literal["auto", "float32", "bfloat16"] = "auto",
    resume: bool = False,
    overwrite: bool = False,
    watcher: Watcher | None = None,
) -> NonLocalDenoiser:
    """Train `NonLocalDenoiser` on Gaussian noise of every level from 0 to 75.

    Parameters
    ----------
    out : path
        The run's folder: see `loop.train`. After every epoch it holds ``denoiser.safetensors`` too.
    data : path
        The folder that holds ``CBSD400_train``: 400 colour pictures; and perhaps ``Colour_train``, pictures whose
        colours are as sharp as their luma.
    colour : bool, default False
        Train the small network for differences of colours, by default by the recipe `COLOUR`, guided by the mean that
        the package's networks for grey images make: on ``Colour_train`` and on ``CBSD400_train`` as it is and at half
        its size, not on the luma of the latter. Pictures smaller than a crop are left out. It implies ``fast``.
    epochs : int, default 40
        Epochs of 500 steps of 8 crops. The rates fall until the last one: a run can be stopped and resumed at any
        moment, but not prolonged.
    seed : int, default 0
        Seed of all random numbers.
    weights : {"learned", "raw", "none"}
        As for `NonLocalDenoiser`.
    fast : bool, default False
        Train the small network of quality "fast", by default by the recipe `QUICK`.
    recipe : Recipe, optional
        The training recipe.
    start : path, optional
        Checkpoint of an earlier run to begin with, in place of random parameters. In colour it begins with a small
        network for differences, or one for grey images, by default the package's.
    device : str, default "auto"
        "cpu", "cuda" …; by default the first of cuda, mps and cpu that is available.
    precision : {"auto", "float32", "bfloat16"}
        Of convolutions; "auto" is bfloat16 on GPUs, and on processors that multiply it. Parameters and the non-local
        stage are in float32 either way.
    resume, overwrite, watcher
        As for `loop.train`.

    Returns
    -------
    NonLocalDenoiser
        With the averaged parameters, ready to evaluate.

    Raises
    ------
    FileExistsError, FileNotFoundError, ValueError, FloatingPointError, KeyboardInterrupt
        As `loop.train`; also if pictures are missing, or an argument breaks its rule.
    """
    for name, value, least in (("epochs", epochs, 1), ("seed", seed, 0)):
        _checks.count(value, name, least)
    _checks.one_of(precision, "precision", ("auto", "float32", "bfloat16"))
    channels, place = 3 if colour else 1, chosen_device(device)
    chosen = recipe or (COLOUR if colour else QUICK if fast else Recipe())
    half = half_precision(place) if precision == "auto" else precision == "bfloat16"
    network = {"weights": weights, **FAST} if fast or colour else {"weights": weights}
    own = {"channels": 1, **network}
    guided = {**own, "guides": 1}
    parameters, trained = (None, None) if start is None else _parameters(start, [own, guided] if colour else [own])
    options: dict[str, Any] = dict(
        channels=channels, recipe=chosen, seed=seed, device=place, half=half, network=network, epochs=epochs
    )
    known = pictures(Path(data), channels)
    if colour:
        means = [load_denoiser(fast=small)[0] for small in (False, True)]
        state = means[1].state_dict() if parameters is None else parameters
        task: DenoiserTask = ColoursTask(known, means=means, start=blind(state), **options)
    else:
        task = DenoiserTask(known, start=parameters, **options)
    arguments = guided if colour else own
    result: NonLocalDenoiser = saved_run(
        task, Path(out) / WEIGHTS, arguments, {"start": trained},
        epochs=epochs, seed=seed, resume=resume, overwrite=overwrite, watcher=watcher,
    )  # fmt: skip
    return result


def _parameters(
    path: str | os.PathLike[str], expected: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the parameters of a checkpoint, and the notes of its training."""
    arguments, state, notes = files.load(path, "NonLocalDenoiser")
    if arguments not in expected:
        raise ValueError(f"{path} must hold a network made with {' or '.join(map(str, expected))}; got {arguments}")
    return {name: tensor.float() for name, tensor in state.items()}, notes
