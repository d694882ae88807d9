"""The task of denoising: crops, noise, steps and figures of `NonLocalDenoiser`."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from .. import _checks
from .. import weights as files
from .._device import chosen_device, half_precision
from ..denoiser import FAST, MULTIPLE, NonLocalDenoiser, Weights
from .folder import Row
from .loop import Setting, Watcher, fingerprint, train
from .muon import Muon
from .noise import sharing, smooth
from .pictures import crops, pictures

WEIGHTS = "denoiser.safetensors"
HELD_SIDE = 480
"""Longest side of what is evaluated of a picture that is held back."""
CHECKED = (15, 25, 50)
BETWEEN = ("encode", "down", "middle", "up", "decode", "last")
"""Parts of the network whose filters go from features to features."""
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
    shared : float
        Part of the colour crops, 0 to 1, whose channels share noise, from not at all to wholly; every other one of
        them is a grey picture.
    smooth : float
        Part of the crops, 0 to 1, whose noise is correlated in space, as what a camera interpolated.
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
    shared: float = 0.2
    smooth: float = 0.15

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "side"):
            _checks.count(getattr(self, name), name)
        for name in ("sigma", "even", "clip", "skew"):
            _checks.positive(getattr(self, name), name)
        for name in ("warm_up", "average", "shared", "smooth"):
            if not 0 <= _checks.real(getattr(self, name), name) < 1:
                raise ValueError(f"{name} must be at least 0 and below 1; got {getattr(self, name)}")


QUICK = {
    1: Recipe(side=80, filters=0.006, others=2e-3, average=0.999, smooth=0.0),
    3: Recipe(side=80, filters=0.0035, others=1.2e-3, average=0.999, shared=0.0, smooth=0.0),
}
"""Recipes of the small network, by channels: it bears higher rates; colour goes on from grey weights."""


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
        kind: Callable[..., NonLocalDenoiser] = NonLocalDenoiser,
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
            result = self.network(noisy, sigma)
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

    def drawn(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return clean crops, noisy ones, and the σ of each."""
        clean = crops(self.pictures, count, self.recipe.side)
        sigma = self.recipe.sigma / 255 * torch.rand(count, 1, 1, 1) ** self.recipe.skew
        noise = torch.randn(clean.shape)
        if clean.shape[1] == 3:
            clean, noise = sharing(clean, noise, self.recipe.shared)
        noise = smooth(noise, self.recipe.smooth)
        clean = clean.to(self.device)
        return clean, clean + (sigma * noise).to(self.device), sigma[:, 0, 0, 0].to(self.device)

    def loss(self, errors: Tensor, sigma: Tensor) -> Tensor:
        """Return what is made small, of every crop's errors and σ."""
        even = self.recipe.even / 255
        return (errors.abs().mean((1, 2, 3)) * (even / (sigma.to(errors) + even)).sqrt()).mean()

    @torch.inference_mode()
    def evaluate(self, last: bool, pause: Callable[[], None]) -> Row:
        """Return the PSNR of the averaged network on the held-back pictures, by σ."""
        network = self.average.module.eval()
        figures: Row = {}
        for sigma in CHECKED:
            each = []
            for k, picture in enumerate(self.held):
                height, width = (side // MULTIPLE * MULTIPLE for side in picture.shape[1:])
                clean = picture[None, :, :height, :width].to(self.device).float() / 255
                noise = np.random.default_rng(k).normal(0, sigma / 255, clean.shape).astype(np.float32)
                result = network(clean + torch.from_numpy(noise).to(self.device), sigma / 255).clamp(0, 1)
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
        Train in colour, on ``Colour_train`` and on ``CBSD400_train`` as it is and at half its size, not on the luma of
        the latter. Pictures smaller than a crop are left out.
    epochs : int, default 40
        Epochs of 500 steps of 8 crops. The rates fall until the last one: a run can be stopped and resumed at any
        moment, but not prolonged.
    seed : int, default 0
        Seed of all random numbers.
    weights : {"learned", "raw", "none"}
        As for `NonLocalDenoiser`.
    fast : bool, default False
        Train the small network of quality "fast", by default by the recipe in `QUICK`.
    recipe : Recipe, optional
        The training recipe.
    start : path, optional
        Checkpoint of an earlier run to begin with, in place of random parameters. With another number of channels
        only the layers at the ends, which have other shapes, begin at random.
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
    chosen = recipe or (QUICK[channels] if fast else Recipe())
    half = half_precision(place) if precision == "auto" else precision == "bfloat16"
    network = {"weights": weights, **FAST} if fast else {"weights": weights}
    parameters, trained = (None, None) if start is None else _parameters(start, network)
    task = DenoiserTask(
        pictures(Path(data), channels), channels=channels, recipe=chosen, seed=seed, device=place, half=half,
        network=network, epochs=epochs, start=parameters,
    )  # fmt: skip
    folder = Path(out)
    if overwrite and not resume:
        (folder / WEIGHTS).unlink(missing_ok=True)
    average: Any = task.average.module
    notes = {
        **task.settings, "seed": seed, "recipe": asdict(chosen), "torch": torch.__version__, "device": place.type,
        "start": trained,
    }  # fmt: skip
    saving = _Saving(folder / WEIGHTS, average, channels, network, notes, watcher or Watcher())
    history = train(task, folder, epochs=epochs, seed=seed, resume=resume, overwrite=overwrite, watcher=saving)
    saving.save(history[-1])  # a run that was stopped before this file was written gets it now
    result: NonLocalDenoiser = average.eval()
    return result


class _Saving(Watcher):
    """Saves the averaged network after every epoch, and passes events on."""

    def __init__(
        self,
        path: Path,
        network: NonLocalDenoiser,
        channels: int,
        options: Mapping[str, Any],
        notes: Mapping[str, Any],
        watcher: Watcher,
    ) -> None:
        self._path, self._network, self._notes, self._watcher = path, network, notes, watcher
        self._arguments = {"channels": channels, **options}

    def batch(self, epoch: int, done: int, total: int) -> None:
        """Pass it on."""
        self._watcher.batch(epoch, done, total)

    def evaluating(self, epoch: int) -> None:
        """Pass it on."""
        self._watcher.evaluating(epoch)

    def epoch(self, row: Row) -> None:
        """Save, and pass it on."""
        self.save(row)
        self._watcher.epoch(row)

    def save(self, row: Row) -> None:
        """Write the network, with its figures."""
        files.save(self._path, self._network, self._arguments, {**self._notes, "figures": row})


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


def _parameters(path: str | os.PathLike[str], expected: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the parameters of a checkpoint, and the notes of its training."""
    arguments, state, notes = files.load(path, "NonLocalDenoiser")
    if {**arguments, "channels": 0} != {**expected, "channels": 0}:
        raise ValueError(f"{path} must hold a network made with {dict(expected)}; got {arguments}")
    return {name: tensor.float() for name, tensor in state.items()}, notes


def _inner(network: NonLocalDenoiser) -> list[Tensor]:
    """Return the filters between features; those at the ends and of the stage learn by AdamW."""
    return [p for name, p in network.named_parameters() if name.partition(".")[0] in BETWEEN and p.ndim == 4]
