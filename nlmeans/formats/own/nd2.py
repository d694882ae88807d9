"""ND2, the files of Nikon's microscopes, by nd2: frame by frame; positions are separate images."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import Source
from ..picture import Request
from ..readers import Arrangement, NamedSource, OnlyRead, called, titled

MODERN, LEGACY = b"\xda\xce\xbe\x0a", b"\0\0\0\x0cjP  \r\n\x87\n"
POSITION, FRAME = "P", "CYXS"


class Nd2(OnlyRead):
    """Times, positions, depths and channels."""

    name, endings = "ND2", (".nd2",)
    needs, extra = "nd2", "nd2"
    has_series = True
    loses = "written as OME: all but axes, a pixel's size and names of channels; frames that are missing are 0"

    def recognises(self, head: bytes, path: Path) -> bool:
        """Whether a file begins as an ND2; an old one begins as any JPEG 2000."""
        return head.startswith(MODERN) or (head.startswith(LEGACY) and path.name.lower().endswith(self.endings))

    def open(self, request: Request) -> Source:
        """Read what the file says of its frames, and choose a position."""
        with self.library().ND2File(request.path) as file:
            sizes, dtype, position = dict(file.sizes), file.dtype, None
            if POSITION in sizes:
                position = request.chosen(_positions(file, sizes[POSITION]))
            else:
                request.chosen([""])
            if position is not None:
                sizes[POSITION] = 1
            arrangement = Arrangement(tuple(sizes), tuple(sizes.values()))
            pixel, channels = _sides(file), _channels(file)
        frame = tuple(side if name in FRAME else 1 for name, side in sizes.items())
        kind = (tuple(sizes.items()), dtype.str, position)
        return NamedSource.of(request, arrangement, dtype, _frames, kind, chunks=frame, sides=pixel, channels=channels)


FORMAT = Nd2()


@dataclass(frozen=True)
class Frames:
    """The frames of a file as one array, along its loops; the file is open only while it is read."""

    path: Path
    sizes: dict[str, int]
    dtype: np.dtype
    first: dict[str, int]  # along loops of which a part is taken

    def __getitem__(self, slices: tuple[slice, ...]) -> np.ndarray:
        cuts = dict(zip(self.sizes, slices, strict=True))
        loops = [name for name in self.sizes if name not in FRAME]
        ranges = [[self.first.get(name, 0) + k for k in range(self.sizes[name])[cuts[name]]] for name in loops]
        inner = tuple(cuts[name] for name in self.sizes if name in FRAME)
        sides = [side for name, side in self.sizes.items() if name in FRAME]
        places = list(product(*ranges))
        result = np.empty((len(places), *(len(range(n)[cut]) for n, cut in zip(sides, inner, strict=True))), self.dtype)
        with FORMAT.library().ND2File(self.path) as file:
            counts = [file.sizes[name] for name in loops]
            for k, place in enumerate(places):
                number = int(np.ravel_multi_index(place, counts)) if loops else 0
                result[k] = file.read_frame(number).reshape(sides)[inner]
        return result.reshape(*map(len, ranges), *result.shape[1:])


def _frames(path: Path, modified: int, kind: tuple[tuple[tuple[str, int], ...], str, int | None]) -> Frames:
    """Return the frames of a file, or of a position, to be read when they are asked for."""
    sizes, dtype, position = kind
    return Frames(path, dict(sizes), np.dtype(dtype), {} if position is None else {POSITION: position})


def _positions(file: Any, count: int) -> list[str]:
    """Return the names of positions, "" for one without."""
    loops = [loop.parameters.points for loop in file.experiment if loop.type == "XYPosLoop"]
    points = loops[0] if loops else []
    return [titled(points[k].name) if k < len(points) else "" for k in range(count)]


def _sides(file: Any) -> dict[str, tuple[float, str]]:
    """Return the sides of a pixel that were calibrated."""
    channels = getattr(file.metadata, "channels", None)
    if not channels:
        return {}
    said = zip("XYZ", channels[0].volume.axesCalibrated, channels[0].volume.axesCalibration, strict=True)
    return {axis: (side, "µm") for axis, known, side in said if known}


def _channels(file: Any) -> tuple[str, ...] | None:
    """Return what channels are called."""
    return called(each.channel.name for each in getattr(file.metadata, "channels", None) or ())
