"""Method "learned": trained networks, one plane at a time, on any region of an image."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterator, Sequence
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
    Quality,
    Radii,
    Recipe,
    Region,
    Report,
    Sample,
    Tile,
    known_nearest,
    method_of,
    part,
    shares_of,
)

from . import weights
from ._device import chosen_device
from ._planes import TILE, Evening, Scale, denoised, extremes, loudest
from .mixer import Mixer
from .plan import LearnedPlan, LearnedReport
from .trained import CHOICES, MIXER, Choice, Network, load_mixer

UNEQUAL = 4.0
"""Colours are denoised together if their σ differ at most by this factor: the network takes one σ."""
SHARED = 1.35
"""Mixes of channels are made colours again if their σ differ at most by this factor: where channels share more of their
noise, each mix is denoised by the grey network, which has more dB then."""
BESIDE, SHARE = "ridge", 0.7
"""The method whose result is mixed with that of the networks, and its share where noise is not white, which they were
not trained on. Of white noise, `Mixer` chooses it at each pixel."""
QUICK: Quality = "fast"
"""The quality of its result for `Mixer`."""
BEFORE = (1, 4)
"""Relative durations of that and of the networks."""
FEATURES, AROUND = 700, 360
"""Bytes that a network's features take for each pixel of a tile, measured, and pixels that a tile has around it."""
RATE, FASTER = 5e5, 5
"""Pixels a second and thread of the large network, on a processor of 2022: for the expected seconds alone; and how many
times as many the small ones do."""
UNTRAINED = Note(
    "correlated",
    "the noise is spatially correlated (JPEG, demosaicking), which the learned method was not trained on: its result "
    "is mixed with that of method 'ridge', which measures the noise's power in each frequency",
)


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
    second : Recipe or None
        What another method decided for these planes, whose result `Mixer` mixes with that of the network.
    """

    planes: tuple[int, ...]
    evening: Evening
    scales: tuple[Scale | None, ...]
    second: Recipe | None = None

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
        What another method decided for the image, whose result has a share in that of the networks.
    """

    groups: tuple[PlaneGroup, ...]
    constant: tuple[bool, ...]
    filling: Filling
    beside: Recipe | None = None


@dataclass(frozen=True)
class Learned(Method):
    """A trained network with a non-local stage at its heart (`NonLocalDenoiser`), mixed with method "ridge" (`Mixer`).

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
        groups = self._groups(sample, filling, options)
        channels = sorted({len(group.planes) for group in groups})
        margin = max((_loaded(count, place, options.quality).margin for count in channels), default=0)
        around = Mixer.margin if any(group.second for group in groups) else 0
        halo: Radii = (0, margin + around, margin + around)
        filled, pixels = filling.reach(halo), math.prod(sample.sides)
        seconds = pixels * sum(_seconds(CHOICES[options.quality][len(group.planes)]) for group in groups)
        names = dict.fromkeys(name for count in channels for name in CHOICES[options.quality][count].names)
        beside = method_of(BESIDE).decide(sample, options) if groups and not _white(sample.noise) else None
        seconds += sum(group.second.plan.seconds * sample.sides[0] for group in groups if group.second)
        for other in (beside, *(group.second for group in groups)):
            if other is not None:
                halo, filled = (_larger(own, other.plan.reach(k > 0), around) for k, own in enumerate((halo, filled)))
        mixed = "" if beside is None else f"{BESIDE}, {SHARE:.0%}"
        if beside is not None:
            seconds += beside.plan.seconds
        elif around:
            names[MIXER] = None
            mixed = f"{BESIDE} ({QUICK}), as much as fits at each pixel"
        plan = sample.plan(
            LearnedPlan, options, depends=halo, filling=filled, device=str(place),
            weights=tuple(f"{name} {weights.digest(name)[:8]}" for name in names), beside=mixed, seconds=seconds,
        )  # fmt: skip
        plan = replace(plan, notes=tuple(UNTRAINED if note.code == UNTRAINED.code else note for note in plan.notes))
        constant = tuple(not _varies(channel) for channel in sample.measured)
        return sample.recipe(self, plan, Decision(groups, constant, filling, beside))

    def _groups(self, sample: Sample, filling: Filling, options: Options) -> tuple[PlaneGroup, ...]:
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
            PlaneGroup(
                planes=chosen,
                evening=evening,
                scales=self._scales(visible[list(chosen)], evening, noise, sample),
                second=_second(sample, chosen, options),
            )
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
        before: Progress | None = None
        if any(group.second for group in decision.groups):
            before, progress = shares_of(progress, BEFORE)
        near = region.core.grown(plan.network_halo(region.missing), region.planes.shape[1:])
        filled = decision.filling.filled(
            region.planes, region.noise, near, threads=threads, progress=_alive(before or progress)
        )
        noise, core = region.noise.within(near), region.core.moved(near.origin)
        visible, clean = known_nearest(filled), core.of(filled).copy()  # planes without noise stay as they are
        first = tuple(a + b for a, b in zip(region.origin, near.origin, strict=True))
        slices = [(group, z, group.scale(first[0] + z)) for group in decision.groups for z in range(*core.z)]
        work = [(group, z, scale) for group, z, scale in slices if scale is not None]
        if not work and progress is not None:
            progress(1, 1)
        seconds = [
            None
            if group.second is None
            else (_mixer(place), _second_of(region, near, group, z, threads, part(before, k, len(work))))
            for k, (group, z, _) in enumerate(work)
        ]
        with _threads(count, _alive(progress)):
            for k, (group, z, scale) in enumerate(work):
                chosen = list(group.planes)
                clean[chosen, z - core.z[0]] = denoised(
                    _loaded(len(chosen), place, plan.quality), visible[chosen, z], group.evening,
                    None if noise.variance is None else noise.variance[0, z], scale, place,
                    part(progress, k, len(work)), CHOICES[plan.quality][len(chosen)].turns, inner=(core.y, core.x),
                    origin=first[1:], tile=self.tile, second=seconds[k],
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


def _alive(progress: Progress | None) -> Progress | None:
    """Return what reports that work has begun, however often it is called."""
    return None if progress is None else lambda *_: progress(0, 1)


def _seconds(choice: Choice) -> float:
    """Return what a pixel is expected to take."""
    once = 1 / FASTER if choice.fast else 1.0
    return choice.turns * (once + (2 / FASTER if choice.channels == 3 else 0)) / RATE


def _larger(one: Radii, other: Radii, around: int) -> Radii:
    """Return the larger of two halos, the other one with some pixels around it within planes."""
    z, y, x = map(max, one, (other[0], other[1] + around, other[2] + around))
    return z, y, x


def _white(noise: FittedNoise) -> bool:
    """Whether the networks were trained on such noise."""
    return not noise.model.processed and noise.bands is None


def _second(sample: Sample, chosen: Sequence[int], options: Options) -> Recipe | None:
    """Return what the other method decides for planes, for `Mixer`."""
    if options.quality == "fast" or not _white(sample.noise) or sample.noise.power is not None:
        return None
    return method_of(BESIDE).decide(sample.of_planes(chosen), replace(options, quality=QUICK))


def _second_of(
    region: Region, near: Tile, group: PlaneGroup, z: int, threads: int | None, progress: Progress | None
) -> np.ndarray:
    """Return what the other method makes of slice ``z`` of ``near``, (planes, Y, X); NaN where `Mixer` sees nothing."""
    assert group.second is not None
    flat = region.of_planes(group.planes, near.z[0] + z)
    core = flat.core.grown((0, Mixer.margin, Mixer.margin), flat.planes.shape[1:])
    run = group.second.method.run(replace(flat, core=core), group.second, threads=threads, progress=progress)
    planes = np.full_like(flat.planes, np.nan)
    planes[:, *(slice(*ends) for ends in core)] = run.pixels
    return planes[:, 0, slice(*near.y), slice(*near.x)]


def _varies(plane: np.ndarray) -> bool:
    """Whether the known pixels have more than one value."""
    return bool(np.fmax.reduce(plane, axis=None) > np.fmin.reduce(plane, axis=None))


@lru_cache(maxsize=8)
def _mixer(device: torch.device) -> Mixer:
    """Return the package's mixer, on a device."""
    return load_mixer().to(device)


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
