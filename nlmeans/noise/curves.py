"""Curves of variance over brightness, fitted to bins: level, a line, or the Rician curve.

Texture that is left in a bin adds to its variance, and nothing takes from it. So a bin far above a curve counts little
against it, a bin below it counts in full. Starting points are all curves through one bin, or two.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from .bins import Bins
from .vst import magnitudes

__all__ = ["Fit", "fit_level", "fit_line", "fit_rician", "rician_moments", "rician_variance"]

ABOVE: Final = 2.5  # standard errors above a curve from where on a bin is taken as textured
BELOW: Final = 6.0  # ... and below it from where on more makes no difference
ROUNDS: Final = 20
CLOSE: Final = 1e-6  # relative, from one round to the next: no more are needed
NEAR: Final = 30.0  # signals in units of σ up to which magnitudes are integrated over


@dataclass(frozen=True)
class Fit:
    """A curve through bins: its numbers, the variance that it gives each bin, and what is left, in squared errors."""

    numbers: tuple[float, ...]
    variance: np.ndarray
    cost: float


def fit_level(bins: Bins, above: float = ABOVE) -> Fit:
    """Fit one variance for all bins; ``above`` is from where on one above it is taken as textured."""
    best = _best(bins, np.repeat(bins.variance[:, None], len(bins), axis=1), above)
    variance = bins.variance[best]
    for _ in range(ROUNDS):
        weight = _weight(bins, np.full(len(bins), variance), above)
        before, variance = variance, float(weight @ bins.variance)
        if abs(variance - before) <= CLOSE * variance:
            break
    curve = np.full(len(bins), variance)
    return Fit((variance,), curve, float(_cost(bins, curve, above)))


def fit_line(bins: Bins, above: float = ABOVE) -> Fit:
    """Fit variance = slope · mean + intercept with a slope of at least 0; ``above`` as for `fit_level`."""
    first, second = np.triu_indices(len(bins), 1)
    run = bins.mean[second] - bins.mean[first]
    slopes = np.maximum((bins.variance[second] - bins.variance[first]) / np.where(run > 0, run, np.inf), 0)
    intercepts = bins.variance[first] - slopes * bins.mean[first]
    best = _best(bins, slopes[:, None] * bins.mean + intercepts[:, None], above)
    slope, intercept = slopes[best], intercepts[best]
    curve = slope * bins.mean + intercept
    for _ in range(ROUNDS):
        weight = _weight(bins, curve, above)
        centre, level = weight @ bins.mean, weight @ bins.variance
        apart = bins.mean - centre
        slope = max(weight @ (apart * (bins.variance - level)) / (weight @ np.square(apart)), 0.0)
        intercept = level - slope * centre
        before, curve = curve, slope * bins.mean + intercept
        if np.abs(curve - before).max() <= CLOSE * np.abs(curve).max():
            break
    return Fit((float(slope), float(intercept)), curve, float(_cost(bins, curve, above)))


def fit_rician(bins: Bins, coils: int = 1) -> Fit:
    """Fit the curve of magnitudes of so many coils, which has one number, σ."""
    _, mean, variance = rician_moments(coils)
    ratio = np.interp(bins.mean / np.sqrt(bins.variance), mean / np.sqrt(variance), variance)
    sigmas = np.sqrt(bins.variance / ratio)
    best = _best(bins, np.stack([rician_variance(bins.mean, sigma, coils) for sigma in sigmas]))
    sigma = sigmas[best]
    for _ in range(ROUNDS):
        curve = rician_variance(bins.mean, sigma, coils)
        weight = _weight(bins, curve) * np.square(curve)
        sigma *= np.sqrt(weight @ (bins.variance / curve) / weight.sum())
    curve = rician_variance(bins.mean, sigma, coils)
    return Fit((float(sigma),), curve, float(_cost(bins, curve)))


def _best(bins: Bins, curves: np.ndarray, above: float = ABOVE) -> int:
    return int(np.argmin(_cost(bins, curves, above)))


def _residuals(bins: Bins, curve: np.ndarray) -> np.ndarray:
    floor = 1e-6 * bins.variance.max()
    return np.log(np.maximum(bins.variance, floor) / np.maximum(curve, floor)) / bins.error


def _cost(bins: Bins, curve: np.ndarray, above: float = ABOVE) -> np.ndarray:
    return np.square(np.clip(_residuals(bins, curve), -max(BELOW, above), above)).sum(-1)


def _weight(bins: Bins, curve: np.ndarray, above: float = ABOVE) -> np.ndarray:
    """Return weights of least squares, whose sum is 1: small for textured bins."""
    residuals = _residuals(bins, curve)
    trust = np.square(np.minimum(above / np.maximum(residuals, 1e-300), 1))
    weight = trust / np.square(bins.error * np.maximum(curve / bins.variance.max(), 1e-6))
    return weight / weight.sum()


def rician_variance(mean: np.ndarray, sigma: float, coils: int) -> np.ndarray:
    """Return the variance of magnitudes of these means."""
    _, means, variances = rician_moments(coils)
    return sigma**2 * np.interp(mean / sigma, means, variances)


@lru_cache(maxsize=8)
def rician_moments(coils: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return signals, and the mean and variance of their magnitudes, for σ = 1."""
    signal = np.concatenate([np.arange(0, 12, 0.05), np.geomspace(12, 1000, 200)])
    lift = coils - 0.5  # far out, the mean is signal + lift / signal
    mean = signal + lift / np.maximum(signal, 1) - lift * (coils - 1.5) / (2 * np.maximum(signal, 1) ** 3)
    variance = 1 - lift / np.square(np.maximum(signal, 1))
    step, end = 0.05, NEAR + 2 * math.sqrt(2 * coils)
    near = signal < end
    levels = np.arange(0, end + math.sqrt(2 * coils) + 6, step)
    density = step * magnitudes(levels, signal[near], coils)
    mean[near] = density @ levels
    variance[near] = density @ np.square(levels) - np.square(mean[near])
    return signal, mean, variance
