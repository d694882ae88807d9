"""What files of any format are to the work: arrays that are read and written by regions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from .._axes import Layout
from ..pairwise.tiles import Tile

Region = tuple[slice, ...]


@dataclass(frozen=True)
class About:
    """An array in a file.

    Attributes
    ----------
    shape : tuple of int
        Sides.
    dtype : numpy.dtype
        The pixels' type, in this machine's order of bytes.
    axes : str or None
        Names of the axes as `nlmeans.denoise` takes them; None where the file leaves them open.
    spacing : tuple of float or None
        Sides of a pixel along Z, Y and X, as far as there are such axes; None where the file does not say them.
    chunks : tuple of int
        Sides of what can only be read, or written, whole.
    unit : str or None
        The unit of ``spacing``, one of `nlmeans.io.picture.LENGTHS`; None where the file does not say it.
    nodata : float or None
        The value that stands for "no data here", where the file declares one.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    axes: str | None
    spacing: tuple[float, ...] | None
    chunks: tuple[int, ...]
    unit: str | None = None
    nodata: float | None = None

    @property
    def ndim(self) -> int:
        """How many axes there are."""
        return len(self.shape)


class Source(Protocol):
    """An array that is read. It can be pickled, and read from many threads and processes."""

    @property
    def about(self) -> About:
        """What it holds."""

    def read(self, region: Region) -> np.ndarray:
        """Return a region, in memory of its own."""

    def identity(self) -> dict[str, Any]:
        """Return what changes when the file is another, as far as JSON can hold it."""


class Target(Protocol):
    """An array that is written. Regions that are made of whole chunks may be written beside each other."""

    @property
    def about(self) -> About:
        """What it holds."""

    def write(self, region: Region, pixels: np.ndarray) -> None:
        """Write a region."""

    def coarser(self) -> Iterable[list[Region]]:
        """Yield the regions of each coarser level."""

    def finish(self, stop: Callable[[], None]) -> Path:
        """Do what is left when all has been written; return the file that is to get the output's name.

        ``stop`` raises when the work is to stop, and is called often.
        """


@dataclass(frozen=True, eq=False)
class ArraySource:
    """An array in memory, as a source."""

    array: Any

    @property
    def about(self) -> About:
        """What it holds."""
        return About(self.array.shape, self.array.dtype, None, None, self.array.shape)

    def read(self, region: Region) -> np.ndarray:
        """Return a copy of a region."""
        return np.array(self.array[region])

    def identity(self) -> dict[str, Any]:
        """Return a hash of all that it holds."""
        return self._hashed

    @cached_property
    def _hashed(self) -> dict[str, Any]:
        from hashlib import sha256

        return {"array": sha256(np.ascontiguousarray(self.array).tobytes()).hexdigest(), "shape": self.array.shape}


def identity_of(path: Path) -> dict[str, Any]:
    """Return what changes when a plain file is written again."""
    found = path.stat()
    return {"path": str(path.resolve()), "bytes": found.st_size, "modified": found.st_mtime_ns}


@dataclass(frozen=True)
class Axes:
    """Names of an array's axes, "_" for one of length 1 that is left out.

    Files of five axes often hold a picture: what they call a volume of one slice at one time is none.
    """

    names: str

    @property
    def layout(self) -> Layout:
        """The axes that are not left out."""
        return Layout(self.names.replace("_", ""))

    @property
    def without_channels(self) -> Axes:
        """The axes of what has one value a pixel."""
        return Axes(self.names.replace("C", ""))

    def region(self, images: slice, tile: Tile) -> Region:
        """Return where a tile of separate images lies in the array."""
        places = {"_": slice(0, 1), "N": images, "C": slice(None), "T": slice(*tile.z), "Z": slice(*tile.z)}
        places |= {"Y": slice(*tile.y), "X": slice(*tile.x)}
        return tuple(places[axis] for axis in self.names)

    def planes(self, pixels: np.ndarray) -> np.ndarray:
        """Return what lies in a region as planes (N, C, Z, Y, X)."""
        return self.layout.planes(pixels.squeeze(self._left_out))

    def array(self, planes: np.ndarray) -> np.ndarray:
        """Return planes (N, C, Z, Y, X) as they lie in a region."""
        return np.expand_dims(self.layout.array(planes), self._left_out)

    def along(self, numbers: Sequence[int]) -> Mapping[str, int]:
        """Return one number for each of N, C, Z, Y and X from those of all axes; 1 where there is no such axis."""
        named = {"Z" if axis == "T" else axis: n for axis, n in zip(self.names, numbers, strict=True)}
        return {axis: named.get(axis, 1) for axis in "NCZYX"}

    @property
    def _left_out(self) -> tuple[int, ...]:
        return tuple(k for k, name in enumerate(self.names) if name == "_")
