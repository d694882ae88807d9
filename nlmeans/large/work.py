"""An output from its first block to its last: begun or gone on with, in the memory that there is."""

from __future__ import annotations

import logging
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .._progress import Cancelled, Progress
from ..formats.arrays import Source, Target
from ..methods.part import Pixels
from ..methods.recipe import Recipe
from ..pairwise.spec import Radii
from ..pairwise.tiles import Tile
from .blocks import Cut, Room, Sizes, choose
from .files import Destination, most_memory, physical_memory, reason, resident_memory
from .inputs import Changed, Watch
from .manifest import Manifest
from .output import Output
from .task import BlockTask
from .workers import Cluster, Threads

logger = logging.getLogger("nlmeans")

SHARE = 0.5
"""Of the machine's memory, what is used by default."""
SLACK, THREADS = 0.85, 48 << 20
"""Of what a budget leaves, what is planned with, since an allocator does not give back all at once; and bytes that
threads take besides."""


class Unfinished(OSError):
    """The work stopped before its end; the same call goes on from there."""


@dataclass(frozen=True)
class Resources:
    """What the work is done with."""

    cpus: int  # threads of this process
    cluster: Cluster | None  # who does the work in its place
    memory: float | None  # bytes that the caller allows
    held: int  # the most bytes that the process had held before
    sizes: Sizes  # of blocks
    progress: Progress | None  # the caller's
    stop: Callable[..., None]  # raises when the work is to stop
    check: Callable[[], None]  # raises if the output may not be written


def carry_out(
    watch: Watch,
    output: Output,
    recipes: list[Recipe],
    identity: dict[str, Any],
    destination: Destination,
    missing: bool,
    keep: bool,
    by: Resources,
    apart: Callable[[Target, Progress | None], None],
    ending: Callable[[Path, Source | None], None],
) -> list[dict[str, int]]:
    """Make an output, or what is missing of it; return what is counted of each block.

    ``apart`` is called with the target when all blocks are done, and a progress function for what it does; ``ending``
    with what is finished before it gets its name, and with its image where it may hold others.

    Raises
    ------
    PictureError
        If there is an unfinished output that was begun otherwise, or what is read changes.
    ValueError
        If the memory does not suffice for one block.
    Unfinished
        If something goes wrong half-way.
    """
    of, manifest, names = watch.inputs, output.manifest, output.names
    reaches = [recipe.reach(missing) for recipe in recipes]
    z, y, x = (max(reach[axis] for reach in reaches) for axis in range(3))
    task = BlockTask(of, None, recipes, (z, y, x), keep, 1, None if by.cluster else by.stop, destination.info.dtype)
    going_on = output.goes_on
    if going_on:
        manifest.check(identity)
    cut = _cut(task, destination, by, manifest.identity if going_on else None)
    if going_on:
        target = destination.reopen(names.part, names.manifest.name)
    else:
        begun = identity | {"block": [cut.images, *cut.sides]}
        target = output.begin(begun, destination.create)
    task = replace(task, target=target, threads=cut.threads)
    stages = list(_stages(task, cut.blocks(of.count, of.sides)))
    total = sum(len(tasks) for _, tasks in stages)
    progress, raised = _watched(by.progress)
    _say(cut, len(stages[0][1]), len(manifest.done), total, by.cluster)
    try:
        _run(stages, by.cluster or Threads(cut.workers), manifest, watch, progress, total)
        apart(target, progress)
        finished = target.finish(by.stop, names.packed)
        ending(finished, target.result(finished))
        if changed := watch.changed():
            raise changed
    except (Cancelled, Unfinished):
        raise
    except Exception as error:
        if error in raised:  # the caller's own, who wanted to stop
            raise
        if changed := error if isinstance(error, Changed) else watch.changed():
            output.abandon()  # who knows which blocks are of what was read before
            raise changed from (None if changed is error else error)
        text = reason(error)
        raise Unfinished(
            f"{text}; {len(manifest.done)} of {total} blocks are done, and the same call goes on from there"
        ) from error
    by.check()  # someone else may have been there in the meantime
    counts = list(manifest.done.values())
    output.finish(finished)
    return counts


def _stages(task: BlockTask, blocks: list[Any]) -> Iterator[tuple[Callable[[Any], Any], list[tuple[int, Any]]]]:
    """Yield what is done to which tasks, one after the other: blocks, and then the levels that are made of them."""
    yield task, list(enumerate(blocks))
    first = len(blocks)
    for level, regions in enumerate(task.target.coarser(), 1):
        yield ShrinkTask(task.target, level), list(enumerate(regions, first))
        first += len(regions)


def _run(
    stages: list[Any],
    workers: Threads | Cluster,
    manifest: Manifest,
    watch: Watch,
    progress: Progress | None,
    total: int,
) -> None:
    def note(number: int, counts: dict[str, int]) -> None:
        watch.check()
        manifest.add({"block": number} | counts)

    for work, tasks in stages:
        done = manifest.done
        left, before = [(number, task) for number, task in tasks if number not in done], len(done)
        counted = None if progress is None else lambda done, _, before=before: progress(before + done, total)
        if left:
            workers.run(work, left, note, counted)


def _watched(progress: Progress | None) -> tuple[Progress | None, list[BaseException]]:
    """Return a progress function that puts what it raises into the list."""
    raised: list[BaseException] = []
    if progress is None:
        return None, raised

    def noting(done: int, total: int) -> None:
        try:
            progress(done, total)
        except BaseException as error:
            raised.append(error)
            raise

    return noting, raised


class ShrinkTask:
    """Makes regions of a coarser level of the one before."""

    def __init__(self, target: Any, level: int) -> None:
        self.target, self.level = target, level

    def __call__(self, region: Any) -> dict[str, int]:
        """Make a region."""
        self.target.shrink(self.level, region)
        return {}


def _cut(trial: BlockTask, destination: Destination, by: Resources, before: Any) -> Cut:
    """Return how the image is cut: as it was ``before``, or else as the memory has it."""
    of, sides = trial.inputs, trial.inputs.axes.along(destination.info.chunks)
    (fixed, each), cpus = _trial(trial, by.sizes.trial), by.cpus
    if by.cluster is not None:
        budget, cpus = by.memory or by.cluster.memory, 1
    else:
        asked, peak = by.memory or SHARE * physical_memory(), most_memory()
        taken = max(resident_memory(), peak if peak > by.held else 0)
        if taken > asked:
            raise ValueError(
                f"max_memory must be more than the {taken / 2**20:.0f} MiB that the program has taken for itself and "
                f"to look at a sample; got {asked / 2**20:.0f} MiB"
            )
        codecs = max(source.codec_memory for source in (of.image, *of.companions.values()))
        budget = asked - resident_memory() - THREADS - max(codecs, destination.format.codec_memory)
    least = (sides["N"], sides["Z"], sides["Y"], sides["X"])
    given = None if before is None else before["block"][1:]
    read = of.axes.along(of.image.info.chunks)
    whole, most = (read["Z"], read["Y"], read["X"]), by.sizes.most[of.sides[0] > 1] // of.channels
    itemsize = of.image.info.dtype.itemsize
    room = Room(of.sides, least, trial.halo, of.channels, fixed, each, whole, itemsize, most)
    return choose(room, SLACK * budget, cpus, given)


def _trial(task: BlockTask, trial: Sequence[Sequence[Radii]]) -> tuple[float, float]:
    """Denoise two pieces in the middle of the image; return the bytes that any piece takes, and each of its values."""
    sides = task.inputs.sides
    measured: list[tuple[int, int]] = []
    for wanted in trial[sides[0] > 1]:
        z, y, x = (((n - min(w, n)) // 2, (n + min(w, n)) // 2) for w, n in zip(wanted, sides, strict=True))
        piece = task.piece(0, Tile(z, y, x))
        if not measured:
            task.denoised(piece, 0)  # compiles, or loads what was compiled
        measured.append((piece.source.size, _peak(task, piece)))
    (small, little), (large, much) = measured
    each = (much - little) / (large - small) if large > small else much / large
    return max(much - each * large, 0), max(each, 0) + task.inputs.image.info.dtype.itemsize


def _peak(task: BlockTask, piece: Pixels) -> int:
    """Return how many bytes it takes at most to denoise a piece."""
    tracing = tracemalloc.is_tracing()
    if not tracing:
        tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        start = tracemalloc.get_traced_memory()[0]
        task.denoised(piece, 0)
        traced = tracemalloc.get_traced_memory()[1] - start
        return traced + task.recipes[0].method.scratch(piece.source.shape[1:])
    finally:
        if not tracing:
            tracemalloc.stop()


def _say(cut: Cut, blocks: int, done: int, total: int, cluster: Cluster | None) -> None:
    where = f"{cut.workers} at a time" if cluster is None else f"on {cluster.threads} threads of {cluster.address}"
    sides = " × ".join(map(str, cut.sides if cut.sides[0] > 1 else cut.sides[1:]))
    logger.info("%d block%s of %s pixels, %s, %d MiB", blocks, "s"[: blocks > 1], sides, where, cut.needed / 2**20)
    if done:
        logger.info("going on: %d of %d are done", done, total)
