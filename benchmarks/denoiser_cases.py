"""What the suite ``denoiser`` measures: pictures that are denoised with nothing but σ given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .cases import PictureCase


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
            "first-call": "first call of a process, which loads torch and the weights; ",
        }
        return f"{start[self.kind]}{what}"

    def parameters(self) -> dict[str, Any]:
        """Return all that the numbers depend on, as it stands in result files."""
        foreign = ("patch_radius", "search_radius", "strength", "reference")
        return {name: value for name, value in super().parameters().items() if name not in foreign}


ALL = ("learned", "dncnn", "nlmeans-balanced", "nlmeans-best", "bm3d")
LEARNED: dict[str, Any] = {"methods": ("learned",), "each_thread_count": False, "rounds": 3}

DENOISER: tuple[PlainCase, ...] = (
    PlainCase("grey-512", "call", ALL),
    PlainCase("colour-512", "call", ("learned", "nlmeans-balanced", "nlmeans-best", "bm3d"), source="astronaut"),
    PlainCase("grey-256", "call", shape=(256, 256), **LEARNED),
    PlainCase("grey-1024", "call", shape=(1024, 1024), **LEARNED),
    PlainCase("grey-2048", "call", shape=(2048, 2048), **LEARNED),
    PlainCase("memory-4096", "memory", ("learned",), shape=(4096, 4096), each_thread_count=False, rounds=1),
    PlainCase("first-call", "first-call", **LEARNED),
)
"""The cases of ``python -m benchmarks denoiser``."""
