"""What is measured: pictures that come with scikit-image, a made-up volume, seeded noise, parameters."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Self

import numpy as np

PEAK = 255.0
"""White in the pictures, and in a float or uint8 image made of one."""

FLOOR = 64.0
"""Black in the volume: DIPY averages squares and takes the root, which fails where noise goes below 0."""

WARM_UP = 64
"""Side of the cut-out that loads a method's code before the memory of a whole image is looked at."""

Kind = Literal["call", "program", "memory", "first-call", "import", "pictures"]
Form = Literal["grey", "colour", "volume"]


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
class Case:
    """One thing to measure.

    Attributes
    ----------
    name : str
        What ``--only`` finds it by.
    kind : {"call", "program", "memory", "first-call", "import", "pictures"}
        How it is measured: a call in this process; a whole program that reads and writes PNG; the memory and the
        seconds, or the first call, of a fresh process; an import; each of many pictures once.
    methods : tuple of str
        Names of the suite's methods.
    each_thread_count : bool
        Whether it is run for each of the thread counts asked for, or for the largest only.
    rounds : int or None
        A fixed number of rounds, whatever ``--repeat`` says.
    multiples : bool
        Whether each time is told as a multiple of the first method's, too.
    note : str
        What a reader must know of the contest: above all, who is left out of it.
    own_threads : int or None
        Threads that it is run with, whatever the run is given.
    """

    name: str
    kind: Kind
    methods: tuple[str, ...]
    each_thread_count: bool = True
    rounds: int | None = None
    multiples: bool = False
    note: str = ""
    own_threads: int | None = None

    @property
    def title(self) -> str:
        """What it is, for people."""
        raise NotImplementedError

    def parameters(self) -> dict[str, Any]:
        """Return all that the numbers depend on, as it stands in result files."""
        shown_elsewhere = ("name", "kind", "methods", "multiples", "note", "own_threads")
        fields = {name: value for name, value in asdict(self).items() if name not in shown_elsewhere}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}

    def quick(self) -> Self:
        """Return the case so small that all cases together take seconds."""
        raise NotImplementedError

    def subject(self) -> Any:
        """Make what the methods are given: the same numbers at every run and on every machine."""
        raise NotImplementedError

    def warm_up(self, given: Any) -> Any:
        """Cut a little out of what a method is given, to load its code before memory is looked at."""
        raise NotImplementedError

    def copy_bytes(self) -> int:
        """Return the bytes of a float32 copy of the input, in which memory is told."""
        raise NotImplementedError


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
        h/σ of the methods that subtract the noise's own share; `competitors` says what the others take.
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


def phantom(side: int = 128) -> np.ndarray:
    """Make a float32 cube from `FLOOR` to 255: nested ellipsoids, smoothly shaded, with fine tubes through them.

    The ellipsoids grow with the side, the tubes are two to three voxels wide in any; edges are one voxel soft.
    """
    random = np.random.default_rng(0)
    z, y, x = grid = np.meshgrid(*[np.linspace(-1, 1, side)] * 3, indexing="ij", sparse=True)
    volume = np.zeros((side, side, side))

    def paint(outside: np.ndarray, level: float) -> None:
        """Blend in a level where ``outside``, the distance from an edge in voxels, is negative."""
        share = np.clip(0.5 - outside, 0, 1)
        volume[...] += share * (level - volume)

    shells = [(np.zeros(3), *shell) for shell in ((0.92, 210.0), (0.86, 45.0), (0.80, 130.0), (0.62, 165.0))]
    inner = [(random.uniform(-0.4, 0.4, 3), random.uniform(0.06, 0.2), random.uniform(20, 235)) for _ in range(14)]
    for centre, radius, level in (*shells, *inner):
        radii = radius * random.uniform(0.85, 1, 3)
        distance = np.sqrt(sum(((axis - c) / r) ** 2 for axis, c, r in zip(grid, centre, radii, strict=True)))
        paint((distance - 1) * radius * side / 2, level)
    volume *= 1 + 0.12 * np.sin(2.5 * z + 1) * np.cos(2 * y) + 0.06 * x
    for _ in range(10):
        places = []
        for axis in (y, x):
            middle, swing, turns, start = random.uniform((-0.5, 0.05, 2, 0), (0.5, 0.3, 6, 7))
            places.append((axis - middle - swing * np.sin(turns * z + start)) * side / 2)
        paint(np.hypot(*places) - random.uniform(1, 1.5), random.uniform(215, 255))
    return (FLOOR + (PEAK - FLOOR) / PEAK * np.clip(volume, 0, PEAK)).astype(np.float32)


EVERYONE = ("nlmeans-float32", "nlmeans-uint8", "opencv", "scikit-image")

SPEED: tuple[PictureCase, ...] = (
    PictureCase("grey-p7-w21", "call", EVERYONE),
    PictureCase("grey-p5-w35", "call", EVERYONE, patch_radius=2, search_radius=17),
    PictureCase(
        "colour-p7-w21",
        "call",
        EVERYONE,
        source="astronaut",
        gain_db=2.0,  # OpenCV averages in 8-bit Lab, where noise that clips at black costs much
    ),
    PictureCase("types", "call", ("nlmeans-float32", "nlmeans-uint16", "nlmeans-float64")),
    PictureCase(
        "photograph-24mp",
        "call",
        ("nlmeans-uint8", "nlmeans-blind"),
        multiples=True,
        source="astronaut",
        shape=(4000, 6000),
        each_thread_count=False,
        rounds=1,
    ),
    PictureCase(
        "memory-r10",
        "memory",
        ("nlmeans-float32",),
        shape=(4096, 4096),
        each_thread_count=False,
        rounds=3,
    ),
    PictureCase(
        "memory-r64",
        "memory",
        ("nlmeans-float32",),
        shape=(4096, 4096),
        search_radius=64,
        each_thread_count=False,
        rounds=1,
        reference=False,  # the definition would take minutes here
    ),
    PictureCase("import", "import", ("nlmeans-float32",), each_thread_count=False),
    PictureCase("first-call", "first-call", ("nlmeans-float32",), each_thread_count=False, rounds=3),
    PictureCase("program-png", "program", ("nlmeans-uint8", "opencv", "scikit-image")),
    PictureCase(
        "volume-p3-w11",
        "call",
        ("nlmeans-float32", "dipy-classic", "dipy-blockwise", "scikit-image"),
        each_thread_count=False,
        rounds=1,
        note="one round, since the peers take minutes",
        source="phantom",
        shape=(128, 128, 128),
        sigma=15.0,
        patch_radius=1,
        search_radius=5,
        strength=0.7,
    ),
    PictureCase(
        "whole-image-224",
        "call",
        ("nlmeans-float32", "opencv"),
        each_thread_count=False,
        rounds=1,
        note="one round; OpenCV's least window from which every pixel meets all others holds four times as many, "
        "mirrored ones; scikit-image, which would take six minutes, is left out",
        shape=(224, 224),
        search_radius="image",
    ),
    PictureCase(
        "passes-p5-w21",
        "call",
        ("nlmeans-float32", "nlmeans-wiener", "nlmeans-patchwise", "nlmeans-patchwise-twice", "nlmeans-best"),
        multiples=True,
        patch_radius=2,
    ),
)
"""The cases of ``python -m benchmarks speed``."""
