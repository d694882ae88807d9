"""The methods of the suite ``denoiser``: the learned denoiser, its classical sibling, DnCNN's network and BM3D."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from .cases import Picture, PictureCase
from .checks import PictureJudge
from .competitors import Call, Denoiser

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Plain(Denoiser):
    """A method that is given a picture, σ and nothing else that matters for the result."""

    def judge(self, case: PictureCase, subject: Picture) -> PictureJudge:
        """Return the judge of its answers, which no definition describes; sums may add up in another order."""
        judge = super().judge(case, subject)
        return replace(judge, likeness=None, again_db=80.0)


@dataclass(frozen=True)
class Learned(Plain):
    """The learned denoiser with the weights that come along."""

    def call(self, case: PictureCase, image: np.ndarray, sigma: float, threads: int) -> Call:
        """Return what a user writes."""
        import nonlocal_block

        arguments = {"sigma": sigma, "channel_axis": -1 if case.colour else None, "threads": threads}
        return Call(nonlocal_block.denoise, "nonlocal_block.denoise", image, arguments)


@dataclass(frozen=True)
class Classical(Plain):
    """Non-local means as `nlmeans.plan` sets it up."""

    quality: str = "balanced"

    def call(self, case: PictureCase, image: np.ndarray, sigma: float, threads: int) -> Call:
        """Return what a user writes."""
        import nlmeans

        channel_axis = -1 if case.colour else None
        arguments = {"sigma": sigma, "quality": self.quality, "channel_axis": channel_axis, "threads": threads}
        return Call(nlmeans.denoise, "nlmeans.denoise", image, arguments)


@dataclass(frozen=True)
class DnCNN(Plain):
    """DnCNN's architecture with random weights: its time is the trained network's, its answer means nothing."""

    def judge(self, case: PictureCase, subject: Picture) -> PictureJudge:
        """Return a judge that asks for the right shape and finite values only."""
        return replace(super().judge(case, subject), gain_db=-1000.0)

    def pin(self, threads: int) -> None:
        """Set torch's threads, and see that they are set."""
        import torch

        torch.set_num_threads(threads)
        if torch.get_num_threads() != threads:
            raise RuntimeError(f"torch was asked for {threads} threads and took {torch.get_num_threads()}")

    def call(self, case: PictureCase, image: np.ndarray, sigma: float, threads: int) -> Call:
        """Return a call of the network, which knows of no σ."""
        return Call(_Runner(threads), "dncnn", image, {})


class _Runner:
    def __init__(self, threads: int) -> None:
        self.threads, self.network = threads, dncnn()

    def __call__(self, image: np.ndarray) -> np.ndarray:
        import torch

        torch.set_num_threads(self.threads)  # another method may have left them otherwise
        with torch.inference_mode():
            x = torch.from_numpy(image)[None, None] / 255
            result: np.ndarray = ((x - self.network(x)) * 255)[0, 0].numpy()
        return result


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


@dataclass(frozen=True)
class BM3D(Plain):
    """The authors' BM3D, whose licence allows use that is not commercial."""

    def call(self, case: PictureCase, image: np.ndarray, sigma: float, threads: int) -> Call:
        """Return the call for white noise; colours go through the variant for RGB."""
        import bm3d

        function: Any = bm3d.bm3d_rgb if case.colour else bm3d.bm3d
        return Call(_AsFloat32(function), f"bm3d.{function.__name__}", image, {"sigma_psd": sigma / 255})


@dataclass(frozen=True)
class _AsFloat32:
    """BM3D computes in float64 and takes its pictures from 0 to 1."""

    function: Any

    def __call__(self, image: np.ndarray, sigma_psd: float) -> np.ndarray:
        result: np.ndarray = (self.function(image.astype(np.float64) / 255, sigma_psd) * 255).astype(np.float32)
        return result


OURS: dict[str, Any] = {"package": "nlmeans", "module": "nlmeans", "dtype": "float32", "own": True}
TORCH: dict[str, Any] = {"package": "torch", "module": "torch", "dtype": "float32"}

DENOISERS: dict[str, Denoiser] = {
    method.name: method
    for method in (
        Learned("learned", "nlmeans[learned]", "nonlocal_block", "float32", own=True),
        Classical("nlmeans-balanced", **OURS, yardstick=True, note="the default"),
        Classical("nlmeans-best", **OURS, yardstick=True, quality="best"),
        DnCNN("dncnn", **TORCH, note="17 layers of 64 channels, random weights: time only"),
        BM3D("bm3d", "bm3d", "bm3d", "float32", note="the authors' package, licensed for non-commercial use"),
    )
}
"""Every method by name."""
