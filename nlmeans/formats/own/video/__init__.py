"""Videos by regions: frames as T, the planes of luma and chroma each at its own resolution."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...arrays import ArrayInfo, Source, Target
from ...format import Format
from ...picture import Picture, PictureError, Request

CONTAINERS = {
    ".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm", ".avi": "avi",
    ".y4m": "yuv4mpegpipe",
}  # fmt: skip
"""What FFmpeg calls the containers that are written."""
STILLS = (b"he", b"mif", b"msf", b"avi", b"crx", b"jp", b"jx")
"""How the brands of files begin that begin as MP4 and MOV do, and hold no frames: HEIC, AVIF, CR3, JPEG 2000 and XL."""
ATOMS = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
"""How MOV files begin that are older than brands."""


class Video(Format):
    """The frames of a video; a file."""

    name, endings, has_series = "video", tuple(CONTAINERS), True
    needs, extra, write_options, exact = "av", "video", ("crf",), False
    loses = "streams that a container cannot hold; what a lossy codec loses, little unless --crf asks for more"

    def recognises(self, head: bytes, path: Path) -> bool:
        """Whether a file begins as MP4 and MOV, MKV, AVI or Y4M do."""
        return container_of(head) is not None

    def read(self, request: Request) -> Picture:
        """Read all frames of one series."""
        source = self.open(request)
        request.check_size(*source.info.shape)
        if source.apart:
            raise PictureError(
                f"a video has planes of several sizes: name one, luma or {' or '.join(source.apart)}, with --series "
                "(series=)"
            )
        info = source.info
        return Picture(source.read((slice(None),) * info.ndim), info.axes, channels=info.channels)

    def open(self, request: Request) -> Source:
        """Decode all frames once, to know how many there are and that all can be decoded."""
        self.library()
        from .source import VideoSource

        return VideoSource.open(request)

    def create(self, part: Path, info: ArrayInfo, source: Source, crf: int | None = None) -> Target:
        """Take the room that the frames need as they are, and try the encoder."""
        return self._target(part, info, source, crf).begin()

    def reopen(self, part: Path, info: ArrayInfo, source: Source, crf: int | None = None) -> Target:
        """Go on with a folder that was begun."""
        return self._target(part, info, source, crf).again()

    def _target(self, part: Path, info: ArrayInfo, source: Source, crf: int | None) -> Any:
        """Return what is written, if it is made of a video."""
        self.library()
        from .source import VideoSource
        from .target import VideoTarget

        if not isinstance(source, VideoSource):
            raise PictureError("a video can only be written of a video; write a TIFF, Zarr or NPY instead")
        if info.dtype != source.info.dtype:
            raise PictureError(f"a video keeps its depth: its values are {source.info.dtype}; got {info.dtype}")
        return VideoTarget(part, info, source, CONTAINERS[Path(part.stem).suffix.lower()], crf)


def container_of(head: bytes) -> str | None:
    """Return what FFmpeg calls the container that a file begins as; None where it is none of ours."""
    if head[4:8] == b"ftyp":
        return None if head[8:12].startswith(STILLS) else "mov"
    if head[4:8] in ATOMS:
        return "mov"
    if head.startswith(b"\x1aE\xdf\xa3"):
        return "matroska"
    if head.startswith(b"YUV4MPEG2 "):
        return "yuv4mpegpipe"
    return "avi" if head.startswith(b"RIFF") and head[8:12] in (b"AVI ", b"AVIX") else None


FORMAT = Video()
