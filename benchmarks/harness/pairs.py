"""Folders of pairs: pictures as cameras and microscopes made them, and what they would be without noise."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .sets import Pair, QualityCase, Sample, read

NOISY = re.compile(r"(.+)_(real|noisy)", re.IGNORECASE)
TRUTHS = {"real": ("mean",), "noisy": ("gt", "clean")}
"""Ends of names: of a noisy picture, and of those that may be its truth."""
SHOT, MEAN = re.compile(r"_\d+$"), "_avg50"
"""One shot of many, by its number, has their mean for its truth."""
KINDS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")


class Files(NamedTuple):
    """A noisy picture, and the same without noise."""

    noisy: Path
    clean: Path


def pairs(folder: Path, deep: bool = True) -> list[Files]:
    """Return the pairs in a folder, and unless told otherwise in those below it, sorted by the noisy picture's name."""
    files = [path for path in (folder.rglob("*") if deep else folder.glob("*")) if path.suffix.lower() in KINDS]
    known = {(path.parent, path.stem.lower()): path for path in files}
    result = []
    for path in sorted(files):
        if match := NOISY.fullmatch(path.stem):
            name, ends = match[1].lower(), TRUTHS[match[2].lower()]
            names = [f"{start}_{end}" for start in (name, SHOT.sub("", name) + MEAN) for end in ends]
            truth = next((known[path.parent, name] for name in names if (path.parent, name) in known), None)
            result.append(Files(path, truth or path.with_stem(names[0])))
    return result


def holding(data: Path) -> Iterator[tuple[Path, bool]]:
    """Yield the folder itself, if it holds pairs, and those in it that do; and whether their first is in colour."""
    for folder in (data, *sorted(path for path in data.iterdir() if path.is_dir())):
        if found := pairs(folder, folder != data):
            yield folder, in_colour(found[0].noisy)


def in_colour(path: Path) -> bool:
    """Say whether a picture has three channels that differ; what cannot be read has."""
    try:
        pixels = read(path, None)
    except ValueError:
        return True
    return pixels.ndim == 3 and bool((pixels != pixels[..., :1]).any())


def scene(name: str) -> str:
    """Return what a photograph shows, with any camera: the last word of its file's name but numbers, ISO and ending.

    >>> scene("Canon5D2_5_160_3200_toy_12_real.JPG")
    'toy'
    """
    words = Path(name).stem.split("_")
    named = [
        w for w in words if re.search("[^\\d-]", w) and not re.fullmatch(r"real|mean|noisy|gt|clean|(?i:iso)\d+", w)
    ]
    return named[-1] if named else ""


def halves(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return files in two halves by their scenes: those to develop with, and those that are reported on.

    Every second scene in the order of names is in the first half, all of its photographs with it.
    """
    names = sorted(names)
    scenes = sorted({scene(name) for name in names})
    first = set(scenes[::2])
    return [name for name in names if scene(name) in first], [name for name in names if scene(name) not in first]


@dataclass(frozen=True)
class PairsCase(QualityCase):
    """Pairs in a folder, whose noise nobody knows.

    Attributes
    ----------
    coloured : bool
        Whether they are in colour; else the mean of their channels is taken.
    """

    coloured: bool = True

    @property
    def title(self) -> str:
        """What it is, for people."""
        return f"{super().title}{f', middle {self.side}²' if self.side else ''}"

    @property
    def colour(self) -> bool:
        """Whether the pictures have a last axis of three channels."""
        return self.coloured

    def subject(self) -> list[Sample]:
        """Return the pairs, none of which is read yet; FileNotFoundError if there are none."""
        if self.folder is None:
            raise FileNotFoundError(f"{self.source} does not come along: --data names the folder that holds it")
        place = self.folder / self.source
        found = pairs(place)
        if not found:
            raise FileNotFoundError(f"there are no pictures in {place}")
        return [Sample(files.noisy.name, partial(self.load, files)) for files in found][: self.most]

    def load(self, files: Files) -> Pair:
        """Return the middle of a noisy and of a clean picture; ValueError where one cannot be had."""
        noisy, clean = (self.pixels(path) for path in files)
        if noisy.shape == clean.shape and self.side is not None:
            noisy, clean = (middle(picture, self.side) for picture in (noisy, clean))
        return np.rint(noisy).astype(np.uint8), clean.astype(np.float64)

    def pixels(self, path: Path) -> np.ndarray:
        """Return a file's pixels, grey where the case is."""
        picture = read(path, self.coloured or None)
        return picture.mean(-1) if picture.ndim == 3 and not self.coloured else picture


def middle(picture: np.ndarray, side: int) -> np.ndarray:
    """Return the middle square of a picture, or all of it where it is smaller."""
    top, left = (max(length - side, 0) // 2 for length in picture.shape[:2])
    return picture[top : top + side, left : left + side]
