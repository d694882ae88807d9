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
SMALL_BLOCK = 8
"""The same of the cubes, and of the squares where every pixel meets all others: the definition is slow."""


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
    """Judges denoised pictures, and volumes.

    ``block`` is the (z, y, x) of what is compared with the definition; ``again_db`` the PSNR that later answers need
    against the accepted one, None where they have to be the same.
    """

    image: Image
    gain_db: float
    likeness: Likeness | None
    block: tuple[int, int, int] = (1, BLOCK, BLOCK)
    again_db: float | None = None
    accepted: np.ndarray | None = field(default=None, repr=False)
    defined: dict[tuple[int, ...], np.ndarray] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, case: PictureCase, image: Image, likeness: Likeness | None) -> PictureJudge:
        """Return the judge that a case asks for."""
        volume = len(case.shape) == 3
        side = SMALL_BLOCK if volume or case.whole else BLOCK
        block = (side if volume else 1, side, side)
        return cls(image, case.gain_db, likeness if case.reference else None, block)

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
        same = self.accepted is not None and np.array_equal(answer, self.accepted)
        if self.accepted is not None and not same and self.again_db is not None:
            alike = np.shape(answer) == self.accepted.shape
            same = alike and psnr(answer, self.accepted, self.image.peak) >= self.again_db
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
        middle = tuple((side - wide) // 2 for side, wide in zip(self.planes(answer).shape[1:], self.block, strict=True))
        if not self.likeness.exact:
            near = psnr(*self._pair(answer, middle, spec), self.image.peak)
            return [Finding("PSNR against the definition in the middle, dB", near, ">=", limit)]
        findings = []
        for where, corner in (("the middle", middle), ("a corner", (0, 0, 0))):
            ours, expected = self._pair(answer, corner, spec)
            worst = float(np.abs(ours - expected).max())
            allowed = limit * self.image.sigma + (0.5 if answer.dtype.kind in "iu" else 0.0)
            findings.append(Finding(f"largest difference from the definition in {where}", worst, "<=", allowed))
        return findings

    def _pair(self, answer: np.ndarray, corner: tuple[int, ...], spec: PairwiseSpec) -> tuple[np.ndarray, np.ndarray]:
        """Return a block of the answer, and what it is by definition."""
        if corner not in self.defined:
            self.defined[corner] = self._define(corner, spec)
        return self.planes(answer)[:, *self._part(corner)], self.defined[corner]

    def _define(self, corner: tuple[int, ...], spec: PairwiseSpec) -> np.ndarray:
        """Compute a block of the answer by definition, from as much of the input around it as it depends on."""
        from nlmeans.pairwise.naive import patchwise_average

        part = self._part(corner)
        around = tuple(slice(max(p.start - halo, 0), p.stop + halo) for p, halo in zip(part, spec.halo, strict=True))
        cut = self.planes(self.image.noisy)[:, *around]
        within = tuple(slice(p.start - a.start, p.stop - a.start) for p, a in zip(part, around, strict=True))
        if spec.aggregation == "patch":
            return patchwise_average(cut, cut, spec)[:, *within]
        return definition(cut, spec, within)

    def _part(self, corner: tuple[int, ...]) -> tuple[slice, ...]:
        return tuple(slice(start, start + wide) for start, wide in zip(corner, self.block, strict=True))

    def planes(self, image: np.ndarray) -> np.ndarray:
        """Return an image or a volume as planes (C, Z, Y, X) in float64."""
        if self.block[0] > 1:
            return image[None].astype(np.float64)
        return np.moveaxis(np.atleast_3d(image), 2, 0)[:, None].astype(np.float64)


def definition(planes: np.ndarray, spec: PairwiseSpec, part: tuple[slice, ...]) -> np.ndarray:
    """Return a part of what `nlmeans.pairwise.naive.pairwise_average` says planes (C, Z, Y, X) become.

    That function computes all pixels; where each of them meets 50,000 others, that would take a quarter of an hour.
    """
    from nlmeans.pairwise.naive import patches, positions, scores, weights

    rows, at, values = patches(planes, spec), positions(planes), planes.reshape(len(planes), -1)
    wanted = np.arange(len(rows)).reshape(planes.shape[1:])[part]
    output = np.empty((len(planes), wanted.size))
    for k, i in enumerate(wanted.flat):
        near = (abs(at - at[i]) <= spec.window).all(1)
        near[i] = False
        f = weights(scores(rows[i], rows[near], spec), spec)
        own = {"max": f.max(initial=0), "one": 1.0, "zero": 0.0}[spec.centre]
        own = 1.0 if f.sum() + own == 0 else own
        output[:, k] = (values[:, near] @ f + own * values[:, i]) / (f.sum() + own)
    return output.reshape(len(planes), *wanted.shape)


def psnr(image: np.ndarray, clean: np.ndarray, peak: float) -> float:
    """Return the peak signal-to-noise ratio in dB: infinite where the images are the same, NaN where one holds NaN."""
    error = float(np.mean(np.square(np.subtract(image, clean, dtype=np.float32)), dtype=np.float64))
    return math.inf if error == 0 else 10 * math.log10(peak**2 / error)
