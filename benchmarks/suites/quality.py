"""What ``quality``, ``real`` and ``locality`` measure in dB: sets of pictures, each with one kind of noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from ..harness.cases import Case, Form
from ..harness.picture_sets import COLOURED, SAMPLES, SEED, Sample, samples

SIGMAS = (15, 25, 50)
LOW = (5, 10, 15, 25)
SETS = ("Set12", "BSD68", "Kodak24")
QUICK_SIDE = 256
"""Side of the pictures of a quick run."""

RIDGE = ("ridge-fast", "ridge", "ridge-best")
OURS = ("nlmeans-fast", "nlmeans-balanced", "nlmeans-best", *RIDGE, "learned", "learned-best")
VARIANTS = ("nlmeans-balanced-estimated", "learned-estimated", "nlmeans-fast-sure", "nlmeans-balanced-sure")
OTHERS = ("skimage-nlm", "skimage-tv", "skimage-wavelet", "skimage-bilateral", "opencv-nlm", "bm3d")
KNOWN = ("noisy", *OURS, *VARIANTS, *OTHERS)
BLIND = ("noisy", *OURS, *OTHERS)
VOLUMES = ("noisy", "nlmeans-fast", "nlmeans-balanced", "nlmeans-best", *RIDGE, "skimage-nlm", "dipy-nlm")


@dataclass(frozen=True)
class QualityCase(Case):
    """Pictures of one source with one kind of noise.

    Attributes
    ----------
    source : str
        As `picture_sets.samples` takes it.
    sigma : float or None
        Standard deviation of the Gaussian noise that is put on; None where the pictures have their own.
    known : bool
        Whether the methods are told σ.
    noise : str or None
        What our methods are told of the noise instead of σ.
    jpeg : int or None
        Quality of the JPEG files that the pictures are saved in after noise came in.
    side : int or None
        Pixels along the sides of the middle that is cut out.
    most : int or None
        How many pictures of a set are measured: the first ones.
    folder : Path or None
        Where the sets are.
    """

    source: str = "camera"
    sigma: float | None = 25.0
    known: bool = True
    noise: str | None = None
    jpeg: int | None = None
    side: int | None = None
    most: int | None = None
    folder: Path | None = None

    @property
    def title(self) -> str:
        """What it is, for people."""
        words = [self.source]
        if self.sigma is not None:
            words.append(f"σ = {self.sigma:g}")
        if self.jpeg is not None:
            words.append(f"then JPEG {self.jpeg}")
        if not self.known:
            words.append("σ not told")
        return ", ".join(words)

    @property
    def colour(self) -> bool:
        """Whether the pictures have a last axis of three channels."""
        return self.source in COLOURED

    @property
    def form(self) -> Form:
        """What kind of pictures they are."""
        return "volume" if self.source == "phantom" else "colour" if self.colour else "grey"

    def parameters(self) -> dict[str, Any]:
        """Return all that the numbers depend on, as it stands in result files."""
        told = super().parameters()
        for name in ("folder", "rounds", "each_thread_count"):
            told.pop(name)
        return {**told, "seed": SEED}

    def quick(self) -> Self:
        """Return the case with the middle of its picture alone, or with two pictures of a set."""
        side = 64 if self.source == "phantom" else QUICK_SIDE if self.side is None else self.side // 2
        return replace(self, side=side, most=2)

    def subject(self) -> list[Sample]:
        """Return the pictures, none of which is read yet."""
        return samples(self.source, self.sigma, self.jpeg, self.side, self.folder)[: self.most]

    def told(self, image: np.ndarray) -> tuple[np.ndarray, float | None]:
        """Return what a method is given of a noisy picture."""
        return image, self.sigma if self.known else None


def named(source: str, sigma: float, folder: Path | None = None) -> QualityCase:
    """Return the case of a source with standard noise."""
    name = f"{source}-{sigma:g}"
    methods = VOLUMES if source == "phantom" else KNOWN
    return QualityCase(
        name, "pictures", methods, each_thread_count=False, source=source, sigma=float(sigma), folder=folder
    )


def unknown(source: str, folder: Path | None = None, **noise: Any) -> QualityCase:
    """Return the case of a source whose noise is not told."""
    jpeg = f"-{noise['sigma']:g}-jpeg{noise['jpeg']}" if "jpeg" in noise else ""
    blind: dict[str, Any] = {"known": False, "each_thread_count": False, "source": source, "folder": folder}
    return QualityCase(f"{source}{jpeg}", "pictures", BLIND, **{"sigma": None, **blind, **noise})


def radius(source: str, methods: tuple[str, ...]) -> QualityCase:
    """Return the case that asks how far to search."""
    return replace(named(source, 25), name=f"radius-{source}", methods=methods, side=QUICK_SIDE)


def quality(folder: Path | None, sigmas: Sequence[float] | None) -> tuple[QualityCase, ...]:
    """Return the cases of ``python -m benchmarks quality``."""
    levels = sigmas or SIGMAS
    if folder is not None:
        return tuple(named(source, sigma, folder) for source in SETS for sigma in levels)
    volumes = tuple(named("phantom", sigma) for sigma in sigmas or (15,))
    return (*(named(source, sigma) for source in SAMPLES for sigma in levels), *volumes)


def real(folder: Path | None, sigmas: Sequence[float] | None) -> tuple[QualityCase, ...]:
    """Return the cases of ``python -m benchmarks real``; without a folder, what JPEG makes of noise."""
    if folder is None:
        return (*(unknown(source, sigma=10.0, jpeg=75) for source in SAMPLES), unknown("PolyU"), unknown("FMD"))
    compressed = (unknown("Kodak24", folder, sigma=float(sigma), jpeg=jpeg) for jpeg in (75, 90) for sigma in LOW)
    return (unknown("PolyU", folder), unknown("FMD", folder, noise="auto"), *compressed)
