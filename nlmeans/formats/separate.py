"""Separate images, axis N: each an image of its own in a file that says of each what its pixels and channels are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np

from .arrays import ArrayInfo, Slices, Source, Target
from .picture import naming

MOST = 4096
"""Images that a file holds apart: more of them, as of particles, stay one array."""


def are_few(axes: str, shape: tuple[int, ...]) -> bool:
    """Whether there are separate images, and no more than a file holds apart."""
    return "N" in axes and shape[axes.index("N")] <= MOST


def one_of(info: ArrayInfo) -> ArrayInfo | None:
    """Return what each of the images of an array is, if they are held apart: where there is something to say of it."""
    axes = info.axes or ""
    told = info.spacing is not None or naming(info.channels, axes, info.shape) is not None
    if not told or not are_few(axes, info.shape):
        return None
    at = axes.index("N")
    shape, chunks = (sides[:at] + sides[at + 1 :] for sides in (info.shape, info.chunks))
    return replace(info, shape=shape, chunks=chunks, axes=axes.replace("N", ""))


class ImageTarget(Target):
    """One image of a file, which can be read too."""

    def read(self, slices: Slices) -> np.ndarray:
        """Return a part of what was written."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class Separate:
    """Images of a file as one array."""

    path: Path
    info: ArrayInfo
    images: tuple[ImageTarget, ...]

    @classmethod
    def of(cls, path: Path, info: ArrayInfo, image: Callable[[int], ImageTarget]) -> Self:
        """Take the images from a function that knows them by their numbers."""
        return cls(path, info, tuple(map(image, range(info.shape[(info.axes or "").index("N")]))))

    @property
    def axis(self) -> int:
        """The number of the axis of the images."""
        return (self.info.axes or "").index("N")

    def touched(self, slices: Slices) -> tuple[tuple[ImageTarget, ...], Slices]:
        """Return the images that have some of a part, and the part of each."""
        return self.images[slices[self.axis]], slices[: self.axis] + slices[self.axis + 1 :]


@dataclass(frozen=True, eq=False)
class SeparateSource(Separate, Source):
    """Images that were written, as one array that is read."""

    def read(self, slices: Slices) -> np.ndarray:
        """Return a part."""
        images, part = self.touched(slices)
        return np.stack([image.read(part) for image in images], self.axis)


@dataclass(frozen=True, eq=False)
class SeparateTarget(Separate, Target):
    """Images of a file that are written as one array."""

    def write(self, slices: Slices, pixels: np.ndarray) -> None:
        """Write a part."""
        images, part = self.touched(slices)
        for image, own in zip(images, np.moveaxis(pixels, self.axis, 0), strict=True):
            image.write(part, own)

    def coarser(self) -> Iterator[list[Slices]]:
        """Yield the parts of each coarser level of all images, with the number of the image before each."""
        for parts in self.images[0].coarser():
            yield [(slice(k, k + 1), *part) for k in range(len(self.images)) for part in parts]

    def shrink(self, level: int, slices: Slices) -> None:
        """Fill a part of a coarser level of one of the images."""
        self.images[slices[0].start].shrink(level, slices[1:])

    def finish(self, stop: Callable[[], None], spare: Path) -> Path:
        """Finish each image."""
        for image in self.images:
            stop()
            image.finish(stop, spare)
        return self.path

    def result(self, finished: Path) -> Source:
        """Return what was written, as one array again."""
        return SeparateSource(finished, self.info, self.images)
