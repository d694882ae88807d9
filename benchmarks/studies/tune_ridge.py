"""Choose the defaults of method "ridge" on training pictures: ``python -m benchmarks tune-ridge --data DIR``.

Volumes are made up (``--kinds volume``), or parts of a T1 brain (``--kinds brain``).

From the table of defaults on, one number is changed at a time, σ known: each is judged by the mean PSNR
of the result, and has the time that it takes. The result file lists all of them. Test sets (Set12, BSD68,
Kodak24) are never read.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

import nlmeans
from nlmeans.extend import Method, Options, Outcome, Progress, Recipe, Region, Sample, method_of

from ..harness import files, made_up
from ..harness.metrics import clipped_psnr
from ..harness.sets import training_images, with_jpeg
from .tune import AXES, SIGMAS, noise_ratio, noisy_pictures

QUALITIES = ("fast", "balanced", "best")
KINDS = ("grey", "colour", "jpeg75", "jpeg90", "volume", "brain")
VOLUMES = ("volume", "brain")
GRID: dict[str, tuple[Any, ...]] = {
    "share": (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0),
    "first.patch": (7, 8, 9, 10, 12),
    "first.size": (8, 12, 16, 20, 24, 32),
    "first.stride": (4, 5, 6),
    "first.search_radius": (10, 12, 15, 18, 23),
    "second.patch": (6, 7, 8, 9, 10),
    "second.size": (32, 48, 64, 80, 96, 112, 128),
    "second.stride": (3, 4, 5, 6),
    "second.search_radius": (12, 15, 18, 23, 31),
    "second.sparse": (False, True),
    "correlated": (1.0, 1.4, 1.7, 2.0, 2.4, 3.0),
}
"""What is tried, by the part of `RidgeSpec` that it changes."""
VOLUME_GRID: dict[str, tuple[Any, ...]] = {
    "share": (0.0, 0.2, 0.35, 0.5, 0.65, 0.8),
    "first.patch": (3, 4, 5),
    "first.size": (16, 24, 32, 48),
    "first.stride": (2, 3),
    "first.search_radius": (3, 4, 5, 7),
    "second.patch": (3, 4, 5),
    "second.size": (32, 48, 64, 80, 96),
    "second.stride": (2, 3),
    "second.search_radius": (3, 4, 5, 7),
    "second.sparse": (False, True),
    "correlated": (1.0, 2.0),
}
"""The same for volumes, whose patches are cubes."""


def changed(spec: Any, name: str, value: Any) -> Any:
    """Return the spec with one number changed, for y and x where it is of space, and z where patches are deep."""
    if "." not in name:
        return replace(spec, **{name: value})
    step, part = name.split(".")
    old = getattr(spec, step)
    numbers = value
    if part not in ("size", "sparse"):
        numbers = (value if old.patch[0] > 1 else getattr(old, part)[0], value, value)
    return replace(spec, **{step: replace(old, **{part: numbers})})


class Changed(Method):
    """Method "ridge" with one number of its table changed, or as it is."""

    name = "ridge"
    ridge = method_of("ridge")
    plan = ridge.plan

    def __init__(self, number: str | None, value: Any) -> None:
        self.number, self.value = number, value

    def decide(self, sample: Sample, options: Options, progress: Progress | None = None) -> Recipe:
        """Decide as "ridge" does, and change the number."""
        recipe = self.ridge.decide(sample, options, progress)
        if self.number is None:
            return replace(recipe, method=self)
        spec = changed(recipe.plan.ridge, self.number, self.value)
        units = type(recipe.numbers).of(sample.judged, sample.noise, spec.correlated)
        return replace(recipe, method=self, plan=replace(recipe.plan, ridge=spec), numbers=units)

    def run(self, region: Region, recipe: Recipe, **how: Any) -> Outcome:
        """Run as "ridge" does."""
        return self.ridge.run(region, recipe, **how)


class Case:
    """Noisy images of one kind and σ.

    Those that were saved as JPEG files hold noise that neighbours share, and its σ is not given.
    """

    def __init__(self, kind: str, clean: list[np.ndarray], sigma: float, quality: str) -> None:
        jpeg = int(kind.removeprefix("jpeg")) if kind.startswith("jpeg") else None
        axes = AXES["colour" if jpeg else "volume" if kind in VOLUMES else kind]
        self.grid = VOLUME_GRID if kind in VOLUMES else GRID
        self.clean, self.noisy = clean, noisy_pictures(clean, axes, sigma)
        if jpeg:
            self.noisy = [with_jpeg(pair, jpeg)[0] for pair in zip(self.noisy, clean, strict=True)]
        self.options: dict[str, Any] = {
            "sigma": None if jpeg else sigma,
            "axes": axes,
            "quality": quality,
            "dtype": np.float32,
        }

    def row(self, number: str | None = None, value: Any = None) -> dict[str, Any]:
        """Return the mean PSNR with one number changed, and seconds a million pixels."""
        start, method = time.perf_counter(), Changed(number, value)
        results = [nlmeans.denoise(noisy, method=method, **self.options) for noisy in self.noisy]
        seconds = time.perf_counter() - start
        psnr = np.mean([clipped_psnr(result, clean) for result, clean in zip(results, self.clean, strict=True)])
        colour = self.options["axes"].endswith("C")
        pixels = sum(clean[..., 0].size if colour else clean.size for clean in self.clean)
        return {"value": value, "psnr": round(float(psnr), 3), "seconds": round(seconds / pixels * 1e6, 3)}

    def rows(self, names: list[str]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        """Yield the figures of the table as it is, and then of each number that is changed."""
        yield "as it is", [self.row()]
        for name in names:
            yield name, [self.row(name, value) for value in self.grid[name]]


def training(data: Path, kind: str, count: int) -> list[np.ndarray]:
    """Return what a kind is tuned on."""
    if kind == "volume":
        return made_up.volumes(count)
    return training_images(data, {"grey": "grey", "brain": "volume"}.get(kind, "colour"), count)


def main(arguments: list[str] | None = None) -> int:
    """Tune on the training folders and write all figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks tune-ridge", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds Train400 and CBSD400_train")
    parser.add_argument("--images", type=int, default=12, help="pictures of each kind")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=["grey", "colour"])
    parser.add_argument("--qualities", nargs="+", choices=QUALITIES, default=list(QUALITIES))
    parser.add_argument("--sigmas", nargs="+", type=float, default=list(SIGMAS))
    parser.add_argument("--numbers", nargs="+", choices=GRID, default=list(GRID), help="what to change")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    options = parser.parse_args(arguments)
    record: dict[str, Any] = {"nlmeans": nlmeans.__version__, "images": options.images, "results": []}
    for kind, quality, sigma in product(options.kinds, options.qualities, options.sigmas):
        clean = training(options.data, kind, options.images)
        case = Case(kind, clean, sigma, quality)
        ratio = noise_ratio(case.clean, sigma)
        for name, rows in case.rows(options.numbers):
            record["results"].append(
                {"kind": kind, "quality": quality, "sigma": sigma, "noise_ratio": ratio, "number": name, "rows": rows}
            )
            text = "   ".join(f"{row['value']}: {row['psnr']:.3f} {row['seconds']:.2f} s" for row in rows)
            print(f"{kind:>6} {quality:<8} σ={sigma:<4g} ratio {ratio:.2f}  {name:<20} {text}", flush=True)
        files.write_json(options.out, record)
    return 0
