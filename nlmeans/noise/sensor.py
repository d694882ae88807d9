"""The noise of camera RAW: one sensor counts the photons of all colours."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from . import fit
from .model import NoiseModel
from .models import PoissonGaussian
from .patches import Evidence


@dataclass(frozen=True)
class Sensor(NoiseModel):
    """Photons that one sensor counted behind filters of several colours; what is fitted is a `PoissonGaussian`.

    The filters differ, and so does the light behind them; the sensor's gain and its read noise do not. All channels
    together show them at more brightnesses than any one, and where one is textured throughout, others may be flat.

    Parameters
    ----------
    white : float
        The value from which on pixels are saturated: these show no noise, or half of it.
    """

    white: float

    @property
    def complete(self) -> bool:
        """Whether its numbers are there: they never are."""
        return False

    def estimate(self, evidence: Evidence) -> PoissonGaussian:
        """Return one gain, offset and σ for all channels."""
        planes = evidence.planes
        pooled = np.where(planes < self.white / evidence.factor, planes, np.nan).reshape(1, -1, *planes.shape[2:])
        known = None if evidence.known is None else np.tile(evidence.known, (len(planes), 1, 1))
        return PoissonGaussian(*(each[0] for each in fit.fit(replace(evidence, planes=pooled, known=known))))
