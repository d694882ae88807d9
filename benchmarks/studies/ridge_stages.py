"""Where method "ridge" spends its time: ``python -m benchmarks ridge-stages``.

One picture, one thread: non-local means, then for both steps block matching and the groups, each by itself; the groups'
parts are timed again on one group that stays in the cache. Multiplications with their additions are counted, not
measured, and held against what the processor can do at the frequency that a loop of nothing else shows.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from skimage import data

import nlmeans
from nlmeans.extend import Method, Options, Outcome, Progress, Quality, Recipe, Region, Sample, method_of
from nlmeans.groups import Step, kernels
from nlmeans.simd import jit
from nlmeans.simd.blocks import set_product
from nlmeans.simd.lanes import address
from nlmeans.simd.sizes import aligned, lanes

from ..harness import environment, files
from ..harness.published import Row, Table, named
from ..harness.timing import timed

SIGMA = 25.0
PARTS = ("gather", "centre", "transpose", "multiply", "invert", "weigh", "combine", "scatter")


Least = Callable[[Callable[[], Any]], float]
"""Returns the least time of some rounds of a call, in seconds."""


class Pilot(Method):
    """What non-local means does for method "ridge"."""

    name = "ridge"
    ridge, nlm = method_of("ridge"), method_of("nlm")
    plan = ridge.plan

    def decide(self, sample: Sample, options: Options, progress: Progress | None = None) -> Recipe:
        """Decide as "ridge" does."""
        return replace(self.ridge.decide(sample, options, progress), method=self)

    def run(self, region: Region, recipe: Recipe, **how: Any) -> Outcome:
        """Run the passes alone."""
        return self.nlm.run(region, recipe, **how)


def least_of(rounds: int, call: Callable[[], Any]) -> float:
    """Return the least time of some calls, in seconds."""
    return min(timed(call)[1].seconds for _ in range(rounds))


def operations(spec: Any) -> dict[str, float]:
    """Return the multiplications, each with an addition, that the parts of a group take."""
    size, pixels = spec.size, math.prod(spec.patch)
    whole = math.ceil(size / 16) * 16
    compared = pixels / (2 if spec.sparse else 1)
    return {
        "matching": math.prod(2 * r + 1 for r in spec.search_radius) * compared,
        "multiply": whole * (whole + 16) / 2 * pixels,
        "invert": whole**3 / 2,
        "weigh": 3 * size * whole,
        "combine": whole * whole * math.ceil(pixels / 16) * 16,
    }


@jit.kernel
def _products(a, b, c, count, repeats):  # type: ignore[no-untyped-def]
    for _ in range(repeats):
        set_product(address(c), 0, 16, address(a), 0, 16, address(b), 0, 16, count)


def peak(least: Least) -> float:
    """Return the multiplications with additions a second and core that a loop of nothing else does."""
    a, b, c = (aligned(256, np.float32) for _ in range(3))
    a[:], b[:] = 1, 1
    _products(a, b, c, 256, 1)
    return 256 * 256 * 20000 / least(lambda: _products(a, b, c, 256, 20000))


def repeating(function: Any) -> Any:
    """Return a compiled function that calls another one so many times with the same arguments."""

    @jit.kernel
    def repeat(count, arguments):  # type: ignore[no-untyped-def]
        for _ in range(count):
            function(*arguments)

    return repeat


def parts(step: Step, second: bool, least: Least, repeats: int) -> dict[str, float]:
    """Return the seconds that each part of a group takes, over and over on the same one."""
    positions, counts = step.match(step.tiles()[0][0][:1])
    count = int(counts[0])
    patches, guess, mean, pixels, matrix, panel, swept, power, certainty, _ = step._buffers()[1]
    wide, shape, numbers, pieces = step.lanes, step.shape, step.numbers, step.pieces
    size = math.ceil(count / wide) * wide
    group = kernels.Group(positions[0], count, size, np.float32(1 / count))
    offsets, length = pieces.offsets[0], shape.length
    step.estimate(positions, counts)
    power[:] = numbers.pixels
    arguments: dict[str, tuple[Any, ...]] = {
        "gather": (step.noisy.flat, group, offsets, pieces.places, patches, length),
        "centre": (patches, group, shape, mean, numbers),
        "transpose": (patches, size, shape, pixels),
        "multiply": (pixels, size, wide, matrix, numbers),
        "invert": (matrix, size, wide, panel, swept, numbers),  # twice gives back what it was
        "weigh": (matrix, power, group, wide, certainty, numbers),
        "combine": (matrix, patches, size, shape, guess),
        "scatter": (guess, mean, certainty, group, offsets, pieces, length, step.sums),
    }
    taken = {}
    for name in PARTS:
        call = repeating(getattr(kernels, name))
        call(1, arguments[name])
        matrix[: size * size] = np.eye(size, dtype=np.float32).ravel() * numbers.pixels
        patches[:], guess[:], pixels[:] = 1, 1, 1
        taken[name] = least(lambda call=call, name=name: call(repeats, arguments[name])) / repeats  # type: ignore[misc]
    for name in ("gather", "centre") if second else ():
        taken[name] *= 2  # the pilot's patches, too
    return taken


def measured(side: int, quality: Quality, rounds: int, repeats: int) -> dict[str, Any]:
    """Return the stages of one picture of this side, with seconds, shares and operations."""
    clean = np.tile(data.camera(), (math.ceil(side / 512),) * 2)[:side, :side].astype(np.float32)
    noisy = (clean + np.random.default_rng(0).normal(0, SIGMA, clean.shape)).astype(np.float32)
    options: dict[str, Any] = {"quality": quality, "threads": 1}
    plan: Any = nlmeans.plan(noisy, SIGMA, method="ridge", quality=quality)
    pilot = nlmeans.denoise(noisy, SIGMA, method=Pilot(), **options)
    unit, guide = (planes[None, None] / np.float32(SIGMA) for planes in (noisy, pilot))
    least = partial(least_of, rounds)
    fastest = peak(least)
    rows: list[dict[str, Any]] = [
        {"stage": "non-local means", "seconds": least(lambda: nlmeans.denoise(noisy, SIGMA, method=Pilot(), **options))}
    ]
    for number, spec in enumerate((plan.ridge.first, plan.ridge.second), 1):
        step = Step(unit if number == 1 else guide, unit, None if number == 1 else guide, spec)
        tiles = [tile for turn in step.tiles() for tile in turn]
        groups = sum(map(len, tiles))
        matches = [step.match(tile) for tile in tiles]
        work = operations(spec)
        matching = least(lambda step=step, tiles=tiles: [step.match(tile) for tile in tiles])  # type: ignore[misc]
        estimating = least(lambda step=step, matches=matches: [step.estimate(*group) for group in matches])  # type: ignore[misc]
        rows.append(
            {"stage": f"step {number}: matching", "seconds": matching, "groups": groups, "each": work["matching"]}
        )
        products = sum(work[name] for name in ("multiply", "invert", "weigh", "combine"))
        rows.append({"stage": f"step {number}: groups", "seconds": estimating, "groups": groups, "each": products})
        for name, seconds in parts(step, number == 2, least, repeats).items():
            part = {"stage": f"step {number}: {name}", "part": True, "seconds": seconds * groups}
            rows.append({**part, "groups": groups, "each": work.get(name, 0.0)})
    whole = sum(row["seconds"] for row in rows if not row.get("part"))
    for row in rows:
        row["share"] = row["seconds"] / whole
        if row.get("each"):
            row["of_peak"] = row["each"] * row["groups"] / row["seconds"] / fastest
    about = {"side": side, "quality": quality, "sigma": SIGMA}
    return {**about, "seconds": whole, "peak": fastest, "lanes": lanes(np.float32), "stages": rows}


def shown(result: dict[str, Any]) -> list[Row]:
    """Return the stages as rows of a table."""
    rows = []
    for row in result["stages"]:
        each = row.get("each")
        rows.append(
            {
                "stage": f"· {row['stage'].split(': ')[1]}" if row.get("part") else row["stage"],
                "ms": f"{1e3 * row['seconds']:.1f}",
                "share": f"{row['share']:.0%}",
                "µs a group": f"{1e6 * row['seconds'] / row['groups']:.2f}" if "groups" in row else "",
                "multiply-adds a group": f"{each / 1e3:,.0f} k" if each else "",
                "of the peak": f"{row['of_peak']:.0%}" if each else "",
            }
        )
    return rows


TABLES: dict[str, Table] = {"stages": lambda published: named(shown(published.study("ridge-stages")))}


def main(arguments: list[str] | None = None) -> int:
    """Measure the stages, print them, and write them to a file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks ridge-stages", description=__doc__)
    parser.add_argument("--side", type=int, default=512, help="pixels along each side of the picture")
    parser.add_argument("--quality", choices=("fast", "balanced", "best"), default="balanced")
    parser.add_argument("--rounds", type=int, default=7, help="of which the least time counts")
    parser.add_argument("--repeats", type=int, default=2000, help="of the parts of one group in a round")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    options = parser.parse_args(arguments)
    result = measured(options.side, options.quality, options.rounds, options.repeats)
    print("\n".join(named(shown(result))))
    print(f"{1e3 * result['seconds']:.0f} ms; peak {result['peak'] / 1e9:.0f} billion multiply-adds a second")
    if options.out is not None:
        files.write_json(options.out, {**environment.brief(), **result})
    return 0
