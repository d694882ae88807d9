"""What a run by blocks reads: the image and its companions, which must stay as they are until the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _companions
from .._axes import Layout
from ..formats.arrays import Slices, Source
from ..formats.picture import PictureError
from ..methods.sample import Parts
from ..pairwise.spec import Radii
from ..pairwise.tiles import Tile
from .manifest import differences


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

    def slices(self, images: slice, tile: Tile) -> Slices:
        """Return where a tile of separate images lies in the array."""
        places = {"_": slice(0, 1), "C": slice(None), "T": slice(*tile.z), "Z": slice(*tile.z)}
        places |= {self.layout.separate: images, "Y": slice(*tile.y), "X": slice(*tile.x)}
        return tuple(places[axis] for axis in self.names)

    def planes(self, pixels: np.ndarray) -> np.ndarray:
        """Return what lies in a region as planes (N, C, Z, Y, X)."""
        return self.layout.planes(pixels.squeeze(self._left_out))

    def array(self, planes: np.ndarray) -> np.ndarray:
        """Return planes (N, C, Z, Y, X) as they lie in a region."""
        return np.expand_dims(self.layout.array(planes), self._left_out)

    def along(self, numbers: Sequence[int]) -> Mapping[str, int]:
        """Return one number for each of N, C, Z, Y and X from those of all axes; 1 where there is no such axis."""
        of = dict(zip(("T", self.layout.separate), "ZN", strict=True))
        named = {of.get(axis, axis): n for axis, n in zip(self.names, numbers, strict=True)}
        return {axis: named.get(axis, 1) for axis in "NCZYX"}

    @property
    def _left_out(self) -> tuple[int, ...]:
        return tuple(k for k, name in enumerate(self.names) if name == "_")


@dataclass(frozen=True, eq=False)
class Inputs:
    """What is read: the image, and what belongs to its pixels."""

    image: Source  # the image
    axes: Axes  # names of its axes
    # of ``mask`` (0 where a pixel does not count), ``guide`` and maps of the noise those that there are
    companions: dict[str, Source]

    @property
    def sides(self) -> Radii:
        """The image's sides (Z, Y, X)."""
        sides = self.axes.along(self.image.info.shape)
        return sides["Z"], sides["Y"], sides["X"]

    @property
    def count(self) -> int:
        """How many separate images there are."""
        return self.axes.along(self.image.info.shape)["N"]

    @property
    def channels(self) -> int:
        """How many channels a pixel has."""
        return self.axes.along(self.image.info.shape)["C"]

    def check(self) -> None:
        """Refuse what does not fit the image, naming the shapes."""
        for name in self.companions:
            self.axes_of(name)

    def axes_of(self, name: str) -> Axes:
        """Return the axes of a file; along those that it lacks, what belongs to the image's pixels serves all."""
        if name == "image":
            return self.axes
        shape, own = self.image.info.shape, self.companions[name].info.shape
        of = Layout((self.axes.without_channels if name == "mask" else self.axes).names)
        sides = tuple(side for axis, side in zip(self.axes.names, shape, strict=True) if axis in of.axes)
        names = of.fitting(name, own, sides)
        if not names:
            plain = tuple(side for axis, side in zip(self.axes.names, shape, strict=True) if axis != "C")
            raise ValueError(f"{name} must have the image's shape, {plain} without channels; got {own}")
        return Axes(_companions.only(names, name, own))

    def identity(self) -> dict[str, Any]:
        """Return what changes when something that is read is another."""
        return {
            "source": self.image.identity(),
            "beside": {name: other.identity() for name, other in self.companions.items()},
        }

    def read(self, name: str, index: int, tile: Tile) -> np.ndarray:
        """Return a tile of one image's planes (C, Z, Y, X)."""
        source, axes = self.image if name == "image" else self.companions[name], self.axes_of(name)
        slices = axes.slices(slice(index, index + 1), tile)
        there = tuple(slice(0, 1) if side == 1 else cut for side, cut in zip(source.info.shape, slices, strict=True))
        planes = axes.planes(source.read(there))[0]
        pixels = np.broadcast_to(planes, (len(planes), *tile.sides))
        return np.nan_to_num(pixels) != 0 if name == "mask" else np.ascontiguousarray(pixels)

    def parts(self, sample: Any) -> Parts:
        """Return readers that a sample is taken with, and add what they read to the hash ``sample``."""

        def reader(name: str) -> Callable[[int, Sequence[Tile]], list[np.ndarray]]:
            def read(index: int, tiles: Sequence[Tile]) -> list[np.ndarray]:
                crops = [self.read(name, index, tile) for tile in tiles]
                for planes in crops:
                    sample.update(planes.tobytes())
                return crops

            return read

        readers = {name: reader(name) for name in ("image", *self.companions)}
        return Parts.of(self.sides, self.channels, self.count, readers)


class Changed(PictureError):
    """Something that is read changed while it was."""


class Watch:
    """Watches whether what is read stays as it is: at the end, and now and then before, in a hundredth of the time."""

    def __init__(self, inputs: Inputs) -> None:
        self.inputs = inputs
        self.identity = self._identity()  # what it was at the start

    def _identity(self) -> dict[str, Any]:
        start = time.monotonic()
        identity = self.inputs.identity()
        self._due = time.monotonic() + 100 * (time.monotonic() - start)
        return identity

    def check(self) -> None:
        """Raise `Changed` if something is another, as far as it is time to ask."""
        if time.monotonic() >= self._due and (changed := self.changed()):
            raise changed

    def changed(self) -> Changed | None:
        """Return what is to be raised if something is another."""
        try:
            now = self._identity()
        except OSError as error:
            other = [str(error.filename)]
        else:
            other = [
                str(entry.get("path", name))
                for name, entry in _flat(self.identity).items()
                if differences(entry, _flat(now)[name])
            ]
        if not other:
            return None
        return Changed(
            f"what is read must stay as it is until the end: {', '.join(other)} changed under way; nothing of this run "
            "is kept, and the same call begins anew"
        )


def _flat(identity: dict[str, Any]) -> dict[str, Any]:
    return {"source": identity["source"]} | identity["beside"]
