"""A video that is read: its luma, its chroma, or its colours, as one array of frames."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

import av
import numpy as np

from ...arrays import ArrayInfo, Slices, Source
from ...picture import PictureError, Request
from .frames import CACHE, THREADS, Index, Reader, indexed

DECODER = 16 + THREADS
"""Frames that a decoder holds at most, about."""


@dataclass(eq=False)
class VideoSource(Source):
    """Planes of a video that have one size."""

    path: Path
    series: str
    info: ArrayInfo
    index: Index
    layout: dict[str, tuple[int, ...]]  # numbers of the planes of each series
    apart: tuple[str, ...]
    codec_memory: int
    reader: Reader | None = field(default=None, repr=False)
    lock: Any = field(default_factory=Lock, repr=False)

    @classmethod
    def open(cls, request: Request) -> VideoSource:
        """Decode all frames once; the first series stands for all if none is asked for."""
        status = request.path.stat()
        index = indexed(request.path, status.st_size, status.st_mtime_ns, request.max_pixels)
        kind = av.VideoFormat(index.format, index.width, index.height)
        layout = series_of(kind)
        names = tuple(layout)
        chosen = request.chosen(names)
        name = names[chosen or 0]
        parts = {part.plane: part for part in kind.components}
        plane, count = parts[layout[name][0]], len(layout[name])
        dtype = np.dtype("u1" if plane.bits == 8 else "u2")
        sides = (plane.height, plane.width)
        channels = {"chroma": ("Cb", "Cr"), "rgb": ("R", "G", "B")}.get(name)
        shape, axes = (len(index.pts), *((count,) if channels else ()), *sides), "TCYX" if channels else "TYX"
        info = ArrayInfo(shape, dtype, axes, None, (1, *shape[1:]), channels=channels)
        frame = sum(part.height * part.width * dtype.itemsize for part in parts.values())
        return cls(
            request.path, name, info, index, layout, names[1:] if chosen is None else (), CACHE + DECODER * frame
        )

    def read(self, slices: Slices) -> np.ndarray:
        """Return a part of some frames."""
        times = range(*slices[0].indices(self.info.shape[0]))
        with self.lock:
            if self.reader is None:
                self.reader = Reader(self.path, self.index, self.layout[self.series])
            frames = [self._part(self.reader[number], slices[1:]) for number in times]
        return np.stack(frames).astype(self.info.dtype, copy=False)

    def release(self) -> None:
        """Close the file, and forget its frames."""
        with self.lock:
            self.reader = None

    def _part(self, planes: tuple[np.ndarray, ...], slices: Slices) -> np.ndarray:
        if self.info.channels is None:
            return planes[0][slices].copy()
        return np.stack([plane[slices[1:]] for plane in planes[slices[0]]])

    @property
    def white(self) -> int:
        """The largest value of a pixel."""
        kind = av.VideoFormat(self.index.format, self.index.width, self.index.height)
        return (1 << max(part.bits for part in kind.components)) - 1

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("reader", "lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, reader=None, lock=Lock())


def series_of(kind: Any) -> dict[str, tuple[int, ...]]:
    """Return the planes of each series of a pixel format.

    Raises
    ------
    PictureError
        If a plane holds more than one kind of value, or other than whole numbers in this machine's order.
    """
    parts = [part for part in kind.components if not part.is_alpha]
    numbers = tuple(part.plane for part in parts)
    plain = len({part.plane for part in kind.components}) == len(kind.components) and not kind.is_big_endian
    bits = {part.bits for part in kind.components}
    if not plain or kind.name == "pal8" or not bits <= set(range(8, 17)) or len(parts) not in (1, 3):
        raise PictureError(
            "frames must have planes of 8 to 16 bits: these have the pixel format "
            f"{kind.name}; convert it first (ffmpeg -pix_fmt yuv444p or gbrp)"
        )
    if len(parts) == 1:
        return {"luma": numbers}
    return {"rgb": numbers} if kind.is_rgb else {"luma": numbers[:1], "chroma": numbers[1:]}
