"""What a user may write, and a type checker must understand: run by pytest, and checked by `mypy --strict`."""

from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import nlmeans
from nlmeans import convert, extend, io, large
from nlmeans.noise import Gaussian, PoissonGaussian
from nlmeans.pairwise import Averages, PairwiseSpec, attend, pairwise_average
from nonlocal_block import LearnedReport, NonLocalBlock2d, pairwise_attention
from nonlocal_block import denoise as learned


class Mean(extend.Method):
    """Every pixel becomes the mean of those around it."""

    name = "mean"
    options = frozenset({"search_radius"})

    def decide(
        self, sample: extend.Sample, options: extend.Options, progress: extend.Progress | None = None
    ) -> extend.Recipe:
        r = max(options.search_radius or (1,))
        return sample.recipe(self, sample.plan(extend.Plan, options, method="mean", depends=(0, r, r)), r)

    def run(
        self, region: extend.Region, recipe: extend.Recipe, *, threads: int | None = None,
        progress: extend.Progress | None = None,
    ) -> extend.Outcome:  # fmt: skip
        box = PairwiseSpec((0, 0, 0), (0, recipe.numbers, recipe.numbers), 1e-12)
        clean = pairwise_average(region.planes, region.planes, box, threads=threads, progress=progress)
        return extend.Outcome(region.restored(region.core.of(clean)))


@dataclass(frozen=True)
class Doubled(extend.NoiseModel):
    """Gaussian noise of twice a number."""

    half: float | None = None

    def given(self, planes: NDArray[Any]) -> extend.FittedNoise:
        assert self.half is not None
        return Gaussian(2 * self.half).given(planes)

    def estimate(self, evidence: extend.Evidence) -> "Doubled":
        return Doubled(Gaussian().fit(evidence).sigma[0] / 2)


def numbers(noisy: NDArray[np.float32]) -> tuple[float, NDArray[np.float64], str]:
    """Estimate, plan, and look inside."""
    sigma: float = nlmeans.estimate_sigma(noisy)
    each: NDArray[np.float64] = nlmeans.estimate_sigma(np.stack([noisy] * 3, axis=-1), channel_axis=-1)
    model: PoissonGaussian = nlmeans.estimate_noise(noisy, noise=PoissonGaussian())
    plan = nlmeans.plan(noisy, sigma, strength=0.5)
    step: tuple[int, ...] = plan.passes[0].patch_radius
    weights: NDArray[np.float64] = nlmeans.weight_map(noisy, (4, 5), noise=model, search_radius=len(step))
    return sigma + plan.strength, each + weights.sum(), str(nlmeans.plan(noisy, method=Mean(), mask=noisy > 0))


def images(noisy: NDArray[np.float32], folder: Path, stop: Event) -> tuple[NDArray[np.float32], nlmeans.Report]:
    """Denoise arrays and files."""
    clean: NDArray[np.float32] = nlmeans.denoise(noisy, 10, quality="best", cancel=stop, progress=lambda done, of: None)
    clean, report = nlmeans.denoise(noisy, full_output="maps", search_radius=3, noise="auto")
    assert report.maps is not None
    assert report.maps.effective is not None
    much: float = float(report.maps.effective.mean()) + report.seconds
    wide: NDArray[Any] = nlmeans.denoise(noisy, much, dtype="float64", **convert.from_opencv(10, sigma=10))
    masked: np.ma.MaskedArray[Any, Any] = nlmeans.denoise(np.ma.masked_less(noisy, 0), method=Mean)
    tensor: torch.Tensor = learned(torch.from_numpy(noisy), noise=Doubled(5))
    outcome: tuple[NDArray[np.float32], LearnedReport] = learned(noisy, 10, full_output=True)
    io.write(folder / "noisy.tif", io.Picture(noisy, axes="YX"))
    picture: io.Picture = io.read(folder / "noisy.tif")
    whole = large.denoise(folder / "noisy.tif", folder / "clean.npy", method="ridge", noise=Gaussian([10]))
    assert picture.pixels.shape == outcome[0].shape == wide.shape == masked.shape == tuple(tensor.shape)
    return clean, whole if outcome[1].plans else report


def cores(x: NDArray[np.float32]) -> tuple[Averages, torch.Tensor, torch.Tensor]:
    """Weigh pairs of pixels."""
    averages = attend(x, x, x, PairwiseSpec((0, 0, 0), None, 0.1))
    features = torch.from_numpy(x[0])[None, :1]
    map_: torch.Tensor = NonLocalBlock2d(1, mode="distance", search_radius=2)(features, return_nl_map=True)[1]
    return averages, map_, pairwise_attention(features, features, features, score="dot", weight="exp", normalise="sum")
