"""Curves of variance over brightness, fitted to bins: level, a line, or the Rician curve.

Texture that is left in a bin adds to its variance, and nothing takes from it. So a bin far above a curve counts little
against it, a bin below it counts in full. Starting points are all curves through one bin, or two.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from .bins import Bins

__all__ = ["Fit", "fit_level", "fit_line", "fit_rician", "rician_moments"]

ABOVE: Final = 2.5  # standard errors above a curve from where on a bin is taken as textured
BELOW: Final = 6.0  # ... and below it from where on more makes no difference
ROUNDS: Final = 20


@dataclass(frozen=True)
class Fit:
    """A curve through bins: its numbers, the variance that it gives each bin, and what is left, in squared errors."""

    numbers: tuple[float, ...]
    variance: np.ndarray
    cost: float


def fit_level(bins: Bins) -> Fit:
    """Fit one variance for all bins."""
    best = _best(bins, np.repeat(bins.variance[:, None], len(bins), axis=1))
    variance = bins.variance[best]
    for _ in range(ROUNDS):
        weight = _weight(bins, np.full(len(bins), variance))
        variance = float(np.average(bins.variance, weights=weight))
    curve = np.full(len(bins), variance)
    return Fit((variance,), curve, float(_cost(bins, curve)))


def fit_line(bins: Bins) -> Fit:
    """Fit variance = slope · mean + intercept with a slope of at least 0."""
    first, second = np.triu_indices(len(bins), 1)
    run = bins.mean[second] - bins.mean[first]
    slopes = np.maximum((bins.variance[second] - bins.variance[first]) / np.where(run > 0, run, np.inf), 0)
    intercepts = bins.variance[first] - slopes * bins.mean[first]
    best = _best(bins, slopes[:, None] * bins.mean + intercepts[:, None])
    slope, intercept = slopes[best], intercepts[best]
    for _ in range(ROUNDS):
        weight = _weight(bins, slope * bins.mean + intercept)
        centre = np.average(bins.mean, weights=weight)
        level = np.average(bins.variance, weights=weight)
        spread = np.average(np.square(bins.mean - centre), weights=weight)
        slope = max(np.average((bins.mean - centre) * (bins.variance - level), weights=weight) / spread, 0.0)
        intercept = level - slope * centre
    curve = slope * bins.mean + intercept
    return Fit((float(slope), float(intercept)), curve, float(_cost(bins, curve)))


def fit_rician(bins: Bins) -> Fit:
    """Fit the curve of magnitudes, which has one number, σ."""
    _, mean, variance = rician_moments()
    ratio = np.interp(bins.mean / np.sqrt(bins.variance), mean / np.sqrt(variance), variance)
    sigmas = np.sqrt(bins.variance / ratio)
    best = _best(bins, np.stack([_rician_variance(bins.mean, sigma) for sigma in sigmas]))
    sigma = sigmas[best]
    for _ in range(ROUNDS):
        curve = _rician_variance(bins.mean, sigma)
        weight = _weight(bins, curve) * np.square(curve)
        sigma *= np.sqrt(np.average(bins.variance / curve, weights=weight))
    curve = _rician_variance(bins.mean, sigma)
    return Fit((float(sigma),), curve, float(_cost(bins, curve)))


def _best(bins: Bins, curves: np.ndarray) -> int:
    return int(np.argmin(_cost(bins, curves)))


def _residuals(bins: Bins, curve: np.ndarray) -> np.ndarray:
    floor = 1e-6 * bins.variance.max()
    return np.log(np.maximum(bins.variance, floor) / np.maximum(curve, floor)) / bins.error


def _cost(bins: Bins, curve: np.ndarray) -> np.ndarray:
    return np.square(np.clip(_residuals(bins, curve), -BELOW, ABOVE)).sum(-1)


def _weight(bins: Bins, curve: np.ndarray) -> np.ndarray:
    """Return weights of least squares: small for textured bins."""
    residuals = _residuals(bins, curve)
    trust = np.square(ABOVE / np.maximum(residuals, ABOVE))
    return trust / np.square(bins.error * np.maximum(curve, 1e-6 * bins.variance.max()))


def _rician_variance(mean: np.ndarray, sigma: float) -> np.ndarray:
    """Return the variance of magnitudes of these means."""
    _, means, variances = rician_moments()
    return sigma**2 * np.interp(mean / sigma, means, variances)


@lru_cache(maxsize=1)
def rician_moments() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return signals, and the mean and variance of their magnitudes, for σ = 1."""
    from scipy.special import i0e, i1e

    signal = np.concatenate([np.arange(0, 12, 0.02), np.geomspace(12, 1000, 200)])
    half = np.square(signal) / 4
    mean = np.sqrt(np.pi / 2) * ((1 + 2 * half) * i0e(half) + 2 * half * i1e(half))
    exact = 2 + np.square(signal) - np.square(mean)
    distant = 1 - 0.5 / np.square(np.maximum(signal, 1))
    return signal, mean, np.where(signal < 30, exact, distant)
