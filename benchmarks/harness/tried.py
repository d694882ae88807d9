"""What the ablation of the learned denoiser tries: a classical pilot, a second non-local stage, another loss, less."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import nlmeans
from nonlocal_block import NonLocalDenoiser
from nonlocal_block.denoiser import FAST, LEAST, NonLocalStage, to_multiple
from nonlocal_block.train.folder import Row
from nonlocal_block.train.loop import train
from nonlocal_block.train.pictures import pictures
from nonlocal_block.train.tasks import HELD, DenoiserTask, Recipe

Pilot = Literal["nlm", "ridge"]

QUALITY: dict[Pilot, Literal["fast", "balanced"]] = {"nlm": "balanced", "ridge": "fast"}
AROUND = 16
"""Pixels around a crop that its pilot sees."""
RECIPE = Recipe(steps=150, batch=4, side=64, filters=0.006, others=2e-3, average=0.995, smooth=0.0)


@dataclass(frozen=True)
class Trial:
    """What a training of the small network differs in.

    Parameters
    ----------
    network : mapping
        Options of `NonLocalDenoiser`.
    pilot : {"nlm", "ridge"}, optional
        A classical result that the network sees and starts from.
    twice : bool, default False
        Whether averages are repeated, with weights from the first result.
    decibels : bool, default False
        Whether the mean logarithm of the mean square error is made small.
    smooth : float, default 0
        As in `Recipe`.
    part : float, default 1
        Part of the training pictures.
    length : float, default 1
        Length of the run.
    """

    network: Mapping[str, Any] = field(default_factory=dict)
    pilot: Pilot | None = None
    twice: bool = False
    decibels: bool = False
    smooth: float = 0.0
    part: float = 1.0
    length: float = 1.0

    def made(self, channels: int = 1, **options: Any) -> NonLocalDenoiser:
        """Return the untrained network."""
        options = {**FAST, **self.network, **options}
        if self.pilot is not None:
            return Piloted(channels, pilot=self.pilot, **options)
        return Twice(channels, **options) if self.twice else NonLocalDenoiser(channels, **options)

    def trained(self, folder: Path, data: Path, *, epochs: int, seed: int) -> tuple[NonLocalDenoiser, Row]:
        """Train, or go on with the run in a folder; return the network and the last epoch's figures."""
        known = pictures(data, 1)
        recipe = replace(RECIPE, side=RECIPE.side + 2 * AROUND, smooth=self.smooth, decibels=self.decibels)
        epochs = max(1, round(self.length * epochs))
        task = _Task(
            known[: HELD + math.ceil(self.part * (len(known) - HELD))], channels=1, recipe=recipe, seed=seed,
            device=torch.device("cpu"), half=False, network={}, epochs=epochs, kind=self.made,
        )  # fmt: skip
        task.settings = {**task.settings, "trial": repr(self)}
        resume = (folder / "checkpoint.pt").exists()
        history = train(task, folder, epochs=epochs, seed=seed, resume=resume)
        network: NonLocalDenoiser = task.average.module.eval()  # type: ignore[assignment]
        return network, history[-1]


class Piloted(NonLocalDenoiser):
    """A network that sees a classical result too, from which its proposal starts.

    It takes grey images (B, 1, H, W), or such with their pilots as second channel.
    """

    def __init__(self, channels: int, *, pilot: Pilot, **options: Any) -> None:
        super().__init__(channels, **options)
        self.pilot: Pilot = pilot
        self.stem = nn.Conv2d(2 * self.phases + 1, self.stem.out_channels, 3, padding=1, bias=False)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor, sigma: float | Tensor, guide: Tensor | None = None) -> Tensor:
        """Return x without noise of one σ an image; its pilots are made if they are not given."""
        levels = torch.as_tensor(sigma, dtype=x.dtype).expand(len(x))
        if guide is None:
            x, guide = (x if x.shape[1] == 2 else with_pilots(x, levels, self.pilot)).split(1, 1)
        height, width = x.shape[2:]
        level = levels[:, None, None, None].expand(-1, 1, height, width)
        return self._whole(to_multiple(x), to_multiple(level), to_multiple(guide))[:, :, :height, :width]

    def _whole(self, x: Tensor, level: Tensor, guide: Tensor | None) -> Tensor:
        if guide is None:
            raise ValueError("guide must be a classical result; got none")
        noisy, pilots, sigma = F.pixel_unshuffle(x, 2), F.pixel_unshuffle(guide, 2), F.avg_pool2d(level, 2)
        features = self._features(torch.cat([noisy, pilots, sigma], 1))
        return self._joined(features, noisy, pilots, noisy[:, :0], sigma)


class Twice(NonLocalDenoiser):
    """A network that repeats its averages, with weights from its first result, and as many last blocks."""

    def __init__(self, channels: int, *, last: int, more: int, search_radius: int, **options: Any) -> None:
        super().__init__(channels, last=2 * last, more=more, search_radius=search_radius, **options)
        self.stages = nn.ModuleList([self.stage, NonLocalStage(self.phases, more, 1, search_radius, 0.5)])
        self.joins, self.heads = (
            nn.ModuleList([first, nn.Conv2d(first.in_channels, first.out_channels, 3, padding=1, bias=False)])
            for first in (self.join, self.head)
        )
        nn.init.zeros_(self.heads[1].get_parameter("weight"))
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def _joined(self, features: Tensor, noisy: Tensor, start: Tensor, known: Tensor, sigma: Tensor) -> Tensor:
        change, more = self.propose(features).split([self.phases, self.more], 1)
        proposal = start + change
        half = len(self.last) // 2
        rounds = zip(self.stages, self.joins, (self.last[:half], self.last[half:]), self.heads, strict=True)
        for stage, join, last, head in rounds:
            average = stage(torch.cat([noisy, more], 1), torch.cat([proposal, more], 1), sigma)
            mean, mean_of_more = average.split([self.phases, self.more], 1)
            features = last(features + join(torch.cat([mean - proposal, proposal - noisy, mean_of_more], 1)))
            proposal = proposal + head(features)
        return F.pixel_shuffle(proposal, 2)


class _Task(DenoiserTask):
    """Crops whose pilots saw what is around them: all networks learn from the same."""

    def drawn(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        clean, noisy, sigma = super().drawn(count)
        if isinstance(self.network, Piloted):
            noisy = with_pilots(noisy, sigma, self.network.pilot)
        inner = slice(AROUND, -AROUND)
        return clean[:, :, inner, inner], noisy[:, :, inner, inner], sigma

    def evaluate(self, last: bool, pause: Callable[[], None]) -> Row:
        return super().evaluate(last, pause) if last else {}


def with_pilots(x: Tensor, levels: Tensor, pilot: Pilot) -> Tensor:
    """Return grey images (B, 1, H, W) with their classical results as second channel."""
    threads = torch.get_num_threads()
    results = [
        nlmeans.denoise(
            np.ascontiguousarray(image), sigma=max(level, LEAST), method=pilot, quality=QUALITY[pilot], threads=threads
        )
        for image, level in zip(x[:, 0].numpy(), levels.tolist(), strict=True)
    ]
    return torch.cat([x, torch.from_numpy(np.stack(results))[:, None]], 1)


TRIALS = {
    "plain": Trial(),
    "pilot nlm": Trial(pilot="nlm"),
    "as slow as pilot nlm": Trial({"widths": (28, 56, 72), "last": 2}),
    "pilot ridge": Trial(pilot="ridge"),
    "as slow as pilot ridge": Trial({"widths": (36, 64, 80), "blocks": (2, 2, 2), "last": 2}),
    "no stage": Trial({"weights": "none"}),
    "raw weights": Trial({"weights": "raw"}),
    "stage twice": Trial(twice=True),
    "some noise smooth": Trial(smooth=0.15),
    "loss in dB": Trial(decibels=True),
    "half the steps": Trial(length=0.5),
    "half the pictures": Trial(part=0.5),
}
