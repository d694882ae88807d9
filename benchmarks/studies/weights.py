"""One pixel's classical weights and its learned ones: ``python -m benchmarks weights --out FOLDER``.

Pixels of noisy pictures: at an edge, on a joint between bricks that goes on, and in a flat sky. Classical are the
weights of `nlmeans.denoise` by default, learned those of the learned denoiser's non-local stage. A row of
``weights.png`` is a pixel: the noisy picture around it, and both sets of weights over it. A picture for each set shows
the best matches and what they weigh; ``weights.json`` has the figures.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import nlmeans
from nlmeans import io
from nlmeans.show import draw, glow

from ..harness import environment, files
from ..harness.pictures import PictureCase
from ..harness.sheets import sheet

if TYPE_CHECKING:
    from torch import Tensor

SIGMA = 25.0
AROUND = 17
"""Pixels that are shown to each side, a few more than the learned weights reach."""
ZOOM = 12
NEAR = 5.0
"""Pixels: weight on what is farther away is counted apart."""
LEARNED_PATCH = 3
"""Half-width in pixels of the box that holds what the learned stage compares, 3×3 cells of 2×2 pixels."""
TILE = 1024
"""The largest side that the learned denoiser takes at once."""
BLACK, WHITE = (0, 0, 0), (255, 255, 255)
LEGEND = (
    "Colours: a weight as a share of the largest one of other pixels, from nothing over violet and red to yellow. "
    "Learned weights lie on every second pixel."
)


@dataclass(frozen=True)
class Stage:
    """What the learned denoiser's non-local stage did with a grey picture, on its grid of 2×2 pixels, in float64.

    Attributes
    ----------
    features : ndarray, shape (F, h, w)
        What cells are compared by: the embedded 3×3 cells of the proposal, divided by the noise.
    values, averages : ndarray, shape (V, h, w)
        What was averaged, first the four pixels of each cell in the network's grey levels; and what came of it.
    search_radius : int
        Half-width of the window in cells.
    """

    features: np.ndarray
    values: np.ndarray
    averages: np.ndarray
    search_radius: int

    @classmethod
    def of(cls, image: np.ndarray, sigma: float) -> Stage:
        """Denoise a picture, and keep what goes through the stage.

        Raises
        ------
        ValueError
            If the image is not one grey picture, or larger than the tiles in which pictures are denoised.
        """
        import torch
        from torch.nn.modules.module import register_module_forward_hook

        import nonlocal_block

        if image.ndim != 2 or max(image.shape) > TILE:
            raise ValueError(f"image must be (H, W) of at most {TILE} pixels a side; got shape {image.shape}")
        kind = type(nonlocal_block.load_denoiser(1)[0].stage)
        outputs: dict[int, Tensor] = {}
        kept: dict[str, Any] = {}

        def keep(module: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            outputs[id(module)] = output
            if isinstance(module, kind):
                values, _guide, level = inputs
                gain = module.log_gain.exp() * level**-module.exponent
                kept.update(features=outputs[id(module.embed)] * gain, values=values, averages=output)
                kept["search_radius"] = module.search_radius

        handle = register_module_forward_hook(keep)
        try:
            nonlocal_block.denoise(image, sigma, dtype=np.float32, threads=torch.get_num_threads())
        finally:
            handle.remove()
        radius = kept.pop("search_radius")
        return cls(**{name: tensor[0].double().numpy() for name, tensor in kept.items()}, search_radius=radius)

    def weights(self, cell: tuple[int, int]) -> np.ndarray:
        """Return the weights (h, w) with which a cell (y, x) was averaged: exp(−‖θ_i − θ_j‖²); they sum to 1."""
        y, x = cell
        rows, columns = np.ogrid[: self.features.shape[1], : self.features.shape[2]]
        near = np.maximum(abs(rows - y), abs(columns - x)) <= self.search_radius
        weights = near * np.exp(-np.square(self.features - self.features[:, y, x, None, None]).sum(0))
        result: np.ndarray = weights / weights.sum()
        return result


def learned_weights(image: np.ndarray, at: tuple[int, int], sigma: float) -> np.ndarray:
    """Return the weights with which the learned denoiser's non-local stage averages a pixel.

    Parameters
    ----------
    image : ndarray, shape (H, W)
        A grey picture, at most 1024 pixels a side.
    at : tuple of int
        The pixel (y, x).
    sigma : float
        Standard deviation of its noise.

    Returns
    -------
    ndarray of float64, shape (H, W)
        They sum to 1. The stage works on cells of 2×2 pixels: a cell's weights are the same for its four pixels, each
        of which is averaged with the pixels in the same corner of other cells. So the weights are those of pixels an
        even number of rows and columns away, and 0 between them.

    Raises
    ------
    ValueError
        If the image is not one grey picture, or too large, or the pixel lies outside.

    Notes
    -----
    They are the weights of the stage, not of the whole network: layers before it propose the picture that is compared,
    and layers behind it make the result of this proposal and of the average. Pictures whose sides are no multiples of
    8 are mirrored to these; what a mirrored pixel weighs is added to the pixel that it shows.
    """
    if len(at) != 2 or not all(0 <= place < side for place, side in zip(at, image.shape, strict=False)):
        raise ValueError(f"the pixel must be a (y, x) within the image's {image.shape}; got {tuple(at)}")
    stage = Stage.of(image, sigma)
    (y, x), (height, width) = at, image.shape
    cells = stage.weights((y // 2, x // 2))
    rows, columns = (
        np.pad(np.arange(side), (0, 2 * count - side), mode="reflect")[place % 2 :: 2]
        for side, count, place in ((height, cells.shape[0], y), (width, cells.shape[1], x))
    )
    weights = np.zeros((height, width))
    np.add.at(weights, np.ix_(rows, columns), cells)
    return weights


@dataclass(frozen=True)
class Weighing:
    """One pixel's weights in a noisy picture.

    Attributes
    ----------
    weights : ndarray, shape (H, W)
        They sum to 1.
    at : tuple of int
        The pixel (y, x).
    picture : ndarray of uint8, shape (rows, columns, 3)
        The weights over the picture, by `nlmeans.show.draw`.
    """

    weights: np.ndarray
    at: tuple[int, int]
    picture: np.ndarray

    @property
    def effective(self) -> float:
        """How many equally weighted pixels would leave as much of independent noise."""
        return float(1 / np.square(self.weights).sum())

    @property
    def distance(self) -> float:
        """How far away weight lies in pixels, on average."""
        return float((self.weights * self._away()).sum())

    @property
    def share(self) -> float:
        """Share of the weight that is more than `NEAR` pixels away."""
        return float(self.weights[self._away() > NEAR].sum())

    @property
    def own(self) -> float:
        """The pixel's own weight."""
        return float(self.weights[self.at])

    @property
    def largest_other(self) -> float:
        """The largest weight of another pixel."""
        others = self.weights.copy()
        others[self.at] = 0.0
        return float(others.max())

    def figures(self) -> dict[str, float]:
        """Return all figures, rounded."""
        names = ("effective", "distance", "share", "own", "largest_other")
        return {name: float(f"{getattr(self, name):.4g}") for name in names}

    def _away(self) -> np.ndarray:
        rows, columns = np.ogrid[: self.weights.shape[0], : self.weights.shape[1]]
        return np.hypot(rows - self.at[0], columns - self.at[1])


def weighings(image: np.ndarray, at: tuple[int, int], sigma: float) -> dict[str, Weighing]:
    """Return a pixel's "classical" and "learned" weights; the parameters are those of `learned_weights`."""
    patch = nlmeans.plan(image, sigma).passes[-1].patch_radius
    return {
        name: Weighing(weights, at, draw(image, weights, at, radius))
        for name, weights, radius in (
            ("classical", nlmeans.weight_map(image, at, sigma), patch),
            ("learned", learned_weights(image, at, sigma), LEARNED_PATCH),
        )
    }


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


def title(name: str, one: Weighing) -> str:
    """Return the figures as a line over a picture."""
    return f"{name}: worth {one.effective:.0f} pixels, {one.distance:.1f} away, {one.share:.0%} beyond {NEAR:g}"


def weighed(image: np.ndarray, one: Weighing) -> np.ndarray:
    """Return the picture around the pixel, enlarged, with the weights over it."""
    picture = heated(image, one.weights / (one.largest_other or 1.0))
    return enlarged(picture, one.at)


def shaded(image: np.ndarray) -> np.ndarray:
    """Return a grey picture as RGB bytes, dark enough for weights to shine on it."""
    low, high = np.percentile(image, (0.5, 99.5))
    shares = np.clip((image.astype(np.float64) - low) / (high - low), 0, 1)
    return np.repeat(np.rint(20 + 185 * shares).astype(np.uint8)[..., None], 3, axis=2)


def heated(image: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return a grey picture with weights over it, as shares of the largest."""
    colour, cover = glow(shares)
    return np.rint(shaded(image) * (1 - cover) + colour * cover).astype(np.uint8)


def enlarged(picture: np.ndarray, at: tuple[int, int]) -> np.ndarray:
    """Return the part of an RGB picture around a pixel, `ZOOM` times as large, with a box around this pixel."""
    from PIL import Image, ImageDraw

    rows, columns = (slice(max(place - AROUND, 0), place + AROUND + 1) for place in at)
    part = Image.fromarray(np.kron(picture[rows, columns], np.ones((ZOOM, ZOOM, 1), np.uint8)))
    top, left = (ZOOM * (place - cut.start) for place, cut in zip(at, (rows, columns), strict=True))
    pen = ImageDraw.Draw(part)
    for grow, colour in ((3, BLACK), (2, WHITE), (1, WHITE)):
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


def written(folder: Path, spots: Sequence[Spot] = SPOTS) -> list[Path]:
    """Write the sheet, a picture of each pixel's weights, and the figures; return the pictures' paths."""
    import_module("nonlocal_block")
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[list[tuple[str, np.ndarray]]] = []
    pictures: dict[str, np.ndarray] = {}
    figures: dict[str, Any] = {}
    for spot in spots:
        noisy = spot.noisy(SIGMA)
        both = weighings(noisy, spot.at, SIGMA)
        first = (f"{spot.name}, {spot.source}, sigma {SIGMA:g}", enlarged(shaded(noisy), spot.at))
        rows.append([first, *((title(name, w), weighed(noisy, w)) for name, w in both.items())])
        pictures |= {f"{spot.name}-{name}": w.picture for name, w in both.items()}
        numbers = {name: w.figures() for name, w in both.items()}
        figures[spot.name] = {"source": spot.source, "at": list(spot.at), **numbers}
    details = folder / "pictures" / "weights"
    details.mkdir(parents=True, exist_ok=True)
    places = {"weights": folder / "weights.png", **{name: details / f"{name}.png" for name in pictures}}
    for name, drawn in {"weights": sheet(rows, zoom=1, legend=LEGEND), **pictures}.items():
        io.write(places[name], io.Picture(drawn, "YXC"), overwrite=True)
    record = {**environment.describe(), "sigma": SIGMA, "beyond": NEAR, "spots": figures}
    files.write_json(folder / "weights.json", record)
    return list(places.values())
