"""One pixel's weights: those of classical non-local means, and those of the learned denoiser's non-local stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import nlmeans
from nlmeans.pairwise.spec import PairwiseSpec
from nlmeans.pairwise.weights import pixel_weights
from nlmeans.show import explain

if TYPE_CHECKING:
    from torch import Tensor

NEAR = 5.0
"""Pixels: weight on what is farther away is told apart."""
LEARNED_PATCH = 3
"""Half-width in pixels of the box that holds what the learned stage compares, 3×3 cells of 2×2 pixels."""


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
        """Denoise a picture as `nonlocal_block.denoise` does, and look on.

        Raises
        ------
        ValueError
            If the image is not one grey picture, or larger than the tiles in which pictures are denoised.
        """
        import torch

        from nonlocal_block import _planes, load_denoiser
        from nonlocal_block.denoiser import LEAST

        if image.ndim != 2 or max(image.shape) > _planes.TILE:
            raise ValueError(f"image must be (H, W) of at most {_planes.TILE} pixels a side; got shape {image.shape}")
        network, _ = load_denoiser(1)
        stage, seen = network.stage, {}

        def embedded(_: Any, __: Any, output: Tensor) -> None:
            seen["features"] = output

        def averaged(_: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            seen["values"], _guide, sigma = inputs
            seen["averages"], seen["gain"] = output, stage.log_gain.exp() * sigma.clamp(min=LEAST) ** -stage.exponent

        stage.embed.register_forward_hook(embedded)
        stage.register_forward_hook(averaged)
        plane = np.asarray(image, np.float32)[None]
        _planes.denoised(network, plane, [sigma], None, torch.device("cpu"), None)
        with torch.inference_mode():
            seen["features"] = seen["features"] * seen.pop("gain")
        found = {name: tensor[0].double().numpy() for name, tensor in seen.items()}
        return cls(**found, search_radius=stage.search_radius)

    def weights(self, cell: tuple[int, int]) -> np.ndarray:
        """Return the weights (h, w) with which a cell (y, x) was averaged; they sum to 1."""
        radii = (0, self.search_radius, self.search_radius)
        spec = PairwiseSpec((0, 0, 0), radii, scale=1.0, bias=0.0, centre="one")
        return pixel_weights(self.features[:, None], spec, (0, *cell))[0]


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
        The weights over the picture, by `nlmeans.show.explain.draw`.
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


def beside(image: np.ndarray, at: tuple[int, int], sigma: float) -> dict[str, Weighing]:
    """Return a pixel's "classical" and "learned" weights; the parameters are those of `learned_weights`."""
    patch = nlmeans.plan(image, sigma).passes[-1].patch_radius
    return {
        name: Weighing(weights, at, explain.draw(image, weights, at, radius))
        for name, weights, radius in (
            ("classical", nlmeans.weight_map(image, at, sigma), patch),
            ("learned", learned_weights(image, at, sigma), LEARNED_PATCH),
        )
    }
