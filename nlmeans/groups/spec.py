"""GroupSpec: how patches are grouped in one step."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ..pairwise import Radii

FLOOR = 0.01
"""Share of the noise that is added to what a group of noisy patches holds, so that alike ones leave it invertible."""
QUIET = 0.4
"""Share of the noise below which a group of noisy patches cannot hold it: it was clipped, or never there."""
LEAST = 0.01
"""Share of the noise that such a group is taken to hold at least."""


@dataclass(frozen=True)
class GroupSpec:
    """Which patches are estimated together: an immutable specification.

    A patch on every ``stride``-th pixel gathers the ``size`` patches in the window around it that are nearest to it.
    Written as the columns of a matrix X, without their mean, the group is replaced by X · Θ with

        Θ = I − (G + c·D)⁻¹ · D

    where D is diagonal and holds the power of the noise in each patch. In a first step G = XᵀX and c is nearly 0:
    Θ minimises Stein's unbiased estimate of the risk; where a group holds less than `QUIET` of the noise's power, what
    it holds is taken for noise. In a second step G = PᵀP with the same patches P of a pilot, an estimate of the clean
    image, and c = 1: Θ minimises the risk itself, if the pilot were right. Estimates that overlap at a pixel are
    averaged with the inverse of the noise that is left in them as weights.

    Parameters
    ----------
    patch : tuple of 3 int
        Sides of a patch along (z, y, x), at least 1; a side longer than the image is cut to it.
    size : int
        Patches in a group, at least 1; all that there are where a window holds fewer.
    stride : tuple of 3 int
        Distance of the patches that gather groups along (z, y, x), at least 1 and at most the patch's side. The last
        patch of a row gathers too.
    search_radius : tuple of 3 int
        How far from it the others may begin.
    sparse : bool
        Compare patches by every other pixel of theirs, as the white fields of a chessboard lie, from each corner on.
    farthest : int
        How far along y and x the window in another slice may lie from the patch, where it follows motion.

    Raises
    ------
    ValueError
        For a number out of its range.

    References
    ----------
    S. Herbreteau, C. Kervrann, "Unified Patch-based Image Denoising with Linear Combinations of Noisy Patches"
    (NL-Ridge), SIAM J. Imaging Sci. 18(1), 2025, arXiv:2402.13816, arXiv:2203.00570.

    Examples
    --------
    >>> from nlmeans.groups import GroupSpec
    >>> spec = GroupSpec((1, 7, 7), size=80, stride=(1, 6, 6), search_radius=(0, 18, 18))
    >>> spec.halo, spec.within((1, 5, 9)).patch, spec.within((1, 5, 9)).size
    ((0, 42, 42), (1, 5, 7), 3)
    """

    patch: Radii
    size: int
    stride: Radii
    search_radius: Radii
    sparse: bool = False
    farthest: int = 0

    def __post_init__(self) -> None:
        for name, least in (("patch", 1), ("stride", 1), ("search_radius", 0)):
            numbers = getattr(self, name)
            if len(numbers) != 3 or any(not isinstance(n, int) or n < least for n in numbers):
                raise ValueError(
                    f"{name} must be 3 whole numbers of at least {least}, along (z, y, x); got {numbers!r}"
                )
        if any(step > side for step, side in zip(self.stride, self.patch, strict=True)):
            raise ValueError(
                "stride must be at most the patch's sides, or pixels lie in no patch; "
                f"got {self.stride} and {self.patch}"
            )
        if not isinstance(self.size, int) or self.size < 1:
            raise ValueError(f"size must be a whole number of at least 1; got {self.size!r}")

    @property
    def halo(self) -> Radii:
        """How far along (z, y, x) the input reaches that one output pixel depends on.

        A pixel lies in patches of groups whose window may be all to one side of it.
        """
        z, y, x = (2 * r + side - 1 for r, side in zip(self.reach, self.patch, strict=True))
        return z, y, x

    @property
    def reach(self) -> Radii:
        """How far from a patch the others of its group may begin."""
        z, y, x = self.search_radius
        return z, y + self.farthest, x + self.farthest

    @property
    def compared(self) -> np.ndarray:
        """Which pixels of a patch it is compared by; mirrored, they are the same."""
        if not self.sparse:
            return np.ones(self.patch, bool)
        z, y, x = (np.minimum(k, side - 1 - k) for k, side in zip(np.indices(self.patch), self.patch, strict=True))
        white: np.ndarray = (z + y + x) % 2 == 0
        return white

    def within(self, sides: Radii) -> GroupSpec:
        """Return the spec with patches that fit into an image, and groups that its windows can fill."""
        z, y, x = (min(side, length) for side, length in zip(self.patch, sides, strict=True))
        k, m, n = (min(step, side) for step, side in zip(self.stride, (z, y, x), strict=True))
        most = math.prod(
            min(2 * r + 1, length - side + 1)
            for r, length, side in zip(self.search_radius, sides, (z, y, x), strict=True)
        )
        return replace(self, patch=(z, y, x), stride=(k, m, n), size=min(self.size, most))


@dataclass(frozen=True)
class RidgeSpec:
    """The two steps, and what leads the second: the first's result and that of non-local means, mixed.

    Parameters
    ----------
    first, second : GroupSpec
        How each step groups patches.
    share : float
        Of non-local means in the pilot, 0 to 1. What the two do wrong differs, and is less in their mean.
    correlated : float, default 1
        What the σ of correlated noise is multiplied by, above 0: patches near each other share it, and what they share
        looks like the picture.

    Examples
    --------
    >>> from nlmeans.groups import GroupSpec, RidgeSpec
    >>> step = GroupSpec((1, 7, 7), size=80, stride=(1, 6, 6), search_radius=(0, 18, 18))
    >>> RidgeSpec(step, step, share=1.5)
    Traceback (most recent call last):
    ValueError: share must be from 0 to 1; got 1.5
    """

    first: GroupSpec
    second: GroupSpec
    share: float
    correlated: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError(f"share must be from 0 to 1; got {self.share!r}")
        if not self.correlated > 0:
            raise ValueError(f"correlated must be above 0; got {self.correlated!r}")
