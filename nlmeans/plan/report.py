"""Report: what `denoise` did, to be read and printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from .._axes import Layout
from ..show.card import card, middle, thumbnail
from .plan import Plan, table

if TYPE_CHECKING:
    from .._typing import Array


@dataclass(frozen=True)
class Maps:
    """How much was averaged at every pixel, the noise that is left there, and how far the result is off.

    Attributes
    ----------
    effective : ndarray or None
        (Σ w)² / Σ w² of the weights w of the last pass: how many equally weighted pixels would remove as much noise;
        in the image's shape without channels. None for methods that have no such weights: only "nlm" has.
    residual : ndarray or None
        The standard deviation of the noise that is left, in the image's shape and units (for a stabilised image, in
        units of its noise): how much the result would vary if the same image had other noise. Detail that is lost is
        no part of it. Two more runs of the plan, with fresh noise on what is taken for the image, say how much is left
        around a pixel, and σ · sqrt(Σ w²) / Σ w how it differs from one pixel to the next. With repeated noise, results
        varied by 0.9 to 1.15 times as much, in the mean square of an image. Of processed photographs it is the noise
        of the finest scale alone, and more is left: up to three times as much. None where ``effective`` is.
    error : ndarray or None
        The standard deviation of the error of the result, by any method, in the image's shape and units: noise that is
        left, and detail that is lost. NaN where pixels were missing, 0 where nothing was noisy, None for processed
        photographs.

    Notes
    -----
    For ``error`` the image is denoised once more, with a tenth more noise. How much the result follows it gives Stein's
    unbiased estimate of the mean squared error. That scales a map of what errors go with: how much the pixels around
    follow the noise, and how much the result varies there.

    Errors have heavier tails than normal noise. So that the intervals result ± error and result ± 1.96 · error hold for
    about 68 % and 95 % of the pixels of many images, ``error`` is up to 15 % less than their root mean square.

    The estimate is as good as σ is: with one that is 3 % too large, the mean squared error is taken to be 0.06 σ² less.
    Of a small image it scatters: of 64 × 64 pixels by 0.02 σ².

    Examples
    --------
    >>> import numpy as np, nlmeans
    >>> noisy = np.random.default_rng(0).normal(100, 10, (64, 64))
    >>> clean, report = nlmeans.denoise(noisy, sigma=10, full_output="maps")
    >>> report.maps.effective.shape, bool(report.maps.residual.max() < 10)
    ((64, 64), True)
    >>> bool(abs(report.maps.residual.mean() - (clean - 100).std()) < 0.2)
    True
    >>> bool(0.6 < np.mean(abs(clean - 100) < report.maps.error) < 0.9)
    True
    """

    effective: Array | None = None
    residual: Array | None = None
    error: Array | None = None

    def rounded(self) -> Maps:
        """Return the maps of a result that is rounded to whole numbers."""
        if self.error is None:
            return self
        steps = np.where(self.error > 0, 1 / 12, 0)
        return replace(self, error=np.sqrt(np.square(self.error) + steps).astype(self.error.dtype))

    def figures(self, axes: str) -> list[str]:
        """Return small pictures of the maps of an image with these axes: of the middle slice, of the first channel."""
        layout, grey = Layout(axes), Layout(axes.replace("C", ""))
        maps = (
            ("pixels averaged (effective)", self.effective, grey), ("noise that is left", self.residual, layout),
            ("error of the result", self.error, layout),
        )  # fmt: skip
        return [thumbnail(middle(own.planes(each)[0, 0]), name) for name, each, own in maps if each is not None]

    @classmethod
    def joined(cls, maps: Sequence[Maps | None], layout: Layout) -> Maps | None:
        """Return the maps of all images, planes each, in the image's own axes: those that all have."""
        there = [each for each in maps if each is not None]
        if len(there) < len(maps):
            return None

        def all_of(planes: Sequence[Array | None]) -> Array | None:
            return None if any(plane is None for plane in planes) else np.stack([p for p in planes if p is not None])

        effective, residual, error = map(
            all_of, zip(*((each.effective, each.residual, each.error) for each in there), strict=True)
        )
        grey = Layout(layout.axes.replace("C", ""))
        return cls(
            None if effective is None else grey.array(effective[:, None]),
            None if residual is None else layout.array(residual),
            None if error is None else layout.array(error),
        )


@dataclass(frozen=True)
class Report:
    """What `denoise` did.

    Attributes
    ----------
    plans : tuple of Plan
        What the method chose: one plan for each separate image (a single one without an axis N).
    seconds : float
        Wall time of the whole call.
    threads : int
        The most threads that were used.
    missing : int
        Pixels that were masked, NaN or infinite.
    unfilled : int
        How many of those had no valid neighbour and kept their value.
    kept : int
        Pixels that are no part of the picture and were left as they are: no data, padding, and what is out of range.
    maps : Maps or None
        With ``full_output="maps"``.

    Examples
    --------
    >>> import numpy as np, nlmeans
    >>> noisy = np.random.default_rng(0).normal(100, 10, (64, 64))
    >>> noisy[:2] = np.nan
    >>> clean, report = nlmeans.denoise(noisy, sigma=10, full_output=True)
    >>> report.sigma, report.missing, report.unfilled
    ((10.0,), 128, 0)
    """

    plans: tuple[Plan, ...]
    seconds: float
    threads: int
    missing: int = 0
    unfilled: int = 0
    kept: int = 0
    maps: Maps | None = None

    @property
    def plan(self) -> Plan:
        """The plan, of the first image where there are several."""
        return self.plans[0]

    @property
    def sigma(self) -> tuple[float, ...]:
        """The first plan's σ, one a channel."""
        return self.plan.sigma

    @property
    def correlated(self) -> bool:
        """Whether the noise of any image is spatially correlated."""
        return any(plan.correlated for plan in self.plans)

    @property
    def notes(self) -> tuple[str, ...]:
        """The notes of all images, each once."""
        return tuple(dict.fromkeys(note for plan in self.plans for note in plan.notes))

    def rows(self) -> list[tuple[str, str]]:
        """Return names and values as text, for printing."""
        rows = self.plan.rows()
        if len(self.plans) > 1:
            rows.append(("images", f"{len(self.plans)} (above: the first one's plan)"))
        if self.missing:
            rows.append(("missing pixels", f"{self.missing}, of which {self.unfilled} had no valid neighbour"))
        if self.kept:
            rows.append(("no part of the picture", f"{self.kept} pixels, left as they are"))
        return [*rows, ("threads", str(self.threads)), ("seconds", f"{self.seconds:.3g}")]

    def __str__(self) -> str:
        return table(self.rows())

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        figures = [*self.plan.figures(), *(() if self.maps is None else self.maps.figures(self.plan.axes))]
        return card(type(self).__name__, self.rows(), figures)
