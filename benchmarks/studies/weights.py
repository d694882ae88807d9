"""One pixel's classical weights beside its learned ones: ``python -m benchmarks weights --out FOLDER``.

Pixels of noisy pictures: at an edge, on a joint between bricks that goes on, and in a flat sky. Classical are the
weights of `nlmeans.denoise` by default, learned those of the learned denoiser's non-local stage. A row of
``weights.png`` is a pixel: the noisy picture around it, and both sets of weights over it. A picture for each set shows
the best matches and what they weigh; ``weights.json`` has the figures.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from nlmeans import formats
from nlmeans.formats.atomic import replacing
from nlmeans.show import explain

from ..harness import environment
from ..harness.cases import PictureCase
from .pictures import sheet
from .weights_beside import NEAR, Weighing, beside

SIGMA = 25.0
AROUND = 17
"""Pixels that are shown to each side, a few more than the learned weights reach."""
ZOOM = 12
LEGEND = (
    "Colours: a weight as a share of the largest one of other pixels, from nothing over violet and red to yellow. "
    "Learned weights lie on every second pixel."
)


@dataclass(frozen=True)
class Spot:
    """A pixel (y, x) of a picture of `skimage.data`."""

    name: str
    source: str
    at: tuple[int, int]

    def noisy(self, sigma: float) -> np.ndarray:
        """Return the whole picture with the noise that it has in the other studies, too."""
        return PictureCase("", "call", (), source=self.source, sigma=sigma).subject().noisy


SPOTS = (
    Spot("edge", "camera", (146, 72)),
    Spot("joint", "brick", (100, 219)),
    Spot("flat", "camera", (60, 400)),
)


def title(name: str, found: Weighing) -> str:
    """Return the figures as a line over a picture."""
    return f"{name}: worth {found.effective:.0f} pixels, {found.distance:.1f} away, {found.share:.0%} beyond {NEAR:g}"


def weighed(image: np.ndarray, found: Weighing) -> np.ndarray:
    """Return the picture around the pixel, enlarged, with the weights over it."""
    picture = explain.heat(explain.shown(image), found.weights / (found.largest_other or 1.0))
    return enlarged(picture, found.at)


def enlarged(picture: np.ndarray, at: tuple[int, int]) -> np.ndarray:
    """Return the part of an RGB picture around a pixel, `ZOOM` times as large, with a box around this pixel."""
    from PIL import Image, ImageDraw

    rows, columns = (slice(max(place - AROUND, 0), place + AROUND + 1) for place in at)
    part = Image.fromarray(np.kron(picture[rows, columns], np.ones((ZOOM, ZOOM, 1), np.uint8)))
    top, left = (ZOOM * (place - cut.start) for place, cut in zip(at, (rows, columns), strict=True))
    pen = ImageDraw.Draw(part)
    for grow, colour in ((3, explain.CASING), (2, explain.PATCH), (1, explain.PATCH)):
        pen.rectangle((left - grow, top - grow, left + ZOOM + grow - 1, top + ZOOM + grow - 1), outline=colour)
    return np.asarray(part)


def main(arguments: list[str] | None = None) -> int:
    """Write the pictures, and the figures as ``weights.json``."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks weights", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the files; earlier ones are replaced")
    options = parser.parse_args(arguments)
    try:
        for path in written(options.out):
            print(path)
    except ImportError as error:  # it names the extra that is missing
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    return 0


def written(folder: Path) -> list[Path]:
    """Write the sheet, a picture of each pixel's weights, and the figures; return the pictures' paths."""
    import_module("nonlocal_block")
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[list[tuple[str, np.ndarray]]] = []
    pictures: dict[str, np.ndarray] = {}
    figures: dict[str, Any] = {}
    for spot in SPOTS:
        noisy = spot.noisy(SIGMA)
        found = beside(noisy, spot.at, SIGMA)
        first = (f"{spot.name}, {spot.source}, sigma {SIGMA:g}", enlarged(explain.shown(noisy), spot.at))
        rows.append([first, *((title(name, w), weighed(noisy, w)) for name, w in found.items())])
        pictures |= {f"{spot.name}-{name}": w.picture for name, w in found.items()}
        numbers = {name: w.figures() for name, w in found.items()}
        figures[spot.name] = {"source": spot.source, "at": list(spot.at), **numbers}
    details = folder / "pictures" / "weights"
    details.mkdir(parents=True, exist_ok=True)
    places = {"weights": folder / "weights.png", **{name: details / f"{name}.png" for name in pictures}}
    for name, drawn in {"weights": sheet(rows, zoom=1, legend=LEGEND), **pictures}.items():
        formats.write(places[name], formats.Picture(drawn, "YXC"), overwrite=True)
    record = {**environment.describe(), "sigma": SIGMA, "beyond": NEAR, "spots": figures}
    with replacing(folder / "weights.json", overwrite=True) as file:
        file.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return list(places.values())


if __name__ == "__main__":
    sys.exit(main())
