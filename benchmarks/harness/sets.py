"""Pictures by the set: scikit-image's and the standard sets, with noise and with JPEG's; the cases that they make."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, Self

import numpy as np

from .cases import Case, Form
from .phantom import phantom

SAMPLES = ("camera", "astronaut", "brick")
"""Pictures of `skimage.data` that its wheel holds: a photograph, one in colour, and one that repeats itself."""
TRAINING = {"grey": "Train400", "colour": "CBSD400_train", "volume": "MRI"}
"""Folders of pictures to tune on, by what kind they are; none of them is in a test set."""
TRAINING_SIDE = 180
COLOURED = ("astronaut", "Kodak24")
PHANTOMS = {"phantom": 128, "small-phantom": 32}
"""Volumes that are made up, and their sides; the small one is for methods that take minutes on the other."""
QUICK_SIDE = 256
"""Side of the pictures of a quick run."""
SIGMAS = (15, 25, 50)
"""The usual noise levels."""
SEED = 1000
"""The noise of the i-th picture starts at SEED + i, as in the literature's standard sets with their files sorted."""

Pair = tuple[np.ndarray, np.ndarray]
"""A noisy picture in the type that is denoised, and the clean one in float64; both from 0 to 255."""


@dataclass(frozen=True)
class Sample:
    """A picture that is made or read when it is needed: reading one that is damaged must not end a run."""

    name: str
    load: Callable[[], Pair]


def read(path: Path, colour: bool | None) -> np.ndarray:
    """Return a file's 8-bit pixels, grey or RGB; ``colour`` says which, None that either will do.

    Raises
    ------
    ValueError
        If the file is no picture, or one of another kind; the message names it.
    """
    from PIL import Image

    try:
        with Image.open(path) as file:
            pixels = np.asarray(file.convert("RGB") if file.mode == "P" else file)
    except Exception as error:  # Pillow raises SyntaxError, too, for damaged files
        raise ValueError(f"{path} cannot be read as a picture: {error}") from error
    kinds = [kind for kind, wanted in ((2, colour is not True), (3, colour is not False)) if wanted]
    fits = pixels.ndim in kinds and pixels.shape[2:] in ((), (3,))
    if pixels.dtype != np.uint8 or not fits:
        words = {True: "in colour", False: "grey", None: "grey or in colour"}[colour]
        raise ValueError(f"{path} must be an 8-bit picture, {words}; got {pixels.dtype} of shape {pixels.shape}")
    return pixels


def with_noise(clean: np.ndarray, sigma: float, seed: int) -> Pair:
    """Return standard noise on a picture: Gaussian, neither rounded nor clipped."""
    exact = clean.astype(np.float64)
    return (exact + np.random.default_rng(seed).normal(0, sigma, exact.shape)).astype(np.float32), exact


def with_jpeg(pair: Pair, quality: int) -> Pair:
    """Return what is left of a noisy picture in a JPEG file, chroma at half the size (4:2:0), as Pillow writes them."""
    from PIL import Image

    file = BytesIO()
    Image.fromarray(np.clip(np.rint(pair[0]), 0, 255).astype(np.uint8)).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file)), pair[1]


def built_in(name: str, side: int | None) -> np.ndarray:
    """Return a picture that needs no file, or a volume; the middle of it where a side is given."""
    import skimage.data

    if name in PHANTOMS:
        return phantom(side or PHANTOMS[name])
    clean: np.ndarray = getattr(skimage.data, name)()
    if side is None:
        return clean
    top, left = ((length - side) // 2 for length in clean.shape[:2])
    return clean[top : top + side, left : left + side]


def samples(source: str, sigma: float, jpeg: int | None, side: int | None, folder: Path | None) -> list[Sample]:
    """Return the pictures of a source with their noise.

    Parameters
    ----------
    source : str
        One of `SAMPLES` or `PHANTOMS`, or a folder of clean PNG files in ``folder``.
    sigma : float
        Gaussian noise.
    jpeg : int or None
        Quality of the JPEG files that the noisy pictures are saved in.
    side : int or None
        Pixels along the sides of the middle that is cut out of pictures that come with scikit-image.
    folder : Path or None
        Where the sets are.

    Raises
    ------
    FileNotFoundError
        If there are no pictures.
    """
    result: list[Sample]
    if source in (*SAMPLES, *PHANTOMS):
        result = [Sample(source, lambda: with_noise(built_in(source, side), sigma, SEED))]
    elif folder is None:
        raise FileNotFoundError(f"{source} does not come along: --data names the folder that holds it")
    else:
        files = sorted((folder / source).glob("*.png"))
        colour = source in COLOURED
        result = [Sample(file.name, partial(_standard, file, colour, sigma, SEED + k)) for k, file in enumerate(files)]
    if not result:
        assert folder is not None
        raise FileNotFoundError(f"there are no pictures in {folder / source}")
    if jpeg is not None:
        result = [Sample(sample.name, partial(_compressed, sample.load, jpeg)) for sample in result]
    return result


def _standard(file: Path, colour: bool, sigma: float, seed: int) -> Pair:
    return with_noise(read(file, colour), sigma, seed)


def _compressed(load: Callable[[], Pair], quality: int) -> Pair:
    return with_jpeg(load(), quality)


def standard(folder: Path, sigma: float) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield name, noisy and clean picture of a set with standard noise; FileNotFoundError if there is none."""
    for sample in samples(folder.name, sigma, None, None, folder.parent):
        yield sample.name, *sample.load()


def training_images(data: Path, kind: str, count: int) -> list[np.ndarray]:
    """Return the middle squares of evenly spaced pictures of the training folder, as float32 of range 0 to 255.

    There is one volume to train on, a T1 brain: two parts of it are taken.
    """
    folder = data / TRAINING[kind]
    if kind == "volume":
        from nlmeans import io

        volume = io.read(folder / "BRAINIX_T1.nii.gz").pixels.T.astype(np.float32)
        parts = volume[:, 150:250, 150:250], volume[:, 250:350, 200:300]
        return [part * (255 / volume.max()) for part in parts]
    from skimage.io import imread

    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".png", ".jpg"))
    pictures = [imread(path) for path in files[:: max(len(files) // count, 1)][:count]]
    return [_middle(picture).astype(np.float32) for picture in pictures]


def _middle(picture: np.ndarray) -> np.ndarray:
    top, left = ((side - TRAINING_SIDE) // 2 for side in picture.shape[:2])
    return picture[top : top + TRAINING_SIDE, left : left + TRAINING_SIDE]


@dataclass(frozen=True)
class QualityCase(Case):
    """Pictures of one source with one kind of noise.

    Attributes
    ----------
    source : str
        As `samples` takes it.
    sigma : float or None
        Standard deviation of the Gaussian noise that is put on; None where the pictures have their own.
    known : bool
        Whether the methods are given σ.
    noise : str or None
        What our methods are given of the noise instead of σ.
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
        return "volume" if self.source in PHANTOMS else "colour" if self.colour else "grey"

    def parameters(self) -> dict[str, Any]:
        """Return all that the numbers depend on, as it stands in result files."""
        elsewhere = ("folder", "rounds", "each_thread_count")
        return {name: value for name, value in super().parameters().items() if name not in elsewhere} | {"seed": SEED}

    def quick(self) -> Self:
        """Return the case with the middle of its picture alone, or with two pictures of a set."""
        small = PHANTOMS.get(self.source, 2 * QUICK_SIDE) // 2
        return replace(self, side=small if self.side is None else self.side // 2, most=2)

    def subject(self) -> list[Sample]:
        """Return the pictures, none of which is read yet."""
        assert self.sigma is not None
        return samples(self.source, self.sigma, self.jpeg, self.side, self.folder)[: self.most]

    def given(self, image: np.ndarray) -> tuple[np.ndarray, float | None]:
        """Return what a method is given of a noisy picture."""
        return image, self.sigma if self.known else None
