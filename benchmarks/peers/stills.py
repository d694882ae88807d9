"""FFmpeg's filters, in graphs that PyAV builds, and G'MIC's, by its own bindings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np

from ..harness.cases import PEAK
from ..harness.methods import CannotRun
from ..harness.pictures import Likeness, PictureCase
from .away import Answered, Away, EqualAway, Filter, PlainAway
from .equal import pairwise_spec

H_FFMPEG = 0.95
"""h/σ of FFmpeg's nlmeans."""
STRONGEST = 30.0
"""Where its strength ends."""
BM3D = {"block": 8, "group": 16, "hdthr": 100, "thmse": 1e6}
"""How FFmpeg's bm3d has to be asked: by default hardly a block finds another, and thresholds are far too low."""
TONE = 0.4
"""What G'MIC takes as the noise in a patch, in σ."""
RATE = Fraction(1, 25)
"""Seconds a frame, which means nothing here."""


@dataclass(frozen=True)
class Graphed(Filter):
    """A filter of FFmpeg's, of grey frames in 8 bits."""

    forms: tuple[str, ...] = ("grey", "clip")

    def version(self) -> str:
        """Return FFmpeg's version, and PyAV's."""
        import av

        return f"{av.ffmpeg_version_info}, PyAV {super().version()}"

    def call(self, case: Any, image: np.ndarray, sigma: float, threads: int) -> Answered:  # type: ignore[override]
        """Return the call on frames that are made beforehand."""
        source = Frames(np.clip(np.rint(np.atleast_3d(image.T).T), 0, PEAK).astype(np.uint8), threads)
        read = partial(as_given, shape=image.shape, dtype=image.dtype)
        return Answered(self.function, sigma, self.options, source, read)


class Frames:
    """Frames for a graph, and the threads that it is to have."""

    def __init__(self, stack: np.ndarray, threads: int) -> None:
        import av

        self.frames, self.threads = [av.VideoFrame.from_ndarray(image, format="gray") for image in stack], threads
        for k, frame in enumerate(self.frames):
            frame.pts, frame.time_base = k, RATE


def nlmeans(source: Frames, sigma: float, **options: Any) -> list[Any]:
    """Filter by non-local means, which takes no σ."""
    return filtered(source, "nlmeans", options)


def bm3d(source: Frames, sigma: float, **options: Any) -> list[Any]:
    """Filter by the first step of BM3D."""
    return filtered(source, "bm3d", {"sigma": sigma, **options})


def filtered(source: Frames, stage: str, options: Mapping[str, Any]) -> list[Any]:
    """Have all frames go through a graph of one filter."""
    import av.filter

    graph = av.filter.Graph()
    graph.threads = source.threads
    first = source.frames[0]
    entry = graph.add_buffer(width=first.width, height=first.height, format=first.format.name, time_base=RATE)
    middle = graph.add(stage, ":".join(f"{key}={value}" for key, value in options.items()))
    end = graph.add("buffersink")
    entry.link_to(middle)
    middle.link_to(end)
    graph.configure()
    made = []
    for frame in source.frames:
        graph.vpush(frame)
        made.append(graph.vpull())
    return made


def as_given(made: list[Any], shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
    """Return frames as an array of the shape and type that came in."""
    return np.stack([frame.to_ndarray() for frame in made]).reshape(shape).astype(dtype, copy=False)


def strength(case: Any, sigma: float, patch: int | None = None) -> float:
    """Return FFmpeg's strength for σ and a patch, by default the case's; CannotRun where it ends before that."""
    from nlmeans import convert

    s = round(convert.to_ffmpeg(H_FFMPEG, sigma=sigma, p=patch or case.patch_size), 3)
    if s > STRONGEST:
        raise CannotRun(f"FFmpeg's strength ends at {STRONGEST:g}, and σ = {sigma:g} asks for {s:g}")
    return s


def patch_size(case: Any, sigma: float) -> int:
    """Return the case's patch, full width."""
    return int(case.patch_size)


def window_size(case: Any, sigma: float) -> int:
    """Return the case's window, full width."""
    return int(case.window_size)


@dataclass(frozen=True)
class EqualFFmpeg(EqualAway):
    """FFmpeg's non-local means."""

    def likeness(self, case: PictureCase, sigma: float) -> Likeness | None:
        """Return the plain exp(−d²/h²) away from the border."""
        return Likeness(pairwise_spec(case, H_FFMPEG * sigma, 0.0, "one"), exact=False, limit=45.0)


@dataclass(frozen=True)
class Gmic(Filter):
    """A command of G'MIC's."""

    def call(self, case: Any, image: np.ndarray, sigma: float, threads: int) -> Answered:  # type: ignore[override]
        """Return the call on a picture of its own that is made beforehand."""
        import gmic

        shape = (*image.shape[:2], 1, -1) if image.ndim == 3 else image.shape
        source = gmic.Image(np.ascontiguousarray(image.reshape(shape)))
        read = partial(pixels, shape=image.shape)
        return Answered(self.function, sigma, self.options, source, read)


def gmic_denoise(
    source: Any, sigma: float, tone: float, space: float, patch: int, lookup: int, smoothness: int, fast: int
) -> Any:
    """Average patches by their likeness and nearness; ``tone`` is in σ."""
    import gmic

    (made,) = gmic.run(f"denoise {space},{tone * sigma},{patch},{lookup},{smoothness},{fast}", [source])
    return made


def pixels(made: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return a picture's pixels."""
    return np.array(made.to_numpy(), np.float32).reshape(shape)


def graphed(
    kind: type[Away], name: str, function: Callable[..., Any], enters: tuple[str, ...], note: str, dtype: str,
    **options: Any,
) -> Away:  # fmt: skip
    """Return the method of a filter of FFmpeg's."""
    inner = Graphed(name, "av", "av", dtype, function=function, options=options)
    return kind(name, "av", "av", dtype, note=f"FFmpeg's, 8 bits; {note}", enters=enters, filter=inner)


COMMAND = {"space": 10, "tone": TONE, "patch": 5, "lookup": 6, "smoothness": 1, "fast": 1}
DENOISE = Gmic("gmic-denoise", "gmic", "gmic", "float32", function=gmic_denoise, options=COMMAND, single=True)

METHODS: tuple[Away, ...] = (
    graphed(
        EqualFFmpeg, "ffmpeg", nlmeans, ("grey", "clips"), "takes no σ", "uint8", s=strength, p=patch_size,
        r=window_size,
    ),
    graphed(
        PlainAway, "ffmpeg-nlm", nlmeans, ("grey",), "takes no σ", "float32", s=partial(strength, patch=7),
        p=7, r=21,
    ),
    graphed(PlainAway, "ffmpeg-bm3d", bm3d, ("grey",), "its first step", "float32", **BM3D),
    PlainAway(
        "gmic-denoise", "gmic", "gmic", "float32", note="patches of 5×5 in windows of 6×6",
        enters=("quality", "qualities"), filter=replace(DENOISE, forms=("grey", "colour")),
    ),
)  # fmt: skip
