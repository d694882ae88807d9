"""The source once more with other planes: the same frames, times, colours and streams, in a codec like its own."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import closing
from fractions import Fraction
from functools import reduce
from math import gcd
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import Type

from ...picture import PictureError, quoted
from .frames import film, opened, planes
from .source import VideoSource

logger = logging.getLogger("nlmeans")

RATED = ("libx264", "libx265", "libvpx-vp9", "libsvtav1")
"""Encoders that have a rate factor."""
CRF = 4
"""At this one they change a value by 0.7 to 0.9 of 255 levels (root mean square): less than the noise that is left."""
FAMILY = {
    "h264": "libx264", "hevc": "libx265", "vp9": "libvpx-vp9", "av1": "libsvtav1", "libdav1d": "libsvtav1",
    "prores": "prores_ks", "libvpx-vp9": "libvpx-vp9", "wrapped_avframe": "rawvideo",
}  # fmt: skip
"""Encoders of codecs that have another name."""
OTHERWISE = ("libx264", "libx265", "libsvtav1", "ffv1", "rawvideo")
"""Encoders for codecs that have none, or none for such pixels or such a container; the first that will do is taken."""
STEP = 118
"""What FFmpeg has as one step of a quantiser."""
STALE = ("encoder", "major_brand", "minor_version", "compatible_brands", "duration", "number_of", "bps", "_statistics")
"""Beginnings of what containers say of themselves: that is said anew."""
COLOURS = {"color_range": 0, "color_primaries": 2, "color_trc": 2, "colorspace": 2}
"""What is said of colours, and the value of each that says nothing."""
PROFILES = {"profile": "hq", "bits_per_mb": "8000"}
"""Of ProRes, with as many bits as it takes."""
Planes = dict[str, Path]


def encode(
    source: VideoSource,
    made: Planes,
    place: Path,
    container: str,
    crf: int | None,
    stop: Callable[[], None],
    most: int | None = None,
) -> None:
    """Write a video like a source with the planes that are made; ``most`` frames of it, without what else there is."""
    with opened(source.path) as given:
        first = next(given.decode(film(given)))
    with opened(source.path) as given:
        stream = film(given)
        try:
            with closing(av.open(str(place), "w", format=container, options=_options(given, container))) as out:
                _transcode(given, stream, out, source, made, first, crf, stop, most)
        except PictureError:
            raise
        except OSError as error:  # FFmpeg's own would be taken for one of the source
            raise OSError(error.errno, error.strerror, str(place)) from error
        except (av.FFmpegError, ValueError) as error:
            raise PictureError(f"a file {container} cannot hold this video: {quoted(error)}") from error


def _transcode(
    given: Any,
    stream: Any,
    out: Any,
    source: VideoSource,
    made: Planes,
    first: Any,
    crf: int | None,
    stop: Callable[[], None],
    most: int | None,
) -> None:
    """Code the frames, and copy the packets of all other streams."""
    streams: dict[int, Any] = {}
    colours = _colours(stream, first)
    for one in given.streams:
        if one.index == stream.index:
            streams[one.index] = coded = _coded(out, stream, source, crf)
            _describe(coded, colours, first)
        elif (copied := _copied(out, one, said=most is None)) is not None:
            streams[one.index] = copied
    out.metadata.update(_lasting(given.metadata))
    if given.chapters():
        out.set_chapters(given.chapters())
    number = 0
    for packet in given.demux():
        stop()
        if packet.stream.index != stream.index:
            if most is None and packet.dts is not None and packet.stream.index in streams:
                packet.stream = streams[packet.stream.index]
                out.mux(packet)
            continue
        for frame in packet.decode():
            if frame.pts != source.index.pts[number]:
                raise PictureError(f"{source.path} must stay as it is: frame {number} has another time than before")
            out.mux(coded.encode(_with(frame, colours, source, made, number)))
            number += 1
            if number == most:
                out.mux(coded.encode())
                return
    out.mux(coded.encode())
    if number < len(source.index.pts):
        raise PictureError(f"{source.path} must stay as it is: it has {number} frames, not {len(source.index.pts)}")


def _with(frame: Any, colours: dict[str, int], source: VideoSource, made: Planes, number: int) -> Any:
    """Return a frame with the planes that are made, and what its container says of its colours."""
    frame.make_writable()
    for name, value in colours.items():
        setattr(frame, name, value)
    there = planes(frame)
    for name, place in made.items():
        pixels = np.load(place, mmap_mode="r")[number]  # the mapping goes, and no longer counts as memory
        for plane, values in zip(source.layout[name], pixels if pixels.ndim == 3 else pixels[None], strict=True):
            there[plane][:] = values
    frame.pict_type = 0  # the encoder decides
    return frame


def _coded(out: Any, stream: Any, source: VideoSource, crf: int | None) -> Any:
    """Add the stream of frames."""
    name = _encoder(out, stream.codec_context.name, source.index.format)
    if crf is not None and name not in RATED:
        raise PictureError(f"crf is for {', '.join(RATED)}: this video is coded by {name}; got {crf}")
    coded = out.add_stream(name, rate=stream.average_rate or 25, options=_settings(name, crf))
    context, given = coded.codec_context, stream.codec_context
    context.width, context.height, context.pix_fmt = source.index.width, source.index.height, source.index.format
    context.time_base = _time_base(source)
    if ratio := stream.sample_aspect_ratio or given.sample_aspect_ratio:
        context.sample_aspect_ratio = ratio
    if name in ("mpeg4", "mjpeg"):
        context.qscale, context.qmin, context.global_quality = True, 1, STEP
    _say_of(coded, stream)
    return coded


def _colours(stream: Any, first: Any) -> dict[str, int]:
    """Return what the stream says of its colours, or else its first frame."""
    said = {name: (getattr(stream.codec_context, name), getattr(first, name)) for name in COLOURS}
    return {name: of_frame if of_all in (None, COLOURS[name]) else of_all for name, (of_all, of_frame) in said.items()}


def _describe(coded: Any, colours: dict[str, int], frame: Any) -> None:
    """Say of the coded stream what its colours are, and which side is up."""
    for name, value in colours.items():
        setattr(coded.codec_context, name, value)
    matrix = frame.side_data.get(Type.DISPLAYMATRIX)
    if matrix is not None:
        coded.set_display_matrix([int(one) for one in np.frombuffer(bytes(matrix), "<i4")])


def _encoder(out: Any, codec: str, kind: str) -> str:
    """Return the encoder of the same codec, or else the first that takes such pixels into such a container."""
    own = FAMILY.get(codec, codec)
    for name in (own, *OTHERWISE):
        if _takes(out, name, kind):
            if name != own:
                logger.warning("%s cannot be written so: the frames are coded by %s", codec, name)
            return name
    raise PictureError(f"a file {out.format.name} cannot hold frames of the pixel format {kind}; write .mkv")


def _takes(out: Any, name: str, kind: str) -> bool:
    if out.format.name == "yuv4mpegpipe":
        return name == "rawvideo"
    try:
        codec = av.Codec(name, "w")
    except ValueError:
        return False
    kinds = codec.video_formats
    return codec.name in out.supported_codecs and (kinds is None or kind in {one.name for one in kinds})


def _settings(name: str, crf: int | None) -> dict[str, str]:
    """Return options of an encoder."""
    if name not in RATED:
        return PROFILES if name == "prores_ks" else {}
    if name == "libsvtav1":
        os.environ.setdefault("SVT_LOG", "1")  # it says what it does on standard error, whatever FFmpeg is set to
    given = {"crf": str(CRF if crf is None else crf)}
    quiet = {"libx265": {"x265-params": "log-level=error"}, "libvpx-vp9": {"b": "0"}}
    return given | quiet.get(name, {})


def _time_base(source: VideoSource) -> Fraction:
    """Return the longest unit of time that all frames have whole numbers of."""
    return source.index.time_base * (reduce(gcd, map(int, source.index.pts)) or 1)


def _copied(out: Any, stream: Any, said: bool) -> Any:
    """Add a stream whose packets are copied; None if the container cannot hold it."""
    try:
        copied = out.add_stream_from_template(stream)
    except (av.FFmpegError, ValueError, TypeError) as error:
        if said:
            logger.warning("stream %d (%s) is left out: %s", stream.index, stream.type, quoted(error))
        return None
    _say_of(copied, stream)
    return copied


def _say_of(new: Any, stream: Any) -> None:
    new.metadata.update(_lasting(stream.metadata))
    new.disposition = stream.disposition


def _lasting(said: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in said.items() if not name.lower().startswith(STALE)}


def _options(given: Any, container: str) -> dict[str, str]:
    """Return options of a container: names that only MOV knows are kept in MP4 and MOV, where there are any."""
    if container == "yuv4mpegpipe":
        return {"strict": "-1"}  # without, it holds 8 bits
    own = any("." in name for name in given.metadata)
    return {"movflags": "use_metadata_tags"} if own and container in ("mp4", "mov") else {}
