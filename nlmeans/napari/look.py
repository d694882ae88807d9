"""A preview: a part of an image, denoised by the noise of its slice."""

from __future__ import annotations

import time
from dataclasses import dataclass
from threading import Event
from typing import Any

import numpy as np

import nlmeans

from .call import Progress, with_alpha
from .fit import Fit, fit
from .scene import Scene
from .settings import Settings
from .subject import Subject
from .view import Region

KEPT = 16
"""Fits that are remembered."""


@dataclass(frozen=True, eq=False)
class Looked:
    """What a preview shows, and what was found out by making it."""

    pixels: np.ndarray
    start: tuple[int, ...]
    fit: Fit
    strength: float | None
    seconds: float
    notes: tuple[str, ...]


class Look:
    """Makes previews, and remembers the noise of the slices that it has met."""

    def __init__(self) -> None:
        self._fits: dict[Any, Fit] = {}

    def forget(self) -> None:
        """Forget the noise: the pixels have changed."""
        self._fits = {}

    def fit(self, subject: Subject, settings: Settings, scene: Scene) -> Fit:
        """Return the noise of a slice."""
        key = repr(settings.noise_arguments()), subject.axes, scene.slice
        fits = self._fits
        if key not in fits:
            pixels, mask = part(subject, scene.slice)
            fits[key] = fit(pixels, subject.axes, mask, settings.noise_arguments())
            while len(fits) > KEPT:
                del fits[next(iter(fits))]
        return fits[key]

    def at(self, subject: Subject, settings: Settings, scene: Scene, progress: Progress, cancel: Event) -> Looked:
        """Denoise a part of an image."""
        found = self.fit(subject, settings, scene)
        if cancel.is_set():
            raise nlmeans.Cancelled("stopped before the preview")
        pixels, mask = part(subject, scene.region)
        given = arguments(subject, settings, found, mask)
        start = time.perf_counter()
        clean, report = nlmeans.denoise(pixels, progress=progress, cancel=cancel, full_output=True, **given)
        seconds = time.perf_counter() - start
        if subject.alpha:
            clean = with_alpha(clean, _around(subject, scene.region))
        notes = tuple(str(note) for note in report.plan.notes)
        strength = getattr(report.plan, "strength", None)
        return Looked(scene.region.inner(clean), scene.region.start, found, strength, seconds, notes)


def arguments(subject: Subject, settings: Settings, found: Fit, mask: np.ndarray | None) -> dict[str, Any]:
    """Return the arguments for a part of an image whose noise is known."""
    given = settings.arguments() | subject.arguments(settings.method)
    given.pop("sigma", None)
    return given | {"noise": found.model, "mask": mask}


def _around(subject: Subject, region: Region) -> np.ndarray:
    return np.asarray(region.around(subject.levels[0]))


def part(subject: Subject, region: Region) -> tuple[np.ndarray, np.ndarray | None]:
    """Return a part of an image with its surroundings, without opacity, and of its mask."""
    mask = None
    if subject.mask is not None:
        mask = np.broadcast_to(subject.mask, _plain(subject))
        ends = [pair for pair, axis in zip(region.whole, subject.axes, strict=False) if axis != "C"]
        mask = np.asarray(mask[tuple(slice(*pair) for pair in ends)])
    return subject.colours(_around(subject, region)), mask


def _plain(subject: Subject) -> tuple[int, ...]:
    """Return the shape of the image without its channels."""
    return tuple(side for side, axis in zip(subject.levels[0].shape, subject.axes, strict=True) if axis != "C")
