"""What a magnetic resonance scanner would see: a phantom on black, a diffusion series that is made up, magnitudes."""

from __future__ import annotations

import numpy as np

from .cases import PEAK
from .made_up import field, tissue
from .phantom import FLOOR, phantom

WITHOUT, DIRECTIONS = 3, 30
"""Volumes of a series without diffusion weighting, and with."""


def on_black(side: int) -> np.ndarray:
    """Return the phantom with nothing around it."""
    return (phantom(side) - np.float32(FLOOR)) * np.float32(PEAK / (PEAK - FLOOR))


def diffusion(seed: int, sides: tuple[int, int, int], directions: int = DIRECTIONS) -> np.ndarray:
    """Return a float32 series (Z, Y, X, C): fibres of a smooth field, each volume weighted along a direction."""
    random, side = np.random.default_rng(seed), max(sides)
    cut = tuple(slice(n) for n in sides)
    unweighted = 60 + 0.75 * np.clip(tissue(random, side), 0, PEAK)[cut]
    fibres = np.stack([field(random, side, 5)[cut] for _ in range(3)])
    fibres /= np.linalg.norm(fibres, axis=0)
    strength = np.clip(0.5 + field(random, side, 3)[cut] / 3, 0, 1)
    ways = random.normal(size=(directions, 3))
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    along = np.square(np.tensordot(ways, fibres, 1))
    weighted = unweighted * np.exp(-(0.7 * (1 - strength) + strength * (0.3 + 1.4 * along)))
    return np.stack([*[unweighted] * WITHOUT, *weighted], axis=-1).astype(np.float32)


def magnitudes(clean: np.ndarray, sigma: float, seed: int) -> np.ndarray:
    """Return what is left of complex noise in the magnitude: Rician noise, float32."""
    real, imaginary = np.random.default_rng(seed).normal(0, sigma, (2, *clean.shape))
    return np.hypot(clean + real, imaginary).astype(np.float32)
