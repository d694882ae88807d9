"""Frames as they are decoded: in order, with a short memory, and the same on every way to them."""

from __future__ import annotations

import os
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import av
import numpy as np

from ...picture import PictureError, quoted
from . import extent

HEAD = 16
"""First bytes of a file that say which container it is."""
THREADS = 4
"""Threads that decode, at most: each holds frames of its own."""
CACHE = 64 << 20
"""Bytes of decoded frames that are kept for blocks that overlap."""

Planes = tuple[np.ndarray, ...]


@dataclass(frozen=True, eq=False)
class Index:
    """What the first pass over all frames says; later ones have to agree with it."""

    format: str  # of the pixels
    width: int
    height: int
    time_base: Fraction
    pts: np.ndarray  # time stamps of the frames
    sums: np.ndarray  # of their pixels
    keys: np.ndarray  # whether a frame can be decoded without others

    @cached_property
    def numbers(self) -> dict[int, int]:
        """The number of the frame of each time stamp."""
        return {int(pts): number for number, pts in enumerate(self.pts)}


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a file as the container that it begins as."""
    from . import container_of

    with path.open("rb") as file:
        container = container_of(file.read(HEAD))
    extent.check(path, container)
    try:
        with av.open(str(path), format=container) as given:
            yield given
    except av.FFmpegError as error:
        raise PictureError(f"the file is damaged or cut short: {quoted(error.strerror)}") from error


def film(given: Any, strict: bool = True) -> Any:
    """Return the stream that is denoised, the first of frames and no cover; if ``strict``, damage is an error."""
    streams = [one for one in given.streams.video if not one.disposition & av.stream.Disposition.attached_pic]
    if not streams:
        raise PictureError(f"a video must have a stream of frames: {Path(given.name).name} has none")
    stream = streams[0]
    context = stream.codec_context
    if context is None:
        raise PictureError("the codec of the frames is not known")
    context.thread_type, context.thread_count = "AUTO", min(THREADS, os.cpu_count() or 1)
    if strict:
        context.options = {"err_detect": "explode"}
    return stream


def planes(frame: Any) -> Planes:
    """Return views of the planes of a frame, without what pads their rows."""
    kind = np.dtype("u1" if max(part.bits for part in frame.format.components) == 8 else "<u2")
    return tuple(
        np.frombuffer(plane, kind)[: plane.height * plane.line_size // kind.itemsize].reshape(plane.height, -1)[
            :, : plane.width
        ]
        for plane in frame.planes
    )


def total(pixels: Planes) -> int:
    """Return a sum that two frames share if they are the same."""
    start = 0
    for plane in pixels:
        start = zlib.crc32(np.ascontiguousarray(plane).data, start)
    return start


@lru_cache(maxsize=4)
def indexed(path: Path, size: int, modified: int, max_pixels: int) -> Index:
    """Decode all frames once; the size and time of the file are those of the answer."""
    pts: list[int] = []
    sums: list[int] = []
    keys: list[bool] = []
    packets = last = 0
    with opened(path) as given:
        stream = film(given)
        _check(stream, max_pixels)
        kind = stream.codec_context.format
        width, height = stream.codec_context.width, stream.codec_context.height
        for packet in given.demux(stream):
            packets += packet.size > 0 and not packet.is_discard
            last = max(last, (packet.pos or 0) + packet.size)
            for frame in packet.decode():
                number = len(pts)
                if frame.is_corrupt:
                    raise PictureError(f"the file is damaged or cut short: frame {number} cannot be decoded")
                if (frame.width, frame.height, frame.format.name) != (width, height, kind.name):
                    raise PictureError(
                        f"all frames must be alike, {width}×{height} {kind.name}: frame {number} is "
                        f"{frame.width}×{frame.height} {frame.format.name}"
                    )
                if frame.interlaced_frame:
                    raise PictureError(
                        f"frames must not be interlaced: frame {number} is; deinterlace it first (ffmpeg -vf bwdif)"
                    )
                if frame.pts is None or (pts and frame.pts <= pts[-1]):
                    raise PictureError(
                        f"frames must have times that grow: frame {number} has {frame.pts} "
                        f"after {pts[-1] if pts else 'none'}"
                    )
                pts.append(frame.pts)
                sums.append(total(planes(frame)))
                keys.append(frame.key_frame)
        if given.format.name.startswith("mov") and len(pts) < packets:
            raise PictureError(f"the file is damaged: {packets - len(pts)} of {packets} frames cannot be decoded")
        if given.format.name == "yuv4mpegpipe" and last < size:
            raise PictureError(f"the file is cut short: its last whole frame ends at byte {last:,} of {size:,}")
        if not pts:
            raise PictureError("a video must have frames: it has none that can be decoded")
        arrays = (np.array(pts, np.int64), np.array(sums, np.uint32), np.array(keys, bool))
        return Index(kind.name, width, height, stream.time_base, *arrays)


def _check(stream: Any, max_pixels: int) -> None:
    """Refuse what no frame can be decoded of, by what the header says."""
    context = stream.codec_context
    if context.width < 1 or context.height < 1 or context.format is None:
        raise PictureError("a video must have frames: its header says none")
    if context.width * context.height > max_pixels:
        raise PictureError(
            f"a frame of more than {max_pixels:,} pixels is taken for a decompression bomb: the header says "
            f"{context.width}×{context.height}; if you trust it, allow more with --max-pixels (max_pixels=)"
        )


class Reader:
    """Frames by their numbers, decoded in order; what is asked for once more is decoded anew, or still known."""

    def __init__(self, path: Path, index: Index, wanted: tuple[int, ...]) -> None:
        self.path, self.index, self.wanted = path, index, wanted
        self.known: OrderedDict[int, Planes] = OrderedDict()
        self.held = 0  # bytes of what is known
        self.seeks = True  # whether frames after a jump have been those of the first pass so far
        self._begin()

    def __getitem__(self, number: int) -> Planes:
        """Return the wanted planes of a frame."""
        if number not in self.known:
            self._go(number)
            while number not in self.known:
                self._step(number)
        self.known.move_to_end(number)
        return self.known[number]

    def _begin(self, number: int = 0) -> None:
        """Decode from a frame that needs no others, or from the file's first."""
        self.frames, self.next, self.start = self._decoded(number), number, number

    def _decoded(self, number: int) -> Iterator[Any]:
        with opened(self.path) as given:
            stream = film(given, strict=not number)  # frames before that need others which come no more
            if number:
                given.seek(int(self.index.pts[number]), stream=stream, backward=True)
            for packet in given.demux(stream):
                yield from packet.decode()

    def _go(self, number: int) -> None:
        """Jump, where a frame has gone by or another one is a nearer place to begin."""
        before = np.flatnonzero(self.index.keys[: number + 1])
        key = int(before[-1]) if before.size else 0
        if number < self.next or (self.seeks and key > self.next):
            self._begin(key if self.seeks else 0)

    def _step(self, wanted: int) -> None:
        """Decode the next frame, and keep its planes."""
        try:
            frame = next(self.frames, None)
        except PictureError:
            if not self.seeks:
                raise
            frame = None
        number = None if frame is None else self.index.numbers.get(frame.pts)
        if number is not None and number < self.start:
            return
        pixels = () if frame is None else planes(frame)
        if number is None or number != self.next or total(pixels) != self.index.sums[number]:
            if not self.seeks:
                raise PictureError(f"{self.path} must stay as it is: frame {wanted} is another than before")
            self.seeks = False
            self._begin()
            return
        self.next = number + 1
        if number not in self.known:
            kept = tuple(pixels[plane].copy() for plane in self.wanted)
            self.known[number] = kept
            self.held += sum(plane.nbytes for plane in kept)
        while self.held > CACHE and len(self.known) > 1:
            self.held -= sum(plane.nbytes for plane in self.known.popitem(last=False)[1])
