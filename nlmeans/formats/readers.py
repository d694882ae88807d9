"""What formats have in common whose files are only read, by a library that gives arrays with names of their axes."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from .arrays import ArrayInfo, Slices, Source
from .format import Format
from .picture import LENGTHS, Picture, PictureError, Request, naming, quoted

SEPARATE = "N"
KNOWN = "TCZYXS"
"""Names of axes in the order that arrays get; S are the colours of a pixel, and any other name separate images."""


class OnlyRead(Format):
    """A format that is read whole and by regions, always through its source, and is not written."""

    instead: ClassVar[tuple[str, ...]] = (".ome.tif", ".ome.zarr")

    def read(self, request: Request) -> Picture:
        """Read all of it."""
        source = self.open(request)
        info = source.info
        pixels = source.read(tuple(slice(0, side) for side in info.shape))
        axes = request.axes or (None if request.names_axes else info.axes)
        picture = Picture(
            pixels, axes, request.channel_axis, nodata=info.nodata, native=getattr(source, "native", None)
        )
        known = dict(zip((axis for axis in info.axes or "" if axis in "ZYX"), info.spacing or (), strict=False))
        same = {axis for axis, own in zip(picture.dimensions, info.axes or "", strict=False) if axis == own}
        space = [axis for axis in picture.dimensions if axis in "XYZ"]
        spacing = tuple(known[axis] for axis in space) if set(space) <= same & known.keys() else None
        channels = info.channels if ("C" in same) == ("C" in picture.dimensions) else None
        return replace(picture, spacing=spacing, unit=info.unit if spacing else None, channels=channels)


@dataclass(frozen=True)
class Arrangement:
    """Which of our axes the axes of an array are: separate images are counted along one, and axes of length 1 go.

    Attributes
    ----------
    names : tuple of str
        Of the array's axes, in its order.
    shape : tuple of int
        Its sides.
    """

    names: tuple[str, ...]
    shape: tuple[int, ...]

    @property
    def _separate(self) -> list[int]:
        """Numbers of the axes along which there are separate images."""
        both = {"C", "S"} <= {name for name, side in zip(self.names, self.shape, strict=True) if side > 1}
        known = KNOWN.replace("C", "") if both else KNOWN
        return [k for k, name in enumerate(self.names) if self.shape[k] > 1 and name not in known]

    @property
    def _named(self) -> list[int]:
        """Numbers of the other axes that are kept, in our order."""
        kept = [k for k, name in enumerate(self.names) if self.shape[k] > 1 or name in "YX"]
        return sorted(set(kept) - set(self._separate), key=lambda k: KNOWN.index(self.names[k]))

    @property
    def axes(self) -> str:
        """Names of our axes."""
        return SEPARATE * bool(self._separate) + "".join(self.names[k] for k in self._named).replace("S", "C")

    @property
    def sides(self) -> tuple[int, ...]:
        """The sides of the array with our axes."""
        count = (math.prod(self.shape[k] for k in self._separate),) if self._separate else ()
        return (*count, *(self.shape[k] for k in self._named))

    def chunks(self, own: tuple[int, ...]) -> tuple[int, ...]:
        """Return the sides along our axes of what is a box of these sides in the array."""
        return (*((1,) if self._separate else ()), *(own[k] for k in self._named))

    def read(self, array: Any, slices: Slices) -> np.ndarray:
        """Return a part along our axes of an array, which is asked for no more than that."""
        cuts = [slice(*cut.indices(side)) for cut, side in zip(slices, self.sides, strict=True)]
        if not self._separate:
            return self._box(array, (), cuts)
        first, *rest = cuts
        return np.stack([self._box(array, self._place(number), rest) for number in range(first.start, first.stop)])

    def back(self, pixels: np.ndarray) -> np.ndarray:
        """Return all pixels along our axes as the array has them."""
        separate, named = self._separate, self._named
        spread = pixels.reshape([self.shape[k] for k in (*separate, *named)])
        return spread.transpose(np.argsort([*separate, *named])).reshape(self.shape)

    def _place(self, number: int) -> tuple[int, ...]:
        return tuple(map(int, np.unravel_index(number, [self.shape[k] for k in self._separate])))

    def _box(self, array: Any, place: tuple[int, ...], slices: Sequence[slice]) -> np.ndarray:
        """Return a part of one separate image."""
        at: list[Any] = [slice(0, 1)] * len(self.names)
        for k, index in zip(self._separate, place, strict=True):
            at[k] = slice(index, index + 1)
        for k, cut in zip(self._named, slices, strict=True):
            at[k] = cut
        box = np.asarray(array[tuple(at)])
        single = [k for k in range(box.ndim) if k not in self._named]
        return box.transpose([*single, *self._named]).reshape([box.shape[k] for k in self._named])


@dataclass(frozen=True)
class NamedSource(Source):
    """An array in a file that a library reads: opened by a function of a module, so that it can be sent elsewhere."""

    path: Path
    info: ArrayInfo
    arrangement: Arrangement
    opened: Callable[[Path, int, Any], Any]  # of the path, the time of its last change and ``which``; it may remember
    which: Any = None  # which of the arrays in the file
    native: Any = None  # what only the file's own format can hold

    @classmethod
    def of(
        cls,
        request: Request,
        arrangement: Arrangement,
        dtype: np.dtype,
        opened: Callable[[Path, int, Any], Any],
        which: Any = None,
        *,
        chunks: tuple[int, ...],
        sides: Mapping[str, tuple[Any, str]],
        nodata: float | None = None,
        channels: tuple[str, ...] | None = None,
        native: Any = None,
    ) -> NamedSource:
        """Describe an array; refuse one that cannot be filtered or fills the memory.

        ``chunks`` are along the array's own axes, and ``sides`` those of a pixel with their units.

        Raises
        ------
        PictureError
            If it is no picture, or claims more than its file can hold.
        """
        axes, shape, dtype = arrangement.axes, arrangement.sides, np.dtype(dtype).newbyteorder("=")
        if not {"Y", "X"} <= set(axes):
            raise PictureError(f"a picture must have two sides: this array has axes {', '.join(arrangement.names)}")
        if dtype.kind not in "iuf" or dtype.itemsize > 8:
            raise PictureError(f"pixels must be real numbers of up to 64 bits: these are {dtype}")
        request.check_size(*(shape[axes.index(axis)] for axis in "YX"))
        request.check_claim(math.prod(shape) * dtype.itemsize, request.path.stat().st_size, None)
        spacing, unit = sized(sides, axes)
        info = ArrayInfo(
            shape, dtype, axes, spacing, arrangement.chunks(chunks), unit, nodata, naming(channels, axes, shape)
        )
        return cls(request.path, info, arrangement, opened, which, native)

    def read(self, slices: Slices) -> np.ndarray:
        """Return a part."""
        try:
            array = self.opened(self.path, self.path.stat().st_mtime_ns, self.which)
            return np.array(self.arrangement.read(array, slices), self.info.dtype)
        except (OSError, MemoryError, PictureError):
            raise
        except Exception as error:  # decoders meet damaged files with exceptions of every kind
            raise PictureError(f"{self.path} is damaged or cannot be unpacked: {quoted(error)}") from error


class Computed:
    """A dask array that is computed where it is asked for, by one thread at a time: few libraries take more."""

    def __init__(self, array: Any) -> None:
        self._array, self._lock = array, threading.Lock()

    def __getitem__(self, slices: tuple[slice, ...]) -> np.ndarray:
        with self._lock:
            return np.asarray(self._array[slices].compute(scheduler="synchronous"))


def one_of(request: Request, names: list[str], what: str) -> int:
    """Return the number of the image that is asked for, or the only one.

    Raises
    ------
    PictureError
        If there are several or none.
    """
    number = request.chosen(names)
    if number is None and len(names) != 1:
        listed = ", ".join(f"{k} {name}".rstrip() for k, name in enumerate(names[:12])) + ", …" * (len(names) > 12)
        how = f"holds {len(names)}: name one with --series (series=): {listed}" if names else "holds none"
        raise PictureError(f"{what} must hold one picture, or be told which: this {how}")
    return number or 0


def titled(said: object) -> str:
    """Return a name that a file gives to an image or a channel, of bounded length; "" where it gives none."""
    return quoted(said) if said else ""


def called(names: Iterable[object]) -> tuple[str, ...] | None:
    """Return the names of channels, if all have one."""
    titles = tuple(map(titled, names))
    return titles if titles and all(titles) else None


def sized(sides: Mapping[str, tuple[Any, str]], axes: str) -> tuple[tuple[float, ...] | None, str | None]:
    """Return the sides of a pixel along Z, Y and X in the unit of X, if all are known in a unit of length."""
    space = [axis for axis in axes if axis in "ZYX"]
    known = [sides[axis] for axis in space if axis in sides and sides[axis][1] in LENGTHS]
    if len(known) != len(space) or not all(0 < float(side) < math.inf for side, _ in known):
        return None, None
    unit = known[-1][1]
    exact = (float(side) * (LENGTHS[own] / LENGTHS[unit]) for side, own in known)
    return tuple(float(f"{side:.12g}") for side in exact), unit  # a tenth is one again
