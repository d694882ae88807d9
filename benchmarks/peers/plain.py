"""What others denoise with, given a picture and its σ: each with what was tuned for it on training pictures.

``python -m benchmarks tune-peers`` chose the settings in `TUNED` from the grids; that file has all that it tried.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from ..harness.cases import PEAK, Form
from ..harness.methods import Call, CannotRun, Denoiser
from ..harness.pictures import Picture, PictureCase, PictureJudge

Grid = Mapping[str, tuple[Any, ...]]

TUNED = Path(__file__).parent / "tuned.json"
"""The best settings by method, kind of picture and σ."""


@dataclass(frozen=True)
class Plain(Denoiser):
    """A method that is given a picture, σ and nothing else that matters for the result."""

    def judge(self, case: PictureCase, subject: Picture) -> PictureJudge:
        """Return the judge of its answers, which no definition describes; sums may add up in another order."""
        judge = super().judge(case, subject)
        return replace(judge, likeness=None, again_db=80.0)


@dataclass(frozen=True)
class Nothing(Plain):
    """Leaves the picture as it is: what all others have to be better than."""

    def call(self, case: Any, image: np.ndarray, sigma: float | None, threads: int) -> Call:
        """Return what makes a copy."""
        return Call(np.copy, "numpy.copy", image, {})


@dataclass(frozen=True)
class Peer(Plain):
    """A function of another library that is given σ by the strengths that were tuned for it.

    Attributes
    ----------
    function : callable
        ``function(image, sigma, colour, **settings)``: takes a picture from 0 to 255, σ too, and returns one.
    single : bool
        Whether it has one thread only.
    grid, volume_grid : mapping of str to tuple
        What is tried of each setting when they are tuned, for pictures and for volumes; empty where there is no use.
    """

    function: Callable[..., np.ndarray] = np.copy
    single: bool = True
    grid: Grid = field(default_factory=dict)
    volume_grid: Grid = field(default_factory=dict)

    def threads(self, case: Any, wanted: int) -> int:
        """Return the number of threads it will use where ``wanted`` are allowed."""
        return 1 if self.single else wanted

    def edition(self, case: Any) -> str:
        """Return the version, and which settings it is called with."""
        return f"{self.version()}, settings {hashlib.sha256(TUNED.read_bytes()).hexdigest()[:8]}"

    def call(self, case: Any, image: np.ndarray, sigma: float | None, threads: int) -> Call:
        """Return the call with its settings for σ; where none is known, what is estimated decides, in its own time."""
        known = {} if sigma is None else tuned(self.name, case.form, sigma)
        return Call(_Estimating(self, case.form), self.function.__name__, image, {"sigma": sigma, **known})

    def choices(self, form: Form) -> Iterator[dict[str, Any]]:
        """Yield every combination of the grid."""
        grid = self.volume_grid if form == "volume" else self.grid
        for values in product(*grid.values()) if grid else ():
            yield dict(zip(grid, values, strict=True))


@dataclass(frozen=True)
class _Estimating:
    """A peer's function with the settings for σ, which scikit-image estimates where it is not known."""

    peer: Peer
    form: str

    def __call__(self, image: np.ndarray, sigma: float | None, **settings: Any) -> np.ndarray:
        colour = self.form == "colour"
        if sigma is None:
            sigma = estimate(image, colour)
            settings = dict(tuned(self.peer.name, self.form, sigma))
        return self.peer.function(image, sigma, colour, **settings)


@dataclass(frozen=True)
class Wavelet(Peer):
    """scikit-image's wavelet denoising, which needs PyWavelets."""

    def version(self) -> str:
        """Return scikit-image's version, and the other's."""
        return f"{metadata.version('scikit-image')} with PyWavelets {super().version()}"


@dataclass(frozen=True)
class PlainDipy(Plain):
    """DIPY's NLM of volumes as its documentation calls it; it is made for magnitudes, and averages squares."""

    def call(self, case: Any, image: np.ndarray, sigma: float | None, threads: int) -> Call:
        """Return the call for Gaussian noise; it takes h from σ."""
        from dipy.denoise.nlmeans import nlmeans

        arguments = {"sigma": sigma, "patch_radius": 1, "block_radius": 5, "rician": False, "num_threads": threads}
        return Call(nlmeans, "dipy.denoise.nlmeans.nlmeans", image, arguments)


@dataclass(frozen=True)
class BM3D(Plain):
    """The authors' BM3D, whose licence allows use that is not commercial."""

    def call(self, case: Any, image: np.ndarray, sigma: float | None, threads: int) -> Call:
        """Return the call for white noise; colours go through the variant for RGB."""
        return Call(
            block_matching, "block_matching", image, {"sigma": sigma, "colour": case.colour, "threads": threads}
        )


def tuned(name: str, form: str, sigma: float, file: Path = TUNED) -> Mapping[str, Any]:
    """Return the settings of the nearest σ, by its ratio: strengths are in σ, and change slowly with it."""
    known: Mapping[str, Mapping[str, Any]] = read(file)["settings"][name][form]
    return known[min(known, key=lambda level: abs(math.log(max(sigma, 1e-3) / float(level))))]


@cache
def read(file: Path) -> dict[str, Any]:
    """Return all that was tried, and what of it is used."""
    record: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return record


def estimate(image: np.ndarray, colour: bool) -> float:
    """Return σ as scikit-image estimates it, the mean of the channels."""
    from skimage.restoration import estimate_sigma

    if not find_spec("pywt"):
        raise CannotRun("scikit-image estimates σ with PyWavelets, which is not installed", "pip install PyWavelets")
    return float(estimate_sigma(image, channel_axis=-1 if colour else None, average_sigmas=True))


def total_variation(image: np.ndarray, sigma: float, colour: bool, weight: float) -> np.ndarray:
    """Denoise by Chambolle's total variation; the weight is in σ."""
    from skimage.restoration import denoise_tv_chambolle

    result: np.ndarray = denoise_tv_chambolle(
        image.astype(np.float32) / PEAK, weight * sigma / PEAK, channel_axis=-1 if colour else None
    )
    return result * np.float32(PEAK)


def wavelet(image: np.ndarray, sigma: float, colour: bool, shrinkage: str, mode: str, factor: float) -> np.ndarray:
    """Denoise by shrinking wavelet coefficients, colours as luma and chroma; σ is given as ``factor`` of it."""
    from skimage.restoration import denoise_wavelet

    options: dict[str, Any] = {"channel_axis": -1, "convert2ycbcr": True} if colour else {}
    result: np.ndarray = denoise_wavelet(
        image.astype(np.float32) / PEAK,
        factor * sigma / PEAK,
        method=shrinkage,
        mode=mode,
        rescale_sigma=True,
        **options,
    )
    return result * np.float32(PEAK)


def bilateral(image: np.ndarray, sigma: float, colour: bool, tone: float, space: float) -> np.ndarray:
    """Denoise by a bilateral filter, which wants values of at least 0; ``tone`` is in σ, ``space`` in pixels."""
    from skimage.restoration import denoise_bilateral

    result: np.ndarray = denoise_bilateral(
        np.clip(image.astype(np.float32) / PEAK, 0, None), sigma_color=tone * sigma / PEAK, sigma_spatial=space,
        channel_axis=-1 if colour else None,
    )  # fmt: skip
    return (result * PEAK).astype(np.float32)


def scikit_image_nlm(image: np.ndarray, sigma: float, colour: bool, patch: int, distance: int, h: float) -> np.ndarray:
    """Denoise by scikit-image's NLM in its fast mode; h is in σ."""
    from skimage.restoration import denoise_nl_means

    result: np.ndarray = denoise_nl_means(
        image.astype(np.float32), patch_size=patch, patch_distance=distance, h=h * sigma, sigma=sigma, fast_mode=True,
        preserve_range=True, channel_axis=-1 if colour else None,
    )  # fmt: skip
    return result


def opencv_nlm(image: np.ndarray, sigma: float, colour: bool, patch: int, window: int, h: float) -> np.ndarray:
    """Denoise by OpenCV's NLM; h is in σ, for colours too."""
    import cv2

    bytes_ = np.clip(np.rint(image), 0, PEAK).astype(np.uint8)
    if colour:
        return np.asarray(cv2.fastNlMeansDenoisingColored(bytes_, None, h * sigma, h * sigma, patch, window))
    return np.asarray(cv2.fastNlMeansDenoising(bytes_, None, h * sigma, patch, window))


def gaussian(image: np.ndarray, sigma: float, colour: bool, width: float) -> np.ndarray:
    """Blur by a Gaussian, its standard deviation in pixels."""
    from scipy.ndimage import gaussian_filter

    result: np.ndarray = gaussian_filter(image.astype(np.float32), (width, width, 0) if colour else width)
    return result


def median(image: np.ndarray, sigma: float, colour: bool, size: int) -> np.ndarray:
    """Take the median of a square."""
    from scipy.ndimage import median_filter

    result: np.ndarray = median_filter(image.astype(np.float32), (size, size, 1) if colour else size)
    return result


def block_matching(image: np.ndarray, sigma: float | None, colour: bool, threads: int) -> np.ndarray:
    """Denoise by BM3D, which computes in float64 and takes its pictures from 0 to 1."""
    import bm3d

    profile = bm3d.BM3DProfile()
    profile.num_threads = threads
    level = estimate(image, colour) if sigma is None else sigma
    function = bm3d.bm3d_rgb if colour else bm3d.bm3d
    result: np.ndarray = function(image.astype(np.float64) / PEAK, level / PEAK, profile) * PEAK
    return result.astype(np.float32)


SKIMAGE: dict[str, Any] = {"package": "scikit-image", "module": "skimage", "dtype": "float32"}
SCIPY: dict[str, Any] = {"package": "scipy", "module": "scipy.ndimage", "dtype": "float32"}

METHODS: tuple[Plain, ...] = (
    Nothing("noisy", "numpy", "numpy", "float32", note="the picture as it is given"),
    Peer(
        "skimage-nlm", **SKIMAGE, function=scikit_image_nlm, note="fast mode; one thread",
        enters=("quality", "volumes"),
        grid={"patch": (3, 5, 7), "distance": (10,), "h": (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.05)},
        volume_grid={"patch": (3,), "distance": (5,), "h": (0.2, 0.3, 0.4, 0.5, 0.7, 0.85)},
    ),
    Peer(
        "skimage-tv", **SKIMAGE, function=total_variation, note="total variation (Chambolle); one thread",
        enters=("quality",), grid={"weight": (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.15, 1.3)},
    ),
    Wavelet(  # VisuShrink and hard thresholds were never the best
        "skimage-wavelet", "PyWavelets", "pywt", "float32", function=wavelet, note="scikit-image's; one thread",
        enters=("quality",),
        grid={
            "shrinkage": ("BayesShrink", "VisuShrink"), "mode": ("soft", "hard"),
            "factor": (0.25, 0.35, 0.5, 0.7, 0.85, 1.0, 1.15, 1.3, 1.5),
        },
    ),
    Peer(
        "skimage-bilateral", **SKIMAGE, function=bilateral, note="one thread", enters=("quality",),
        grid={
            "tone": (0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0), "space": (0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0)
        },
    ),
    Peer(
        "opencv-nlm", "opencv-python-headless", "cv2", "float32", function=opencv_nlm, single=False, note="8 bits",
        enters=("quality",),
        grid={
            "patch": (3, 5, 7), "window": (21,),
            "h": (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0, 1.1, 1.25),
        },
    ),
    Peer(
        "gaussian-blur", **SCIPY, function=gaussian, note="one thread", enters=("neighbours",),
        grid={"width": (0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0, 1.2, 1.5, 2.0, 2.5, 3.0)},
    ),
    Peer(
        "median-filter", **SCIPY, function=median, note="one thread", enters=("neighbours",),
        grid={"size": (1, 3, 5, 7, 9, 11)},
    ),
    PlainDipy(
        "dipy-nlm", "dipy", "dipy.denoise.nlmeans", "float32", note="volumes only; averages squares",
        enters=("volumes",),
    ),
    BM3D(
        "bm3d", "bm3d", "bm3d", "float32", note="the authors' package, licensed for non-commercial use",
        enters=("quality",),
    ),
)  # fmt: skip
"""Others' methods, in the order of tables."""
