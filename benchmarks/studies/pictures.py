"""Sheets of noisy and denoised details to look at: ``python -m benchmarks pictures --out FOLDER``.

Details of scikit-image's pictures where denoisers betray themselves: a flat sky, printed text, a face, bricks.
A row a noise level, σ known; a column for what went in, each method's result, and the clean picture.
Nothing is sharpened or smoothed; what is below 0 or above 255 is clipped for the eye alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from nlmeans import io

from .. import peers
from ..harness.environment import available_cpus
from ..harness.metrics import clipped_psnr
from ..harness.sheets import sheet
from ..peers.plain import Plain

SIGMAS = (5, 15, 25, 50, 75)


@dataclass(frozen=True)
class Detail:
    """A part of a picture of `skimage.data`: what is shown is cut out after all of it was denoised."""

    name: str
    source: str
    top: int
    left: int
    height: int = 112
    width: int = 160

    def load(self) -> np.ndarray:
        """Return the whole picture."""
        import skimage.data

        picture: np.ndarray = getattr(skimage.data, self.source)()
        return picture

    def cut(self, picture: np.ndarray) -> np.ndarray:
        """Return the part, as bytes."""
        part = picture[self.top : self.top + self.height, self.left : self.left + self.width]
        return np.clip(np.rint(part), 0, 255).astype(np.uint8)


DETAILS = (
    Detail("sky", "rocket", 20, 20),
    Detail("text", "page", 40, 100),
    Detail("face", "astronaut", 60, 150),
    Detail("bricks", "brick", 200, 200),
    Detail("camera", "camera", 60, 180),
)


TITLES = {
    "nlmeans-best": "nlmeans best", "ridge": "ridge", "ridge-best": "ridge best", "learned": "learned", "bm3d": "BM3D"
}  # fmt: skip
"""Methods that can be shown."""


@dataclass(frozen=True)
class Given:
    """What a method is given of a picture besides its noise."""

    colour: bool

    @property
    def form(self) -> str:
        """What kind of picture it is."""
        return "colour" if self.colour else "grey"


def row(detail: Detail, clean: np.ndarray, sigma: int, names: Sequence[str]) -> list[tuple[str, np.ndarray]]:
    """Return a title and the part for every column."""
    noise = np.random.default_rng(1000).normal(0, sigma, clean.shape)
    noisy, exact = (clean + noise).astype(np.float32), clean.astype(np.float64)
    shown, known = [(f"sigma {sigma}", noisy)], peers.methods(Plain)
    for name in names:
        method, case = known[name], cast(Any, Given(clean.ndim == 3))
        shown.append((TITLES[name], method.call(case, noisy.astype(method.dtype), float(sigma), available_cpus())()))
    titled = [(f"{title}, {clipped_psnr(picture, exact):.2f} dB", detail.cut(picture)) for title, picture in shown]
    return [*titled, ("original", detail.cut(clean))]


def main(arguments: list[str] | None = None) -> int:
    """Write a sheet a detail."""
    names = ", ".join(detail.name for detail in DETAILS)
    parser = argparse.ArgumentParser(prog="python -m benchmarks pictures", description=__doc__)
    parser.add_argument("--only", default="", help=f"part of the name of the details to show: {names}")
    parser.add_argument("--sigma", type=int, nargs="+", default=SIGMAS, help="noise levels, a row each")
    parser.add_argument("--methods", nargs="+", choices=TITLES, default=["nlmeans-best", "ridge", "learned"])
    parser.add_argument("--out", type=Path, required=True, help="folder for the sheets; earlier ones are replaced")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    for detail in DETAILS:
        if options.only in detail.name:
            clean = detail.load()
            drawn = sheet([row(detail, clean, sigma, options.methods) for sigma in options.sigma])
            path = options.out / f"{detail.name}.jpg"
            io.write(path, io.Picture(drawn, "YXC"), overwrite=True, jpeg_quality=92)
            print(path)
    return 0
