"""One image on its way through the networks: what counts, its noise, which channels go together, and the way back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch

from nlmeans import _checks as checks
from nlmeans._progress import Progress, part
from nlmeans.denoise import denoise as non_local_means
from nlmeans.nlm import known_nearest
from nlmeans.noise.setting import Setting
from nlmeans.options import Options
from nlmeans.prepare import as_known

from . import _checks as own_checks
from ._planes import denoised
from .denoiser import NonLocalDenoiser, load_denoiser

UNEQUAL = 4.0
"""Colours are denoised together while their σ differ by no more than this factor: the network knows of one σ."""
ALIKE = 0.1
"""How far channels may be from multiples of one, in units of σ, to be denoised as one."""
SAMPLE = 1 << 16
"""Pixels that this is judged by."""


@dataclass(frozen=True, eq=False)
class Shared:
    """Channels that are multiples of one, such as grey stored as colour: noise and all.

    Attributes
    ----------
    direction : ndarray, shape (C,)
        The σ of the channels, divided by their root sum of squares: where all of the noise lies.
    rest : ndarray, shape (C,)
        What channels hold beside their share of the one.
    """

    direction: np.ndarray
    rest: np.ndarray

    @classmethod
    def by(cls, planes: np.ndarray, sigma: tuple[float, ...]) -> Shared | None:
        """Return what channels (C, Z, Y, X) share, if it is nearly all."""
        if len(planes) < 2 or min(sigma) == 0:
            return None
        direction = np.asarray(sigma) / np.linalg.norm(sigma)
        pixels = planes.reshape(len(planes), -1)
        pixels = pixels[:, :: pixels.shape[1] // SAMPLE | 1].astype(np.float64)
        pixels = pixels[:, np.isfinite(pixels).all(axis=0)]
        rest = pixels - direction[:, None] * (direction @ pixels)
        if not pixels.size or (rest.std(axis=1) > ALIKE * np.asarray(sigma)).any():
            return None
        return cls(direction, np.median(rest, axis=1))

    def one(self, planes: np.ndarray) -> np.ndarray:
        """Return the plane (1, Z, Y, X) that channels (C, Z, Y, X) are multiples of."""
        return np.tensordot(self.direction.astype(planes.dtype), planes, 1)[None]

    def channels(self, one: np.ndarray, planes: np.ndarray) -> np.ndarray:
        """Return channels of the plane, with what else they hold in ``planes``."""
        rest = planes - self._spread(self.one(planes))
        rest = np.where(np.isnan(rest), self.rest.reshape(-1, 1, 1, 1), rest)
        return (self._spread(one) + rest).astype(planes.dtype, copy=False)

    def _spread(self, one: np.ndarray) -> np.ndarray:
        return self.direction.reshape(-1, 1, 1, 1).astype(one.dtype) * one


@dataclass(frozen=True, eq=False)
class Image:
    """An image as the networks take it.

    Attributes
    ----------
    measured : ndarray, shape (C, Z, Y, X)
        The image in floating-point numbers, NaN where pixels are missing.
    planes : ndarray, shape (K, Z, Y, X)
        The same with Gaussian noise, channels that share theirs made one.
    sigma : tuple of float
        Standard deviation of the planes' noise; 0 where they stay as they are.
    setting : Setting
        The noise.
    shared : Shared or None
        What the channels share.
    """

    measured: np.ndarray
    planes: np.ndarray
    sigma: tuple[float, ...]
    setting: Setting
    shared: Shared | None

    @classmethod
    def of(cls, source: np.ndarray, options: Options, index: int) -> Image:
        """Return the ``index``-th image, planes (C, Z, Y, X) as they are stored."""
        measured = as_known(source, None if options.known is None else options.known[index])
        setting = options.setting(measured, index, checks.saturation(source.dtype))
        planes = setting.stabilise(measured)
        sigma = tuple(0.0 if _constant(plane) else s for s, plane in zip(setting.sigma, planes, strict=True))
        shared = Shared.by(planes, sigma) if setting.variance is None else None
        if shared is not None:
            planes, sigma = shared.one(planes), (float(np.linalg.norm(sigma)),)
        return cls(measured, planes, sigma, setting, shared)

    @property
    def groups(self) -> list[range]:
        """The planes that are denoised together; those without noise are in none."""
        if len(self.sigma) == 3 and 0 < max(self.sigma) <= UNEQUAL * min(self.sigma):
            return [range(3)]
        return [range(c, c + 1) for c, own in enumerate(self.sigma) if own > 0]

    def filled(self, threads: int, cancel: Any) -> np.ndarray:
        """Return the planes with missing pixels filled by non-local means; NaN where there is no valid neighbour."""
        if not np.isnan(self.planes.min()):
            return self.planes
        spans = np.fmax.reduce(self.planes, axis=(1, 2, 3)) - np.fmin.reduce(self.planes, axis=(1, 2, 3))
        sigma = tuple(min(s, float(span)) for s, span in zip(self.sigma, spans, strict=True))
        flat = self.planes.shape[1] == 1  # a volume of one slice would get a volume's radii
        given, axes = (self.planes[:, 0], "CYX") if flat else (self.planes, "CZYX")
        averages = non_local_means(given, sigma, axes=axes, quality="fast", threads=threads, cancel=cancel)
        return np.where(np.isnan(self.planes), averages.reshape(self.planes.shape), self.planes)

    def denoised(self, filled: np.ndarray, device: torch.device, progress: Progress | None, turns: int) -> np.ndarray:
        """Return what the networks make of the planes, in the image's units; NaN where nothing is known."""
        seen, clean = known_nearest(filled), filled.copy()  # planes without noise stay as they are
        work = [(group, z) for group in self.groups for z in range(seen.shape[1])]
        if not work and progress is not None:
            progress(1, 1)
        for k, (group, z) in enumerate(work):
            chosen = list(group)
            relief = None if self.setting.variance is None else self.setting.variance[0, z]
            clean[chosen, z] = denoised(
                _loaded(len(group), device), seen[chosen, z], [self.sigma[c] for c in group], relief, device,
                part(progress, k, len(work)), turns,
            )  # fmt: skip
        if self.setting.still is not None:
            clean = np.where(self.setting.still, filled, clean)
        clean[np.isnan(filled)] = np.nan
        stabiliser = self.setting.stabiliser
        if self.shared is not None:
            clean = self.shared.channels(clean, self.setting.stabilise(self.measured))
        if stabiliser is not None:
            clean = stabiliser.inverse(clean)
        for channel, target in zip(self.measured, clean, strict=True):
            if _constant(channel):
                np.copyto(target, channel, where=np.isfinite(channel))
        return clean

    def stored(self, clean: np.ndarray, source: np.ndarray, keep: bool) -> Outcome:
        """Return a result as the image is stored; missing pixels that found no neighbour, or all, as they were."""
        missing = np.isnan(self.measured) if np.isnan(self.measured.min()) else None
        unfilled = None if missing is None else missing & np.isnan(clean)
        stays = missing if keep else unfilled
        if stays is not None:
            clean[stays] = 0
        own_checks.result(clean)
        whole = source.dtype.kind != "f"
        info = np.iinfo(source.dtype) if whole else np.finfo(source.dtype)
        np.clip(np.rint(clean, out=clean) if whole else clean, info.min, info.max, out=clean)
        result = clean.astype(source.dtype, copy=False)
        if stays is not None:
            result[stays] = source[stays]
        return Outcome(result, _count(missing), _count(unfilled))


class Outcome(NamedTuple):
    """What came of an image: planes (C, Z, Y, X), and pixels that were missing in a channel, and found no neighbour."""

    planes: np.ndarray
    missing: int
    unfilled: int


def _constant(plane: np.ndarray) -> bool:
    """Whether the pixels that are there have one value."""
    return not np.fmax.reduce(plane, axis=None) > np.fmin.reduce(plane, axis=None)


def _count(flags: np.ndarray | None) -> int:
    return 0 if flags is None else int(flags.any(axis=0).sum())


@lru_cache(maxsize=4)
def _loaded(channels: int, device: torch.device) -> NonLocalDenoiser:
    """Return the network that comes with the package."""
    return load_denoiser(channels)[0].to(device)
