"""What a method runs on, and what it returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..pairwise.spec import Radii
from ..pairwise.tiles import Tile

if TYPE_CHECKING:
    from ..noise.fitted import FittedNoise


@dataclass(frozen=True, eq=False)
class Region:
    """What a method runs on: planes with Gaussian noise, a core to denoise and its surroundings.

    Its arrays may be the caller's own: they must not be written.

    Attributes
    ----------
    planes : ndarray, shape (K, Z, Y, X)
        Floating-point numbers with Gaussian noise, NaN where pixels do not count. Channels that share noise are turned
        until their noise is independent; constant ones may be left out.
    measured : ndarray, shape (C, Z, Y, X)
        The same in the image's units.
    noise : FittedNoise
        The noise of the planes: ``sigma``, one per plane, and ``variance``, of each pixel relative to the mean.
    guide : ndarray, shape (F, Z, Y, X), or None
        The image that scores are taken from in place of the noisy planes.
    core : Tile
        The pixels to denoise.
    origin, sides : tuple of 3 int
        Where the first pixel lies in the image, and the image's sides (Z, Y, X).
    missing : bool
        Whether pixels of the core are missing.
    complete : bool
        Whether the region is the whole image.
    maps : bool
        Whether to return maps of how much was averaged.

    Examples
    --------
    >>> import numpy as np, nlmeans
    >>> from nlmeans.extend import Method, Outcome, Plan
    >>> class Copy(Method):
    ...     name = "copy"
    ...     def decide(self, sample, options, progress=None):
    ...         return sample.recipe(self, sample.plan(Plan, options))
    ...     def run(self, region, recipe, *, threads=None, progress=None):
    ...         print(region.planes.shape, region.noise.sigma, region.missing, region.core.sides)
    ...         return Outcome(region.restored(region.core.of(region.planes)))
    >>> noisy = np.random.default_rng(0).normal(100, 10, (30, 40, 2))
    >>> same = nlmeans.denoise(noisy, sigma=(5, 10), channel_axis=-1, method=Copy())
    (2, 1, 30, 40) (5.0, 10.0) False (1, 30, 40)
    """

    planes: np.ndarray
    measured: np.ndarray
    noise: FittedNoise
    guide: np.ndarray | None
    core: Tile
    origin: Radii
    sides: Radii
    missing: bool
    complete: bool
    maps: bool = False

    def of_planes(self, chosen: Sequence[int], z: int) -> Region:
        """Return a slice of some planes, counted from its first, as a flat image, see `Sample.of_planes`."""
        from ..noise.models import of_planes

        tile = self.core._replace(z=(z, z + 1)).grown((0, *self.planes.shape[2:]), self.planes.shape[1:])
        planes = tile.of(self.planes[list(chosen)])
        return replace(
            self, planes=planes, measured=planes, noise=of_planes(self.noise.within(tile), chosen), guide=None,
            core=self.core._replace(z=(0, 1)), origin=(0, *self.origin[1:]), sides=(1, *self.sides[1:]), maps=False,
        )  # fmt: skip

    def restored(self, planes: np.ndarray) -> np.ndarray:
        """Return the core's pixels (C, Z, Y, X) in the image's units from its planes (K, Z, Y, X)."""
        return self.noise.restore(planes, self.core.of(self.measured))


@dataclass(frozen=True, eq=False)
class Outcome:
    """The result of a method on a region.

    Attributes
    ----------
    pixels : ndarray, shape (C, Z, Y, X)
        The core in the image's units, as floating-point numbers; NaN where there was nothing to estimate from.
    plan : Plan or None
        The plan, completed by what only the result shows; by default the recipe's.
    maps : tuple of ndarray, or None
        If the region requests them: effective number of pixels (Z, Y, X) and residual noise (C, Z, Y, X).

    Examples
    --------
    >>> import numpy as np
    >>> from nlmeans.extend import Outcome
    >>> Outcome(np.zeros((1, 1, 30, 40))).pixels.shape
    (1, 1, 30, 40)
    """

    pixels: np.ndarray
    plan: Any = None
    maps: tuple[np.ndarray, np.ndarray] | None = None
