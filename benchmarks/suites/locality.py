"""How far layers, a block and non-local means see, and what that is worth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .. import peers
from ..harness.cases import Case
from ..harness.methods import Method
from ..harness.published import Published, Table, ms, table
from ..harness.reach import ReachCase
from ..harness.sets import QUICK_SIDE, QualityCase
from ..harness.suite import Suite
from ..harness.timing import mean
from ..peers.layers import Reaching
from ..peers.own import OURS, SURE, Classical
from ..peers.plain import Plain

WAYS = {
    "convolutions": "3×3 convolutions",
    "convolutions-pooled": "the same, 2×2 pooling after each",
    "block": "one block",
}
REACHES: tuple[int | str, ...] = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 100, "image")
RADII: dict[str, Method] = {
    f"radius-{reach}": Classical(
        f"radius-{reach}", **OURS, options={"quality": "fast", "strength": "sure", "search_radius": reach}, note=SURE
    )
    for reach in REACHES
}
"""One pass of non-local means by how far it searches, each with a strength that suits it."""
NEIGHBOURS = peers.entering(Plain, "neighbours")
"""Filters that see neighbours alone."""

REACH: tuple[ReachCase, ...] = (
    ReachCase("reach-28", "call", tuple(WAYS), each_thread_count=False),
    ReachCase("reach-56", "call", tuple(WAYS), each_thread_count=False, side=56),
    ReachCase("reach-224", "call", tuple(WAYS), each_thread_count=False, rounds=3, side=224),
)


def radius(source: str) -> QualityCase:
    """Return the case that asks how far to search."""
    return QualityCase(
        f"radius-{source}", "pictures", (*RADII, *NEIGHBOURS), each_thread_count=False, source=source, sigma=25.0,
        side=QUICK_SIDE,
    )  # fmt: skip


def cases(data: Path | None, sigmas: Sequence[float] | None) -> tuple[Case, ...]:
    """Return how layers reach, and how far non-local means has to search."""
    return (*REACH, radius("camera"), radius("brick"))


SUITE = Suite(
    "locality", __doc__, cases, place=7, rounds=5,
    methods={**peers.methods(Reaching), **RADII, **{name: peers.methods(Plain)[name] for name in NEIGHBOURS}},
)  # fmt: skip


def layers(published: Published) -> list[str]:
    """Return how many layers see a whole picture, and that one block does."""
    rows = []
    for (name, _), ways in published.cases("locality").items():
        if name.startswith("reach-"):
            for way, words in WAYS.items():
                measures = ways[way]["measures"]
                numbers = [f"{measures['layers']['median']:.0f}", f"{measures['parameters']['median'] / 1e3:,.0f} k"]
                work = f"{measures['macs']['median'] / 1e6:,.0f} M"
                rows.append([f"{name.removeprefix('reach-')}²", words, *numbers, work, ms(ways[way])])
    return table(["picture", "", "layers", "parameters", "multiply-adds", "forward pass"], rows)


def searching(published: Published) -> list[str]:
    """Return the PSNR by how far non-local means searches."""
    pictures = {name: each for (name, _), each in published.cases("locality").items() if name.startswith("radius-")}
    names = list(dict.fromkeys(method for each in pictures.values() for method in each))
    rows = [
        [name.removeprefix("radius-"), *(f"{mean(each[method]['measures']['psnr']):.2f}" for method in names)]
        for name, each in pictures.items()
    ]
    return table(["search radius", *(name.removeprefix("radius-") for name in names)], rows)


TABLES: dict[str, Table] = {"reach": layers, "radius": searching}
