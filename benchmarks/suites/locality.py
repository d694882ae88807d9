"""What it takes for one output to depend on every pixel: the first part of the suite ``locality``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from ..harness.cases import Case

WAYS = ("convolutions", "convolutions-pooled", "block")


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


REACH: tuple[ReachCase, ...] = (
    ReachCase("reach-28", "call", WAYS, each_thread_count=False),
    ReachCase("reach-56", "call", WAYS, each_thread_count=False, side=56),
    ReachCase("reach-224", "call", WAYS, each_thread_count=False, rounds=3, side=224),
)
"""The cases of ``python -m benchmarks locality`` that count layers."""
