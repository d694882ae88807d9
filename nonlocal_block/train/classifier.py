"""The task of classifying digits: training recipes, steps and figures of `NonLocalClassifier`."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from nlmeans.datasets import Labelled, mnist

from .. import _checks
from .._device import chosen_device
from ..classifier import Block, NonLocalClassifier, save_classifier
from .folder import Row
from .loop import Setting, Watcher, train

WEIGHTS = "classifier.safetensors"
EVALUATED = 128
"""Images in a batch of an evaluation: larger ones return their memory to the system after every layer."""


@dataclass(frozen=True)
class Recipe:
    """A training recipe: the settings of learning with Adam.

    Parameters
    ----------
    learning_rate : float
        Adam's rate; with a cycle its peak.
    cycle : bool
        Whether the rate rises over the first fifth of the run and falls along a cosine to 0 (one cycle), or stays.
    weight_decay : float
        Share of the parameters, times the learning rate, that every step subtracts (AdamW).
    smoothing : float
        Share of the label that is spread over all classes.
    shift, angle, stretch : float
        Largest random shift in pixels along each axis, rotation in degrees, and change of each axis' scale.
    validation : int
        Number of training images held back to choose recipes by. If any, the other training images and the test images
        are evaluated once, after the last epoch; else after every epoch.
    """

    learning_rate: float
    cycle: bool = False
    weight_decay: float = 0.0
    smoothing: float = 0.0
    shift: float = 0.0
    angle: float = 0.0
    stretch: float = 0.0
    validation: int = 0


RECIPES = {
    "article": Recipe(1e-3),
    "fair": Recipe(
        3e-3, cycle=True, weight_decay=0.02, smoothing=0.05, shift=1.5, angle=8.0, stretch=0.08, validation=5000
    ),
}


@dataclass(frozen=True)
class Result:
    """The result of a run.

    Parameters
    ----------
    network : NonLocalClassifier
        The trained network, ready to evaluate.
    history : list of dict
        A row for every epoch, see `train_classifier`.
    """

    network: NonLocalClassifier
    history: list[Row]


class ClassifierTask:
    """A network that learns digits, which are all on its device as bytes.

    Parameters
    ----------
    training, test : Labelled
        Images, uint8 of shape (N, 28, 28), and labels.
    block, backend : str
        As for `NonLocalClassifier`.
    recipe : Recipe
        The training recipe.
    epochs, seed, batch : int
        As for `train_classifier`. The seed determines the initial parameters, through torch's own generator.
    device : torch.device
        Device of network and images.
    blind : bool, default False
        Do not evaluate the test images.
    """

    def __init__(
        self,
        training: Labelled,
        test: Labelled,
        *,
        block: Block,
        backend: str,
        recipe: Recipe,
        epochs: int,
        seed: int,
        batch: int,
        device: torch.device,
        blind: bool = False,
    ) -> None:
        self.recipe = recipe
        held = recipe.validation
        if len(training.images) <= held:
            raise ValueError(
                f"this recipe holds {held} training images back and needs more; got {len(training.images)}"
            )
        self.device, self.batch, self.size = device, batch, len(training.images) - held
        images, labels = _on(device, training)
        if held:  # independent of the seed, so that a choice between seeds cannot fit them
            order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0)).to(device)
            images, labels = images[order], labels[order]
        self.images, self.labels = images[: self.size], labels[: self.size]
        self.sets = {"train": (self.images, self.labels)}
        if held:
            self.sets["validation"] = (images[self.size :], labels[self.size :])
        if not blind:
            self.sets["test"] = _on(device, test)
        self.settings: Mapping[str, Setting] = {
            "task": "classifier", "block": block, "backend": backend, "recipe": _named(recipe), "batch": batch,
            "data": _digest(training, test), "epochs": epochs if self.recipe.cycle else None,
        }  # fmt: skip

        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            self.network = NonLocalClassifier(block, backend=backend).to(device)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(),
            self.recipe.learning_rate,
            weight_decay=self.recipe.weight_decay,
            fused=device.type in ("cpu", "cuda"),
        )

    def step(self, samples: Tensor, progress: float) -> dict[str, Tensor]:
        """Learn from some images; return the sums of their losses and of right answers."""
        images, labels = _scaled(self.images[samples]), self.labels[samples]
        if self.recipe.shift or self.recipe.angle or self.recipe.stretch:
            images = moved(images, self.recipe)
        if self.recipe.cycle:
            for group in self.optimizer.param_groups:
                group["lr"] = self.recipe.learning_rate * one_cycle(progress)
        self.network.train()
        logits = self.network(images)
        loss = F.cross_entropy(logits, labels, label_smoothing=self.recipe.smoothing)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return {"loss": loss.detach() * len(labels), "accuracy": (logits.detach().argmax(1) == labels).sum()}

    def evaluate(self, last: bool, pause: Callable[[], None]) -> Row:
        """Return the mean loss and the accuracy in eval mode of every set that may be evaluated."""
        figures: Row = {}
        for name, (images, labels) in self.sets.items():
            if name != "validation" and self.recipe.validation and not last:
                continue
            loss, right = _assess(self.network, images, labels, pause)
            figures |= {f"{name}_loss": loss, f"{name}_accuracy": right / len(labels)}
        return figures

    def state_dict(self) -> dict[str, Any]:
        """Return the network's state and the optimiser's."""
        return {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])


def train_classifier(
    out: str | os.PathLike[str],
    data: str | os.PathLike[str] | None = None,
    *,
    epochs: int = 1,
    seed: int = 0,
    block: Block = "embedded_gaussian",
    backend: str = "auto",
    recipe: Literal["article", "fair"] | Recipe = "article",
    batch: int = 128,
    limit: int | None = None,
    device: str = "auto",
    blind: bool = False,
    resume: bool = False,
    overwrite: bool = False,
    watcher: Watcher | None = None,
) -> Result:
    """Train `NonLocalClassifier` on MNIST.

    Parameters
    ----------
    out : path
        The run's folder: see `loop.train`. At the end it holds ``classifier.safetensors`` too, for `load_classifier`.
    data : path, optional
        The folder of MNIST's files; by default the cache, into which they are downloaded (`nlmeans.datasets.mnist`).
    epochs : int, default 1
        Passes over the images. With the recipe "article" a finished run may be resumed with more.
    seed : int, default 0
        0 to 2³² − 1. For one seed all networks start with the same parameters but for the blocks, and get the same
        batches.
    block, backend : str
        As for `NonLocalClassifier`.
    recipe : {"article", "fair"} or Recipe, default "article"
        "article": Adam with the learning rate 0.001, nothing else; the test images are evaluated after every epoch.
        "fair": images shifted, turned and stretched at random, smoothed labels, weight decay, a learning rate of one
        cycle; 5000 training images are held back for choices, and the test images evaluated once, at the end.
        Or your own.
    batch : int, default 128
        Images of a step.
    limit : int, optional
        Take only the first so many training images.
    device : str, default "auto"
        "cpu", "cuda", "mps" …; by default the first of cuda, mps and cpu that is available.
    blind : bool, default False
        Never evaluate the test images: for choices between recipes.
    resume, overwrite, watcher
        As for `loop.train`.

    Returns
    -------
    Result
        The network, and for every epoch: ``running_loss``, ``running_accuracy`` (training, of every batch at its
        turn, with dropout); in eval mode after the epoch ``train_``, ``validation_`` and ``test_`` ``loss`` and
        ``accuracy`` (0 to 1) of the sets that may be evaluated, with the recipe "fair" the first and last of these
        only after the last epoch; ``seconds`` of training and ``evaluation_seconds``.

    Raises
    ------
    FileExistsError, FileNotFoundError, ValueError, FloatingPointError, KeyboardInterrupt
        As `nlmeans.datasets.mnist` and `loop.train`; ValueError also if an argument breaks its rule.

    Notes
    -----
    On the CPU, the same arguments and number of threads (`torch.set_num_threads`) give the same bits.
    """
    for name, value, least in (("epochs", epochs, 1), ("seed", seed, 0), ("batch", batch, 1), ("limit", limit, 1)):
        if value is not None and _checks.integer(value, name) < least:
            raise ValueError(f"{name} must be at least {least}; got {value}")
    if seed >= 2**32:
        raise ValueError(f"seed must be below 2³²; got {seed}")
    chosen = recipe if isinstance(recipe, Recipe) else RECIPES[_checks.one_of(recipe, "recipe", tuple(RECIPES))]
    training, test = mnist("train", data), mnist("test", data)
    if limit is not None:
        training = Labelled(training.images[:limit], training.labels[:limit])
    task = ClassifierTask(
        training, test, block=block, backend=backend, recipe=chosen, epochs=epochs, seed=seed, batch=batch,
        device=chosen_device(device), blind=blind,
    )  # fmt: skip
    folder = Path(out)
    if overwrite and not resume:
        (folder / WEIGHTS).unlink(missing_ok=True)
    history = train(task, folder, epochs=epochs, seed=seed, resume=resume, overwrite=overwrite, watcher=watcher)
    network = task.network.eval()
    notes = {
        **task.settings, "seed": seed, "epochs": len(history), "recipe_in_full": asdict(chosen),
        "torch": torch.__version__, "figures": history[-1],
    }  # fmt: skip
    save_classifier(folder / WEIGHTS, network, notes)
    return Result(network, history)


def one_cycle(progress: float) -> float:
    """Return the share of the peak rate: from a 25th up to 1 in the first fifth, then down to 0 along a cosine."""
    rise = 0.2
    if progress < rise:
        return 0.04 + 0.96 * progress / rise
    return 0.5 * (1 + math.cos(math.pi * (progress - rise) / (1 - rise)))


def moved(images: Tensor, recipe: Recipe) -> Tensor:
    """Return images (B, 1, H, W), each shifted, turned and stretched at random; pixels from outside are 0."""

    def within(limit: float, *shape: int) -> Tensor:
        return limit * (2 * torch.rand(*shape, device=images.device) - 1)

    count, sides = len(images), images.shape[2:]
    angle = within(math.radians(recipe.angle), count)
    scale = 1 + within(recipe.stretch, 2, count)
    rows = torch.stack(
        [angle.cos() * scale[0], -angle.sin() * scale[1], angle.sin() * scale[0], angle.cos() * scale[1]]
    )
    shift = torch.stack([within(2 * recipe.shift / side, count) for side in reversed(sides)], 1)  # sides span -1 to 1
    matrices = torch.cat([rows.T.reshape(count, 2, 2), shift[:, :, None]], 2)
    grid = F.affine_grid(matrices, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


@torch.inference_mode()
def _assess(
    network: NonLocalClassifier, images: Tensor, labels: Tensor, pause: Callable[[], None]
) -> tuple[float, int]:
    """Return the mean loss in eval mode, and the number of right answers."""
    network.eval()
    loss, right = 0.0, 0
    for some, answers in zip(images.split(EVALUATED), labels.split(EVALUATED), strict=True):
        logits = network(_scaled(some))
        loss += float(F.cross_entropy(logits, answers, reduction="sum"))
        right += int((logits.argmax(1) == answers).sum())
        pause()
    return loss / len(labels), right


def _named(recipe: Recipe) -> str:
    """Return the name of a recipe, or its repr."""
    return next((name for name, known in RECIPES.items() if known == recipe), repr(recipe))


def _on(device: torch.device, digits: Labelled) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(digits.images)[:, None].to(device), torch.from_numpy(digits.labels).long().to(device)


def _scaled(images: Tensor) -> Tensor:
    return images.float() / 255


def _digest(*sets: Labelled) -> str:
    """Return a fingerprint of images and labels."""
    digest = hashlib.sha256()
    for digits in sets:
        digest.update(digits.images.tobytes() + digits.labels.tobytes())
    return digest.hexdigest()[:16]
