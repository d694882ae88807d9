"""One plane through a network: its grey levels brought to those of the training pictures, tile by tile, and back."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view

from nlmeans._progress import Progress
from nlmeans.pairwise.tiles import TICK

from .functional import full_precision
from .network import MULTIPLE, NonLocalDenoiser, to_multiple

TILE = 1024
"""Side of a tile: the smaller, the more is computed twice, around each."""
LARGEST = 75 / 255
"""The largest σ that the network was trained on, black to white being 1."""
ROOM = 1.25
"""Photographs seldom reach from black to white: as wide as this, training pictures lose nothing (0.02 dB at 1)."""
HELD = 1.5
"""What lies farther from the middle, in spans, is shown to the network as if it lay there, and keeps the rest."""
SMALLEST = 1 / 255
"""The smallest σ that the network is told: of a weaker noise's power, the share that it has of this one's is taken."""

Place = tuple[slice, slice]


def denoised(
    network: NonLocalDenoiser,
    plane: np.ndarray,
    sigma: Sequence[float],
    relief: np.ndarray | None,
    device: torch.device,
    progress: Progress | None,
    turns: int = 1,
) -> np.ndarray:
    """Return a plane without noise.

    Parameters
    ----------
    network : NonLocalDenoiser
        For as many channels, on ``device``.
    plane : ndarray, shape (channels, Y, X)
        Floating-point numbers on any scale.
    sigma : sequence of float
        Standard deviation of the noise, one above 0 a channel.
    relief : ndarray, shape (Y, X), optional
        Each pixel's variance in units of the mean one.
    device : torch.device
        Where to compute.
    progress : callable, optional
        Is called after every tile.
    turns : {1, 8}
        Positions of the plane that the results are averaged over.
    """
    level = float(np.mean(sigma))
    # Channels of unequal noise are brought to the mean one, and back: the network knows of one.
    factors = np.array([level / own for own in sigma], plane.dtype)[:, None, None]
    even = plane if (factors == 1).all() else plane * factors
    most = level
    if relief is not None:
        noisy = relief[relief > 0]
        if noisy.size == 0:
            return plane
        # Nearly all is to lie in the range that was trained; a few wild values must not make the rest vanish.
        most *= float(np.quantile(noisy, 0.99)) ** 0.5
    middle, span = reach(even, most)
    clean = np.empty_like(plane)
    height, width = plane.shape[1:]
    places = list(tiles(height, width, network.margin))
    for k, (inner, outer, part) in enumerate(places):
        seen = np.clip((even[:, *outer].astype(np.float64) - middle) / span, -HELD, HELD) + 0.5
        x = torch.from_numpy(seen.astype(np.float32))[None].to(device)
        noise = np.full(seen.shape[1:], level / span)
        if relief is not None:
            noise *= np.sqrt(relief[outer])
        share = span * np.minimum(noise[part] / SMALLEST, 1) ** 2
        told = torch.from_numpy(np.maximum(noise, SMALLEST).astype(np.float32))[None, None].to(device)
        alive = None if progress is None else partial(progress, k, len(places))
        with torch.inference_mode(), full_precision(device), _heard(network, alive):
            change = (averaged(network, x, told, turns) - x)[0].cpu().numpy()
        clean[:, *inner] = plane[:, *inner] + share * change[:, *part] / factors
        if progress is not None:
            progress(k + 1, len(places))
    return clean


@contextmanager
def _heard(network: NonLocalDenoiser, alive: Callable[[], object] | None) -> Iterator[None]:
    """Call ``alive`` before layers, some times a second: it may stop the work, and a tile may take seconds."""
    if alive is None:
        yield
        return
    last = time.monotonic()

    def before(*_: object) -> None:
        nonlocal last
        if time.monotonic() - last > TICK:
            alive()
            last = time.monotonic()

    layers = [layer for layer in network.modules() if not list(layer.children())]
    handles = [layer.register_forward_pre_hook(before) for layer in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def averaged(network: NonLocalDenoiser, x: torch.Tensor, sigma: torch.Tensor, turns: int) -> torch.Tensor:
    """Return what the network makes of images, on average over as many of their eight turned and mirrored positions.

    The network has no preferred position, but its mistakes differ from one to the other (R. Timofte et al., CVPR 2016,
    arXiv:1511.02228). Sides are made even first: the network's grid then lies alike in all positions, and in all tiles.
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
    """Return images in one of eight positions, or brought back from it."""
    if back and turn >= 4:
        x = x.flip(3)
    x = torch.rot90(x, -turn if back else turn, (2, 3))
    return x.flip(3) if turn >= 4 and not back else x


def reach(plane: np.ndarray, sigma: float) -> tuple[float, float]:
    """Return the middle of a plane's grey levels, and what is to be black to white: `ROOM` times their range, or 3.4 σ.

    The range is that of the medians of 8×8 pixels, which hold little noise and no hot pixels; of fewer where the image
    would be less than eight of these wide, since its ramps and edges would not be seen.
    """
    rows, columns = (_blocks(side) for side in plane.shape[1:])
    windows = sliding_window_view(plane, (rows[1], columns[1]), (1, 2))[:, rows[0]][:, :, columns[0]]
    with np.errstate(over="ignore"):
        medians = np.median(windows, axis=(-2, -1))
    low, high = float(medians.min()), float(medians.max())
    span = max(ROOM * (high - low), sigma / LARGEST)
    if not span < math.inf:
        raise ValueError(f"an image's range must be a number; got {low:g} to {high:g}: multiply it by a power of ten")
    return low + (high - low) / 2, span


def _blocks(side: int) -> tuple[list[int], int]:
    """Return where blocks begin that cover a side, the last one up to its end, and how long they are."""
    length = min(side, max(2, min(side // 8, 8)))
    return [*range(0, side - length, length), side - length], length


def tiles(height: int, width: int, margin: int) -> Iterator[tuple[Place, Place, Place]]:
    """Yield for every tile where it lies, what is to be computed with it, and where it lies in that.

    Tiles begin on the network's grid and are nearly alike; none is larger than `TILE`.
    """
    for top, bottom in _cuts(height):
        for left, right in _cuts(width):
            inner = slice(top, bottom), slice(left, right)
            outer = tuple(slice(max(cut.start - margin, 0), cut.stop + margin) for cut in inner)
            part = tuple(
                slice(cut.start - around.start, cut.stop - around.start)
                for cut, around in zip(inner, outer, strict=True)
            )
            yield inner, (outer[0], outer[1]), (part[0], part[1])


def _cuts(side: int) -> Iterator[tuple[int, int]]:
    count = -(-side // TILE)
    length = -(-side // (count * MULTIPLE)) * MULTIPLE
    return ((start, min(start + length, side)) for start in range(0, side, length))
