"""The spectrum of noise that is not white: how much power it has at each frequency, and how much channels share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _checks
from .bands import QUIETEST
from .patches import PATCH, cosines

GRID = 128
"""Least side of a grid of frequencies: lags up to half of it are told from those that wrap around."""
TOLERANCE = 1e-6
"""What rounding may make of nothing, in units of the largest."""
SMALLEST = 16
"""Least side of a sample of pure noise."""


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Power by frequency, of channels and between them.

    Attributes
    ----------
    power : ndarray, shape (C, C, Y, X)
        Cross-spectra at the frequencies of `numpy.fft.fft2`, of channels divided by their standard deviation: the mean
        power of each is 1. One channel stands for any number of independent ones.
    sigma : tuple of float
        The standard deviation of each.
    """

    power: np.ndarray
    sigma: tuple[float, ...]

    @classmethod
    def of_psd(cls, psd: np.ndarray) -> Spectrum:
        """Return that of power spectra (Y, X), or one a channel (C, Y, X), of independent channels."""
        power = psd.reshape(-1, *psd.shape[-2:])
        lags = np.fft.fftshift(np.fft.ifft2(power).real, axes=(1, 2))
        for axis in (1, 2):
            if lags.shape[axis] % 2 == 0 and lags.shape[axis] < GRID:  # the last lag is that of both directions
                first = np.take(lags, [0], axis) / 2
                lags = np.concatenate([first, np.delete(lags, 0, axis), first], axis)
        own = power if min(power.shape[1:]) >= GRID else np.maximum(_on_grid(lags).real, 0)
        cross = np.zeros((len(own), *own.shape), own.dtype)
        cross[np.arange(len(own)), np.arange(len(own))] = own
        return cls._scaled(cross)

    @classmethod
    def of_covariance(cls, covariance: np.ndarray) -> Spectrum:
        """Return that of covariances between channels (C, C), or also by lag (C, C, rows, columns).

        Raises
        ------
        ValueError
            If no noise has such a covariance.
        """
        lags = covariance if covariance.ndim == 4 else covariance[:, :, None, None]
        power = _on_grid(lags)
        least = np.linalg.eigvalsh(np.moveaxis(power, (0, 1), (2, 3)))[..., 0].min()
        if least < -TOLERANCE * np.abs(power).max():
            raise ValueError(
                "covariance must be positive semidefinite: noise has no negative power at any frequency (what was "
                f"cut off must fall to 0 smoothly); got a power of {least:.3g}"
            )
        return cls._scaled(power)

    @classmethod
    def of_sample(cls, planes: np.ndarray) -> Spectrum:
        """Measure that of pure noise in planes (C, Z, Y, X), by periodograms of overlapping tiles."""
        tile = [min(side, GRID) for side in planes.shape[2:]]
        window = np.outer(*(np.hanning(side + 1)[:-1] for side in tile))
        window /= np.sqrt(np.square(window).mean())
        noise = planes - planes.mean(axis=(1, 2, 3), keepdims=True)
        total: Any = 0
        for plane in np.moveaxis(noise, 1, 0):
            for y in _starts(plane.shape[1], tile[0]):
                for x in _starts(plane.shape[2], tile[1]):
                    waves = np.fft.fft2(plane[:, y : y + tile[0], x : x + tile[1]] * window)
                    total = total + np.einsum("cyx,dyx->cdyx", waves, waves.conj())
        lags = np.fft.fftshift(np.fft.ifft2(total).real, axes=(2, 3))
        if min(tile) < GRID:  # lags of a small tile end smoothly
            lags = lags[..., (1 - tile[0] % 2) :, (1 - tile[1] % 2) :]
            ends = [np.bartlett(side + 2)[1:-1] for side in lags.shape[2:]]
            total = _on_grid(lags * np.outer(*ends))
        found = cls._scaled(total)
        return cls(found.power, tuple(np.sqrt(np.square(noise).mean(axis=(1, 2, 3))).tolist()))

    @classmethod
    def _scaled(cls, power: np.ndarray) -> Spectrum:
        variance = np.einsum("ccyx->c", power).real / (power.shape[2] * power.shape[3])
        scale = np.sqrt(np.where(variance > 0, variance, 1))
        return cls(power / np.multiply.outer(scale, scale)[:, :, None, None], tuple(np.sqrt(variance).tolist()))

    def mixed(self, weights: np.ndarray) -> np.ndarray:
        """Return the power (K, Y, X) of mixes of channels by ``weights`` (K, C), of channels over their sigma."""
        if len(self.power) == 1:
            return np.square(weights).sum(axis=1).reshape(-1, 1, 1) * self.power[0].real
        power: np.ndarray = np.einsum("kc,cdyx,kd->kyx", weights, self.power, weights, optimize=True).real
        return np.maximum(power, 0)

    def shared(self, count: int) -> np.ndarray:
        """Return the correlation (C, C) of ``count`` channels."""
        return np.eye(count) if len(self.power) == 1 else self.power.mean(axis=(2, 3)).real

    def of(self, channels: list[int]) -> Spectrum:
        """Return that of some of the channels."""
        if len(self.power) == 1:
            return self
        return Spectrum(self.power[np.ix_(channels, channels)], tuple(self.sigma[c] for c in channels))

    def check(self, channels: int) -> None:
        """Refuse another number of channels."""
        own = len(self.power)
        if own not in (1, channels):
            raise ValueError(
                f"the noise's psd or covariance must be of 1 channel or of the image's {channels}; got one of {own}"
            )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Spectrum):
            return NotImplemented
        return self.sigma == other.sigma and np.array_equal(self.power, other.power)

    def __hash__(self) -> int:
        return hash((self.sigma, self.power.tobytes()))

    def __repr__(self) -> str:
        channels, _, *sides = self.power.shape
        return f"<{channels} channel{'s' * (channels > 1)}, {' x '.join(map(str, sides))} frequencies>"


def lags_of(power: np.ndarray, reach: tuple[int, int]) -> np.ndarray:
    """Return covariances (K, 2·rows + 1, 2·columns + 1) by lags up to ``reach``, of power spectra (K, Y, X)."""
    lags = np.fft.ifft2(power).real
    rows, columns = (np.arange(-r, r + 1) for r in reach)
    return np.ascontiguousarray(lags[:, rows[:, None] % power.shape[1], columns % power.shape[2]])


def bands_of(power: np.ndarray) -> np.ndarray:
    """Return the variance (K, 8, 8) of the coefficients of the orthonormal cosine transform of 8 × 8 pixels."""
    lags = lags_of(power, (PATCH - 1, PATCH - 1))
    apart = np.subtract.outer(np.arange(PATCH), np.arange(PATCH)) + PATCH - 1
    pairs = lags[:, apart[:, :, None, None], apart]
    basis = cosines(PATCH)
    bands = np.einsum("ai,aj,bm,bn,kijmn->kab", basis, basis, basis, basis, pairs, optimize=True)
    return np.maximum(bands, QUIETEST).astype(np.float32)


def white(power: np.ndarray) -> bool:
    """Whether power spectra (K, Y, X) are the same at all frequencies."""
    return bool((np.ptp(power, axis=(1, 2)) <= TOLERANCE * power.max(axis=(1, 2))).all())


def coarseness(power: np.ndarray, sides: tuple[int, int]) -> float:
    """Return the pixels of a patch over those of independent noise that scatter as much in a mean of squares."""
    lags = np.square(lags_of(power, (sides[0] - 1, sides[1] - 1)))
    weights = [np.bartlett(2 * side + 1)[1:-1] for side in sides]
    return float((lags * np.outer(*weights)).sum(axis=(1, 2)).mean() / (lags[:, sides[0] - 1, sides[1] - 1]).mean())


def spectrum_of(given: dict[str, Any]) -> Spectrum | None:
    """Return the spectrum that a ``psd``, a ``covariance`` or another ``spectrum`` says; None where none is given.

    Raises
    ------
    TypeError, ValueError
        If it breaks a rule, or several are given.
    """
    if len(given) > 1:
        raise ValueError(f"{' and '.join(given)} say the same: give one of them")
    for name, value in given.items():
        if isinstance(value, Spectrum):
            return value
        array = _array(value, name)
        if name == "psd":
            _check_psd(array)
            return Spectrum.of_psd(array)
        _check_covariance(array)
        return Spectrum.of_covariance(array)
    return None


def _array(value: Any, name: str) -> np.ndarray:
    """Return the numbers of a spectrum or a covariance, of one of the shapes that it may have."""
    array = _checks.unmasked(value, name)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} must hold real numbers; got dtype {array.dtype}")
    shapes = {"psd": (2, 3), "covariance": (2, 4)}[name]
    if array.ndim not in shapes or array.size == 0:
        rule = {
            "psd": "(Y, X) or (C, Y, X), power at the frequencies of numpy.fft.fft2",
            "covariance": "(C, C) between channels, or (C, C, rows, columns) by lag with lag 0 in the middle",
        }[name]
        raise ValueError(f"{name} must have the shape {rule}; got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite everywhere; got {array[~np.isfinite(array)][0]}")
    return array.astype(np.float64)


def _check_psd(psd: np.ndarray) -> None:
    if psd.min() < 0:
        raise ValueError(f"psd must be at least 0 everywhere; got {psd.min():g}")
    if not psd.reshape(-1, *psd.shape[-2:]).any(axis=(1, 2)).all():
        raise ValueError("psd must be above 0 somewhere, in each channel; got 0")
    mirrored = np.roll(psd[..., ::-1, ::-1], (1, 1), axis=(-2, -1))
    apart = float(np.abs(psd - mirrored).max())
    if apart > TOLERANCE * psd.max():
        raise ValueError(
            "psd must be the same at frequencies f and -f, with frequency 0 first (numpy.fft.ifftshift moves it there)"
            f"; got a difference of {apart:.3g} with a maximum of {psd.max():.3g}"
        )


def _check_covariance(covariance: np.ndarray) -> None:
    channels, others, *lags = covariance.shape
    if channels != others or any(side % 2 == 0 for side in lags):
        raise ValueError(
            "covariance must have as many rows as columns of channels, and odd sides of lags; got the shape "
            f"{covariance.shape}"
        )
    apart = float(np.abs(covariance - covariance.swapaxes(0, 1)[:, :, *(slice(None, None, -1) for _ in lags)]).max())
    if apart > TOLERANCE * np.abs(covariance).max():
        raise ValueError(
            "covariance must be symmetric: of channels c and d at a lag what it is of d and c at the opposite lag; got "
            f"a difference of {apart:.3g}"
        )


def check_sample(planes: np.ndarray) -> None:
    """Refuse a sample of pure noise (C, Z, Y, X) that shows none."""
    if min(planes.shape[2:]) < SMALLEST:
        raise ValueError(
            f"a sample of noise must have at least {SMALLEST} × {SMALLEST} pixels; got {planes.shape[2]} × "
            f"{planes.shape[3]}"
        )
    if not np.isfinite(planes).all():
        raise ValueError("a sample of noise must be finite everywhere; got NaN or infinity")
    if not np.ptp(planes, axis=(1, 2, 3)).all():
        raise ValueError("a sample of noise must vary in each channel; got a constant")


def _starts(side: int, tile: int) -> list[int]:
    """Return where tiles begin that overlap by half, to both ends."""
    count = max(-(-2 * (side - tile) // tile), 0) + 1
    return [(side - tile) * k // max(count - 1, 1) for k in range(count)]


def _on_grid(lags: np.ndarray) -> np.ndarray:
    """Return the spectra (…, Y, X) of covariances by lag, with lag 0 in the middle, on a grid that is wide enough."""
    rows, columns = lags.shape[-2:]
    grid = np.zeros((*lags.shape[:-2], max(rows, GRID), max(columns, GRID)))
    grid[..., :rows, :columns] = lags
    return np.fft.fft2(np.roll(grid, (-(rows // 2), -(columns // 2)), axis=(-2, -1)))
