"""How seconds and memory grow with pixels, window, patch, threads, channels, dimensions."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from .. import peers
from ..harness.cases import Case
from ..harness.environment import available_cpus
from ..harness.pictures import Picture, PictureCase
from ..harness.published import Published, Table, table
from ..harness.suite import Suite, fixed
from ..peers.equal import Equal
from ..peers.plain import Plain


@dataclass(frozen=True)
class ScalingCase(PictureCase):
    """A point of a curve.

    Attributes
    ----------
    sweep : str
        What grows along the curve.
    at : float
        How much of it there is at this point: what time and memory are set against.
    channels : int
        How many the picture has; they are its own rows, moved.
    """

    sweep: str = "pixels"
    at: float = 1.0
    channels: int = 1

    @property
    def title(self) -> str:
        """What it is, for people."""
        channels = f", {self.channels} channels" if self.channels > 1 else ""
        return f"{self.at:g} {self.sweep}: {super().title.removeprefix('fresh process: ')}{channels}"

    @property
    def colour(self) -> bool:
        """Whether the picture has a last axis of channels."""
        return self.channels > 1

    def quick(self) -> Self:
        """Return the case as it is, once: small ones are chosen for quick runs."""
        return replace(self, rounds=1)

    def subject(self) -> Picture:
        """Make the picture, with as many channels as it is to have."""
        if self.channels == 1:
            return super().subject()
        plain = replace(self, channels=1).subject().clean
        clean = np.stack([np.roll(plain, 16 * k, axis=0) for k in range(self.channels)], axis=-1)
        noise = np.random.default_rng(self.seed).standard_normal(clean.shape, np.float32)
        return Picture(clean, clean + np.float32(self.sigma) * noise, self.sigma)

    def copy_bytes(self) -> int:
        """Return the bytes of a float32 copy of the image."""
        return math.prod(self.shape) * self.channels * np.dtype(np.float32).itemsize


FIXED: dict[str, Any] = {
    "kind": "memory", "each_thread_count": False, "rounds": 3, "gain_db": 1.0, "reference": False
}  # fmt: skip
NLMEANS, OPENCV, SKIMAGE, LEARNED = "nlmeans-float32", "opencv", "scikit-image", "learned"
SLOWEST = {SKIMAGE: 1024**2, OPENCV: 2048**2, LEARNED: 2048**2, NLMEANS: 4096**2}
"""The most pixels that a method is given: beyond, it would take minutes."""


def pixels(side: int) -> ScalingCase:
    """Return a square picture."""
    methods = tuple(name for name in (NLMEANS, LEARNED, OPENCV, SKIMAGE) if side**2 <= SLOWEST[name])
    return ScalingCase(f"pixels-{side}", methods=methods, **FIXED, shape=(side, side), at=side**2)


def window(radius: int) -> ScalingCase:
    """Return a picture with a search radius."""
    at = (2 * radius + 1) ** 2
    sweep: dict[str, Any] = {"sweep": "candidates in the window", "at": at, "search_radius": radius}
    return ScalingCase(f"window-{radius}", methods=(NLMEANS, OPENCV, SKIMAGE), **FIXED, **sweep)


def patch(radius: int) -> ScalingCase:
    """Return a picture with a patch radius."""
    sweep: dict[str, Any] = {"sweep": "pixels in the patch", "at": (2 * radius + 1) ** 2, "patch_radius": radius}
    return ScalingCase(f"patch-{radius}", methods=(NLMEANS, OPENCV, SKIMAGE), **FIXED, **sweep)


def channels(count: int) -> ScalingCase:
    """Return a picture with a number of channels."""
    return ScalingCase(
        f"channels-{count}", methods=(NLMEANS, SKIMAGE), **FIXED, sweep="channels", at=count, channels=count
    )


def threads(count: int) -> ScalingCase:
    """Return a picture that a number of threads work on, however many a run is given."""
    return ScalingCase(
        f"threads-{count}", methods=(NLMEANS, LEARNED, OPENCV), **FIXED, shape=(1024, 1024), sweep="threads", at=count,
        own_threads=count,
    )  # fmt: skip


def dimension(count: int) -> ScalingCase:
    """Return a picture or a volume with as many voxels, and about as many candidates."""
    shape, radius, source = {2: ((512, 512), 9, "camera"), 3: ((64, 64, 64), 3, "phantom")}[count]
    many: dict[str, Any] = {"shape": shape, "search_radius": radius, "source": source, "patch_radius": 1}
    return ScalingCase(
        f"dimension-{count}", methods=(NLMEANS, SKIMAGE), **FIXED, **many, sweep="dimensions", at=count, strength=0.7
    )


def powers_of_two(most: int) -> tuple[int, ...]:
    """Return 1, 2, 4 … and the largest count itself."""
    return tuple(sorted({*(2**k for k in range(most.bit_length()) if 2**k <= most), most}))


CASES: tuple[ScalingCase, ...] = (
    *map(pixels, (256, 512, 1024, 2048, 4096)),
    *map(window, (2, 5, 10, 20, 40)),
    *map(patch, (1, 2, 3, 5, 8)),
    *map(threads, powers_of_two(available_cpus())),
    *map(channels, (1, 2, 4, 8)),
    *map(dimension, (2, 3)),
)
QUICK: tuple[Case, ...] = tuple(
    replace(case, methods=(NLMEANS,))
    for case in CASES
    if case.name in ("pixels-256", "pixels-512", "pixels-1024", "window-5", "window-20", "channels-1", "channels-4")
)
"""Those of a quick run."""

SUITE = Suite(
    "scaling", __doc__, fixed(CASES), {**peers.methods(Equal), LEARNED: peers.methods(Plain)[LEARNED]}, place=5,
    rounds=3, quick=QUICK,
)  # fmt: skip


def exponents(published: Published) -> list[str]:
    """Return the exponents of time and memory."""
    names = {NLMEANS: "`nlmeans.denoise`", LEARNED: "learned", OPENCV: "OpenCV", SKIMAGE: "scikit-image"}
    results = published.latest("scaling")
    fits = {(f["sweep"], f["measure"], f["method"]): f for result in results for f in result.get("fits", ())}
    rows = []
    for sweep, measure in dict.fromkeys((sweep, measure) for sweep, measure, _ in fits):
        if measure == "extra_memory" and sweep not in ("pixels", "candidates in the window"):
            continue
        each = [fits.get((sweep, measure, name)) for name in names]
        what = f"{'seconds' if measure == 'seconds' else 'memory'} by {sweep}"
        rows.append([what, *("–" if fit is None else f"{fit['exponent']:.2f}" for fit in each)])
    return table(["exponent of", *names.values()], rows)


TABLES: dict[str, Table] = {"scaling": exponents}
