"""What others denoise videos with, over time: VapourSynth's filters with a radius in frames, and FFmpeg's by frames.

They take part in no suite: ``python -m benchmarks motion`` measures them.
"""

from __future__ import annotations

from typing import Any

from .away import Away, PlainAway
from .clips import BM3DCPU_UNIT, H_ISPC, PlainInClips, filtered
from .stills import graphed, nlmeans, strength


def nlm_ispc(source: Any, sigma: float, d: int, a: int, s: int) -> Any:
    """Return non-local means over ``d`` frames before and after."""
    return source.nlm_ispc.NLMeans(d=d, a=a, s=s, h=H_ISPC * sigma, wref=1.0)


def bm3dcpu(source: Any, sigma: float, radius: int) -> Any:
    """Return both steps of bm3dcpu over ``radius`` frames before and after."""
    options = {"sigma": BM3DCPU_UNIT * sigma, "radius": radius, "block_step": 6, "bm_range": 9}
    return source.bm3dcpu.BM3Dv2(ref=source.bm3dcpu.BM3Dv2(**options), **options)


def bm3d(source: Any, sigma: float, radius: int) -> Any:
    """Return both steps of VapourSynth's V-BM3D; matrix=0 makes sigma the true one."""
    options = {"sigma": sigma, "radius": radius, "matrix": 0}
    first = source.bm3d.VBasic(**options).bm3d.VAggregate(radius=radius, sample=1)
    return source.bm3d.VFinal(ref=first, **options).bm3d.VAggregate(radius=radius, sample=1)


def _patch(case: Any, sigma: float) -> float:
    return strength(case, sigma, patch=7)


FILMS: tuple[Away, ...] = (
    filtered(PlainInClips, "nlm-ispc-d2", "vapoursynth-nlm-ispc", nlm_ispc, "d = 2", enters=(), d=2, a=7, s=3),
    filtered(PlainInClips, "bm3dcpu-radius2", "vapoursynth-bm3dcpu", bm3dcpu, "V-BM3D", enters=(), radius=2),
    filtered(PlainInClips, "vapoursynth-bm3d-radius2", "vapoursynth-bm3d", bm3d, "V-BM3D", enters=(), radius=2),
    graphed(PlainAway, "ffmpeg-nlm-frames", nlmeans, (), "frame by frame", "float32", s=_patch, p=7, r=21),
)
"""In the order of tables."""
