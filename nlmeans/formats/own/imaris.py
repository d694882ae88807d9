"""Imaris files, by h5py: times and channels of volumes at full size; what they are padded with is left out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import Source
from ..picture import PictureError, Request, quoted
from ..readers import Arrangement, NamedSource, OnlyRead, called

MAGIC = b"\x89HDF\r\n\x1a\n"
LEVEL = "DataSet/ResolutionLevel 0"
UNITS = {"um": "µm", "μm": "µm"}


@dataclass(frozen=True)
class Volumes:
    """The volumes of a file as one array (T, C, Z, Y, X); the file is open only while it is read."""

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype

    def __getitem__(self, slices: tuple[slice, ...]) -> np.ndarray:
        times, channels = (range(*cut.indices(side)) for cut, side in zip(slices[:2], self.shape[:2], strict=True))
        box = [len(range(*cut.indices(side))) for cut, side in zip(slices[2:], self.shape[2:], strict=True)]
        result = np.empty((len(times), len(channels), *box), self.dtype)
        with _opened(self.path) as file:
            for (t, time), (c, channel) in product(enumerate(times), enumerate(channels)):
                result[t, c] = _volume(file, time, channel)[slices[2:]]
        return result


class Imaris(OnlyRead):
    """An image of up to five axes."""

    name, endings = "Imaris", (".ims",)
    needs, extra = "h5py", "imaris"
    loses = "written as OME: all but axes, a pixel's size and names of channels; a pyramid, surfaces and spots"

    def recognises(self, head: bytes, path: Path) -> bool:
        """Whether a file is HDF5, and named as Imaris names it."""
        return head.startswith(MAGIC) and path.name.lower().endswith(self.endings)

    def open(self, request: Request) -> Source:
        """Read the description."""
        self.library()
        with _opened(request.path) as file:
            if LEVEL not in file:
                raise PictureError(
                    f"an Imaris file must hold {LEVEL}: this holds {quoted(', '.join(file) or 'nothing')}"
                )
            times = len([name for name in file[LEVEL] if name.startswith("TimePoint ")])
            channels = len([name for name in file[f"{LEVEL}/TimePoint 0"] if name.startswith("Channel ")])
            first, about = _volume(file, 0, 0), file["DataSetInfo/Image"].attrs
            volume = tuple(int(_text(about[axis])) for axis in "ZYX")
            for time, channel in product(range(times), range(channels)):
                padded = _volume(file, time, channel)
                if padded.dtype != first.dtype or any(a < b for a, b in zip(padded.shape, volume, strict=True)):
                    raise PictureError(
                        f"volumes must be of one kind: this has {padded.shape}, {padded.dtype} for {volume}"
                    )
            shape, dtype = (times, channels, *volume), first.dtype
            arrangement = Arrangement(tuple("TCZYX"), shape)
            sides = _sides(about, volume)
            chunks = (1, 1, *(min(pair) for pair in zip(first.chunks or (1, 1, 1), volume, strict=True)))
            names = [_text(file[f"DataSetInfo/Channel {k}"].attrs.get("Name", "")) for k in range(channels)]
        return NamedSource.of(
            request, arrangement, dtype, _volumes, (shape, dtype.str), chunks=chunks, sides=sides,
            channels=called(names),
        )  # fmt: skip


FORMAT = Imaris()


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    with FORMAT.library().File(path, "r") as file:
        yield file


def _volumes(path: Path, modified: int, kind: tuple[tuple[int, ...], str]) -> Volumes:
    return Volumes(path, kind[0], np.dtype(kind[1]))


def _volume(file: Any, time: int, channel: int) -> Any:
    """Return the dataset of a volume."""
    data = file[f"{LEVEL}/TimePoint {time}/Channel {channel}/Data"]
    if data.ndim != 3:
        raise PictureError(f"a volume must have three axes: this has shape {data.shape}")
    return data


def _text(said: Any) -> str:
    """Return an attribute: Imaris writes texts as arrays of single bytes."""
    if isinstance(said, np.ndarray):
        return b"".join(said.astype("S1").ravel().tolist()).decode("utf-8", "replace").strip("\0 ")
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)


def _sides(about: Any, volume: tuple[int, ...]) -> dict[str, tuple[float, str]]:
    """Return the sides of a pixel: an extent over its pixels."""
    unit = _text(about.get("Unit", "um"))
    sides = {}
    for k, (axis, count) in enumerate(zip("XYZ", reversed(volume), strict=True)):
        try:
            low, high = (float(_text(about[f"Ext{end}{k}"])) for end in ("Min", "Max"))
        except (KeyError, ValueError):
            continue
        sides[axis] = abs(high - low) / count, UNITS.get(unit, unit)
    return sides
