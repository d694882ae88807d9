"""Strengths that nobody estimated: what the noise of photographs can be removed with by the same numbers for all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..harness.methods import Call
from .own import OURS
from .plain import Plain

ONE, THREE = 18.0, (8.0, 5.0, 3.0)
"""σ for the picture as it is; and for it, its half and its quarter."""


@dataclass(frozen=True)
class Fixed(Plain):
    """Method "ridge" with numbers that are the same for every photograph.

    Attributes
    ----------
    function : callable
        ``function(image, threads)``: takes a picture in colour and returns one, float32.
    """

    function: Callable[..., np.ndarray] = np.copy

    def call(self, case: Any, image: np.ndarray, sigma: float | None, threads: int) -> Call:
        """Return the call, which knows of no σ."""
        return Call(self.function, self.function.__name__, image, {"threads": threads})


def ridge(image: np.ndarray, threads: int, sigma: float = ONE) -> np.ndarray:
    """Denoise by method "ridge" with a σ that is told."""
    import nlmeans

    return nlmeans.denoise(image.astype(np.float32), sigma, method="ridge", channel_axis=-1, threads=threads)


def three_scales(image: np.ndarray, threads: int) -> np.ndarray:
    """Denoise a quarter of the picture, add what changed to its half, denoise that, and so on to the picture."""
    rows, columns = image.shape[:2]
    picture = np.pad(image.astype(np.float32), ((0, -rows % 4), (0, -columns % 4), (0, 0)), "edge")
    scales = [picture]
    for _ in THREE[1:]:
        scales.append(halved(scales[-1]))
    change = np.zeros_like(scales[-1])
    for scale, sigma in zip(reversed(scales), reversed(THREE), strict=True):
        change = change if change.shape == scale.shape else doubled(change)
        result = ridge(scale + change, threads, sigma)
        change = result - scale
    return result[:rows, :columns]


def halved(picture: np.ndarray) -> np.ndarray:
    """Return the means over 2×2 pixels."""
    return (picture[::2, ::2] + picture[1::2, ::2] + picture[::2, 1::2] + picture[1::2, 1::2]) / np.float32(4)


def doubled(picture: np.ndarray) -> np.ndarray:
    """Return a picture of twice the size, between the pixels' centres bilinear."""
    for axis in (0, 1):
        one = np.moveaxis(picture, axis, 0)
        before, after = np.concatenate([one[:1], one[:-1]]), np.concatenate([one[1:], one[-1:]])
        pairs = np.stack([0.75 * one + 0.25 * before, 0.75 * one + 0.25 * after], 1)
        picture = np.moveaxis(pairs.reshape(-1, *one.shape[1:]), 0, axis)
    return np.ascontiguousarray(picture, np.float32)


KNOWN = "a strength that is the same for every photograph"
METHODS: tuple[Plain, ...] = (
    Fixed("ridge-18", **OURS, function=ridge, enters=("photographs",), note=f"σ = {ONE:g}: {KNOWN}"),
    Fixed(
        "ridge-three-scales", **OURS, function=three_scales, enters=("photographs",),
        note=f"σ = {THREE[0]:g}, {THREE[1]:g}, {THREE[2]:g} at three scales: {KNOWN}",
    ),
)  # fmt: skip
"""They stand beside what is estimated blind: a blind result below them is a bad estimate."""
