"""Calls of other libraries, each with the call that replaces it: what `docs/migration.md` says to write."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import nlmeans
from nlmeans import convert

from ..harness.cases import PEAK
from ..harness.pictures import Picture, PictureCase
from ..harness.timing import pin_opencv

PATCH, WINDOW = 7, 21
RADII: dict[str, Any] = {"patch_radius": PATCH // 2, "search_radius": WINDOW // 2}
FRAMES = 5
"""Frames of a video, of which OpenCV searches the middle three."""
WITHIN = ", a frame by three"
STACK = 20
"""Frames that a whole process gets in one file."""
GREY, COLOUR = PictureCase("grey", "call", ()), PictureCase("colour", "call", (), source="astronaut")
SMALL = replace(GREY, shape=(128, 128))
VOLUME = replace(GREY, source="phantom", shape=(64, 64, 64), sigma=15.0)
FEWER = replace(VOLUME, shape=(48, 48, 48))
SMALLER = replace(VOLUME, shape=(32, 32, 32))

Call = Callable[[], Any]
Make = Callable[[Picture, int, Path], tuple[Call, Call]]
"""The two calls, made of a picture, a number of threads and a folder for files."""


@dataclass(frozen=True)
class Pair:
    """A call and its replacement.

    Attributes
    ----------
    name : str
        What ``--only`` finds it by.
    library, module, package : str
        What people call it, what Python imports, and what pip installs.
    before, after : str
        Both calls, as a user would write them.
    case : PictureCase
        The picture, its noise and how many of them.
    make : callable
        Makes both calls.
    unit : float
        Grey levels in a unit of the answers.
    apart : float or None
        What the answers may differ by, in grey levels on average; None for another method, of which as many dB are
        asked as the other call has.
    single : bool
        Whether the other call has one thread only.
    slow : bool
        Whether it has fewer rounds.
    frames : int or None
        How many noisy pictures of the same scene there are.
    several : str
        What is said of the frames.
    """

    name: str
    library: str
    module: str
    package: str
    before: str
    after: str
    case: PictureCase
    make: Make
    unit: float = 1.0
    apart: float | None = None
    single: bool = False
    slow: bool = False
    frames: int | None = None
    several: str = ""

    @property
    def picture(self) -> str:
        """What is denoised, for people."""
        sides = self.case.shape
        size = f"{sides[0]}{'²' if len(sides) == 2 else '³'}"
        return f"{self.case.form} {size}{self.several}"

    def small(self, side: int) -> Pair:
        """Return the pair on a picture that is no larger than this."""
        shape = tuple(min(side, n) for n in self.case.shape)
        return replace(self, case=replace(self.case, shape=shape))

    def missing(self) -> str | None:
        """Say why the other call cannot be made here, or None."""
        if self.module == "ffmpeg":
            return None if ffmpeg() else "FFmpeg is not installed: pip install imageio-ffmpeg"
        try:
            importlib.import_module(self.module)
        except ImportError:
            return f"{self.module} is not installed: pip install {self.package}"
        return None

    def subject(self) -> Picture:
        """Make the picture; of several frames, with noise of their own each."""
        picture = self.case.subject()
        if self.frames is None:
            return picture
        seeds = range(self.case.seed, self.case.seed + self.frames)
        return replace(picture, noisy=np.stack([replace(self.case, seed=seed).subject().noisy for seed in seeds]))


def ffmpeg() -> str | None:
    """Return FFmpeg's executable, if there is one."""
    if installed := shutil.which("ffmpeg"):
        return installed
    try:
        return str(importlib.import_module("imageio_ffmpeg").get_ffmpeg_exe())
    except (ImportError, RuntimeError):  # the package, or the executable in it
        return None


def ffmpeg_version() -> str | None:
    """Return the version of FFmpeg's executable, if there is one."""
    if not (executable := ffmpeg()):
        return None
    printed = subprocess.run([executable, "-version"], capture_output=True, text=True, check=True).stdout
    return printed.split()[2]


def skimage_means(**options: Any) -> Make:
    """Return what makes both calls of scikit-image's filter, for pictures from 0 to 1."""

    def make(picture: Picture, threads: int, folder: Path) -> tuple[Call, Call]:
        from skimage.restoration import denoise_nl_means

        from nlmeans.compat import skimage as ours

        noisy, sigma = picture.noisy / np.float32(PEAK), picture.sigma / PEAK
        given = {"h": 0.6 * sigma, "sigma": sigma, **options}
        return lambda: denoise_nl_means(noisy, **given), lambda: ours.denoise_nl_means(noisy, **given)

    return make


def skimage_sigma(picture: Picture, threads: int, folder: Path) -> tuple[Call, Call]:
    """Return both estimates of the noise."""
    from skimage.restoration import estimate_sigma

    from nlmeans.compat import skimage as ours

    noisy = picture.noisy / np.float32(PEAK)
    return lambda: estimate_sigma(noisy), lambda: ours.estimate_sigma(noisy)


def opencv(name: str, *places: int, h: float, **options: float) -> Make:
    """Return what makes both calls of a function of OpenCV's; strengths are in σ."""

    def make(picture: Picture, threads: int, folder: Path) -> tuple[Call, Call]:
        import cv2

        from nlmeans.compat import opencv as ours

        pin_opencv(threads)
        noisy: Any = picture.image("uint8").noisy
        noisy = list(noisy) if places else noisy
        strengths = {key: value * picture.sigma for key, value in {"h": h, **options}.items()}
        given = {**strengths, "templateWindowSize": PATCH, "searchWindowSize": WINDOW}
        theirs, own = getattr(cv2, name), getattr(ours, name)
        return lambda: theirs(noisy, *places, None, **given), lambda: own(noisy, *places, **given)

    return make


def dipy(method: str) -> Make:
    """Return what makes both calls of DIPY's filter."""

    def make(picture: Picture, threads: int, folder: Path) -> tuple[Call, Call]:
        from dipy.denoise.nlmeans import nlmeans as theirs

        noisy, sigma = picture.noisy, picture.sigma
        given = {"patch_radius": 1, "block_radius": 5, "rician": False, "method": method, "num_threads": threads}
        own: dict[str, Any] = {"axes": "ZYX", "patch_radius": 1, "search_radius": 5, "quality": "fast"}
        return (
            lambda: theirs(noisy, sigma, **given),
            lambda: nlmeans.denoise(noisy, sigma, **own, threads=threads),
        )

    return make


def ants(picture: Picture, threads: int, folder: Path) -> tuple[Call, Call]:
    """Return ANTs' call on an image that is made beforehand, and ours on the array."""
    import ants as theirs

    from nlmeans.compat import ants as ours

    source, noisy = theirs.from_numpy(picture.noisy), picture.noisy
    return (
        lambda: theirs.denoise_image(source, noise_model="Gaussian").numpy(),
        lambda: ours.denoise_image(noisy, noise_model="Gaussian"),
    )


def bm3d(picture: Picture, threads: int, folder: Path) -> tuple[Call, Call]:
    """Return BM3D's call, for pictures from 0 to 1, and that of groups of patches."""
    import bm3d as theirs

    profile = theirs.BM3DProfile()
    profile.num_threads = threads
    noisy, sigma = picture.noisy / np.float32(PEAK), picture.sigma / PEAK
    return (
        lambda: theirs.bm3d(noisy, sigma, profile),
        lambda: nlmeans.denoise(noisy, sigma, method="ridge", threads=threads),
    )


def program(picture: Picture, threads: int, folder: Path) -> tuple[Call, Call]:
    """Return both programs, from file to file: one picture as PNG; several as raw video for FFmpeg, as NPY for us."""
    from skimage.io import imread, imsave

    noisy, sigma, several = picture.image("uint8").noisy, picture.sigma, picture.noisy.ndim == 3
    s = round(convert.to_ffmpeg(0.9, sigma=sigma, p=PATCH), 2)
    given = convert.from_ffmpeg(s, sigma=sigma, p=PATCH, r=WINDOW)
    height, width = noisy.shape[-2:]
    raw = ["-f", "rawvideo", "-pix_fmt", "gray", "-s", f"{width}x{height}"] if several else []
    sources = [folder / name for name in (("in.raw", "in.npy") if several else ("in.png", "in.png"))]
    targets = [folder / name for name in (("a.raw", "b.npy") if several else ("a.png", "b.png"))]
    if several:
        noisy.tofile(sources[0])
        np.save(sources[1], noisy)
    else:
        imsave(sources[0], noisy, check_contrast=False)
    theirs = [str(ffmpeg()), "-nostdin", "-v", "error", "-y", "-filter_threads", str(threads)]
    theirs += [*raw, "-i", str(sources[0])]
    theirs += ["-vf", f"format=gray,nlmeans=s={s}:p={PATCH}:r={WINDOW}", *raw[:4], str(targets[0])]
    ours = [sys.executable, "-m", "nlmeans", "denoise", *map(str, (sources[1], targets[1])), "--overwrite"]
    ours += ["--sigma", f"{sigma:g}", "--strength", str(given["strength"]), "--threads", str(threads), "--no-bias"]
    ours += ["--patch-radius", str(given["patch_radius"]), "--search-radius", str(given["search_radius"])]
    ours += ["--centre", "one", "--aggregation", "pixel", "--passes", "1", "--no-wiener"]
    ours += ["--axes", "NYX"] if several else []

    def run(command: list[str], target: Path) -> Callable[[], np.ndarray]:
        """Run a program; returns what reads its answer, outside the clock."""
        subprocess.run(command, check=True, capture_output=True)
        if target.suffix == ".raw":
            return lambda: np.fromfile(target, np.uint8).reshape(noisy.shape)
        return lambda: np.load(target) if target.suffix == ".npy" else imread(target)

    return lambda: run(theirs, targets[0]), lambda: run(ours, targets[1])


SKIMAGE: dict[str, Any] = {
    "library": "scikit-image", "module": "skimage", "package": "scikit-image", "unit": PEAK, "single": True,
}  # fmt: skip
OPENCV: dict[str, Any] = {"library": "OpenCV", "module": "cv2", "package": "opencv-python-headless"}
DIPY: dict[str, Any] = {"library": "DIPY", "module": "dipy", "package": "dipy", "case": VOLUME, "slow": True}
FFMPEG: dict[str, Any] = {
    "library": "FFmpeg", "module": "ffmpeg", "package": "imageio-ffmpeg", "case": GREY, "make": program, "apart": 1.0,
    "before": "ffmpeg -vf nlmeans", "after": "nlmeans denoise",
}  # fmt: skip
ANTS: dict[str, Any] = {"library": "ANTs", "module": "ants", "package": "antspyx", "case": SMALLER, "slow": True}
MEANS = "denoise_nl_means(…{})"
FAST: dict[str, Any] = {"patch_size": PATCH, "patch_distance": WINDOW // 2}
NEW_DIPY = "nlmeans.denoise(…, axes='ZYX')"

PAIRS: tuple[Pair, ...] = (
    Pair(
        "skimage-grey", before=MEANS.format(""), after="the same", case=GREY, make=skimage_means(**FAST), apart=2.0,
        **SKIMAGE,
    ),
    Pair(
        "skimage-colour", before=MEANS.format(", channel_axis=-1"), after="the same", case=COLOUR,
        make=skimage_means(**FAST, channel_axis=-1), apart=2.0, **SKIMAGE,
    ),
    Pair(
        "skimage-slow", before=MEANS.format(", fast_mode=False"), after="the same", case=SMALL,
        make=skimage_means(**FAST, fast_mode=False), apart=4.0, **SKIMAGE,
    ),
    Pair(
        "skimage-volume", before=MEANS.format(", patch_size=3, patch_distance=5"), after="the same", case=FEWER,
        make=skimage_means(patch_size=3, patch_distance=5), apart=2.0, **SKIMAGE,
    ),
    Pair(
        "skimage-sigma", before="estimate_sigma(…)", after="the same, another estimate", case=GREY,
        make=skimage_sigma, **{**SKIMAGE, "module": "pywt", "package": "PyWavelets"},
    ),
    Pair(
        "opencv-grey", before="fastNlMeansDenoising", after="the same", case=GREY,
        make=opencv("fastNlMeansDenoising", h=0.9), apart=1.0, **OPENCV,
    ),
    Pair(
        "opencv-colour", before="fastNlMeansDenoisingColored", after="the same", case=COLOUR,
        make=opencv("fastNlMeansDenoisingColored", h=0.55, hColor=0.6), apart=1.5, **OPENCV,
    ),
    Pair(
        "opencv-multi", before="fastNlMeansDenoisingMulti", after="the same", case=GREY, frames=FRAMES, several=WITHIN,
        make=opencv("fastNlMeansDenoisingMulti", FRAMES // 2, 3, h=0.9), apart=1.0, **OPENCV,
    ),
    Pair(
        "opencv-colour-multi", before="fastNlMeansDenoisingColoredMulti", after="the same", case=COLOUR, frames=FRAMES,
        make=opencv("fastNlMeansDenoisingColoredMulti", FRAMES // 2, 3, h=0.55, hColor=0.6), several=WITHIN, apart=1.5,
        **OPENCV,
    ),
    Pair("dipy-blockwise", before="nlmeans(…, method='blockwise')", after=NEW_DIPY, make=dipy("blockwise"), **DIPY),
    Pair("dipy-classic", before="nlmeans(…, method='classic')", after=NEW_DIPY, make=dipy("classic"), **DIPY),
    Pair("ants", before="denoise_image(…, noise_model='Gaussian')", after="the same", make=ants, **ANTS),
    Pair("ffmpeg-picture", **FFMPEG),
    Pair("ffmpeg-frames", **FFMPEG, frames=STACK, several=f", {STACK} frames", slow=True),
    Pair(
        "bm3d", "BM3D", "bm3d", "bm3d", before="bm3d.bm3d(…)", after="nlmeans.denoise(…, method='ridge')", case=GREY,
        make=bm3d, unit=PEAK, slow=True,
    ),
)  # fmt: skip
"""All calls, in the order of the table."""
