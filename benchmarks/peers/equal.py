"""Methods that are given every parameter, so that all of them do the same work: ours and the peers'."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..harness.methods import Call, Denoiser
from ..harness.pictures import Likeness, Picture, PictureCase, PictureJudge

if TYPE_CHECKING:
    from nlmeans.pairwise import Centre, PairwiseSpec


@dataclass(frozen=True)
class Equal(Denoiser):
    """A method that is given radii and strength."""


def axes(case: Any) -> dict[str, Any]:
    """Return what our functions are told of the axes of a case's pictures."""
    return {"axes": "NYX"} if case.form == "clip" else {"channel_axis": -1 if case.colour else None}


def pairwise_spec(case: PictureCase, h: float, sigma: float, centre: Centre) -> PairwiseSpec:
    """Return w = exp(−max(d² − 2σ², 0)/h²), d² the mean over the patch, as the core's spec."""
    from nlmeans.pairwise import PairwiseSpec

    terms = case.patch_size ** len(case.shape) * (3 if case.colour else 1)
    depth = 1 if len(case.shape) == 3 else 0
    return PairwiseSpec(
        (depth * case.patch_radius, case.patch_radius, case.patch_radius),
        (depth * case.reach, case.reach, case.reach),
        scale=1 / (h**2 * terms),
        bias=2 * sigma**2 * terms,
        centre=centre,
    )


@dataclass(frozen=True)
class Nlmeans(Equal):
    """The classical side of this library: one pass over single pixels, unless ``options`` ask for more.

    Attributes
    ----------
    options : mapping of str
        What it is asked for besides, or instead.
    defined : bool
        Whether the definition of one pass describes all that it computes.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    defined: bool = True

    def call(self, case: PictureCase, image: np.ndarray, sigma: float, threads: int) -> Call:
        """Return a call with every parameter stated, so that no default has a say."""
        import nlmeans

        arguments = {
            "sigma": sigma, "strength": case.strength, "patch_radius": case.patch_radius,
            "search_radius": case.search_radius, "centre": "max", "quality": "fast",
            **axes(case), "threads": threads,
        }  # fmt: skip
        return Call(nlmeans.denoise, "nlmeans.denoise", image, {**arguments, **self.options})

    def command(self, case: PictureCase, source: str, target: str, threads: int) -> list[str]:
        """Return the command line with the same parameters stated."""
        given = {
            "sigma": f"{case.sigma:g}", "strength": case.strength, "patch-radius": case.patch_radius,
            "search-radius": case.search_radius, "centre": "max", "quality": "fast", "threads": threads,
        }  # fmt: skip
        flags = [word for name, value in given.items() for word in (f"--{name}", str(value))]
        return [sys.executable, "-m", "nlmeans", "denoise", source, target, *flags]

    def likeness(self, case: PictureCase, sigma: float) -> Likeness | None:
        """Return the definition itself."""
        if not self.defined:
            return None
        import nlmeans

        aggregation = self.options.get("aggregation", "pixel")
        # single pixels may be averaged in 16 bits: a hundredth of σ on average, some faint weights count more; not so
        # where all pixels meet all others, and they are many
        floats = aggregation == "patch" or (case.whole and max(case.shape) > 64)
        limit = 1e-9 if self.dtype == "float64" else 1e-3 if floats else 0.2
        spec = pairwise_spec(case, case.strength * sigma, sigma, "max")
        ends = nlmeans.plan(np.zeros((8, 8), np.float32), sigma=1, quality="fast").spec
        spec = replace(spec, vanish=ends.vanish, soft=ends.soft, lowest=ends.lowest, aggregation=aggregation)
        return Likeness(spec, exact=True, limit=limit)


@dataclass(frozen=True)
class OpenCV(Equal):
    """OpenCV's NLM on the processor.

    It takes no σ, so h has to make up for the noise's own share 2σ² in every distance. The h used here gave the best
    PSNR at σ = 25 among multiples of 0.05 σ on training pictures; `README.md` has the figures.
    """

    def call(self, case: PictureCase, image: np.ndarray, sigma: float, threads: int) -> Call:
        """Return a call by keywords alone: the third positional argument of the function is not what one thinks."""
        import cv2

        arguments: dict[str, Any] = {"dst": None, "h": self.h(case) * sigma}
        if case.colour:
            arguments["hColor"] = 0.6 * sigma
        arguments |= {"templateWindowSize": case.patch_size, "searchWindowSize": case.window_size}
        name = "fastNlMeansDenoisingColored" if case.colour else "fastNlMeansDenoising"
        return Call(getattr(cv2, name), f"cv2.{name}", image, arguments)

    def command(self, case: PictureCase, source: str, target: str, threads: int) -> list[str]:
        """Return a short program that does the same."""
        call = self.call(case, np.empty(0), case.sigma, threads)
        code = (
            f"import sys, cv2; cv2.setNumThreads({threads}); "
            f"image = cv2.imread(sys.argv[1], cv2.IMREAD_UNCHANGED); cv2.imwrite(sys.argv[2], {call})"
        )
        return [sys.executable, "-c", code, source, target]

    def h(self, case: PictureCase) -> float:
        """Return the tuned h/σ."""
        if case.colour:
            return 0.55
        return 0.9 if case.patch_radius >= 3 else 0.85

    def likeness(self, case: PictureCase, sigma: float) -> Likeness | None:
        """Return the plain exp(−d²/h²), away from the border; the coloured call works in another colour space."""
        if case.colour or case.whole:
            return None
        return Likeness(pairwise_spec(case, self.h(case) * sigma, 0.0, "one"), exact=False, limit=50.0)


@dataclass(frozen=True)
class ScikitImage(Equal):
    """The fast mode of scikit-image's NLM."""

    def call(self, case: PictureCase, image: np.ndarray, sigma: float, threads: int) -> Call:
        """Return the call that the documentation recommends where σ is known: h = 0.6 σ with ``sigma``."""
        from skimage.restoration import denoise_nl_means

        arguments = {
            "patch_size": case.patch_size, "patch_distance": case.reach, "h": case.strength * sigma, "fast_mode": True,
            "sigma": sigma, "preserve_range": True, "channel_axis": -1 if case.colour else None,
        }  # fmt: skip
        return Call(denoise_nl_means, "denoise_nl_means", image, arguments)

    def command(self, case: PictureCase, source: str, target: str, threads: int) -> list[str]:
        """Return a short program that does the same."""
        call = self.call(case, np.empty(0), case.sigma, threads)
        code = (
            "import sys, numpy as np; from skimage.io import imread, imsave; "
            "from skimage.restoration import denoise_nl_means; "
            f"image = imread(sys.argv[1]).astype(np.float32); result = {call}; "
            "imsave(sys.argv[2], np.clip(np.rint(result), 0, 255).astype(np.uint8))"
        )
        return [sys.executable, "-c", code, source, target]

    def threads(self, case: Any, wanted: int) -> int:
        """Return 1: it has no more, whatever the machine has."""
        return 1

    def likeness(self, case: PictureCase, sigma: float) -> Likeness | None:
        """Return its spec for pictures: it sums patches one pixel narrower than it divides by."""
        if len(case.shape) == 3:
            return None
        h = case.strength * sigma * case.patch_size / (case.patch_size - 1)
        return Likeness(pairwise_spec(case, h, sigma, "one"), exact=False, limit=30.0)


@dataclass(frozen=True)
class Dipy(Equal):
    """DIPY's NLM of volumes, classic or by blocks.

    Both are made for magnitudes: they average squares and take the root, also where noise is said to be Gaussian. The
    threads of the blockwise one (1.12) write to the same voxels: some come out otherwise at each call.
    """

    variant: str = "classic"

    def judge(self, case: PictureCase, subject: Picture) -> PictureJudge:
        """Return the judge of its answers; those of the blockwise variant need only be nearly the same each time."""
        judge = super().judge(case, subject)
        return replace(judge, again_db=60.0) if self.variant == "blockwise" else judge

    @property
    def selectable(self) -> bool:
        """Whether this version has more than the classic one to choose from."""
        from dipy.denoise.nlmeans import nlmeans

        return "method" in inspect.signature(nlmeans).parameters

    def missing(self) -> str | None:
        """Say why the variant cannot be used here, or None."""
        if reason := super().missing():
            return reason
        if self.variant != "classic" and not self.selectable:
            return f"DIPY {self.version()} has no method={self.variant!r}; 1.12 has"
        return None

    def call(self, case: PictureCase, image: np.ndarray, sigma: float, threads: int) -> Call:
        """Return the call for Gaussian noise; it takes h from σ."""
        from dipy.denoise.nlmeans import nlmeans

        arguments: dict[str, Any] = {
            "sigma": sigma, "patch_radius": case.patch_radius, "block_radius": case.reach, "rician": False,
            "num_threads": threads,
        }  # fmt: skip
        if self.selectable:
            arguments["method"] = self.variant
        return Call(nlmeans, "dipy.denoise.nlmeans.nlmeans", image, arguments)


def more(name: str, note: str, *, defined: bool = False, **options: Any) -> Nlmeans:
    """Return a method of ours that is asked for more than one pass over pixels."""
    return Nlmeans(name, "nlmeans", "nlmeans", "float32", own=True, note=note, options=options, defined=defined)


METHODS: tuple[Equal, ...] = (
    Nlmeans("nlmeans-float32", "nlmeans", "nlmeans", "float32", own=True),
    Nlmeans("nlmeans-float64", "nlmeans", "nlmeans", "float64", own=True),
    Nlmeans("nlmeans-uint8", "nlmeans", "nlmeans", "uint8", own=True),
    Nlmeans("nlmeans-uint16", "nlmeans", "nlmeans", "uint16", own=True),
    Nlmeans(
        "nlmeans-blind", "nlmeans", "nlmeans", "uint8", own=True, note="σ is not given: it is estimated first",
        options={"sigma": None}, defined=False,
    ),
    more("nlmeans-wiener", "a pass over pixels, then a Wiener step", quality="balanced"),
    more("nlmeans-patchwise", "a pass over patches", defined=True, aggregation="patch"),
    more("nlmeans-patchwise-twice", "two passes over patches, no Wiener step", aggregation="patch", passes=2),
    more("nlmeans-best", "a pass over pixels, one over patches, a Wiener step after each", quality="best"),
    OpenCV(
        "opencv", "opencv-python-headless", "cv2", "uint8", enters=("pictures",),
        note="8-bit images only; takes no σ; colour in 8-bit Lab, lightness and colours apart",
    ),
    Dipy(
        "dipy-classic", "dipy", "dipy.denoise.nlmeans", "float32", enters=("volumes",),
        note="volumes only; float64; averages squares",
    ),
    Dipy(
        "dipy-blockwise", "dipy", "dipy.denoise.nlmeans", "float32", enters=("volumes",), variant="blockwise",
        note="volumes only; float64; averages squares, by blocks; no two answers need be the same",
    ),
    ScikitImage(
        "scikit-image", "scikit-image", "skimage", "float32", enters=("pictures", "volumes"),
        note="fast mode, which has one thread only; its patches are one pixel narrower than asked",
    ),
)  # fmt: skip
