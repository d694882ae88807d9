"""ND2, the files of Nikon's microscopes, by nd2: frame by frame; positions are separate images."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from ..arrays import Source
from ..picture import Request
from ..readers import Arrangement, Computed, NamedSource, OnlyRead, called, titled

MODERN, LEGACY = b"\xda\xce\xbe\x0a", b"\0\0\0\x0cjP  \r\n\x87\n"
POSITION = "P"


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
        frame = tuple(side if name in "CYXS" else 1 for name, side in sizes.items())
        return NamedSource.of(
            request, arrangement, dtype, _frames, position, chunks=frame, sides=pixel, channels=channels
        )


FORMAT = Nd2()


@lru_cache(maxsize=16)
def _frames(path: Path, modified: int, position: int | None) -> Computed:
    """Return the frames of a file, or of a position, to be read when they are asked for."""
    with FORMAT.library().ND2File(path) as file:
        array, names = file.to_dask(wrapper=False), list(file.sizes)
    if position is None:
        return Computed(array)
    at: list[Any] = [slice(None)] * array.ndim
    at[names.index(POSITION)] = slice(position, position + 1)
    return Computed(array[tuple(at)])


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
