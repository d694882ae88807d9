"""Scale: how method "ridge" scales and mixes channels, decided once, so that every region of an image agrees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._notes import Note
from ..noise.colour import colour_basis
from ..noise.fitted import FittedNoise
from ..noise.model import NoiseModel
from ..noise.shared import Turn
from .split import Split

SAMPLE = 1 << 16
"""Pixels by which brightness and colours are judged."""
COLOURS = 3
"""Channels up to which they are colours. More are a series: its principal axes hold what they share in a few planes."""


@dataclass(frozen=True, eq=False)
class Scale:
    """How the channels with noise become planes of independent noise of variance 1.

    Attributes
    ----------
    sigma : tuple of float
        Standard deviation of the noise of each plane, in its units; where pixels have their own variance, the root of
        the mean variance, or 0 where groups of patches would do worse than averages.
    channels : tuple of float
        The same for the channels of the image.
    turn : Turn or None
        Where pixels have their own variance: the turn that makes shared noise of channels independent.
    deviations : ndarray
        Divisors of the channels with noise.
    parting : ndarray
        An orthonormal basis: luma and colour differences where these carry less signal, else identity; of more than
        three channels their principal axes.
    middles : ndarray
        The median of each of these channels.
    span : float
        The largest range of a channel, in units of its noise.
    split : Split or None
        Where the noise's spectrum was given: the parts of the planes that are mixed by ``parting``.
    notes : tuple of Note
        Notes for the plan.
    """

    sigma: tuple[float, ...]
    channels: tuple[float, ...]
    turn: Turn | None
    deviations: np.ndarray
    parting: np.ndarray
    middles: np.ndarray
    span: float
    split: Split | None = None
    notes: tuple[Note, ...] = ()

    @classmethod
    def of(cls, planes: np.ndarray, noise: FittedNoise, correlated: float, reach: tuple[int, int] = (0, 0)) -> Scale:
        """Choose the scale of planes (C, Z, Y, X), or of a sample of them.

        Where pixels have their own variance, the planes are not stabilised. ``correlated`` is the factor on the σ of
        correlated noise of an unknown spectrum; groups hold patches that lie up to ``reach`` apart.
        """
        samples = [_sample(plane) for plane in planes]
        sigma, channels, turn, notes = noise.sigma, noise.channels, None, tuple[Note, ...]()
        if noise.grouped:
            channels, notes = _mean_deviations(samples, noise.model)
            sigma = channels
            if noise.turn is not None and any(channels):
                sigma, turn = (
                    noise.sigma,
                    noise.turn.over([s / t for s, t in zip(channels, noise.channels, strict=True)]),
                )
                planes = turn.turned(planes)
                samples = [_sample(plane) for plane in planes]
        noisy = [c for c, s in enumerate(sigma) if s > 0]
        factor = 1.0 if noise.bands is None or noise.power is not None else correlated
        deviations = np.asarray([factor * sigma[c] for c in noisy])
        ranges = [float(np.ptp(_known(planes[c]))) for c in noisy]
        middles = np.asarray([float(np.median(_known(samples[c]))) for c in noisy])
        parting, span = _parting([samples[c] for c in noisy], deviations), 0.0
        if noisy:
            span = max(width / s for width, s in zip(ranges, deviations, strict=True))
        split = None
        if noise.power is not None and noisy:
            split = Split.of(np.tensordot(np.square(parting), noise.power, 1), reach)
            span /= min(split.sigma)
        return cls(sigma, channels, turn, deviations, parting, middles, span, split, notes)

    @property
    def noisy(self) -> list[int]:
        """The channels that have noise."""
        return [c for c, s in enumerate(self.sigma) if s > 0]


def _parting(samples: list[np.ndarray], deviations: np.ndarray) -> np.ndarray:
    if len(samples) < 2:
        return np.eye(len(samples))
    pixels = np.stack([sample / sigma for sample, sigma in zip(samples, deviations, strict=True)])
    pixels = pixels[:, np.isfinite(pixels).all(axis=0)]
    if not pixels.size:
        return np.eye(len(samples))
    if len(samples) > COLOURS:
        shared = np.cov(pixels, dtype=np.float64, bias=True)
        return np.linalg.eigh(shared)[1].T[::-1].copy() if np.isfinite(shared).all() else np.eye(len(samples))
    plain, parted = np.eye(len(samples)), colour_basis([1.0] * len(samples))

    def cost(basis: np.ndarray) -> float:
        return float(np.log(np.maximum((basis @ pixels.astype(np.float64)).var(axis=1), 1)).sum())

    return min((parted, plain), key=cost)


def _mean_deviations(samples: list[np.ndarray], model: NoiseModel) -> tuple[tuple[float, ...], tuple[Note, ...]]:
    """Return the root of the mean variance in each channel; 0, and why, where groups would do worse than averages."""
    means = np.asarray([float(_known(sample).mean(dtype=np.float64)) for sample in samples])
    variance = model.even().variance(means.reshape(-1, 1, 1, 1)).ravel()
    reason = model.against_groups(variance)
    return (tuple(np.sqrt(variance).tolist()), ()) if reason is None else ((0.0,) * len(samples), (reason,))


def _known(pixels: np.ndarray) -> np.ndarray:
    """Return the finite pixels; 0 if there are none."""
    if np.isfinite(pixels.min()) and np.isfinite(pixels.max()):
        return pixels
    finite = pixels[np.isfinite(pixels)]
    return finite if finite.size else np.zeros(1, pixels.dtype)


def _sample(plane: np.ndarray) -> np.ndarray:
    pixels = plane.reshape(-1)
    return pixels[:: pixels.size // SAMPLE | 1]  # odd: in step with few patterns
