"""VapourSynth's filters, in the interpreter that NLMEANS_VAPOURSYNTH names: it wants a newer Python than we do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from typing import Any

import numpy as np

from ..harness.cases import PEAK
from .away import Answered, Away, EqualAway, Filter, PlainAway, patch, radius

VARIABLE = "NLMEANS_VAPOURSYNTH"
"""Names the interpreter."""
INSTALL = (
    "python3.12 -m venv vs && vs/bin/pip install numpy threadpoolctl vapoursynth==79 vapoursynth-nlm-ispc==4.1 "
    "vapoursynth-bm3dcpu==2.17 vapoursynth-bm3d==12.0 vapoursynth-vszip==23.1.0 "
    f"&& export {VARIABLE}=$PWD/vs/bin/python"
)
BM3DCPU_UNIT = 4 / 3
"""bm3dcpu's sigma counts three quarters."""
WNNM_UNIT = 1.75
"""WNNM's sigma counts less than the noise, since it is one pass over small groups; tuned at σ = 15, 25 and 50."""


@dataclass(frozen=True)
class Plugin(Filter):
    """A filter of clips, of grey frames; it is parallel over frames only."""

    forms: tuple[str, ...] = ("grey", "clip")

    def missing(self) -> str | None:
        """Say why the plugin cannot be used by this interpreter."""
        if reason := super().missing():
            return reason
        import vapoursynth as vs

        names = {plugin.namespace for plugin in vs.core.plugins()}
        return None if self.namespace in names else f"VapourSynth loads no plugin {self.namespace}"

    @property
    def namespace(self) -> str:
        """What VapourSynth calls the plugin."""
        return self.package.removeprefix("vapoursynth-").replace("-", "_")

    def version(self) -> str:
        """Return the plugin's version, and VapourSynth's."""
        return f"{super().version()}, VapourSynth {metadata.version('vapoursynth')}"

    def call(self, case: Any, image: np.ndarray, sigma: float, threads: int) -> Answered:  # type: ignore[override]
        """Return the call on a clip that is made beforehand."""
        import vapoursynth as vs

        vs.core.num_threads = threads
        read = partial(frames, many=image.ndim == 3)
        return Answered(self.function, sigma, self.options, clip(np.atleast_3d(image.T).T), read)


def clip(stack: np.ndarray) -> Any:
    """Return the clip of a stack of frames: 8 bits, or floats from 0 to 1."""
    import vapoursynth as vs

    bits = stack.dtype == np.uint8
    length, height, width = stack.shape
    kind = vs.GRAY8 if bits else vs.GRAYS
    blank = vs.core.std.BlankClip(width=width, height=height, format=kind, length=length, keep=True)
    made = [blank.get_frame(0).copy() for _ in stack]
    for frame, image in zip(made, stack, strict=True):
        np.asarray(frame[0])[:] = image if bits else image / np.float32(PEAK)
    return vs.core.std.ModifyFrame(blank, blank, lambda n, f: made[n])


def frames(source: Any, many: bool) -> np.ndarray:
    """Return a clip's frames as an array, the only one without an axis of its own; they are made as they are read."""
    planes = [np.array(frame[0]) for frame in source.frames(close=True)]
    answer = np.stack(planes) if many else planes[0]
    return answer if answer.dtype == np.uint8 else answer * np.float32(PEAK)


def nlm_ispc(source: Any, sigma: float, a: int, s: int, h: float) -> Any:
    """Return non-local means; ``a`` and ``s`` are the radii of window and patch, h in σ."""
    return source.nlm_ispc.NLMeans(d=0, a=a, s=s, h=h * sigma, wref=1.0)


def bm3dcpu(source: Any, sigma: float, block_step: int, bm_range: int) -> Any:
    """Return both steps of bm3dcpu."""
    options = {"sigma": BM3DCPU_UNIT * sigma, "block_step": block_step, "bm_range": bm_range, "radius": 0}
    return source.bm3dcpu.BM3D(ref=source.bm3dcpu.BM3D(**options), **options)


def bm3d(source: Any, sigma: float, profile: str) -> Any:
    """Return both steps of VapourSynth's BM3D; matrix=0 makes sigma the true one."""
    options = {"sigma": sigma, "profile": profile, "matrix": 0}
    return source.bm3d.Final(ref=source.bm3d.Basic(**options), **options)


def wnnm(source: Any, sigma: float, group_size: int, block_size: int, block_step: int) -> Any:
    """Return one pass of weighted nuclear norm minimisation, with the mean of each group kept."""
    options = {"group_size": group_size, "block_size": block_size, "block_step": block_step, "residual": 1}
    return source.vszip.WNNM(sigma=WNNM_UNIT * sigma, bm_range=9, radius=0, **options)


@dataclass(frozen=True)
class InClips(Away):
    """A filter of VapourSynth's, which has a thread a frame."""

    variable: str = VARIABLE
    setup: str = INSTALL

    def threads(self, case: Any, wanted: int) -> int:
        """Return 1 for a picture: only frames are filtered in parallel."""
        return wanted if case.form == "clip" else 1


@dataclass(frozen=True)
class EqualInClips(InClips, EqualAway):
    """One that is given radii."""


@dataclass(frozen=True)
class PlainInClips(InClips, PlainAway):
    """One that is given σ."""


def filtered(
    kind: type[EqualInClips] | type[PlainInClips], name: str, package: str, function: Callable[..., Any], note: str,
    dtype: str = "float32", enters: tuple[str, ...] = ("grey", "clips"), **options: Any,
) -> Any:  # fmt: skip
    """Return the method of a plugin's function."""
    inner = Plugin(name, package, "vapoursynth", dtype, function=function, options=options)
    return kind(name, package, "vapoursynth", dtype, note=f"{note}; a thread a frame", enters=enters, filter=inner)


H_ISPC = 0.7
"""h/σ of nlm_ispc: the best multiple of 0.05 at σ = 25 on ten pictures of Train400, for floats and for 8 bits."""
STEPS = {8: 9, 6: 9, 4: 12}
"""bm3dcpu's block steps, each with its search range."""
ISPC = "vapoursynth-nlm-ispc", nlm_ispc, "VapourSynth's"

METHODS: tuple[Away, ...] = (
    filtered(EqualInClips, "nlm-ispc", *ISPC, a=radius, s=patch, h=H_ISPC),
    filtered(EqualInClips, "nlm-ispc-uint8", *ISPC, dtype="uint8", a=radius, s=patch, h=H_ISPC),
    filtered(PlainInClips, "ispc-nlm", *ISPC, enters=("grey",), a=10, s=3, h=H_ISPC),
    *(
        filtered(
            PlainInClips, f"bm3dcpu-step{step}", "vapoursynth-bm3dcpu", bm3dcpu, "VapourSynth's, both steps",
            block_step=step, bm_range=reach,
        )
        for step, reach in STEPS.items()
    ),
    filtered(PlainInClips, "vapoursynth-bm3d", "vapoursynth-bm3d", bm3d, "both steps, profile fast", profile="fast"),
    filtered(
        PlainInClips, "vapoursynth-wnnm", "vapoursynth-vszip", wnnm, "one pass", group_size=16, block_size=8,
        block_step=6,
    ),
)  # fmt: skip
