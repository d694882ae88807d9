"""Method "learned": trained networks, one plane at a time, on any region of an image."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import ClassVar

import numpy as np
import torch

from nlmeans.extend import (
    Filling,
    FittedNoise,
    Method,
    Note,
    Options,
    Outcome,
    Plan,
    Progress,
    Radii,
    Recipe,
    Region,
    Report,
    Sample,
    known_nearest,
    method_of,
    part,
    shares_of,
)

from . import weights
from ._device import chosen_device
from ._planes import TILE, Evening, Scale, denoised, extremes, loudest
from .trained import CHOICES, Choice, Network

UNEQUAL = 4.0
"""Colours are denoised together if their σ differ at most by this factor: the network takes one σ."""
SHARED = 1.35
"""Mixes of channels are made colours again if their σ differ at most by this factor: where channels share more of their
noise, each mix is denoised by the grey network, which has more dB then."""
BESIDE, SHARE = "ridge", 0.7
"""The method whose result is mixed with that of the networks where noise is not white, which they were not trained on,
and its share."""
FEATURES, AROUND = 700, 330
"""Bytes that a network's features take for each pixel of a tile, measured, and pixels that a tile has around it."""
RATE, FASTER = 5e5, 5
"""Pixels a second and thread of the large network, on a processor of 2022: for the expected seconds alone; and how many
times as many the small ones do."""
UNTRAINED = Note(
    "correlated",
    "the noise is spatially correlated (JPEG, demosaicking), which the learned method was not trained on: its result "
    "is mixed with that of method 'ridge', which measures the noise's power in each frequency",
)


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
        The method whose result is mixed with that of the networks, if any.
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
            *([("mixed with", f"{self.beside}, {SHARE:.0%}")] if self.beside else []),
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


@dataclass(frozen=True)
class PlaneGroup:
    """Planes that are denoised together.

    Attributes
    ----------
    planes : tuple of int
        Their indices.
    evening : Evening
        What gives them noise of one σ.
    scales : tuple of Scale or None
        The network's grey scale for each slice, or one for all. None where a slice has no noise.
    """

    planes: tuple[int, ...]
    evening: Evening
    scales: tuple[Scale | None, ...]

    def scale(self, z: int) -> Scale | None:
        """Return the scale of a slice of the image."""
        return self.scales[z if len(self.scales) > 1 else 0]


@dataclass(frozen=True)
class Decision:
    """What is decided once for an image.

    Attributes
    ----------
    groups : tuple of PlaneGroup
        The planes that have noise.
    constant : tuple of bool
        Which channels hold a single value, and stay as they are.
    filling : Filling
        How missing pixels are filled first.
    beside : Recipe or None
        What another method decided, whose result is mixed with that of the networks.
    """

    groups: tuple[PlaneGroup, ...]
    constant: tuple[bool, ...]
    filling: Filling
    beside: Recipe | None = None


@dataclass(frozen=True)
class Learned(Method):
    """A trained network with a non-local stage at its heart (`NonLocalDenoiser`).

    Parameters
    ----------
    device : str, default "cpu"
        "cpu", "cuda", "mps" or "auto".
    tile : int, default 1024
        Side of the network's tiles: smaller ones need less memory, but more is computed twice.
    """

    device: str = "cpu"
    tile: int = TILE

    name: ClassVar[str] = "learned"
    qualities: ClassVar[tuple[str, ...]] = tuple(CHOICES)
    plan: ClassVar[type[Plan]] = LearnedPlan
    report: ClassVar[type[Report]] = LearnedReport

    def decide(self, sample: Sample, options: Options, progress: Progress | None = None) -> Recipe:
        """Choose which planes go together, and their grey scales."""
        place, filling = chosen_device(self.device), Filling.of(sample, options)
        groups = self._groups(sample, filling)
        channels = sorted({len(group.planes) for group in groups})
        margin = max((_loaded(count, place, options.quality).margin for count in channels), default=0)
        halo: Radii = (0, margin, margin)
        filled, pixels = filling.reach(halo), math.prod(sample.sides)
        seconds = pixels * sum(_seconds(CHOICES[options.quality][len(group.planes)]) for group in groups)
        names = dict.fromkeys(name for count in channels for name in CHOICES[options.quality][count].names)
        beside = None
        if groups and (sample.noise.model.processed or sample.noise.bands is not None):
            beside = method_of(BESIDE).decide(sample, options)
            halo, filled = (_larger(own, beside.plan.reach(k > 0)) for k, own in enumerate((halo, filled)))
            seconds += beside.plan.seconds
        plan = sample.plan(
            LearnedPlan, options, depends=halo, filling=filled, device=str(place),
            weights=tuple(f"{name} {weights.digest(name)[:8]}" for name in names),
            beside="" if beside is None else BESIDE, seconds=seconds,
        )  # fmt: skip
        plan = replace(plan, notes=tuple(UNTRAINED if note.code == UNTRAINED.code else note for note in plan.notes))
        constant = tuple(not _varies(channel) for channel in sample.measured)
        return sample.recipe(self, plan, Decision(groups, constant, filling, beside))

    def _groups(self, sample: Sample, filling: Filling) -> tuple[PlaneGroup, ...]:
        """Return the planes that are denoised together; planes without noise are in no group."""
        planes, sigma = sample.judged, sample.noise.sigma
        colours = self._colours(sample)
        together = {(0, 1, 2): colours} if colours else {
            (c,): Evening.of((own,)) for c, own in enumerate(sigma) if own > 0 and _varies(planes[c])
        }  # fmt: skip
        if not together:
            return ()
        noise = sample.judged_noise
        visible = known_nearest(filling.filled(planes, noise))
        return tuple(
            PlaneGroup(chosen, evening, self._scales(visible[list(chosen)], evening, noise, sample))
            for chosen, evening in together.items()
        )

    def _colours(self, sample: Sample) -> Evening | None:
        """Return what makes colours of three planes that go together, perhaps beside alpha; None if they do not."""
        sigma, turn = sample.noise.sigma, sample.noise.turn
        if not len(sample.judged) == 3 <= len(sample.measured) <= 4 or min(sigma) == 0:
            return None
        back = np.eye(3) if turn is None else turn.back[turn.back.any(axis=1)]
        if len(back) > 3:
            return None
        ratio = max(sigma) / min(sigma)
        if turn is None or not turn.mixes:
            return Evening.of(sigma) if ratio <= UNEQUAL else None
        return Evening.colours(back, sigma) if ratio <= SHARED else None

    def _scales(
        self, planes: np.ndarray, evening: Evening, noise: FittedNoise, sample: Sample
    ) -> tuple[Scale | None, ...]:
        """Return the grey scale of each slice of a complete image, or one of all crops together."""
        ends, most = [], []
        for z in range(planes.shape[1]):
            ends.append(extremes(planes[:, z], evening))
            most.append(loudest(evening.sigma, None if noise.variance is None else noise.variance[0, z]))
        if not sample.complete:
            ends = [(min(low for low, _ in ends), max(high for _, high in ends))]
            most = [max(most)]
        return tuple(Scale.of(*end, level) if level > 0 else None for end, level in zip(ends, most, strict=True))

    def run(
        self, region: Region, recipe: Recipe, *, threads: int | None = None, progress: Progress | None = None
    ) -> Outcome:
        """Denoise the core by the networks, and perhaps by the method that is mixed with them."""
        decision, second = recipe.numbers, None
        if decision.beside is not None:
            progress, second = shares_of(progress, (1, 1))
        clean = self._denoised(region, recipe, threads, progress)
        if decision.beside is not None:
            alike = replace(region, noise=decision.beside.noise)  # it may have made it weaker
            other = decision.beside.method.run(alike, decision.beside, threads=threads, progress=second).pixels
            clean += SHARE * np.where(np.isfinite(other), other - clean, 0)
        for channel, target, constant in zip(region.core.of(region.measured), clean, decision.constant, strict=True):
            if not decision.groups or constant:  # a transform and its inverse would change it
                np.copyto(target, channel, where=np.isfinite(channel))
        return Outcome(clean)

    def _denoised(self, region: Region, recipe: Recipe, threads: int | None, progress: Progress | None) -> np.ndarray:
        """Fill missing pixels by non-local means, and denoise the core by the networks, slice by slice."""
        decision, plan = recipe.numbers, recipe.plan
        place, count = torch.device(plan.device), threads or os.cpu_count() or 1
        alive: Progress | None = None if progress is None else lambda *_: progress(0, 1)
        near = region.core.grown(plan.network_halo(region.missing), region.planes.shape[1:])
        filled = decision.filling.filled(region.planes, region.noise, near, threads=threads, progress=alive)
        noise, core = region.noise.within(near), region.core.moved(near.origin)
        visible, clean = known_nearest(filled), core.of(filled).copy()  # planes without noise stay as they are
        work = [(group, z) for group in decision.groups for z in range(*core.z)]
        if not work and progress is not None:
            progress(1, 1)
        first = tuple(a + b for a, b in zip(region.origin, near.origin, strict=True))
        with _threads(count, alive):
            for k, (group, z) in enumerate(work):
                chosen, scale = list(group.planes), group.scale(first[0] + z)
                if scale is None:
                    continue
                clean[chosen, z - core.z[0]] = denoised(
                    _loaded(len(chosen), place, plan.quality), visible[chosen, z], group.evening,
                    None if noise.variance is None else noise.variance[0, z], scale, place,
                    part(progress, k, len(work)), CHOICES[plan.quality][len(chosen)].turns, inner=(core.y, core.x),
                    origin=first[1:], tile=self.tile,
                )  # fmt: skip
        inner = core.of(filled)
        if noise.still is not None:
            clean = np.where(core.of(noise.still), inner, clean)
        clean[np.isnan(inner)] = np.nan
        return region.restored(clean)

    def scratch(self, sides: Radii) -> int:
        """Return the bytes of a tile's features: torch's, which the trial of a block's memory does not see."""
        _, height, width = (min(side, self.tile + AROUND) for side in sides)
        return FEATURES * height * width

    def threads(self, available: int) -> int:
        """Return all available threads, but one in a forked process: OpenMP's do not survive."""
        return 1 if _forked else available


def _seconds(choice: Choice) -> float:
    """Return what a pixel is expected to take."""
    once = 1 / FASTER if choice.fast else 1.0
    return choice.turns * (once + (2 / FASTER if choice.channels == 3 else 0)) / RATE


def _larger(one: Radii, other: Radii) -> Radii:
    z, y, x = map(max, one, other)
    return z, y, x


def _varies(plane: np.ndarray) -> bool:
    """Whether the known pixels have more than one value."""
    return bool(np.fmax.reduce(plane, axis=None) > np.fmin.reduce(plane, axis=None))


@lru_cache(maxsize=8)
def _loaded(channels: int, device: torch.device, quality: str) -> Network:
    """Return the package's networks for so many planes as one, on a device."""
    return CHOICES[quality][channels].load().to(device)


_lock = threading.RLock()  # a progress function may denoise, too
_forked = False


def _after_fork() -> None:
    """Renew the lock, which another thread may have held; no thread of OpenMP's has survived."""
    global _lock, _forked
    _lock, _forked = threading.RLock(), True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@contextmanager
def _threads(count: int, alive: Progress | None) -> Iterator[None]:
    """Set torch's number of threads for a while; one caller at a time, since it is the process's."""
    while not _lock.acquire(timeout=0.1):
        if alive is not None:
            alive(0, 1)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(count)
        yield
    finally:
        torch.set_num_threads(before)
        _lock.release()
