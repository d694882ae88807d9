"""Averages and Wiener steps whose windows follow what moves: each frame amid those around it, laid over it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._progress import Progress
from ..motion import Motion
from ..pairwise.run import pairwise_average
from ..pairwise.spec import PairwiseSpec, Radii
from ..pairwise.tiles import Tile, available_cpus, mirror, moved, run_tasks, whole
from ..plan.averaging import FRAMES
from ..wiener.run import wiener, window_sides


@dataclass(frozen=True)
class Moving:
    """Planes that begin at ``origin`` in a video, and where their tiles go."""

    motion: Motion
    origin: Radii

    def within(self, here: Tile) -> Moving:
        """Return the same for a part of the planes."""
        return Moving(self.motion, moved(self.origin, here.origin))

    def average(
        self,
        features: np.ndarray,
        values: np.ndarray,
        spec: PairwiseSpec,
        *,
        region: Tile | None = None,
        shares: np.ndarray | None = None,
        variance: np.ndarray | None = None,
        threads: int | None = None,
        progress: Progress | None = None,
        **how: Any,
    ) -> np.ndarray:
        """Run `pairwise_average` frame by frame."""
        reach, length = spec.halo, values.shape[1]

        def run(frame: int, part: Tile, threads: int) -> np.ndarray:
            others = range(max(frame - reach[0], 0), min(frame + reach[0] + 1, length))
            laid, place = self._laying(frame, others, part.grown(reach, values.shape[1:])), frame - others[0]
            near, own = (
                laid(values),
                None if shares is None else np.empty((2, len(others), *values.shape[2:]), values.dtype),
            )
            result = pairwise_average(
                near if features is values else laid(features), near, spec,
                variance=None if variance is None else laid(variance), shares=own,
                region=Tile((place, place + 1), part.y, part.x), threads=threads, **how,
            )  # fmt: skip
            if shares is not None and own is not None:
                shares[:, frame] = own[:, place]
            return result

        return self._by_frames(run, values, region, threads, progress)

    def wiener(
        self,
        noisy: np.ndarray,
        pilot: np.ndarray,
        noise: float | np.ndarray,
        *,
        region: Tile | None = None,
        threads: int | None = None,
        progress: Progress | None = None,
        **how: Any,
    ) -> np.ndarray:
        """Run `wiener` frame by frame, in windows that reach as far as `FRAMES`."""
        noisy, pilot = (np.ascontiguousarray(planes, noisy.dtype) for planes in (noisy, pilot))
        deep, side, _ = window_sides(noisy.shape[1])
        reach = (FRAMES if deep > 1 else 0, side - 1, side - 1)

        def run(frame: int, part: Tile, threads: int) -> np.ndarray:
            others = mirror(frame - reach[0], frame + reach[0] + 1, noisy.shape[1]).tolist()
            laid = self._laying(frame, others, part.grown(reach, noisy.shape[1:]))
            return wiener(
                laid(noisy), laid(pilot), laid(noise) if isinstance(noise, np.ndarray) else noise,
                threads=threads, origin=(self.origin[0] + frame - reach[0], *self.origin[1:]), frames=reach[0],
                region=Tile((reach[0], reach[0] + 1), part.y, part.x), **how,
            )  # fmt: skip

        return self._by_frames(run, noisy, region, threads, progress)

    def _laying(self, frame: int, others: Sequence[int], around: Tile) -> Callable[[np.ndarray], np.ndarray]:
        """Return a function that lays other frames of planes over one, around a part."""
        return lambda planes: self.motion.followed(planes, frame, others, around, self.origin)

    def _by_frames(
        self,
        run: Callable[[int, Tile, int], np.ndarray],
        planes: np.ndarray,
        region: Tile | None,
        threads: int | None,
        progress: Progress | None,
    ) -> np.ndarray:
        """Run each frame of a region by itself, as many at a time as there are threads."""
        region, threads = region or whole(planes.shape[1:]), threads or available_cpus()
        frames, result = range(*region.z), np.empty((len(planes), *region.sides), planes.dtype)
        each = max(threads // len(frames), 1)

        def work(frame: int) -> None:
            part = Tile((frame, frame + 1), region.y, region.x)
            result[:, frame - frames[0]] = run(frame, part, each)[:, 0]

        run_tasks(work, frames, threads, progress)
        return result
