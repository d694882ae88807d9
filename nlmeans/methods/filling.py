"""Filling: missing pixels are replaced by averages first, for methods that cannot leave them out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from .._progress import Progress
from ..pairwise.spec import Radii
from ..pairwise.tiles import Tile
from ..plan.averaging import AveragingPlan, farther, total
from ..plan.choice import averaging
from ..plan.options import Options
from .average import average
from .sample import Sample

if TYPE_CHECKING:
    from ..noise.fitted import FittedNoise


@dataclass(frozen=True)
class Filling:
    """How the missing pixels of an image are filled: by one quick pass of non-local means.

    Attributes
    ----------
    plan : AveragingPlan
        The pass.

    Examples
    --------
    >>> import numpy as np
    >>> from nlmeans.extend import Filling, Options, Sample
    >>> noisy = np.random.default_rng(0).normal(100, 1, (1, 1, 32, 32))
    >>> noisy[..., 10:12, 10:12] = np.nan
    >>> options = Options.check(noisy[0, 0], sigma=1)
    >>> sample = Sample.of(noisy, options, 0)
    >>> filled = Filling.of(sample, options).filled(sample.planes, sample.noise)
    >>> bool(abs(filled - 100).max() < 5)
    True
    """

    plan: AveragingPlan

    @classmethod
    def of(cls, sample: Sample, options: Options) -> Filling:
        """Decide for an image."""
        return cls(averaging(sample.judged, replace(options, quality="fast"), sample.noise, sample.sides))

    def reach(self, halo: Radii) -> Radii:
        """Return the halo of a method with this halo of its own that runs on filled pixels."""
        return total([self.plan.reach(True), farther(halo, True)])

    def filled(
        self,
        planes: np.ndarray,
        noise: FittedNoise,
        tile: Tile | None = None,
        *,
        threads: int | None = None,
        progress: Progress | None = None,
    ) -> np.ndarray:
        """Return a tile of planes (K, Z, Y, X), by default all, whose missing pixels are filled.

        NaN stays where there is no valid neighbour (`known_nearest`).
        """
        here = planes if tile is None else tile.of(planes)
        if not np.isnan(here.min()):  # the least of numbers with NaN is NaN
            return here
        averages, _ = average(planes, self.plan, noise, threads=threads, progress=progress, region=tile)
        return np.where(np.isnan(here), averages, here)
