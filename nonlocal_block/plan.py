"""The plan and the report of method "learned"."""

from __future__ import annotations

import math
from dataclasses import dataclass

from nlmeans.extend import Plan, Radii, Report


@dataclass(frozen=True, kw_only=True)
class LearnedPlan(Plan):
    """The plan of method "learned".

    Attributes
    ----------
    weights : tuple of str
        The networks, with the beginning of the SHA-256 of their checkpoints.
    device : str
        The device they run on.
    filling : tuple of 3 int
        The halo where pixels are missing, which averages fill first.
    beside : str
        The method whose result is mixed with that of the networks, and its share; empty without one.
    """

    weights: tuple[str, ...]
    device: str
    filling: Radii
    beside: str = ""

    def reach(self, missing: bool = False) -> Radii:
        """Return the halo along (z, y, x)."""
        return self.filling if missing else self.depends

    def network_halo(self, missing: bool) -> Radii:
        """Return the halo of the networks alone.

        In holes they get the nearest pixels repeated, which lie at most as far again.
        """
        _, y, x = self.depends
        farther = math.ceil(math.hypot(y, x)) if missing else 0
        return 0, y + farther, x + farther

    def rows(self) -> list[tuple[str, str]]:
        """Return names and values as text, for printing."""
        return [
            ("method", f"learned, {', '.join(self.weights) or 'nothing to do'}"),
            *([("mixed with", self.beside)] if self.beside else []),
            ("quality", self.quality),
            ("axes", self.axes),
            ("noise", f"{self.noise}{' (estimated)' if self.estimated else ''}"),
            *[("note", note) for note in self.notes],
            ("device", self.device),
            ("expected", f"{self.seconds:.2g} s on one thread"),
        ]


@dataclass(frozen=True)
class LearnedReport(Report):
    """The report of the learned denoiser, with its networks and their device.

    Examples
    --------
    >>> import numpy as np, nonlocal_block
    >>> noisy = np.random.default_rng(0).normal(100, 10, (32, 32))
    >>> clean, report = nonlocal_block.denoise(noisy, sigma=10, full_output=True)
    >>> report.device, report.weights[0].split()[0]
    ('cpu', 'denoiser-grey')
    """

    @property
    def images(self) -> tuple[Plan, ...]:
        """The plan of each image, with its noise."""
        return self.plans

    @property
    def axes(self) -> str:
        """The names of the image's axes."""
        return self.plan.axes

    @property
    def quality(self) -> str:
        """The quality of the plan."""
        return self.plan.quality

    @property
    def noise(self) -> str:
        """The noise model with its numbers, of the first of several images."""
        return self.plan.noise

    @property
    def estimated(self) -> bool:
        """Whether the noise of the first image was estimated from it."""
        return self.plan.estimated

    @property
    def weights(self) -> tuple[str, ...]:
        """The networks, with the beginning of the SHA-256 of their checkpoints."""
        return tuple(dict.fromkeys(name for plan in self.plans for name in getattr(plan, "weights", ())))

    @property
    def device(self) -> str:
        """The device they ran on."""
        return str(getattr(self.plan, "device", "cpu"))
