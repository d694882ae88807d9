"""What the suite ``denoiser`` measures: pictures that are denoised with nothing but σ given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..harness.cases import PictureCase


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


OURS = ("learned", "nlmeans-balanced", "nlmeans-best", "ridge-fast", "ridge", "ridge-best")
LEARNED: dict[str, Any] = {"methods": ("learned",), "each_thread_count": False, "rounds": 3}
COMBINING: dict[str, Any] = {"methods": ("ridge",), "each_thread_count": False, "rounds": 3}
ONCE: dict[str, Any] = {"each_thread_count": False, "rounds": 1}

DENOISER: tuple[PlainCase, ...] = (
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
"""The cases of ``python -m benchmarks denoiser``."""
