"""Two halves of one measurement, whose difference says what noise they have."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import typer

from .. import formats
from ..noise.halves import sigma_of_halves
from .options import Filtering, Reading

logger = logging.getLogger("nlmeans")


def check_halves(inputs: list[Path], filtering: Filtering, by_blocks: bool) -> None:
    """Refuse what are no two halves, or have noise that is given.

    Raises
    ------
    typer.BadParameter
        Naming the flag.
    """
    said = [f"--{name}" for name in ("sigma", "noise") if filtering.given[name] is not None]
    if len(inputs) != 2:
        raise typer.BadParameter(f"must be two pictures; got {len(inputs)}", param_hint="--half-maps")
    if said:
        raise typer.BadParameter(f"says what noise there is: leave out {said[0]}", param_hint="--half-maps")
    if by_blocks:
        raise typer.BadParameter("halves are denoised whole, not block by block", param_hint="--half-maps")


@dataclass(frozen=True)
class Halves:
    """Both pictures, and the noise of each."""

    pictures: dict[Path, formats.Picture]
    sigma: float | tuple[float, ...]
    joined: bool  # whether it is their mean that is denoised, not each

    @classmethod
    def read(cls, paths: list[Path], reading: Reading, joined: bool) -> Halves:
        """Read both.

        Raises
        ------
        ValueError, OSError
            If they cannot be read, or are not two pictures of one shape and of the same axes.
        """
        if len({*paths}) != len(paths):
            raise ValueError(f"--half-maps must be two pictures: got {paths[0]} twice")
        pictures = {path: reading.read(path) for path in paths}
        first, second = pictures.values()
        of, other = ((each.pixels.shape, each.dimensions) for each in (first, second))
        if of != other:
            raise ValueError(f"--half-maps must be two of one shape; got {of[0]} ({of[1]}) and {other[0]} ({other[1]})")
        sigma = sigma_of_halves(
            first.pixels, second.pixels, axes=first.axes, channel_axis=first.channel_axis, nodata=first.nodata
        )
        halves = cls(pictures, sigma, joined)
        logger.info("%s", halves)
        return halves

    def picture(self, path: Path) -> formats.Picture:
        """Return what is denoised: the mean of both, in floating point, or the half of this name."""
        if not self.joined:
            return self.pictures[path]
        first, second = self.pictures.values()
        kind = np.result_type(first.pixels.dtype, np.float32)
        mean = first.pixels.astype(kind)
        mean += second.pixels
        mean /= 2
        if first.nodata is not None:
            mean[(first.pixels == first.nodata) | (second.pixels == first.nodata)] = first.nodata
        return replace(first, pixels=mean)

    @property
    def noise(self) -> dict[str, Any]:
        """The noise of what is denoised, as `nlmeans.denoise` takes it."""
        sigma = np.divide(self.sigma, math.sqrt(2) if self.joined else 1)
        return {"sigma": sigma.tolist(), "noise": None}

    def stored(self, path: Path, pixels: np.ndarray) -> np.ndarray:
        """Return a result in the type in which it is written: whole numbers again where the halves are."""
        dtype = self.written(path).pixels.dtype
        if not self.joined or dtype.kind == "f":
            return pixels.astype(dtype, copy=False)
        limits = np.iinfo(dtype)
        return np.clip(np.rint(pixels), limits.min, limits.max).astype(dtype)

    def written(self, path: Path) -> formats.Picture:
        """Return the picture that says how the result is written."""
        return next(iter(self.pictures.values())) if self.joined else self.pictures[path]

    def __str__(self) -> str:
        said = " ".join(f"{sigma:.4g}" for sigma in np.atleast_1d(self.sigma))
        return f"the halves differ by noise of sigma {said} each" + "; their mean is denoised" * self.joined
