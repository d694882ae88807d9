"""The noise of the slice that is looked at, fitted once for all previews of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from nlmeans.extend import FittedNoise, NoiseModel, Options, Sample
from nlmeans.noise import NoiseProfile, noise_profile


@dataclass(frozen=True, eq=False)
class Known(NoiseModel):
    """Noise that was fitted to more of the image than is denoised: by the first image it meets, for all later ones."""

    model: NoiseModel
    found: list[FittedNoise] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether its numbers are there: from the first image on."""
        return bool(self.found)

    def fitted(
        self, planes: np.ndarray, known: np.ndarray | None = None, saturation: tuple[float, float] | None = None
    ) -> FittedNoise:
        """Return the noise of the first image."""
        if not self.found:
            self.found.append(self.model.fitted(planes, known, saturation))
        return self.found[0]


@dataclass(frozen=True, eq=False)
class Fit:
    """The noise of a slice.

    Attributes
    ----------
    model : NoiseModel
        What `nlmeans.denoise` takes for a part of the slice.
    profile : NoiseProfile
        As it was measured.
    """

    model: Known
    profile: NoiseProfile

    @property
    def noise(self) -> FittedNoise:
        """The model's numbers, and all else that the filter needs."""
        return self.model.found[0]

    def deviation(self, brightness: np.ndarray) -> np.ndarray:
        """Return the σ of each channel (rows) that the model gives at each brightness."""
        channels = len(self.noise.channels)
        if self.noise.grouped:
            planes = np.broadcast_to(brightness, (channels, 1, 1, len(brightness)))
            variance = np.broadcast_to(self.noise.model.variance(planes), planes.shape)
            return np.sqrt(variance[:, 0, 0])
        level = np.reshape(self.noise.channels, (-1, 1)) if self.noise.plain else np.full((channels, 1), np.nan)
        return np.broadcast_to(level, (channels, len(brightness)))


def fit(pixels: np.ndarray, axes: str, mask: np.ndarray | None, noise: Mapping[str, Any]) -> Fit:
    """Fit the noise of an image by the arguments ``sigma`` or ``noise`` of `nlmeans.denoise`."""
    options = Options.check(pixels, axes=axes, mask=mask, **noise)
    model = Known(options.noise[0])
    Sample.of(options.layout.planes(pixels)[0], replace(options, noise=(model,)), 0)
    return Fit(model, noise_profile(pixels, axes=axes, mask=mask))
