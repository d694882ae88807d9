"""Whether averages and gradients are right: they are held against the block's plain-torch reference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .checks import BLOCK, Finding
from .tensors import Arrays, TensorCase

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
    found = []
    for where, corner in (("the middle", ((height - BLOCK) // 2, (width - BLOCK) // 2)), ("a corner", (0, 0))):
        rows, columns = (slice(start, start + BLOCK) for start in corner)
        top, left = (slice(max(start - halo, 0), start + BLOCK + halo) for start in corner)
        found.append(View(where, (rows, columns), (top, left), np.float64))
    return found


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
class TensorJudge:
    """Judges one method's averages and gradients.

    ``defines`` marks the reference itself: where all pixels are compared, its first answer is the expected one.
    """

    case: TensorCase
    given: Given
    oracle: Oracle
    defines: bool

    def examine(self, answer: Any) -> list[Finding]:
        """Look at output and gradients: their shapes, whether they are finite, and how far from right."""
        gradients = [f"the gradient of {name}" for name in self.case.inputs] if self.case.backward else []
        names = ["the output", *gradients]
        shapes = [self.case.shape, *(x.shape for x in self.given[0] if self.case.backward)]
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

    def fault(self, answer: Any) -> str | None:
        """Say what is wrong with a later answer: it has to be right again, if not to the bit."""
        wrong = [str(finding) for finding in self.examine(answer) if not finding.passed]
        return f"wrong answer when timed: {'; '.join(wrong)}" if wrong else None

    def quality(self) -> dict[str, Any]:
        """Return nothing: an answer is right or not."""
        return {}

    def _compare(self, names: list[str], answer: Arrays, view: View) -> list[Finding]:
        if self.defines and self.case.backward and self.case.reach is None:
            self.oracle.known.setdefault(view.where, answer)
        findings = []
        for name, ours, expected in zip(names, answer, self.oracle.expected(view), strict=False):
            off = np.abs(ours[(..., *view.compared)].astype(np.float64) - expected).max() / np.abs(expected).max()
            what = f"largest difference of {name} from the reference in {view.where}, of its largest value"
            findings.append(Finding(what, float(off), "<=", LIMIT))
        return findings
