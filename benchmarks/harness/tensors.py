"""Averages of seeded features and their gradients: cases, and judges that hold them against a reference."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self

import numpy as np

from .cases import Case
from .checks import BLOCK, Finding, Judge
from .pictures import PictureCase

Row = Literal["exp", "distance", "linear", "relu", "nlm"]
Arrays = tuple[np.ndarray, ...]

OPTIONS: dict[str, dict[str, Any]] = {
    "exp": {"score": "dot", "weight": "exp", "normalise": "sum"},
    "distance": {"score": "distance", "weight": "gaussian", "normalise": "sum"},
    "linear": {"score": "dot", "weight": "linear", "normalise": "count"},
    "relu": {"score": "sum", "weight": "relu", "normalise": "count"},
}
"""What `pairwise_attention` is asked for, for a row of the table."""

WARM_UP = 32
"""Side of the cut-out that loads a method's code before the memory of a whole call is taken."""


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


LIMIT = 2e-4
"""How far a number may be off, as a share of the largest one around it."""

Given = tuple[Arrays, np.ndarray]
Place = tuple[slice, slice]


@dataclass(frozen=True)
class View:
    """Pixels that are compared, what they depend on, and where they lie in that."""

    where: str
    compared: Place
    around: Place
    dtype: type

    @property
    def inner(self) -> Place:
        """The compared pixels' place within ``around``."""
        rows, columns = (
            slice(inside.start - outside.start, inside.stop - outside.start)
            for inside, outside in zip(self.compared, self.around, strict=True)
        )
        return rows, columns

    def cut(self, planes: np.ndarray) -> np.ndarray:
        """Return what the compared pixels depend on, in the type of the view."""
        return np.ascontiguousarray(planes[(..., *self.around)], self.dtype)


def views(case: TensorCase) -> list[View]:
    """Return a block in the middle and one in a corner, in float64; all pixels where each depends on all."""
    height, width = case.shape[2:]
    if case.reach is None:
        everything = slice(0, height), slice(0, width)
        return [View("all pixels", everything, everything, np.float32)]
    halo = 2 * case.reach  # a gradient depends on outputs within reach, and these on inputs within reach of them
    places = []
    for where, corner in (("the middle", ((height - BLOCK) // 2, (width - BLOCK) // 2)), ("a corner", (0, 0))):
        rows, columns = (slice(start, start + BLOCK) for start in corner)
        top, left = (slice(max(start - halo, 0), start + BLOCK + halo) for start in corner)
        places.append(View(where, (rows, columns), (top, left), np.float64))
    return places


@dataclass
class Oracle:
    """The right answers to a problem, each computed when it is asked for."""

    solve: Callable[[Given], Arrays]
    given: Given
    known: dict[str, Arrays] = field(default_factory=dict, repr=False)

    def expected(self, view: View) -> Arrays:
        """Return output and gradients at the pixels of a view."""
        if view.where not in self.known:
            inputs, gradient = self.given
            cut = tuple(view.cut(x) for x in inputs), view.cut(gradient)
            self.known[view.where] = tuple(x[(..., *view.inner)] for x in self.solve(cut))
        return self.known[view.where]


@dataclass
class TensorJudge(Judge):
    """Judges one method's averages and gradients.

    ``defines`` marks the reference itself: where all pixels are compared, its first answer is the expected one.
    """

    case: TensorCase
    subject: Given
    oracle: Oracle
    defines: bool

    @property
    def given(self) -> Given:
        """The inputs, and the gradient of the output."""
        return self.subject

    def examine(self, answer: Any) -> list[Finding]:
        """Check output and gradients: their shapes, whether they are finite, and how far from right."""
        gradients = [f"the gradient of {name}" for name in self.case.inputs] if self.case.backward else []
        names = ["the output", *gradients]
        shapes = [self.case.shape, *(x.shape for x in self.subject[0] if self.case.backward)]
        alike = isinstance(answer, tuple) and [(x.shape, x.dtype) for x in answer] == [
            (shape, np.float32) for shape in shapes
        ]
        findings = [Finding(f"float32 arrays of the right shapes: {', '.join(names)}", float(alike), ">=", 1)]
        if alike:
            wild = sum(int(np.count_nonzero(~np.isfinite(x))) for x in answer)
            findings.append(Finding("values that are not finite", wild, "<=", 0))
            if wild == 0:
                findings += [finding for view in views(self.case) for finding in self._compare(names, answer, view)]
        return findings

    def _compare(self, names: list[str], answer: Arrays, view: View) -> list[Finding]:
        if self.defines and self.case.backward and self.case.reach is None:
            self.oracle.known.setdefault(view.where, answer)
        findings = []
        for name, ours, expected in zip(names, answer, self.oracle.expected(view), strict=False):
            off = np.abs(ours[(..., *view.compared)].astype(np.float64) - expected).max() / np.abs(expected).max()
            what = f"largest difference of {name} from the reference in {view.where}, of its largest value"
            findings.append(Finding(what, float(off), "<=", LIMIT))
        return findings
