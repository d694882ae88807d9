"""Plan: what `denoise` would do with an image, to be read and printed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from .._axes import Layout
from .._notes import Note, noted
from ..noise.numbers import listed
from ..pairwise.spec import Radii
from ..show.card import card
from .defaults import DEFAULTS_VERSION, Quality

if TYPE_CHECKING:
    from ..noise.fitted import FittedNoise
    from .options import Options

MARGIN = 6
"""Pixels around a region that its half-size image, and the way back from that, depend on besides."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a method does with an image. `AveragingPlan` is that of non-local means.

    Attributes
    ----------
    axes : str
        Names of the image's axes.
    quality : {"preview", "fast", "balanced", "best"}
        The quality that the defaults are for.
    noise : str
        The noise model with its numbers.
    stripes : str
        Which stripes are removed, in a line of text; empty where none are to be.
    sigma : tuple of float
        Standard deviation of the noise, one for each channel: in the image's units, or 1 after a transform.
    plain : bool
        Whether the noise is Gaussian in the image's units, so that σ describes it fully.
    estimated : bool
        Whether the noise was estimated from the image.
    seconds : float
        Roughly how long the work is expected to take on one thread.
    notes : tuple of Note
        What a user should know.
    method : str
        The method, in a line of text; empty for non-local means.
    details : tuple of pairs of str
        What the method chose: names and values.
    depends : tuple of 3 int
        The halo along (z, y, x): how far around itself a pixel of the result depends on the image.
    coarser : Plan or None
        The plan of the half-size image, where the noise has power at its scale: it is denoised first, and what that
        changes is taken over.
    defaults_version : int
        Version of the table of defaults, which changes when a default does.

    Examples
    --------
    >>> import numpy as np, nlmeans
    >>> noisy = np.random.default_rng(0).normal(100, 10, (64, 64))
    >>> plan = nlmeans.plan(noisy, sigma=10)
    >>> plan.axes, plan.quality, plan.sigma, plan.halo
    ('YX', 'balanced', (10.0,), (19, 19))
    """

    axes: str
    quality: Quality
    noise: str
    sigma: tuple[float, ...]
    plain: bool = True
    estimated: bool
    seconds: float
    notes: tuple[Note, ...] = ()
    stripes: str = ""
    method: str = ""
    details: tuple[tuple[str, str], ...] = ()
    depends: Radii = (0, 0, 0)
    coarser: Plan | None = None
    defaults_version: int = DEFAULTS_VERSION

    @classmethod
    def of(cls, options: Options, noise: FittedNoise, *, seconds: float = 0.0, **own: Any) -> Self:
        """Return the plan for an image of such noise; ``own`` are the fields of the method's own plan."""
        sigma = noise.channels if noise.plain else (1.0,) * len(noise.channels)
        return cls(
            axes=options.layout.axes, quality=options.quality, noise=noise.text, sigma=sigma,
            plain=noise.plain, estimated=noise.estimated, seconds=seconds, **own,
        )  # fmt: skip

    @property
    def correlated(self) -> bool:
        """Whether neighbouring pixels share noise, as after JPEG or demosaicking."""
        return noted(self.notes, "correlated") or noted(self.notes, "processed")

    @property
    def halo(self) -> tuple[int, ...]:
        """How far along the spatial axes, in pixels, a pixel of the result depends on the image.

        This leaves aside the numbers of the plan itself, which come from the whole image.
        """
        return self.reach_of_all()[-len(Layout(self.axes).space) :]

    @property
    def scales(self) -> tuple[Plan, ...]:
        """The plan and those of the coarser scales, from fine to coarse."""
        return (self,) if self.coarser is None else (self, *self.coarser.scales)

    def reach(self, missing: bool = False) -> Radii:
        """Return the halo along (z, y, x), which may be larger where pixels are ``missing``."""
        return self.depends

    def reach_of_all(self, missing: bool = False) -> Radii:
        """Return the halo along (z, y, x) with that of the coarser scales."""
        z, y, x = self.reach(missing)
        if self.coarser is None:
            return z, y, x
        below = self.coarser.reach_of_all(missing)
        return z + below[0], y + 2 * below[1] + MARGIN, x + 2 * below[2] + MARGIN

    def chosen(self) -> list[tuple[str, str]]:
        """Return names and values of what the method chose."""
        return list(self.details)

    def rows(self) -> list[tuple[str, str]]:
        """Return names and values as text, for printing."""
        rows = [("method", self.method)] if self.method else []
        rows += [("axes", self.axes), ("quality", self.quality)]
        if not self.plain:
            rows.append(("noise", self.noise))
        rows.append(("sigma", f"{listed(self.sigma)} ({'estimated' if self.estimated else 'given'})"))
        if self.stripes:
            rows.append(("stripes", self.stripes))
        if self.coarser is not None:
            each = ["; ".join(listed(plan.sigma) for plan in self.scales[1:])]
            rows.append(("coarser scales", f"{len(self.scales) - 1}, of sigma {each[0]}"))
        rows += self.chosen()
        rows += [
            ("expected", f"{self.seconds:.2g} s on one thread"),
            ("defaults version", str(self.defaults_version)),
        ]
        return rows + self.predicted() + [("note", note) for note in self.notes]

    def predicted(self) -> list[tuple[str, str]]:
        """Return names and values of what the method expects of the result."""
        return []

    def figures(self) -> list[str]:
        """Return small pictures, in HTML, of what the method chose."""
        return []

    def __str__(self) -> str:
        return table(self.rows())

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        return card(type(self).__name__, self.rows(), self.figures())


def table(rows: list[tuple[str, str]]) -> str:
    """Return rows of a name and a value as aligned text."""
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)
