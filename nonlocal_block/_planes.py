"""One plane through a network, tile by tile: its grey levels are scaled to those of the training pictures, and back."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view

from nlmeans.extend import TICK, Progress

from .denoiser import MULTIPLE, to_multiple
from .functional import full_precision
from .mixer import Mixer
from .trained import Network

TILE = 1024
"""Side of a tile: with smaller ones more is computed twice."""
LARGEST = 75 / 255
"""The largest σ that the network was trained on, black to white being 1."""
ROOM = 1.25
"""Span relative to the range of the 8×8 medians: at 1 training pictures lose 0.02 dB, at this nothing."""
HELD = 1.5
"""Distance from the middle, in spans, at which the network's input is clipped; the rest is added back."""
SMALLEST = 1 / 255
"""The smallest σ that the network gets: for weaker noise its change is scaled by the ratio of the variances."""

Place = tuple[slice, slice]


@dataclass(frozen=True)
class Scale:
    """A network's grey scale: the middle of the grey levels, and their span from black to white."""

    middle: float
    span: float

    @classmethod
    def of(cls, low: float, high: float, sigma: float) -> Scale:
        """Return the scale of `ROOM` times a range of grey levels, or of 3.4 σ if that is wider."""
        span = max(ROOM * (high - low), sigma / LARGEST)
        if not span < math.inf:
            raise ValueError(
                f"an image's range must be a number; got {low:g} to {high:g}: multiply it by a power of ten"
            )
        return cls(low + (high - low) / 2, span)


@dataclass(frozen=True, eq=False)
class Evening:
    """What brings planes to noise that is independent and of one σ, which is what a network takes.

    Attributes
    ----------
    forward, back : ndarray, shape (planes, planes)
        What planes are multiplied by, and the way back.
    sigma : float
        Standard deviation of the noise afterwards.
    """

    forward: np.ndarray
    back: np.ndarray
    sigma: float

    @classmethod
    def of(cls, sigma: Sequence[float]) -> Evening:
        """Return what scales planes of independent noise, of these deviations."""
        level = float(np.mean(sigma))
        factors = np.array([level / own for own in sigma])
        return cls(np.diag(factors), np.diag(1 / factors), level)

    @classmethod
    def colours(cls, mixes: np.ndarray, sigma: Sequence[float]) -> Evening:
        """Return what makes colours again of mixes of colours, with independent noise of these deviations.

        ``mixes`` (planes, planes) makes the image's colours of them. Of all ways, this is the one that changes colours
        least: by the inverse square root of their noise's correlation.
        """
        covariance = mixes @ np.diag(np.square(sigma)) @ mixes.T
        own = np.sqrt(np.diag(covariance))
        power, vectors = np.linalg.eigh(covariance / np.outer(own, own))
        level = float(own.mean())
        forward = level * (vectors / np.sqrt(power)) @ vectors.T @ (mixes / own[:, None])
        return cls(forward, np.linalg.inv(forward), level)

    def evened(self, planes: np.ndarray) -> np.ndarray:
        """Return planes (planes, Y, X) so, in float64."""
        return np.einsum("kc,cyx->kyx", self.forward, planes.astype(np.float64, copy=False))

    def restored(self, change: np.ndarray) -> np.ndarray:
        """Return a change of them as one of the planes."""
        return np.einsum("ck,kyx->cyx", self.back, change)


def denoised(
    network: Network,
    plane: np.ndarray,
    evening: Evening,
    relief: np.ndarray | None,
    scale: Scale,
    device: torch.device,
    progress: Progress | None,
    turns: int,
    *,
    inner: tuple[tuple[int, int], tuple[int, int]],
    origin: Sequence[int],
    tile: int = TILE,
    second: tuple[Mixer, np.ndarray] | None = None,
) -> np.ndarray:
    """Return a part of a plane without noise.

    Parameters
    ----------
    network : Network
        The network for these channels, on ``device``.
    plane : ndarray, shape (channels, Y, X)
        Floating-point numbers on any scale.
    evening : Evening
        What gives its channels noise of one σ.
    relief : ndarray, shape (Y, X), optional
        Each pixel's variance relative to the mean.
    scale : Scale
        The grey scale.
    device : torch.device
        The network's device.
    progress : callable, optional
        Called after every tile.
    turns : {1, 8}
        Number of positions of the plane whose results are averaged.
    inner : pair of pairs of int
        First and last row and column of the part; the others are its surroundings.
    origin : pair of int
        Place of the plane's first pixel in the image, where the network's grid begins.
    tile : int
        Side of a tile.
    second : pair of Mixer and ndarray, optional
        What mixes the network's result with another one, of the shape of the plane: as far around the part as it looks,
        NaN where there is none.
    """

    def scaled(planes: np.ndarray) -> torch.Tensor:
        grey = np.clip((evening.evened(planes) - scale.middle) / span, -HELD, HELD) + 0.5
        return torch.from_numpy(grey.astype(np.float32))[None].to(device)

    span = scale.span
    (top, bottom), (left, right) = inner
    clean = np.empty((len(plane), bottom - top, right - left), plane.dtype)
    margin = network.margin + (0 if second is None else Mixer.margin)
    places = list(tiles(inner, origin, margin, tile))
    for k, (place, outer, part) in enumerate(places):
        x = scaled(plane[:, *outer])
        noise = np.full(x.shape[2:], evening.sigma / span)
        if relief is not None:
            noise *= np.sqrt(relief[outer])
        share = span * np.minimum(noise[part] / SMALLEST, 1) ** 2
        deviation = torch.from_numpy(np.maximum(noise, SMALLEST).astype(np.float32))[None, None].to(device)
        alive = None if progress is None else partial(progress, k, len(places))
        with torch.inference_mode(), full_precision(device), _notifying(network, alive):
            result = averaged(network, x, deviation, turns)
            if second is not None:
                mixer, planes = second
                other = scaled(planes[:, *outer])
                result = mixer(x, deviation, result, torch.where(other.isfinite(), other, result))
            change = (result - x)[0].cpu().numpy()
        into = slice(place[0].start - top, place[0].stop - top), slice(place[1].start - left, place[1].stop - left)
        clean[:, *into] = plane[:, *place] + evening.restored(share * change[:, *part])
        if progress is not None:
            progress(k + 1, len(places))
    return clean


@contextmanager
def _notifying(network: Network, alive: Callable[[], object] | None) -> Iterator[None]:
    """Call ``alive`` a few times a second before layers: it may stop the work, and a tile may take seconds."""
    if alive is None:
        yield
        return
    last = time.monotonic()

    def before(*_: object) -> None:
        nonlocal last
        if time.monotonic() - last > TICK:
            last = time.monotonic()  # first: what it calls may denoise, too, with the same network
            alive()

    layers = [layer for layer in network.modules() if not list(layer.children())]
    handles = [layer.register_forward_pre_hook(before) for layer in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def averaged(network: Network, x: torch.Tensor, sigma: torch.Tensor, turns: int) -> torch.Tensor:
    """Return the network's results, averaged over so many of the eight turned and mirrored positions of the images.

    The network's errors differ between positions (R. Timofte et al., CVPR 2016, arXiv:1511.02228). Sides are padded to
    multiples of the grid first, which then lies alike in all positions and tiles.
    """
    if turns == 1:
        return network(x, sigma)
    height, width = x.shape[2:]
    x, sigma = to_multiple(x), to_multiple(sigma)
    total = torch.zeros_like(x)
    for turn in range(turns):
        total += _turned(network(_turned(x, turn, False), _turned(sigma, turn, False)), turn, True)
    return (total / turns)[:, :, :height, :width]


def _turned(x: torch.Tensor, turn: int, back: bool) -> torch.Tensor:
    """Return images in one of eight positions, or ``back`` from it."""
    if back and turn >= 4:
        x = x.flip(3)
    x = torch.rot90(x, -turn if back else turn, (2, 3))
    return x.flip(3) if turn >= 4 and not back else x


def loudest(level: float, relief: np.ndarray | None) -> float:
    """Return the greatest σ of a plane but for a few outliers; 0 without noise."""
    if relief is None:
        return level
    noisy = relief[relief > 0]
    return level * float(np.quantile(noisy, 0.99)) ** 0.5 if noisy.size else 0.0


def extremes(plane: np.ndarray, evening: Evening) -> tuple[float, float]:
    """Return the least and the greatest median of a plane's 8×8 blocks, free of most noise and hot pixels.

    Blocks are smaller where the image is less than eight of them wide, so that they show its ramps and edges.
    """
    even = evening.evened(plane)
    rows, columns = (_blocks(side) for side in plane.shape[1:])
    windows = sliding_window_view(even, (rows[1], columns[1]), (1, 2))[:, rows[0]][:, :, columns[0]]
    with np.errstate(over="ignore"):
        medians = np.median(windows, axis=(-2, -1))
    return float(medians.min()), float(medians.max())


def _blocks(side: int) -> tuple[list[int], int]:
    """Return starts of blocks that cover a side, the last one up to its end, and their length."""
    length = min(side, max(2, min(side // 8, 8)))
    return [*range(0, side - length, length), side - length], length


def tiles(
    inner: tuple[tuple[int, int], tuple[int, int]], origin: Sequence[int], margin: int, side: int = TILE
) -> Iterator[tuple[Place, Place, Place]]:
    """Yield for every tile its place, its place with surroundings, and the tile's place within these.

    Tiles are about equal, and none is larger than ``side``; the surroundings begin on the network's grid.
    """
    for top, bottom in _cuts(*inner[0], side):
        for left, right in _cuts(*inner[1], side):
            place = slice(top, bottom), slice(left, right)
            outer = tuple(
                slice(_on_grid(max(cut.start - margin, 0), first), cut.stop + margin)
                for cut, first in zip(place, origin, strict=True)
            )
            part = tuple(
                slice(cut.start - around.start, cut.stop - around.start)
                for cut, around in zip(place, outer, strict=True)
            )
            yield place, (outer[0], outer[1]), (part[0], part[1])


def _on_grid(start: int, origin: int) -> int:
    """Return the next index that lies on the network's grid, which begins at the image's first pixel."""
    return start + -(origin + start) % MULTIPLE


def _cuts(start: int, stop: int, most: int) -> Iterator[tuple[int, int]]:
    count = -(-(stop - start) // most)
    length = -(-(stop - start) // (count * MULTIPLE)) * MULTIPLE
    return ((first, min(first + length, stop)) for first in range(start, stop, length))
