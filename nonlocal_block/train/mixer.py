"""Training the mixer: what it mixes are the results of the package's networks, and of another method."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import nlmeans

from .. import _checks
from .._device import chosen_device
from .._planes import SMALLEST
from ..method import BESIDE, QUICK
from ..mixer import Mixer
from ..trained import Network, load_denoiser
from .loop import Watcher
from .pictures import pictures
from .saving import saved_run
from .tasks import HELD, DenoiserTask, Recipe

WEIGHTS = "mixer.safetensors"
RECIPE = Recipe(steps=250, filters=0.006, others=3e-3, average=0.99, smooth=0.0, decibels=True)
"""Recipe of the mixer."""


class MixerTask(DenoiserTask):
    """A mixer that learns from both results of images and of colours, in turn at random.

    Parameters
    ----------
    grey, colours : sequence of Tensor
        Pictures as of `DenoiserTask`; those held back are the first in colour, and their means.
    networks : mapping of int to Network
        The networks by their channels, which stay as they are.
    **options
        As of `DenoiserTask`.
    """

    def __init__(
        self, grey: Sequence[Tensor], colours: Sequence[Tensor], networks: Mapping[int, Network], **options: Any
    ) -> None:
        super().__init__(colours, channels=3, half=False, kind=lambda _: Mixer(), network={}, **options)
        self.settings = {**self.settings, "task": "mixer"}
        self.networks = {count: one.to(self.device).requires_grad_(False) for count, one in networks.items()}
        self.kinds = [[one for one in grey if min(one.shape[1:]) >= self.recipe.side][HELD:], self.pictures]
        self.held += [picture.float().mean(0, keepdim=True).round().to(torch.uint8) for picture in self.held]

    def drawn(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return clean crops, noisy ones, and the σ of each."""
        self.pictures = self.kinds[int(torch.randint(2, ()))]
        return super().drawn(count)

    def applied(self, network: Any, noisy: Tensor, sigma: Tensor) -> Tensor:
        """Return mixes for images, of one σ an image."""
        return mixed(network, self.networks[noisy.shape[1]], noisy, sigma)


def mixed(mixer: Mixer, network: Network, x: Tensor, sigma: float | Tensor) -> Tensor:
    """Return images (B, C, H, W) without noise of one σ, or one an image: a network's result and ridge's, mixed."""
    sigma = torch.as_tensor(sigma).clamp(min=SMALLEST)
    with torch.no_grad():
        one = network(x, sigma)
    pairs = zip(x.cpu().numpy(), sigma.expand(len(x)).tolist(), strict=True)
    other = [nlmeans.denoise(image, level, method=BESIDE, quality=QUICK, channel_axis=0) for image, level in pairs]
    result: Tensor = mixer(x, sigma, one, torch.from_numpy(np.stack(other)).to(x))
    return result


def train_mixer(
    out: str | os.PathLike[str],
    data: str | os.PathLike[str],
    *,
    epochs: int = 3,
    seed: int = 0,
    recipe: Recipe = RECIPE,
    device: str = "auto",
    resume: bool = False,
    overwrite: bool = False,
    watcher: Watcher | None = None,
) -> Mixer:
    """Train `Mixer` on the results of the package's large networks and of "ridge", for noise of every level to 75.

    Parameters
    ----------
    out, data, device, resume, overwrite, watcher
        As for `train_denoiser`. The file is ``mixer.safetensors``.
    epochs : int, default 3
        Epochs of 250 steps of 8 crops.
    seed : int, default 0
        Seed of all random numbers.
    recipe : Recipe
        The training recipe.

    Returns
    -------
    Mixer
        With the averaged parameters, ready to evaluate.

    Raises
    ------
    FileExistsError, FileNotFoundError, ValueError, FloatingPointError, KeyboardInterrupt
        As `train_denoiser`.
    """
    for name, value, least in (("epochs", epochs, 1), ("seed", seed, 0)):
        _checks.count(value, name, least)
    place, source = chosen_device(device), Path(data)
    task = MixerTask(
        pictures(source, 1), pictures(source, 3), {count: load_denoiser(count)[0] for count in (1, 3)},
        recipe=recipe, seed=seed, device=place, epochs=epochs,
    )  # fmt: skip
    result: Mixer = saved_run(
        task, Path(out) / WEIGHTS, {}, {},
        epochs=epochs, seed=seed, resume=resume, overwrite=overwrite, watcher=watcher,
    )  # fmt: skip
    return result
