"""Pictures that come with scikit-image and a made-up volume, with seeded noise: cases, and judges of their answers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from .cases import PEAK, Case, Form
from .checks import BLOCK, Finding, Judge
from .metrics import clipped_psnr, psnr
from .phantom import phantom
from .timing import summary

if TYPE_CHECKING:
    from nlmeans.pairwise import PairwiseSpec

SMALL_BLOCK = 8
"""Side of the cubes in which an answer is compared with the definition, and of the squares where every pixel meets all
others: the definition is slow."""

WARM_UP = 64
"""Side of the cut-out that loads a method's code before the memory of a whole image is taken."""


@dataclass(frozen=True)
class Image:
    """A noisy picture in the type that a method takes, with all that belongs to it in that type's units."""

    noisy: np.ndarray
    clean: np.ndarray
    sigma: float
    peak: float


@dataclass(frozen=True)
class Picture:
    """A clean picture and the same with noise, both float32 and neither rounded nor clipped."""

    clean: np.ndarray
    noisy: np.ndarray
    sigma: float

    def image(self, dtype: str) -> Image:
        """Return the picture in a type; integers fill their range, and noise is rounded and clipped to it."""
        kind = np.dtype(dtype)
        if kind.kind == "f":
            return Image(self.noisy.astype(kind), self.clean, self.sigma, PEAK)
        peak = float(np.iinfo(kind).max)
        scale = np.float32(peak / PEAK)
        noisy = np.clip(np.rint(self.noisy * scale), 0, peak).astype(kind)
        return Image(noisy, self.clean * scale, self.sigma * float(scale), peak)


@dataclass(frozen=True)
class PictureCase(Case):
    """A picture or a volume to be denoised.

    Attributes
    ----------
    source : str
        Picture of `skimage.data`, or "phantom" for the volume of that name; the middle cut out or tiled to ``shape``.
    shape : tuple of int
        Rows and columns, of a volume slices before them.
    sigma, seed : float, int
        Gaussian noise on the scale of 255, and where it starts.
    patch_radius : int
        Half-width of the patch.
    search_radius : int or "image"
        Half-width of the window; "image" for every pixel of the image.
    strength : float
        h/σ of the methods that subtract the noise's own share; `peers.equal` says what the others take.
    gain_db : float
        What the PSNR must rise by.
    reference : bool
        Whether parts of the answer are compared with the definition, computed slowly.
    """

    source: str = "camera"
    shape: tuple[int, ...] = (512, 512)
    sigma: float = 25.0
    seed: int = 1000
    patch_radius: int = 3
    search_radius: int | Literal["image"] = 10
    strength: float = 0.6
    gain_db: float = 5.0
    reference: bool = True

    @property
    def title(self) -> str:
        """What it is, for people."""
        patch, window = ("×".join([str(size)] * len(self.shape)) for size in (self.patch_size, self.window_size))
        window = "of the whole image" if self.whole else window
        what = f"{self.form} {'×'.join(map(str, reversed(self.shape)))}, patch {patch}, window {window}"
        return {
            "call": what,
            "program": f"whole process: load a PNG, denoise, save; {what}",
            "memory": f"fresh process: seconds, and memory beyond the input's; {what}",
            "first-call": f"first call of a process; {what}",
            "import": "import, where NumPy is imported already",
        }[self.kind]

    @property
    def patch_size(self) -> int:
        """Full width of the patch."""
        return 2 * self.patch_radius + 1

    @property
    def whole(self) -> bool:
        """Whether every pixel meets all others."""
        return self.search_radius == "image"

    @property
    def reach(self) -> int:
        """Half-width of the window in pixels; the least that holds the image from every pixel where all are met."""
        return max(self.shape) - 1 if self.search_radius == "image" else self.search_radius

    @property
    def window_size(self) -> int:
        """Full width of the search window."""
        return 2 * self.reach + 1

    @property
    def colour(self) -> bool:
        """Whether the picture has a last axis of three channels."""
        return self.source == "astronaut"

    @property
    def form(self) -> Form:
        """What kind of picture it is."""
        return "volume" if len(self.shape) == 3 else "colour" if self.colour else "grey"

    def quick(self) -> Self:
        """Return the case on at most 128×128 pixels, 48×48 where each meets all others, 32×32×32 of a volume."""
        most = 32 if len(self.shape) == 3 else 48 if self.whole else 128
        shape = tuple(min(side, most) for side in self.shape)
        radius: int | Literal["image"] = "image" if self.search_radius == "image" else min(self.search_radius, 5)
        return replace(self, shape=shape, search_radius=radius, rounds=None if self.rounds is None else 1)

    def subject(self) -> Picture:
        """Make the picture."""
        import skimage.data

        clean = phantom() if self.source == "phantom" else getattr(skimage.data, self.source)().astype(np.float32)
        for axis, side in enumerate(self.shape):
            clean = clean.take(np.arange(side) + (clean.shape[axis] - side) // 2, axis, mode="wrap")
        noise = np.random.default_rng(self.seed).standard_normal(clean.shape, np.float32)
        return Picture(clean, clean + np.float32(self.sigma) * noise, self.sigma)

    def warm_up(self, given: tuple[np.ndarray, float]) -> tuple[np.ndarray, float]:
        """Return a corner of the image."""
        image, sigma = given
        return image[:WARM_UP, :WARM_UP].copy(), sigma

    def copy_bytes(self) -> int:
        """Return the bytes of a float32 copy of the image."""
        return math.prod(self.shape) * (3 if self.colour else 1) * np.dtype(np.float32).itemsize


@dataclass(frozen=True)
class ClipCase(PictureCase):
    """Pictures of the same scene with noise of their own, each to be denoised by itself: what threads have to share.

    Attributes
    ----------
    frames : int
        How many.
    """

    frames: int = 16

    @property
    def title(self) -> str:
        """What it is, for people."""
        return f"{self.frames} frames, each by itself: {super().title.removeprefix('clip ')}"

    @property
    def form(self) -> Form:
        """What kind of picture it is."""
        return "clip"

    def quick(self) -> Self:
        """Return the case with two small frames."""
        return replace(super().quick(), frames=2)

    def subject(self) -> Picture:
        """Make the frames."""
        made = [replace(self.still(), seed=self.seed + k).subject() for k in range(self.frames)]
        return Picture(np.stack([p.clean for p in made]), np.stack([p.noisy for p in made]), self.sigma)

    def still(self) -> PictureCase:
        """Return the case of the first frame."""
        return PictureCase(**{f.name: getattr(self, f.name) for f in fields(PictureCase)})

    def copy_bytes(self) -> int:
        """Return the bytes of a float32 copy of all frames."""
        return self.frames * super().copy_bytes()


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


@dataclass
class PictureJudge(Judge):
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
        """Check a method's first answer from all sides; where all findings pass, it is what later ones must be."""
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
        return clipped_psnr(answer, self.image.clean, self.image.peak)

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
        from nlmeans.pairwise import naive

        part = self._part(corner)
        around = tuple(slice(max(p.start - halo, 0), p.stop + halo) for p, halo in zip(part, spec.halo, strict=True))
        cut = self.planes(self.image.noisy)[:, *around]
        within = tuple(slice(p.start - a.start, p.stop - a.start) for p, a in zip(part, around, strict=True))
        if spec.aggregation == "patch":
            return naive.patchwise_average(cut, cut, spec)[:, *within]
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
    from nlmeans.pairwise import naive

    rows, at = naive.patches(planes, spec), naive.positions(planes)
    values = planes.reshape(len(planes), -1)
    wanted = np.arange(len(rows)).reshape(planes.shape[1:])[part]
    output = np.empty((len(planes), wanted.size))
    for k, i in enumerate(wanted.flat):
        near = (abs(at - at[i]) <= spec.window).all(1)
        near[i] = False
        f = naive.weights(naive.scores(rows[i], rows[near], spec), spec)
        own = naive.own_weight(f, spec)
        own = 1.0 if f.sum() + own == 0 else own
        output[:, k] = (values[:, near] @ f + own * values[:, i]) / (f.sum() + own)
    return output.reshape(len(planes), *wanted.shape)
