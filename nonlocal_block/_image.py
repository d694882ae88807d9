"""One image on its way through the networks: what counts, its noise, which planes go together, and the way back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch

from nlmeans import _checks as checks
from nlmeans._progress import Progress, part
from nlmeans.methods.average import average, known_nearest
from nlmeans.methods.recipe import Recipe, prepare
from nlmeans.methods.region import loses_shades
from nlmeans.plan.options import Options

from ._planes import denoised
from .network import NonLocalDenoiser, load_denoiser

UNEQUAL = 4.0
"""Colours are denoised together while their σ differ by no more than this factor: the network knows of one σ."""


@dataclass(frozen=True, eq=False)
class Image:
    """An image as the networks take it.

    Attributes
    ----------
    measured : ndarray, shape (C, Z, Y, X)
        The image in floating-point numbers, NaN where pixels do not count.
    stays : ndarray of bool, shape (C, Z, Y, X), or None
        Which of those are no part of the picture.
    planes : ndarray, shape (K, Z, Y, X)
        The same with Gaussian noise, channels that share theirs turned so that they do not, constant ones left out.
    recipe : Recipe
        The noise, and how non-local means fills what is missing.
    """

    measured: np.ndarray
    stays: np.ndarray | None
    planes: np.ndarray
    recipe: Recipe

    @classmethod
    def of(cls, source: np.ndarray, options: Options, index: int) -> Image:
        """Return the ``index``-th image, planes (C, Z, Y, X) as they are stored."""
        (measured, stays), planes, recipe = prepare(source, options, index)
        return cls(measured, stays, planes, recipe)

    @property
    def groups(self) -> list[range]:
        """The planes that are denoised together; those without noise are in none."""
        sigma = self.recipe.noise.sigma
        colours = len(self.planes) == 3 <= len(self.measured) <= 4 and not self.recipe.noise.mixes  # perhaps with alpha
        if colours and 0 < max(sigma) <= UNEQUAL * min(sigma):
            return [range(3)]
        return [range(c, c + 1) for c, own in enumerate(sigma) if own > 0 and _varies(self.planes[c])]

    def filled(self, threads: int, progress: Progress | None) -> np.ndarray:
        """Return the planes with missing pixels filled by non-local means; NaN where there is no valid neighbour."""
        missing = _missing(self.planes)
        if missing is None:
            return self.planes
        averages, _ = average(
            self.planes, self.recipe.plan, self.recipe.noise, threads=threads, progress=progress
        )  # fmt: skip
        return np.where(missing, averages, self.planes)

    def denoised(self, filled: np.ndarray, device: torch.device, progress: Progress | None, turns: int) -> np.ndarray:
        """Return what the networks make of the planes, in the image's units; NaN where nothing is known."""
        noise, groups = self.recipe.noise, self.groups
        seen, clean = known_nearest(filled), filled.copy()  # planes without noise stay as they are
        work = [(group, z) for group in groups for z in range(seen.shape[1])]
        if not work and progress is not None:
            progress(1, 1)
        for k, (group, z) in enumerate(work):
            chosen = list(group)
            relief = None if noise.variance is None else noise.variance[0, z]
            clean[chosen, z] = denoised(
                _loaded(len(group), device), seen[chosen, z], [noise.sigma[c] for c in group], relief, device,
                part(progress, k, len(work)), turns,
            )  # fmt: skip
        if noise.still is not None:
            clean = np.where(noise.still, filled, clean)
        clean[np.isnan(filled)] = np.nan
        clean = noise.restore(clean, self.measured)
        for channel, target in zip(self.measured, clean, strict=True):
            if not work or not _varies(channel):  # the way through a transform and back would change it
                np.copyto(target, channel, where=np.isfinite(channel))
        return clean

    def stored(self, clean: np.ndarray, source: np.ndarray, keep: bool, kind: np.dtype) -> Outcome:
        """Return a result in the type asked for; what is missing, and found no neighbour or ``keep``, as it was."""
        missing = _missing(self.measured)
        unfilled = None if missing is None else missing & np.isnan(clean)
        keeps = missing if keep else unfilled if self.stays is None else unfilled | self.stays
        if keeps is not None:
            clean[keeps] = 0
        checks.result(clean)
        moved = kind.kind != "f" and loses_shades(clean, kind, float(source.min()))
        if kind.kind == "f":
            np.clip(clean, np.finfo(kind).min, np.finfo(kind).max, out=clean)
        result = clean.astype(kind, copy=False)
        if keeps is not None:
            result[keeps] = source[keeps]
        picture = True if self.stays is None else ~self.stays
        lost, left = (None if flags is None else flags & picture for flags in (missing, unfilled))
        return Outcome(result, moved, _count(lost), _count(left), _count(self.stays))


class Outcome(NamedTuple):
    """What came of an image: planes (C, Z, Y, X), whether rounding moved their mean, and counts of pixels.

    Those that were missing in a channel, of these the ones without a neighbour, and those that are no part of the
    picture.
    """

    planes: np.ndarray
    moved: bool
    missing: int
    unfilled: int
    kept: int


def _missing(planes: np.ndarray) -> np.ndarray | None:
    """Return where planes have no pixel; None where they have all."""
    return np.isnan(planes) if np.isnan(planes.min()) else None  # the least of numbers with NaN is NaN


def _varies(plane: np.ndarray) -> bool:
    """Whether the pixels that are there have more than one value."""
    return bool(np.fmax.reduce(plane, axis=None) > np.fmin.reduce(plane, axis=None))


def _count(flags: np.ndarray | None) -> int:
    """Return in how many pixels a channel is flagged."""
    return 0 if flags is None else int(flags.any(axis=0).sum())


@lru_cache(maxsize=4)
def _loaded(channels: int, device: torch.device) -> NonLocalDenoiser:
    """Return the network that comes with the package."""
    return load_denoiser(channels)[0].to(device)
