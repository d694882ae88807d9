"""Filters of volumes: SimpleITK's patches, ANTs' non-local means, BM4D twice; most of them take minutes at 128³."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from ..harness.cases import PEAK
from ..harness.pictures import Picture, PictureCase, PictureJudge
from .away import Answered, Away, Filter, PlainAway

AGAIN = 30.0
"""dB between two answers of SimpleITK's, which looks at patches that it draws; BM4D's are far closer."""
VOLUME = ("volume",)


@dataclass(frozen=True)
class SimpleITK(Filter):
    """SimpleITK's denoising by patches, which are drawn around each voxel."""

    def call(self, case: Any, image: np.ndarray, sigma: float, threads: int) -> Answered:  # type: ignore[override]
        """Return the call on a volume that is made beforehand."""
        import SimpleITK as sitk

        source = sitk.GetImageFromArray(image), threads
        return Answered(self.function, sigma, self.options, source, sitk.GetArrayFromImage)


def patch_based(
    source: Any, sigma: float, bandwidth: float, patch: int, iterations: int, samples: int, spread: float
) -> Any:
    """Denoise by patches; ``bandwidth`` is in σ, ``spread`` in voxels."""
    import SimpleITK as sitk

    image, threads = source
    denoiser = sitk.PatchBasedDenoisingImageFilter()
    denoiser.SetKernelBandwidthSigma(bandwidth * sigma)
    denoiser.SetPatchRadius(patch)
    denoiser.SetNumberOfIterations(iterations)
    denoiser.SetNumberOfSamplePatches(samples)
    denoiser.SetSampleVariance(spread**2)
    denoiser.SetNumberOfThreads(threads)
    return denoiser.Execute(image)


@dataclass(frozen=True)
class Ants(Filter):
    """ANTs' non-local means, which estimates σ itself.

    What lies outside a volume counts as black, which darkens two voxels behind each face by up to a half. So it gets
    the volume with mirrored voxels around it, and they are cut off again.
    """

    def call(self, case: Any, image: np.ndarray, sigma: float, threads: int) -> Answered:  # type: ignore[override]
        """Return the call on a volume that is made beforehand."""
        import ants

        around = self.options["p"] + self.options["r"]
        source = ants.from_numpy(np.pad(image, around, "symmetric"))
        return Answered(self.function, sigma, self.options, source, partial(within, around=around))


def ants_denoise(source: Any, sigma: float, p: int, r: int, noise_model: str) -> Any:
    """Denoise in windows of radius ``r`` by patches of radius ``p``."""
    import ants

    return ants.denoise_image(source, p=p, r=r, noise_model=noise_model)


def within(made: Any, around: int) -> np.ndarray:
    """Return a volume without what was put around it."""
    return np.array(made.numpy()[(slice(around, -around),) * 3], np.float32)


@dataclass(frozen=True)
class Bmnd(Filter):
    """Block matching in any dimension, on Numba's threads."""

    def call(self, case: Any, image: np.ndarray, sigma: float, threads: int) -> Answered:  # type: ignore[override]
        """Return the call."""
        import numba

        numba.set_num_threads(threads)
        return Answered(self.function, sigma, self.options, image, np.asarray)


def block_matching(source: np.ndarray, sigma: float, profile: str) -> np.ndarray:
    """Denoise by a profile's two steps."""
    import bmnd

    result: np.ndarray = bmnd.bmnd(source, getattr(bmnd, profile)(), sigma=sigma)
    return result


@dataclass(frozen=True)
class BM4D(Filter):
    """The authors' BM4D, whose licence allows use that is not commercial."""

    def call(self, case: Any, image: np.ndarray, sigma: float, threads: int) -> Answered:  # type: ignore[override]
        """Return the call."""
        return Answered(self.function, sigma, {**self.options, "threads": threads}, image, np.asarray)


def cubes(source: np.ndarray, sigma: float, threads: int) -> np.ndarray:
    """Denoise by both steps, which compute in float64, of a volume from 0 to 1."""
    import bm4d

    profile = bm4d.BM4DProfile()
    profile.num_threads = threads
    result: np.ndarray = bm4d.bm4d(source.astype(np.float64) / PEAK, sigma / PEAK, profile) * PEAK
    return result.astype(np.float32)


@dataclass(frozen=True)
class Drawing(PlainAway):
    """One whose answers are not the same each time."""

    def judge(self, case: PictureCase, subject: Picture) -> PictureJudge:
        """Return the judge, which asks for answers that are as much alike as drawn ones are."""
        return replace(super().judge(case, subject), again_db=AGAIN)


METHODS: tuple[Away, ...] = (
    Drawing(
        "simpleitk-patches", "SimpleITK", "SimpleITK", "float32", enters=("small volumes",),
        note="looks at 100 patches drawn around a voxel, three times",
        filter=SimpleITK(
            "simpleitk-patches", "SimpleITK", "SimpleITK", "float32", function=patch_based, forms=VOLUME,
            options={"bandwidth": 5, "patch": 1, "iterations": 3, "samples": 100, "spread": 5.0},
        ),
    ),
    PlainAway(
        "ants-nlm", "antspyx", "ants", "float32", enters=("small volumes",),
        note="estimates σ itself; darkens a volume's faces, so that it gets mirrored voxels around it",
        filter=Ants(
            "ants-nlm", "antspyx", "ants", "float32", function=ants_denoise, forms=VOLUME,
            options={"p": 1, "r": 2, "noise_model": "Gaussian"},
        ),
    ),
    PlainAway(
        "bmnd-bm4d", "bmnd", "bmnd", "float32", enters=("small volumes",), note="compiles at its first call",
        filter=Bmnd(
            "bmnd-bm4d", "bmnd", "bmnd", "float32", function=block_matching, forms=VOLUME,
            options={"profile": "BM4DProfile"},
        ),
    ),
    Drawing(  # of several threads, whose sums come in any order
        "bm4d", "bm4d", "bm4d", "float32", enters=("small volumes",),
        note="the authors' package, licensed for non-commercial use",
        filter=BM4D("bm4d", "bm4d", "bm4d", "float32", function=cubes, forms=VOLUME),
    ),
)  # fmt: skip
