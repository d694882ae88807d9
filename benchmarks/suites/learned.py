"""Seconds and memory of the non-local block, forward and backward (needs torch)."""

from __future__ import annotations

from typing import Any

from .. import peers
from ..harness.published import Published, Table, ms, table
from ..harness.suite import Suite, fixed
from ..harness.tensors import TensorCase
from ..peers.blocks import TensorMethod

WINDOW: dict[str, Any] = {"search_radius": 10}
FILTER: dict[str, Any] = {
    "row": "nlm", "shape": (1, 1, 256, 256), "search_radius": 10, "patch_radius": 3, "sigma": 25.0, "strength": 0.6
}  # fmt: skip
LARGEST: dict[str, Any] = {"each_thread_count": False}
ONCE: dict[str, Any] = {"each_thread_count": False, "rounds": 1}
WINDOWS = ("block-numba", "torch-unfold", "block-reference")
# The reference comes first: over all pixels its answer is what the others are held against.
FRESH_EXP = ("block-reference", "block-sdpa", "block-numba")
FRESH_COUNT = ("block-reference", "block-linear", "block-numba")

CASES: tuple[TensorCase, ...] = (
    TensorCase("window-exp-fresh", "memory", WINDOWS, **ONCE, **WINDOW),
    TensorCase("window-distance-fresh", "memory", WINDOWS, **ONCE, **WINDOW, row="distance"),
    TensorCase("window-exp", "call", WINDOWS, **WINDOW),
    TensorCase("window-distance", "call", WINDOWS, **WINDOW, row="distance"),
    TensorCase("window-exp-forward", "call", ("block-numba", "torch-flex"), **WINDOW, backward=False),
    TensorCase("whole-exp-fresh", "memory", FRESH_EXP, **ONCE),
    TensorCase("whole-linear-fresh", "memory", FRESH_COUNT, **ONCE, row="linear"),
    TensorCase("whole-relu-fresh", "memory", FRESH_COUNT, **ONCE, row="relu"),
    TensorCase("whole-exp", "call", ("block-sdpa", "block-numba"), **LARGEST),
    TensorCase("whole-linear", "call", ("block-linear", "block-numba"), **LARGEST, row="linear"),
    TensorCase("whole-relu", "call", ("block-linear", "block-numba"), **LARGEST, row="relu"),
    TensorCase("nlm-forward", "call", ("block-numba", "nlmeans"), **FILTER, backward=False),
    TensorCase("nlm", "call", ("block-numba",), **FILTER),
)

QUICK = tuple(case for case in CASES if case.kind == "call" or case.name == "window-exp-fresh")
"""Those of ``--quick``: fresh processes that import torch take seconds each."""

SUITE = Suite("learned", __doc__, fixed(CASES), peers.methods(TensorMethod), place=6, rounds=3, quick=QUICK)


def block(published: Published) -> list[str]:
    """Return what the block takes, and plain PyTorch."""
    cases = {name: methods for (name, threads), methods in published.cases("learned").items() if threads == 2}
    rows = []
    for name, words in (("window-exp", "embedded gaussian"), ("window-distance", "distance")):
        timed, fresh = cases[name], cases[f"{name}-fresh"]
        for method, text in (("block-numba", "on the core"), ("torch-unfold", "in plain PyTorch with `unfold`")):
            memory = fresh[method]["measures"]["extra_memory"]["median"] / 1e6
            slower = timed["block-numba"]["ratios"]["torch-unfold"]["median"]
            larger = fresh["block-numba"]["ratios"]["torch-unfold (memory)"]["median"]
            losses = "" if method == "block-numba" else f"{slower:.0f}× slower, {larger:.0f}× larger"
            rows.append([f"{words} {text}", ms(timed[method]), f"{memory:.0f} MB", losses])
    return table(["", "forward and backward", "memory", ""], rows)


TABLES: dict[str, Table] = {"block": block}
