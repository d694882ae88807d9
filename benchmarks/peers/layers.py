"""The ways in which a pixel comes to depend on all others: layers in a row, with and without pooling, or a block."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ..harness.methods import Method
from ..harness.reach import ReachCase, ReachJudge, fewest, multiply_adds, support

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Reaching(Method):
    """Layers of one kind in a row, as many as it takes.

    How many that is, is not calculated but searched for: the central output's gradient has to reach every input pixel.
    """

    def layer(self, channels: int) -> Iterable[nn.Module]:
        """Return the parts of one layer."""
        raise NotImplementedError

    def most(self, side: int) -> int:
        """Return the most layers that a map of this side can be put through, or that are tried."""
        raise NotImplementedError

    def text(self, channels: int) -> str:
        """Return a layer as text."""
        raise NotImplementedError

    def network(self, channels: int, layers: int, seed: int) -> nn.Module:
        """Return the layers, with positive weights that add up to 1 for each output.

        The gradient then neither grows nor vanishes, and the values stay what they were: none becomes so small that
        it would slow the processor down. A non-local block, which starts as the identity, leaves that start.
        """
        import torch
        from torch import nn

        stack = nn.Sequential(*(part for _ in range(layers) for part in self.layer(channels)))
        generator = torch.Generator().manual_seed(seed)
        for module in stack.modules():
            if isinstance(module, nn.Conv2d):
                with torch.no_grad():
                    weight = module.weight.uniform_(0.5, 1.5, generator=generator)
                    weight /= weight.sum((1, 2, 3), keepdim=True)
                assert module.bias is not None
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.BatchNorm2d):
                module.reset_parameters()
        return stack.eval()

    def judge(self, case: ReachCase, subject: np.ndarray) -> ReachJudge:
        """Return the judge of the fewest layers that are enough for the case."""

        @cache
        def reached(layers: int) -> int:
            return support(self.network(1, layers, case.seed).double(), case.side, case.seed)

        layers = fewest(lambda count: reached(count) == case.side**2, self.most(case.side))
        network = self.ready(case, layers)
        parameters = sum(parameter.numel() for parameter in network.parameters())
        work, expected = multiply_adds(network, _tensor(subject))
        return ReachJudge(subject, layers, reached(layers), reached(layers - 1), parameters, work, expected)

    def ready(self, case: ReachCase, layers: int) -> nn.Module:
        """Return the network that is timed, in the layout in which oneDNN's convolutions are fastest."""
        import torch

        network = self.network(case.channels, layers, case.seed)
        return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def call(self, case: ReachCase, x: np.ndarray, layers: int, threads: int) -> Forward:
        """Return the forward pass to measure."""
        text = self.text(case.channels)
        return Forward(
            self.ready(case, layers), _tensor(x), threads, f"{text}(x)" if layers == 1 else f"{layers} × [{text}](x)"
        )


@dataclass(frozen=True)
class Forward:
    """A network's forward pass on a map; as text, the layers."""

    network: nn.Module = field(repr=False)
    x: Tensor = field(repr=False)
    threads: int
    text: str

    def __call__(self) -> np.ndarray:
        """Run it."""
        import torch

        torch.set_num_threads(self.threads)  # another method may have left them otherwise
        with torch.inference_mode():
            result: np.ndarray = self.network(self.x).numpy()
        return result

    def __str__(self) -> str:
        return self.text


def _tensor(x: np.ndarray) -> Tensor:
    import torch

    return torch.from_numpy(x).contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True)
class Convolutions(Reaching):
    """3×3 convolutions of stride 1, a ReLU after each; with a pooling after that, the map is halved every time.

    The pooling is the mean of 2×2, where the article's network takes the largest: of four pixels, the largest passes
    a gradient to one alone, so that what is reached would depend on the picture, and not on the layers.

    Attributes
    ----------
    pooled : bool
        Whether there is a pooling.
    """

    pooled: bool = False

    def layer(self, channels: int) -> Iterable[nn.Module]:
        """Return convolution, ReLU and pooling."""
        from torch import nn

        pooling = (nn.AvgPool2d(2),) if self.pooled else ()
        return nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(), *pooling

    def most(self, side: int) -> int:
        """Return as many as the side can be halved; without pooling a layer a pixel of the side, which are too many."""
        return side.bit_length() - 1 if self.pooled else side

    def text(self, channels: int) -> str:
        """Return a layer as text."""
        return f"Conv2d({channels}, {channels}, 3, padding=1), ReLU(){', AvgPool2d(2)' if self.pooled else ''}"


@dataclass(frozen=True)
class NonLocal(Reaching):
    """The non-local block over the whole map, with half the channels inside."""

    def layer(self, channels: int) -> Iterable[nn.Module]:
        """Return the block."""
        from nonlocal_block import NonLocalBlock2d

        return (NonLocalBlock2d(channels),)

    def most(self, side: int) -> int:
        """Return 1: a second one would have nothing left to reach."""
        return 1

    def text(self, channels: int) -> str:
        """Return the block as text."""
        return f"NonLocalBlock2d({channels})"


TORCH: dict[str, Any] = {"package": "torch", "module": "torch", "dtype": "float32"}

METHODS: tuple[Reaching, ...] = (
    Convolutions("convolutions", **TORCH, note="3×3, as many as it takes; random weights"),
    Convolutions(
        "convolutions-pooled", **TORCH, pooled=True, note="3×3, the mean of 2×2 after each; gives a smaller map"
    ),
    NonLocal(
        "block", "'nlmeans[learned]'", "nonlocal_block.block", "float32", own=True, note="one block; random weights"
    ),
)
