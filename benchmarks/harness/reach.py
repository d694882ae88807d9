"""How many layers it takes for one output to depend on every pixel: cases, the count by gradients, and judges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from .cases import Case
from .checks import Finding, Judge
from .timing import summary

if TYPE_CHECKING:
    from torch import Tensor, nn

LIMIT = 1e-4
"""How far a number may be off, as a share of the largest one."""


@dataclass(frozen=True)
class ReachCase(Case):
    """A square map of features, whose central output is to depend on all of it.

    Attributes
    ----------
    side : int
        Rows and columns.
    channels : int
        Of every layer's input and output.
    seed : int
        Where the random numbers start: those of the map, and those of the layers.
    sigma : None
        There is no noise.
    """

    side: int = 28
    channels: int = 64
    seed: int = 1000
    sigma: float | None = None

    @property
    def title(self) -> str:
        """What it is, for people."""
        return f"the central output depends on all of {self.side}×{self.side} pixels, {self.channels} channels"

    def quick(self) -> Self:
        """Return the case on half the side, at most 32 pixels, and 8 channels."""
        return replace(self, side=min(self.side // 2, 32), channels=min(self.channels, 8))

    def subject(self) -> np.ndarray:
        """Make the map, (1, channels, side, side) between 0.5 and 1.5."""
        random = np.random.default_rng(self.seed)
        return random.random((1, self.channels, self.side, self.side), np.float32) + np.float32(0.5)


def support(network: nn.Module, side: int, seed: int = 0) -> int:
    """Return how many input pixels the central output depends on: those where its gradient is not 0.

    Parameters
    ----------
    network : Module
        Takes maps (1, 1, side, side) of float64, and has positive weights. These cannot cancel, and a ReLU lets all
        pass. One channel tells for all of them, since every channel of a layer sees the same pixels.
    side : int
        Rows and columns. Float64 holds what 112 layers leave of a gradient, about 9⁻¹¹², and up to 300 layers.
    seed : int
        Where the random numbers of the map start.

    Returns
    -------
    int
        Of side² pixels. Central is the pixel in row and column n // 2 of an output of n×n.
    """
    import torch

    x = torch.rand((1, 1, side, side), dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) + 0.5
    output = network(x.requires_grad_())
    centre = output[0, :, output.shape[2] // 2, output.shape[3] // 2].sum()
    (gradient,) = torch.autograd.grad(centre, x)
    return int((gradient[0] != 0).any(0).sum())


def fewest(enough: Callable[[int], bool], most: int) -> int:
    """Return the smallest number from 1 to ``most`` that is enough, where all larger ones are, too.

    Raises
    ------
    ValueError
        If not even the largest one is.
    """
    low, high = 0, 1
    while not enough(high):
        if high == most:
            raise ValueError(f"one of up to {most} layers must be enough; got none that is")
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def multiply_adds(network: nn.Module, x: Tensor) -> tuple[int, np.ndarray]:
    """Return the multiply-adds of a forward pass, and its result.

    Counted are convolutions, at every output one for each weight of its filter, and of a non-local block over the
    whole map its two matrix products, of N pixels with N in C' channels each. Offsets, exponentials, sums, norms,
    ReLUs and pooling are not.
    """
    import torch
    from torch import nn

    from nonlocal_block import NonLocalBlock2d

    total = 0

    def convolved(layer: Any, _: Any, output: Tensor) -> None:
        nonlocal total
        total += output[:, 0].numel() * layer.weight.numel()

    def related(block: Any, _: Any, output: Tensor) -> None:
        nonlocal total
        total += 2 * len(output) * output[0, 0].numel() ** 2 * block.inter_channels

    hooks = [
        module.register_forward_hook(hook)
        for kind, hook in ((nn.Conv2d, convolved), (NonLocalBlock2d, related))
        for module in network.modules()
        if isinstance(module, kind)
    ]
    try:
        with torch.inference_mode():
            result: np.ndarray = network(x).numpy()
    finally:
        for handle in hooks:
            handle.remove()
    return total, result


@dataclass
class ReachJudge(Judge):
    """Judges the output of as many layers as the central pixel needs to depend on all others.

    Attributes
    ----------
    x : ndarray, shape (1, C, H, W)
        What the layers are given.
    layers : int
        How many there are.
    reached, before : int
        Pixels that the central output depends on, with these layers and with one fewer.
    parameters, multiply_adds : int
        Of the layers.
    expected : ndarray
        What the network gives back that these figures are of: the one that is timed has to give the same.
    """

    x: np.ndarray = field(repr=False)
    layers: int
    reached: int
    before: int
    parameters: int
    multiply_adds: int
    expected: np.ndarray = field(repr=False)

    @property
    def given(self) -> tuple[np.ndarray, int]:
        """The map, and the number of layers."""
        return self.x, self.layers

    def examine(self, answer: Any) -> list[Finding]:
        """Check an answer, and what was counted of the layers."""
        pixels = self.x[0, 0].size
        alike = isinstance(answer, np.ndarray) and answer.shape == self.expected.shape and answer.dtype == np.float32
        findings = [
            Finding("pixels that the central output depends on", self.reached, ">=", pixels),
            Finding("the same with one layer fewer", self.before, "<=", pixels - 1),
            Finding("a float32 array of the right shape", float(alike), ">=", 1),
        ]
        if alike:
            off = float(np.abs(answer - self.expected).max() / np.abs(self.expected).max())
            what = "largest difference from the network whose layers were counted, of its largest value"
            findings.append(Finding(what, off, "<=", LIMIT))
        return findings

    def quality(self) -> dict[str, Any]:
        """Return what the layers are and cost, and how many pixels the central output depends on."""
        return {
            "layers": summary([self.layers], "layers"),
            "parameters": summary([self.parameters], "parameters"),
            "macs": summary([self.multiply_adds], "multiply-adds"),
            "reached": summary([self.reached], "pixels"),
        }
