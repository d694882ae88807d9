"""An output from its first block to its last: begun or gone on with, in the memory that there is."""

from __future__ import annotations

import logging
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .._progress import Cancelled, Progress
from ..formats.zarrs import ZarrSource
from ..methods.recipe import Recipe
from ..methods.region import Pixels
from ..pairwise.tiles import Tile
from . import files
from .blocks import Cut, Room, choose
from .job import Changed, Job, Watch
from .manifest import Manifest
from .output import Output
from .workers import Cluster, Threads

logger = logging.getLogger("nlmeans")

TRIAL = {2: ((1, 192, 192), (1, 512, 512)), 3: ((12, 48, 48), (32, 112, 112))}
"""Sides of the pieces that are denoised first, to see what memory a value takes."""
SHARE = 0.5
"""Of the machine's memory, what is used unless told."""
SLACK, THREADS, CODECS = 0.85, 48 << 20, 64 << 20
"""Of what a budget leaves, what is planned with, since an allocator does not give back all at once; and bytes that
threads take besides, and Zarr's."""


class Unfinished(OSError):
    """The work stopped before its end; the same call goes on from there."""


@dataclass(frozen=True)
class Resources:
    """What the work is done with.

    Attributes
    ----------
    cpus : int
        Threads of this process.
    cluster : Cluster or None
        Who does the work in its place.
    memory : float or None
        Bytes that the caller allows.
    held : int
        The most bytes that the process had held before.
    tell : Progress or None
        The caller's progress.
    stop : callable
        Raises when the work is to stop.
    check : callable
        Raises if the output may not be written.
    """

    cpus: int
    cluster: Cluster | None
    memory: float | None
    held: int
    tell: Progress | None
    stop: Callable[..., None]
    check: Callable[[], None]


def carry_out(
    watch: Watch,
    output: Output,
    recipes: list[Recipe],
    identity: dict[str, Any],
    *,
    missing: bool,
    keep: bool,
    kind: np.dtype,
    by: Resources,
) -> list[dict[str, int]]:
    """Make an output, or what is missing of it; return what is counted of each block.

    Raises
    ------
    PictureError
        If there is an unfinished output that was begun otherwise, or what is read changes.
    ValueError
        If the memory does not suffice for one block.
    Unfinished
        If something goes wrong half-way.
    """
    of, path, manifest = watch.files, output.names.output, output.manifest
    about = files.described(of.image, of.axes.names, path, kind)
    reaches = [recipe.reach(missing) for recipe in recipes]
    z, y, x = (max(reach[axis] for reach in reaches) for axis in range(3))
    job = Job(of, None, recipes, (z, y, x), keep, 1, None if by.cluster else by.stop, kind)
    going_on = output.goes_on
    if going_on:
        manifest.check(identity)
    cut = _cut(job, about.chunks, by, manifest.identity if going_on else None)
    if going_on:
        target = files.reopen(output.names.part, path, about, of.image)
    else:
        begun = identity | {"block": [cut.images, *cut.sides]}
        target = output.begin(begun, lambda part: files.create(part, path, about, of.image))
    job = replace(job, target=target, threads=cut.threads)
    stages = list(_stages(job, cut.blocks(of.count, of.sides)))
    total = sum(len(tasks) for _, tasks in stages)
    told, raised = _watched(by.tell)
    _say(cut, len(stages[0][1]), len(manifest.done), total, by.cluster)
    try:
        _run(stages, by.cluster or Threads(cut.workers), manifest, watch, told, total)
        finished = target.finish(by.stop)
        if changed := watch.changed():
            raise changed
    except Cancelled:
        raise
    except Exception as error:
        if error in raised:  # the caller's own, who wanted to stop
            raise
        if changed := error if isinstance(error, Changed) else watch.changed():
            output.abandon()  # who knows which blocks are of what was read before
            raise changed from (None if changed is error else error)
        text = files.reason(error)
        raise Unfinished(
            f"{text}; {len(manifest.done)} of {total} blocks are done, and the same call goes on from there"
        ) from error
    by.check()  # someone else may have been there in the meantime
    counts = list(manifest.done.values())
    output.finish(finished)
    return counts


def _stages(job: Job, blocks: list[Any]) -> Iterator[tuple[Callable[[Any], Any], list[tuple[int, Any]]]]:
    """Yield what is done to which tasks, one after the other: blocks, and then the levels that are made of them."""
    yield job, list(enumerate(blocks))
    first = len(blocks)
    for level, regions in enumerate(job.target.coarser(), 1):
        yield Shrink(job.target, level), list(enumerate(regions, first))
        first += len(regions)


def _run(
    stages: list[Any],
    workers: Threads | Cluster,
    manifest: Manifest,
    watch: Watch,
    tell: Progress | None,
    total: int,
) -> None:
    def note(number: int, counts: dict[str, int]) -> None:
        watch.look()
        manifest.add({"block": number} | counts)

    for work, tasks in stages:
        done = manifest.done
        left, before = [(number, task) for number, task in tasks if number not in done], len(done)
        told = None if tell is None else lambda done, _, before=before: tell(before + done, total)
        if left:
            workers.run(work, left, note, told)


def _watched(tell: Progress | None) -> tuple[Progress | None, list[BaseException]]:
    """Return a progress function that puts what it raises into the list."""
    raised: list[BaseException] = []
    if tell is None:
        return None, raised

    def told(done: int, total: int) -> None:
        try:
            tell(done, total)
        except BaseException as error:
            raised.append(error)
            raise

    return told, raised


class Shrink:
    """Makes regions of a coarser level of the one before."""

    def __init__(self, target: Any, level: int) -> None:
        self.target, self.level = target, level

    def __call__(self, region: Any) -> dict[str, int]:
        """Make a region."""
        self.target.shrink(self.level, region)
        return {}


def _cut(trial: Job, chunks: Sequence[int], by: Resources, before: Any) -> Cut:
    """Return how the image is cut: as it was ``before``, or else as the memory has it."""
    of = trial.files
    (fixed, each), cpus = _trial(trial), by.cpus
    if by.cluster is not None:
        budget, cpus = by.memory or by.cluster.memory, 1
    else:
        asked, most = by.memory or SHARE * files.physical_memory(), files.most_memory()
        taken = max(files.resident_memory(), most if most > by.held else 0)
        if taken > asked:
            raise ValueError(
                f"max_memory must be more than the {taken / 2**20:.0f} MiB that the program has taken for itself and "
                f"to look at a sample; got {asked / 2**20:.0f} MiB"
            )
        zarr = any(isinstance(file, ZarrSource) for file in (of.image, *of.beside.values())) or max(chunks) > 1
        budget = asked - files.resident_memory() - THREADS - zarr * CODECS
    sides = of.axes.along(chunks)
    least = (sides["N"], sides["Z"], sides["Y"], sides["X"])
    given = None if before is None else before["block"][1:]
    read = of.axes.along(of.image.about.chunks)
    room = Room(
        of.sides,
        least,
        trial.halo,
        of.channels,
        fixed,
        each,
        (read["Z"], read["Y"], read["X"]),
        of.image.about.dtype.itemsize,
    )
    return choose(room, SLACK * budget, cpus, given)


def _trial(job: Job) -> tuple[float, float]:
    """Denoise two pieces in the middle of the image; return the bytes that any piece takes, and each of its values."""
    sides = job.files.sides
    found: list[tuple[int, int]] = []
    for wanted in TRIAL[3 if sides[0] > 1 else 2]:
        z, y, x = (((n - min(w, n)) // 2, (n + min(w, n)) // 2) for w, n in zip(wanted, sides, strict=True))
        piece = job.piece(0, Tile(z, y, x))
        if not found:
            job.denoised(piece, 0)  # compiles, or loads what was compiled
        found.append((piece.source.size, _peak(job, piece)))
    (small, little), (large, much) = found
    each = (much - little) / (large - small) if large > small else much / large
    return max(much - each * large, 0), max(each, 0) + job.files.image.about.dtype.itemsize


def _peak(job: Job, piece: Pixels) -> int:
    """Return how many bytes it takes at most to denoise a piece."""
    tracing = tracemalloc.is_tracing()
    if not tracing:
        tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        start = tracemalloc.get_traced_memory()[0]
        job.denoised(piece, 0)
        return tracemalloc.get_traced_memory()[1] - start
    finally:
        if not tracing:
            tracemalloc.stop()


def _say(cut: Cut, blocks: int, done: int, total: int, cluster: Cluster | None) -> None:
    where = f"{cut.workers} at a time" if cluster is None else f"on {cluster.threads} threads of {cluster.address}"
    sides = " × ".join(map(str, cut.sides if cut.sides[0] > 1 else cut.sides[1:]))
    logger.info("%d block%s of %s pixels, %s, %d MiB", blocks, "s"[: blocks > 1], sides, where, cut.needed / 2**20)
    if done:
        logger.info("going on: %d of %d are done", done, total)
