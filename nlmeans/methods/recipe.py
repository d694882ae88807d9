"""Recipe: all that a method decides for an image before it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..pairwise.spec import Radii
from ..pixels.missing import Rules

if TYPE_CHECKING:
    from ..noise.fitted import FittedNoise
    from .method import Method


@dataclass(frozen=True, eq=False)
class Recipe:
    """What a method decided for one image. It holds no pixels.

    Attributes
    ----------
    method : Method
        The method, which decided and runs it.
    noise : FittedNoise
        The noise, without its maps.
    rules : Rules
        Which pixels count.
    plan : Plan
        What is printed.
    numbers : object
        Data that only the method knows.
    coarser : Recipe or None
        The recipe of the half-size image, if that is denoised first.

    Examples
    --------
    >>> import numpy as np
    >>> from nlmeans.extend import Options, Sample, method_of
    >>> noisy = np.random.default_rng(0).normal(100, 10, (64, 64))
    >>> options = Options.check(noisy, sigma=10, search_radius=5, patch_radius=1, quality="fast")
    >>> recipe = method_of("nlm").decide(Sample.of(noisy[None, None], options, 0), options)
    >>> recipe.method.name, recipe.noise.sigma, recipe.reach(missing=False)
    ('nlm', (10.0,), (0, 6, 6))
    """

    method: Method
    noise: FittedNoise
    rules: Rules
    plan: Any
    numbers: Any = None
    coarser: Recipe | None = None

    def reach(self, missing: bool) -> Radii:
        """Return the halo (z, y, x): how far around itself a pixel of the result depends on the image."""
        z, y, x = self.plan.reach_of_all(missing)
        beyond = self.rules.reach + self.noise.reach + self.noise.around
        return z, y + beyond, x + beyond
