"""Seconds and memory of the learned denoiser and of method "ridge", given nothing but σ (needs torch)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import peers
from ..harness.pictures import PictureCase
from ..harness.published import Published, Table, against, ms, table
from ..harness.suite import Suite, fixed
from ..harness.timing import mean
from ..peers.plain import Plain


@dataclass(frozen=True)
class PlainCase(PictureCase):
    """A picture whose σ is known; all else is the method's own choice."""

    @property
    def title(self) -> str:
        """What it is, for people."""
        what = f"{'colour' if self.colour else 'grey'} {'×'.join(map(str, reversed(self.shape)))}, σ = {self.sigma:g}"
        start = {
            "call": "",
            "memory": "fresh process: seconds, and memory beyond the input's; ",
            "first-call": "first call of a process, with all that it loads; ",
        }
        return f"{start[self.kind]}{what}"

    def parameters(self) -> dict[str, Any]:
        """Return all that the numbers depend on, as it stands in result files."""
        foreign = ("patch_radius", "search_radius", "strength", "reference")
        return {name: value for name, value in super().parameters().items() if name not in foreign}


OURS = ("learned", "learned-fast", "nlmeans-balanced", "nlmeans-best", "ridge-fast", "ridge", "ridge-best")
LEARNED: dict[str, Any] = {"methods": ("learned",), "each_thread_count": False, "rounds": 3}
COMBINING: dict[str, Any] = {"methods": ("ridge",), "each_thread_count": False, "rounds": 3}
ONCE: dict[str, Any] = {"each_thread_count": False, "rounds": 1}

CASES: tuple[PlainCase, ...] = (
    PlainCase("grey-512", "call", (*OURS, "dncnn", "bm3d")),
    PlainCase("colour-512", "call", (*OURS, "bm3d"), source="astronaut"),
    PlainCase("grey-256", "call", shape=(256, 256), **LEARNED),
    PlainCase("grey-1024", "call", shape=(1024, 1024), **LEARNED),
    PlainCase("grey-2048", "call", shape=(2048, 2048), **LEARNED),
    PlainCase("memory-4096", "memory", ("learned",), shape=(4096, 4096), **ONCE),
    PlainCase("ridge-1024", "call", shape=(1024, 1024), **COMBINING),
    PlainCase("ridge-2048", "call", shape=(2048, 2048), **COMBINING),
    PlainCase("ridge-memory-2048", "memory", ("ridge", "ridge-best"), shape=(2048, 2048), **ONCE),
    PlainCase("ridge-memory-4096", "memory", ("ridge",), shape=(4096, 4096), **ONCE),
    PlainCase("ridge-first-call", "first-call", **COMBINING),
    PlainCase("first-call", "first-call", **LEARNED),
)

SUITE = Suite("denoiser", __doc__, fixed(CASES), peers.methods(Plain), place=4, rounds=5)


def one_picture(published: Published) -> list[str]:
    """Return what denoising one picture takes, learned, classical and by others."""
    words = {
        "learned": "`nonlocal_block.denoise`", "learned-fast": '`nonlocal_block.denoise`, `quality="fast"`',
        "dncnn": "DnCNN's architecture, 17 layers of 64", "bm3d": "BM3D's package",
        "nlmeans-balanced": "`nlmeans.denoise`", "nlmeans-best": '`nlmeans.denoise`, `quality="best"`',
    }  # fmt: skip
    cases = published.cases("denoiser").items()
    by_threads = {threads: methods for (name, threads), methods in cases if name == "grey-512"}
    rows = []
    measured = by_threads[max(by_threads)]
    for name, text in words.items():
        if name not in measured:
            continue
        cells = [
            ms(methods[name]) if name == "learned" else against(methods["learned"], methods, name)
            for methods in by_threads.values()
        ]
        dB = f"{mean(measured[name]['measures']['psnr']):.2f} dB" if name != "dncnn" else "–"
        rows.append([text, *cells, dB])
    counts = (f"{count} thread{'s' * (count > 1)}" for count in by_threads)
    return table(["`camera`, 512², σ = 25", *counts, "PSNR"], rows)


def groups(published: Published) -> list[str]:
    """Return what groups of patches take, and how many times that BM3D's package takes."""
    words = {
        "ridge-fast": '`method="ridge", quality="fast"`', "ridge": '`method="ridge"`',
        "ridge-best": '`method="ridge", quality="best"`', "learned-fast": '`method="learned", quality="fast"`',
        "learned": '`method="learned"`', "bm3d": "BM3D's package",
    }  # fmt: skip
    places = [(kind, threads) for threads in (1, 2) for kind in ("grey", "colour")]
    cases = published.cases("denoiser")
    rows = []
    for name, text in words.items():
        if not all(name in cases[f"{kind}-512", threads] for kind, threads in places):
            continue
        cells = []
        for kind, threads in places:
            method = cases[f"{kind}-512", threads][name]
            ratio = method.get("ratios", {}).get("bm3d")
            cells.append(ms(method) + ("" if ratio is None else f": **{ratio['median']:.0f}×**"))
        rows.append([text, *cells])
    heads = [f"{kind}, {threads} thread{'s' * (threads > 1)}" for kind, threads in places]
    return table(["512², σ = 25: time, and how many times that BM3D takes", *heads], rows)


TABLES: dict[str, Table] = {"denoiser": one_picture, "ridge": groups}
