"""Methods of ours that are given a picture and its σ, and choose all else; and DnCNN's network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ..harness.methods import Call
from ..harness.pictures import Picture, PictureCase, PictureJudge
from .equal import axes
from .plain import Plain

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Learned(Plain):
    """The learned denoiser with the weights that come along.

    Attributes
    ----------
    quality : str
        "fast", "balanced" or "best".
    estimated : bool
        Whether σ is kept from it though it is known.
    """

    quality: str = "balanced"
    estimated: bool = False

    def edition(self, case: Any) -> str:
        """Return the version, and which weights are loaded: other weights are another method."""
        from nonlocal_block import weights
        from nonlocal_block.trained import CHOICES

        names = CHOICES[self.quality][3 if case.colour else 1].names
        return f"{self.version()}, weights {', '.join(weights.digest(name)[:8] for name in names)}"

    def call(self, case: Any, image: np.ndarray, sigma: float | None, threads: int) -> Call:
        """Return what a user writes."""
        import nonlocal_block

        arguments = {**given(case, None if self.estimated else sigma, threads), "quality": self.quality}
        return Call(nonlocal_block.denoise, "nonlocal_block.denoise", image, arguments)


@dataclass(frozen=True)
class Classical(Plain):
    """Non-local means as `nlmeans.plan` sets it up.

    Attributes
    ----------
    options : mapping of str
        What it is asked for besides σ.
    estimated : bool
        Whether σ is kept from it though it is known.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    estimated: bool = False

    def call(self, case: Any, image: np.ndarray, sigma: float | None, threads: int) -> Call:
        """Return what a user writes."""
        import nlmeans

        arguments = given(case, None if self.estimated else sigma, threads)
        return Call(nlmeans.denoise, "nlmeans.denoise", image, {**arguments, **self.options})


def given(case: Any, sigma: float | None, threads: int) -> dict[str, Any]:
    """Return what our two functions are given of a case."""
    noise = getattr(case, "noise", None)
    known: dict[str, Any] = {"sigma": sigma} if noise is None else {"noise": noise}
    return {**known, **axes(case), "threads": threads}


@dataclass(frozen=True)
class DnCNN(Plain):
    """DnCNN's architecture with random weights: its time is the trained network's, its answer means nothing."""

    def judge(self, case: PictureCase, subject: Picture) -> PictureJudge:
        """Return a judge that asks for the right shape and finite values only."""
        return replace(super().judge(case, subject), gain_db=-1000.0)

    def call(self, case: PictureCase, image: np.ndarray, sigma: float, threads: int) -> Call:
        """Return a call of the network, which knows of no σ."""
        import torch

        network = dncnn()

        def run(image: np.ndarray) -> np.ndarray:
            torch.set_num_threads(threads)  # another method may have left them otherwise
            with torch.inference_mode():
                x = torch.from_numpy(image)[None, None] / 255
                result: np.ndarray = ((x - network(x)) * 255)[0, 0].numpy()
            return result

        return Call(run, "dncnn", image, {})


@lru_cache(maxsize=1)
def dncnn(layers: int = 17, width: int = 64) -> nn.Module:
    """Return DnCNN-S as it is used: 3×3 convolutions with ReLU, batch normalisation merged into them.

    K. Zhang et al., "Beyond a Gaussian denoiser", IEEE TIP 2017, arXiv:1608.03981.
    """
    import torch
    from torch import nn

    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        inner = [part for _ in range(layers - 2) for part in (nn.Conv2d(width, width, 3, padding=1), nn.ReLU(True))]
        network = nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1), nn.ReLU(True), *inner, nn.Conv2d(width, 1, 3, padding=1)
        )
    # The layout in which oneDNN's convolutions are fastest; the learned denoiser uses it too.
    return network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]


OURS: dict[str, Any] = {"package": "nlmeans", "module": "nlmeans", "dtype": "float32", "own": True}
NETWORK: dict[str, Any] = {
    "package": "'nlmeans[learned]'", "module": "nonlocal_block.denoising", "dtype": "float32", "own": True
}  # fmt: skip
TORCH: dict[str, Any] = {"package": "torch", "module": "torch", "dtype": "float32"}
ESTIMATED = "σ is not told, but estimated"
SURE = "the strength is chosen for each picture by Stein's unbiased risk estimate"
HIDDEN = "the strength is chosen for each picture by how well hidden pixels are predicted"
RIDGE = {"method": "ridge"}
PREVIEW, FAST, BALANCED, BEST = ({"quality": quality} for quality in ("preview", "fast", "balanced", "best"))

METHODS: tuple[Plain, ...] = (
    Classical("nlmeans-preview", **OURS, options=PREVIEW),
    Classical("nlmeans-preview-uint8", **OURS | {"dtype": "uint8"}, options=PREVIEW),
    Classical("nlmeans-fast", **OURS, yardstick=True, options=FAST),
    Classical("nlmeans-balanced", **OURS, yardstick=True, options=BALANCED, note="the default"),
    Classical("nlmeans-best", **OURS, yardstick=True, options=BEST),
    Classical("ridge-fast", **OURS, options={**RIDGE, **FAST}),
    Classical("ridge", **OURS, options={**RIDGE, **BALANCED}, note="the default of this method"),
    Classical("ridge-best", **OURS, options={**RIDGE, **BEST}),
    Learned("learned-fast", **NETWORK, quality="fast", note="a small network"),
    Learned("learned", **NETWORK),
    Learned(
        "learned-best",
        **NETWORK,
        quality="best",
        note="on average over positions of the picture, in colour over two networks",
    ),
    Classical("nlmeans-balanced-estimated", **OURS, options=BALANCED, estimated=True, note=ESTIMATED),
    Learned("learned-estimated", **NETWORK, estimated=True, note=ESTIMATED),
    Classical("nlmeans-fast-sure", **OURS, options={**FAST, "strength": "sure"}, note=SURE),
    Classical("nlmeans-balanced-sure", **OURS, options={**BALANCED, "strength": "sure"}, note=SURE),
    Classical("nlmeans-fast-j-invariant", **OURS, options={**FAST, "strength": "j-invariant"}, note=HIDDEN),
    Classical("nlmeans-balanced-j-invariant", **OURS, options={**BALANCED, "strength": "j-invariant"}, note=HIDDEN),
    DnCNN("dncnn", **TORCH, note="17 layers of 64 channels, random weights: time only"),
)

QUALITIES = (
    "nlmeans-preview", "nlmeans-fast", "nlmeans-balanced", "nlmeans-best", "ridge-fast", "ridge", "ridge-best",
    "learned-fast", "learned", "learned-best",
)  # fmt: skip
"""Our methods at each of their qualities."""
UNTRAINED = tuple(name for name in QUALITIES if not name.startswith("learned"))
"""Those of them that hold no network."""
