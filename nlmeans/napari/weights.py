"""The weights of the pixel under the cursor, as a layer that follows it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from threading import Event
from typing import Any

import numpy as np
from napari.utils import Colormap

import nlmeans
from nlmeans.extend import Layout, method_of

from .layers import OURS
from .look import Look, arguments, part
from .result import place
from .scene import scene_of
from .settings import Settings
from .subject import Subject
from .view import Region, region_of
from .worker import Job, Worker

AROUND = 32
"""Pixels around the cursor in which weights are looked for: at least the search radius, and what that depends on."""

GLOW = Colormap([[1.0, 0.45, 0.0, 0.0], [1.0, 0.45, 0.0, 1.0]], name="weights")
"""The more weight, the less of the image is seen through it."""


class Weights:
    """Follows the cursor.

    Parameters
    ----------
    viewer : napari.Viewer
        Whose cursor.
    asked : callable
        Returns the layer, the subject, the settings and the `Look` of the widget, or None.
    say : callable
        Shows a line of text.
    """

    def __init__(self, viewer: Any, asked: Callable[[], Any], say: Callable[[object], object]) -> None:
        self._viewer, self._asked, self._say = viewer, asked, say
        self.worker = Worker()
        self._shown: Any = None

    def turn(self, on: bool) -> None:
        """Begin or end to follow."""
        if on and self.follow not in self._viewer.mouse_move_callbacks:
            self._viewer.mouse_move_callbacks.append(self.follow)
        elif not on:
            self.detach()
            self.worker.cancel()
            if self._shown is not None and self._shown in self._viewer.layers:
                self._viewer.layers.remove(self._shown)
            self._shown = None

    def detach(self) -> None:
        """Hear of the cursor no more."""
        if self.follow in self._viewer.mouse_move_callbacks:
            self._viewer.mouse_move_callbacks.remove(self.follow)

    def follow(self, viewer: Any, event: Any) -> None:
        """Show the weights of the pixel at the place of a mouse event."""
        try:
            asked = self._asked()
            if asked is None:
                return
            layer, subject, settings, noise = asked
            if "maps" not in method_of(settings.method).options:
                self._say("weights are those of non-local means: choose the method nlm")
                return
            scene = scene_of(viewer, layer, subject)
        except ValueError as error:
            self._say(error)
            return
        at = np.asarray(layer.world_to_data(event.position))[-layer.ndim :]
        pixel = tuple(int(place) for place in np.round(at))
        inside = all(0 <= place < side for place, side in zip(pixel, subject.sides, strict=True))
        if scene is None or not inside:
            return
        seen = [(place - AROUND, place + AROUND + 1) for place in pixel]
        displayed = [axis for axis in range(layer.ndim) if subject.axes[axis] in "YX"]
        region = region_of(subject.sides, subject.axes, seen, displayed, pixel, halo=0)
        assert region is not None
        work = partial(weights_at, subject, settings, noise, scene, region, pixel)
        self.worker.submit(Job(work, partial(self._see, layer), self._say))

    def _see(self, layer: Any, made: tuple[np.ndarray, tuple[int, ...]]) -> None:
        weights, start = made
        if layer not in self._viewer.layers:
            return
        most = float(weights.max()) or 1.0
        given = place(layer, start)
        if self._shown is None or self._shown not in self._viewer.layers:
            active = self._viewer.layers.selection.active
            self._shown = self._viewer.add_image(
                weights, name="weights", colormap=GLOW, gamma=0.5, blending="translucent_no_depth",
                contrast_limits=(0, most), metadata={OURS: "weights"}, **given,
            )  # fmt: skip
            self._viewer.layers.selection.active = active
            return
        self._shown.data = weights
        self._shown.translate = given["translate"]
        self._shown.contrast_limits = (0, most)


def weights_at(
    subject: Subject, settings: Settings, noise: Look, scene: Any, region: Region, pixel: tuple[int, ...],
    progress: Any, cancel: Event,
) -> tuple[np.ndarray, tuple[int, ...]]:  # fmt: skip
    """Return the weights around a pixel, and the index at which they start."""
    found = noise.fit(subject, settings, scene)
    pixels, mask = part(subject, region)
    given = arguments(subject, settings, found, mask)
    axes, start, at = (
        subject.axes,
        tuple(first for first, _ in region.whole),
        dict(zip(subject.axes, pixel, strict=False)),
    )
    apart = Layout(axes).separate
    if apart:  # one of separate images
        pixels = pixels.take(0, axes.index(apart))
        given["mask"] = None if mask is None else mask.take(0, axes.replace("C", "").index(apart))
        given["axes"] = axes.replace(apart, "")
    inner = [at[axis] - first for axis, first in zip(axes, start, strict=False) if axis not in "C" + apart]
    weights = np.asarray(nlmeans.weight_map(pixels, inner, **given), np.float32)
    for k, axis in enumerate(axes[: len(pixel)]):
        if axis in "C" + apart:
            weights = np.expand_dims(weights, k)
    channel = axes.find("C")
    return weights, tuple(pixel[k] if k == channel else first for k, first in enumerate(start))
