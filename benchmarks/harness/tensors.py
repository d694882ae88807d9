"""What the suite ``learned`` measures: rows of the table on seeded features, and non-local means as a layer."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import numpy as np

from .cases import Case, PictureCase

Row = Literal["exp", "distance", "linear", "relu", "nlm"]
Arrays = tuple[np.ndarray, ...]

OPTIONS: dict[str, dict[str, Any]] = {
    "exp": {"score": "dot", "weight": "exp", "normalise": "sum"},
    "distance": {"score": "distance", "weight": "gaussian", "normalise": "sum"},
    "linear": {"score": "dot", "weight": "linear", "normalise": "count"},
    "relu": {"score": "sum", "weight": "relu", "normalise": "count"},
}
"""What `pairwise_attention` is told about a row of the table."""

WARM_UP = 32
"""Side of the cut-out that loads a method's code before the memory of a whole call is looked at."""


@dataclass(frozen=True)
class TensorCase(Case):
    """An average of features, with its gradients where they are asked for.

    Attributes
    ----------
    row : {"exp", "distance", "linear", "relu", "nlm"}
        The row of the table, named by its weight or score; "nlm" is `NonLocalMeans2d` on a noisy picture.
    shape : tuple of int
        (1, channels, rows, columns) of the values. Query and key have as many channels, for "relu" one; for
        "distance" they are one tensor.
    search_radius : int or "image"
        Half-width of the window.
    backward : bool
        Whether the gradients of all inputs belong to the answer.
    seed : int
        Where the random numbers start.
    patch_radius, sigma, strength : int, float, float
        Of "nlm".
    """

    row: Row = "exp"
    shape: tuple[int, int, int, int] = (1, 32, 128, 128)
    search_radius: int | Literal["image"] = "image"
    backward: bool = True
    seed: int = 1000
    patch_radius: int = 0
    sigma: float | None = None
    strength: float | None = None

    @property
    def title(self) -> str:
        """What it is, for people."""
        where = "all pixels" if self.search_radius == "image" else f"search radius {self.search_radius}"
        what = f"patch radius {self.patch_radius}, {where}" if self.row == "nlm" else f"{self.row}, {where}"
        passes = "forward and backward" if self.backward else "forward"
        start = "fresh process: seconds, and memory beyond the input's; " if self.kind == "memory" else ""
        return f"{start}{what}, {'×'.join(map(str, self.shape))}, {passes}"

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs, in the order of `subject`."""
        if self.row == "nlm":
            return ("image",)
        return ("features", "value") if self.row == "distance" else ("query", "key", "value")

    @property
    def reach(self) -> int | None:
        """How far from an output pixel its inputs lie; None where all pixels are its inputs."""
        return None if self.search_radius == "image" else self.search_radius + self.patch_radius

    def quick(self) -> Self:
        """Return the case on 8×32×32 numbers, in two fresh processes at most."""
        radius: int | Literal["image"] = "image" if self.search_radius == "image" else min(self.search_radius, 3)
        one, channels, height, width = self.shape
        shape = (one, min(channels, 8), min(height, 32), min(width, 32))
        methods = self.methods[:2] if self.kind == "memory" else self.methods
        return replace(self, methods=methods, shape=shape, search_radius=radius)

    def problem(self) -> Self:
        """Return what cases with the same answers have in common."""
        return replace(self, name="", kind="call", methods=(), each_thread_count=True, rounds=None, backward=True)

    def subject(self) -> tuple[Arrays, np.ndarray]:
        """Make the inputs, and the gradient of the output that is sent backward.

        Scores have a standard deviation or a mean of about 1, so that no weight stands for all.
        """
        random = np.random.default_rng(self.seed)

        def normal(channels: int, scale: float = 1.0) -> np.ndarray:
            numbers = random.standard_normal((1, channels, *self.shape[2:]), np.float32)
            return numbers * np.float32(scale)

        channels, gradient = self.shape[1], normal(self.shape[1])
        if self.row == "nlm":
            picture = PictureCase("", "call", (), shape=self.shape[2:], sigma=self.sigma or 0.0, seed=self.seed)
            return (picture.subject().noisy[None, None],), gradient
        if self.row == "distance":
            return (normal(channels, (2 * channels) ** -0.5), normal(channels)), gradient
        if self.row == "relu":
            return (normal(1), normal(1), normal(channels)), gradient
        return (normal(channels, channels**-0.25), normal(channels, channels**-0.25), normal(channels)), gradient

    def warm_up(self, given: tuple[Arrays, np.ndarray]) -> tuple[Arrays, np.ndarray]:
        """Return a corner of the inputs and of the gradient."""
        inputs, gradient = (tuple(x[..., :WARM_UP, :WARM_UP].copy() for x in part) for part in (given[0], given[1:]))
        return inputs, gradient[0]

    def copy_bytes(self) -> int:
        """Return the bytes of the values."""
        return math.prod(self.shape) * np.dtype(np.float32).itemsize


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

LEARNED: tuple[TensorCase, ...] = (
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
"""The cases of ``python -m benchmarks learned``."""

QUICK = tuple(case for case in LEARNED if case.kind == "call" or case.name == "window-exp-fresh")
"""Those of ``--quick``: fresh processes that import torch take seconds each."""
