"""The tasks of denoising: crops, noise, steps and figures of `NonLocalDenoiser`, for images and for colours."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from .. import _checks
from ..denoiser import MULTIPLE, NonLocalDenoiser
from ..trained import ColourDenoiser
from .folder import Row
from .loop import Setting, fingerprint
from .muon import Muon
from .noise import smooth
from .pictures import crops

HELD_SIDE = 480
"""Longest side of what is evaluated of a picture that is held back."""
CHECKED = (15, 25, 50)
BETWEEN = ("encode", "down", "middle", "up", "decode", "last")
"""Parts of the network whose filters go from features to features."""
PER_DECIBEL = 0.01
"""Makes gradients of logarithms about as long as those of mean absolute errors."""
HELD = 8
"""Number of pictures held back to evaluate a run."""


@dataclass(frozen=True)
class Recipe:
    """A training recipe: filters learn with Muon, all else with AdamW, by the mean absolute error.

    Parameters
    ----------
    steps, batch, side : int
        Steps of an epoch, crops of a step, and pixels along each side of a crop.
    filters, others : float
        Peak rates of Muon and of AdamW. Both rise during ``warm_up`` of the run, and fall along a cosine.
    warm_up : float
        Part of the run, 0 to 1.
    average : float
        Share of the averaged parameters that a step keeps; the averages are evaluated and saved.
    sigma, skew : float
        σ is ``sigma · u**skew`` for u evenly from 0 to 1, in grey levels of 255: low σ is more frequent.
    even : float
        A crop's error weighs √(even / (σ + even)), in grey levels: in decibels all σ learn about equally fast.
    clip : float
        Largest length of the gradient, usually 0.01 to 0.1: so that one odd batch does not spoil the momentum.
    smooth : float
        Part of the crops, 0 to 1, whose noise is correlated in space, as what a camera interpolated.
    decibels : bool
        Whether the logarithm of a crop's mean square error counts, not the mean absolute error.
    """

    steps: int = 500
    batch: int = 8
    side: int = 96
    filters: float = 0.004
    others: float = 1e-3
    warm_up: float = 0.02
    average: float = 0.9995
    sigma: float = 75.0
    skew: float = 1.5
    even: float = 5.0
    clip: float = 0.1
    smooth: float = 0.15
    decibels: bool = False

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "side"):
            _checks.count(getattr(self, name), name)
        for name in ("sigma", "even", "clip", "skew"):
            _checks.positive(getattr(self, name), name)
        for name in ("warm_up", "average", "smooth"):
            if not 0 <= _checks.real(getattr(self, name), name) < 1:
                raise ValueError(f"{name} must be at least 0 and below 1; got {getattr(self, name)}")


class DenoiserTask:
    """A network that learns to remove noise; all pictures are in memory as bytes.

    Parameters
    ----------
    pictures : sequence of Tensor
        uint8 of shape (channels, H, W), of which those smaller than a crop are left out and the first ones held back.
    channels : int
        1 or 3.
    recipe : Recipe
        The training recipe.
    seed : int
        Determines the initial parameters.
    device : torch.device
        The network's device.
    half : bool
        Whether convolutions compute in bfloat16.
    network : mapping
        Options of `NonLocalDenoiser`.
    epochs : int
        Length of the run.
    start : mapping of Tensor, optional
        Parameters to begin with.
    kind : callable, optional
        What makes the network of the number of channels and its options, if not `NonLocalDenoiser`.
    """

    def __init__(
        self,
        pictures: Sequence[Tensor],
        *,
        channels: int,
        recipe: Recipe,
        seed: int,
        device: torch.device,
        half: bool,
        network: Mapping[str, Any],
        epochs: int,
        start: Mapping[str, Tensor] | None = None,
        kind: Callable[..., Any] = NonLocalDenoiser,
    ) -> None:
        pictures = [picture for picture in pictures if min(picture.shape[1:]) >= recipe.side]
        if len(pictures) <= HELD:
            raise ValueError(
                f"{HELD} pictures are held back, and more with sides of at least {recipe.side} pixels are needed; "
                f"got {len(pictures)}"
            )
        self.recipe, self.device, self.half = recipe, device, half
        self.batch, self.size = recipe.batch, recipe.steps * recipe.batch
        self.held = [picture[:, :HELD_SIDE, :HELD_SIDE] for picture in pictures[:HELD]]
        self.pictures = list(pictures[HELD:])
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            self.network = kind(channels, **network).to(device)
        if start is not None:
            shapes = {name: tensor.shape for name, tensor in self.network.state_dict().items()}
            self.network.load_state_dict({k: v for k, v in start.items() if v.shape == shapes.get(k)}, strict=False)
        self.average = AveragedModel(self.network, multi_avg_fn=averaging(recipe.average))
        filters = [p for p in _inner(self.network) if p.requires_grad]
        known = {id(p) for p in filters}
        others = [p for p in self.network.parameters() if p.requires_grad and id(p) not in known]
        self.optimizers: list[tuple[torch.optim.Optimizer, float]] = [
            (Muon(filters, recipe.filters), recipe.filters),
            (torch.optim.AdamW(others, recipe.others, weight_decay=0.0), recipe.others),
        ]
        self.settings: Mapping[str, Setting] = {
            "task": "denoiser", "channels": channels, "bfloat16": half, "network": repr(dict(network)),
            "recipe": repr(recipe), "epochs": epochs, "data": fingerprint(pictures),
            "start": None if start is None else fingerprint([start[name] for name in sorted(start)]),
        }  # fmt: skip

    def step(self, samples: Tensor, progress: float) -> dict[str, Tensor]:
        """Learn from as many crops as there are samples; return the sum of their mean absolute errors."""
        share = risen_and_fallen(progress, self.recipe.warm_up)
        for optimizer, peak in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = peak * share
        clean, noisy, sigma = self.drawn(len(samples))
        self.network.train()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            result = self.applied(self.network, noisy, sigma)
        errors = result.float() - clean
        loss = self.loss(errors, sigma)
        for optimizer, _ in self.optimizers:
            optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip)
        for optimizer, _ in self.optimizers:
            optimizer.step()
        self.average.update_parameters(self.network)
        return {"error": errors.detach().abs().mean((1, 2, 3)).sum()}

    def applied(self, network: NonLocalDenoiser, noisy: Tensor, sigma: Tensor) -> Tensor:
        """Return images without noise, of one σ an image."""
        result: Tensor = network(noisy, sigma)
        return result

    def drawn(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return clean crops, noisy ones, and the σ of each."""
        clean = crops(self.pictures, count, self.recipe.side)
        sigma = self.recipe.sigma / 255 * torch.rand(count, 1, 1, 1) ** self.recipe.skew
        noise = smooth(torch.randn(clean.shape), self.recipe.smooth)
        clean = clean.to(self.device)
        return clean, clean + (sigma * noise).to(self.device), sigma[:, 0, 0, 0].to(self.device)

    def loss(self, errors: Tensor, sigma: Tensor) -> Tensor:
        """Return what is made small, of every crop's errors and σ."""
        if self.recipe.decibels:
            return PER_DECIBEL * (errors.square().mean((1, 2, 3)) + 255**-2).log().mean()
        even = self.recipe.even / 255
        return (errors.abs().mean((1, 2, 3)) * (even / (sigma.to(errors) + even)).sqrt()).mean()

    @torch.inference_mode()
    def evaluate(self, last: bool, pause: Callable[[], None]) -> Row:
        """Return the PSNR of the averaged network on the held-back pictures, by σ."""
        network: Any = self.average.module.eval()
        figures: Row = {}
        for sigma in CHECKED:
            each = []
            for k, picture in enumerate(self.held):
                height, width = (side // MULTIPLE * MULTIPLE for side in picture.shape[1:])
                clean = picture[None, :, :height, :width].to(self.device).float() / 255
                noise = np.random.default_rng(k).normal(0, sigma / 255, clean.shape).astype(np.float32)
                noisy = clean + torch.from_numpy(noise).to(self.device)
                result = self.applied(network, noisy, torch.tensor([sigma / 255], device=self.device)).clamp(0, 1)
                each.append(-10 * math.log10(max(float((result - clean).square().mean()), 1e-12)))
                pause()
            figures[f"psnr_{sigma}"] = sum(each) / len(each)
        return figures

    def state_dict(self) -> dict[str, Any]:
        """Return the states of the network, its average and the optimisers."""
        return {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer, _ in self.optimizers],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        for (optimizer, _), saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)


class ColoursTask(DenoiserTask):
    """A network for differences of colours, which learns from the error of the colours.

    Parameters
    ----------
    means : sequence of NonLocalDenoiser
        Networks for one channel, which stay as they are. Each step takes one of them at random, so that what is learned
        goes with all; figures are taken with the first.
    **options
        As of `DenoiserTask`, for pictures in colour.
    """

    def __init__(self, pictures: Sequence[Tensor], *, means: Sequence[NonLocalDenoiser], **options: Any) -> None:
        super().__init__(pictures, kind=_guided, **options)
        self.means = [mean.to(self.device).requires_grad_(False) for mean in means]

    def applied(self, network: NonLocalDenoiser, noisy: Tensor, sigma: Tensor) -> Tensor:
        """Return colours without noise, of one σ an image."""
        which = int(torch.randint(len(self.means), ())) if network.training else 0
        result: Tensor = ColourDenoiser(self.means[which], network).to(self.device)(noisy, sigma)
        return result


def _guided(channels: int, **options: Any) -> NonLocalDenoiser:
    return NonLocalDenoiser(1, guides=1, **options)


def blind(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the parameters of a grey network as those of one with a guide, which it does not look at yet.

    Those of one with a guide stay as they are.
    """
    stem, embed = state["stem.weight"], state["stage.embed.weight"]
    phases = state["head.weight"].shape[0]
    if stem.shape[1] > phases + 1:
        return dict(state)
    unseen = stem.new_zeros(len(stem), phases, *stem.shape[2:])
    return {
        **state,
        "stem.weight": torch.cat([stem[:, :phases], unseen, stem[:, phases:]], 1),
        "stage.embed.weight": torch.cat([embed, embed.new_zeros(len(embed), phases, *embed.shape[2:])], 1),
    }


def risen_and_fallen(progress: float, warm_up: float) -> float:
    """Return the share of the peak rate: up to 1 along a line during the warm-up, then down to 1 % along a cosine."""
    if progress < warm_up:
        return 0.01 + 0.99 * progress / warm_up
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (progress - warm_up) / (1 - warm_up)))


def averaging(decay: float) -> Callable[[Any, Any, Any], None]:
    """Return the exponential average of parameters, over fewer steps at first, so that the start is forgotten."""

    @torch.no_grad()
    def update(averages: Any, parameters: Any, count: Any) -> None:
        torch._foreach_lerp_(averages, parameters, 1 - min(decay, (1 + float(count)) / (10 + float(count))))

    return update


def _inner(network: NonLocalDenoiser) -> list[Tensor]:
    """Return the filters between features; those at the ends and of the stage learn by AdamW."""
    return [p for name, p in network.named_parameters() if name.partition(".")[0] in BETWEEN and p.ndim == 4]
