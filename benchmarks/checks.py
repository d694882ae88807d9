"""Whether an answer is right; only right answers are timed."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from .timing import summary

if TYPE_CHECKING:
    from nlmeans.pairwise.spec import PairwiseSpec

    from .cases import Image, PictureCase

BLOCK = 16
"""Side of the squares in which an answer is compared with the definition."""


@dataclass(frozen=True)
class Finding:
    """One number that was looked at, and the limit that it had to keep."""

    what: str
    value: float
    rule: Literal[">=", "<="]
    limit: float

    @property
    def passed(self) -> bool:
        """Whether the limit is kept; not a number keeps none."""
        return self.value >= self.limit if self.rule == ">=" else self.value <= self.limit

    def record(self) -> dict[str, Any]:
        """Return the finding as it stands in result files, where infinity and NaN have no form."""
        return asdict(self) | {"value": self.value if math.isfinite(self.value) else None, "passed": self.passed}

    def __str__(self) -> str:
        return f"{self.what} is {self.value:.4g}, must be {self.rule} {self.limit:.4g}"


@dataclass(frozen=True)
class Likeness:
    """How near a method must come to the definition, with the recipe that is nearest to what the method computes.

    Attributes
    ----------
    spec : PairwiseSpec
        The recipe.
    exact : bool
        True: the method is meant to compute just this, also at the border; no pixel may be off by more than
        ``limit`` times σ, and integers by their rounding besides. False: it computes something alike; its PSNR
        against the definition, away from the border, is at least ``limit``.
    limit : float
        In σ, or in dB.
    """

    spec: PairwiseSpec
    exact: bool
    limit: float


class Judge(Protocol):
    """Judges one method's answers to one case."""

    @property
    def given(self) -> tuple[Any, ...]:
        """What the method is called with, between the case and the threads."""

    def examine(self, answer: Any) -> list[Finding]:
        """Look at a method's first answer from all sides."""

    def fault(self, answer: Any) -> str | None:
        """Say what is wrong with a later answer, or None."""

    def quality(self) -> dict[str, Any]:
        """Return measures of how good the accepted answer is, as they stand in result files."""


@dataclass
class PictureJudge:
    """Judges denoised pictures."""

    image: Image
    gain_db: float
    likeness: Likeness | None
    accepted: np.ndarray | None = field(default=None, repr=False)
    defined: dict[tuple[int, ...], np.ndarray] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, case: PictureCase, image: Image, likeness: Likeness | None) -> PictureJudge:
        """Return the judge that a case asks for."""
        return cls(image, case.gain_db, likeness if case.reference else None)

    @property
    def given(self) -> tuple[np.ndarray, float]:
        """The noisy image, and its noise."""
        return self.image.noisy, self.image.sigma

    def examine(self, answer: Any) -> list[Finding]:
        """Look at a method's first answer from all sides; where all findings pass, it is what later ones must be."""
        noisy, self.accepted = self.image.noisy, None
        alike = isinstance(answer, np.ndarray) and answer.shape == noisy.shape and answer.dtype == noisy.dtype
        findings = [Finding("an array of the input's shape and type", float(alike), ">=", 1)]
        if alike:
            wild = int(answer.size - np.count_nonzero(np.isfinite(answer)))
            findings.append(Finding("values that are not finite", wild, "<=", 0))
            if wild == 0:
                gain = self.psnr(answer) - self.psnr(noisy)
                findings.append(Finding("PSNR gained over the noisy picture, dB", gain, ">=", self.gain_db))
                findings += self._against_definition(answer)
        if all(finding.passed for finding in findings):
            self.accepted = answer.copy()
        return findings

    def fault(self, answer: Any) -> str | None:
        """Say what is wrong with a later answer: it has to be the accepted one again."""
        same = np.array_equal(answer, self.accepted) if self.accepted is not None else False
        return None if same else "a timed answer differs from the one that was checked"

    def quality(self) -> dict[str, Any]:
        """Return the accepted answer's PSNR."""
        assert self.accepted is not None
        return {"psnr": summary([self.psnr(self.accepted)], "dB")}

    def psnr(self, answer: np.ndarray) -> float:
        """Return the PSNR of an answer, clipped to the range of the picture, against the clean one."""
        clipped = np.clip(answer, 0, self.image.peak) if answer.dtype.kind == "f" else answer
        return psnr(clipped, self.image.clean, self.image.peak)

    def _against_definition(self, answer: np.ndarray) -> list[Finding]:
        if self.likeness is None:
            return []
        spec, limit = self.likeness.spec, self.likeness.limit
        middle = tuple((side - BLOCK) // 2 for side in answer.shape[:2])
        if not self.likeness.exact:
            near = psnr(*self._pair(answer, middle, spec), self.image.peak)
            return [Finding("PSNR against the definition in the middle, dB", near, ">=", limit)]
        findings = []
        for where, corner in (("the middle", middle), ("a corner", (0, 0))):
            ours, expected = self._pair(answer, corner, spec)
            worst = float(np.abs(ours - expected).max())
            allowed = limit * self.image.sigma + (0.5 if answer.dtype.kind in "iu" else 0.0)
            findings.append(Finding(f"largest difference from the definition in {where}", worst, "<=", allowed))
        return findings

    def _pair(self, answer: np.ndarray, corner: tuple[int, ...], spec: PairwiseSpec) -> tuple[np.ndarray, np.ndarray]:
        """Return a block of the answer, and what it is by definition."""
        if corner not in self.defined:
            self.defined[corner] = self._define(corner, spec)
        rows, columns = (slice(start, start + BLOCK) for start in corner)
        return np.atleast_3d(answer[rows, columns]).astype(np.float64), self.defined[corner]

    def _define(self, corner: tuple[int, ...], spec: PairwiseSpec) -> np.ndarray:
        """Compute a block of the answer by definition, from as much of the input around it as it depends on."""
        from nlmeans.pairwise.naive import pairwise_average

        around = tuple(
            slice(max(start - halo, 0), start + BLOCK + halo) for start, halo in zip(corner, spec.halo[1:], strict=True)
        )
        cut = np.atleast_3d(self.image.noisy[around]).astype(np.float64)
        planes = np.moveaxis(cut, 2, 0)[:, None]
        average = np.moveaxis(pairwise_average(planes, planes, planes, spec)[:, 0], 0, 2)
        first_row, first_column = (start - cut_out.start for start, cut_out in zip(corner, around, strict=True))
        return average[first_row : first_row + BLOCK, first_column : first_column + BLOCK]


def psnr(image: np.ndarray, clean: np.ndarray, peak: float) -> float:
    """Return the peak signal-to-noise ratio in dB; infinite where the images are the same."""
    error = float(np.mean(np.square(np.subtract(image, clean, dtype=np.float32)), dtype=np.float64))
    return 10 * math.log10(peak**2 / error) if error > 0 else math.inf
