"""Tune method "ridge" on training images: ``python -m benchmarks tune-ridge --data DIR``.

From the table of defaults on, one number is changed at a time, σ known: each is scored by the mean PSNR
of the result, beside the time that the two steps take. The result file lists all of them. Test sets (Set12, BSD68,
Kodak24) are never read.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

import nlmeans
from nlmeans._axes import Layout
from nlmeans.formats import replacing
from nlmeans.groups.spec import RidgeSpec
from nlmeans.methods.average import average
from nlmeans.methods.combine import combine
from nlmeans.methods.scale import Scale
from nlmeans.noise.fitted import FittedNoise
from nlmeans.noise.models import Gaussian

from .picture_sets import with_jpeg
from .tune import AXES, SIGMAS, noise_ratio, psnr, training_images

QUALITIES = ("fast", "balanced", "best")
KINDS = ("grey", "colour", "jpeg75", "jpeg90")
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


def changed(spec: RidgeSpec, name: str, value: Any) -> RidgeSpec:
    """Return the recipe with one number changed, for all of y and x where it is of space."""
    if "." not in name:
        return replace(spec, **{name: value})
    step, part = name.split(".")
    old = getattr(spec, step)
    numbers = value if part in ("size", "sparse") else (getattr(old, part)[0], value, value)
    return replace(spec, **{step: replace(old, **{part: numbers})})


class Case:
    """Noisy images of one kind and σ, with what non-local means made of them.

    Those that were saved as JPEG files hold noise that neighbours share, and its σ is not told.
    """

    def __init__(self, kind: str, clean: list[np.ndarray], sigma: float, quality: str) -> None:
        jpeg = int(kind.removeprefix("jpeg")) if kind.startswith("jpeg") else None
        axes = AXES["colour" if jpeg else kind]
        layout = Layout(axes)
        self.clean = [layout.planes(image)[0] for image in clean]
        self.noisy, self.pilots, self.specs, self.settings = [], [], [], []
        for k, (image, planes) in enumerate(zip(clean, self.clean, strict=True)):
            noise = np.random.default_rng(k).normal(0, sigma, planes.shape)
            noisy = np.ascontiguousarray(planes + noise, np.float32)
            noise = FittedNoise(Gaussian(sigma), (float(sigma),) * len(planes))
            if jpeg:
                saved = with_jpeg((layout.array(noisy[None]), image), jpeg)[0]
                noisy = np.ascontiguousarray(layout.planes(saved)[0], np.float32)
                noise = Gaussian().fitted(noisy, None, (0.0, 255.0))
            told = None if jpeg else sigma
            plan = nlmeans.plan(layout.array(noisy[None]), told, axes=axes, quality=quality, method="ridge")
            self.noisy.append(noisy)
            self.settings.append(noise)
            self.pilots.append(average(noisy, plan, noise)[0])
            self.specs.append(plan.ridge)

    def score(self, name: str | None = None, value: Any = None) -> dict[str, Any]:
        """Return the mean PSNR with one number changed, and seconds a million pixels."""
        found, seconds = [], 0.0
        for noisy, pilot, spec, noise, clean in zip(
            self.noisy, self.pilots, self.specs, self.settings, self.clean, strict=True
        ):
            assert spec is not None
            chosen = spec if name is None else changed(spec, name, value)
            start = time.perf_counter()
            result = combine(noisy, pilot, chosen, noise, Scale.of(noisy, noise, chosen.correlated))
            seconds += time.perf_counter() - start
            found.append(psnr(result, clean))
        pixels = sum(planes[0].size for planes in self.noisy)
        return {"value": value, "psnr": round(float(np.mean(found)), 3), "seconds": round(seconds / pixels * 1e6, 3)}

    def rows(self, names: list[str]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        """Yield the scores of the table as it is, and then of each number that is changed."""
        yield "as it is", [self.score()]
        for name in names:
            yield name, [self.score(name, value) for value in GRID[name]]


def main(arguments: list[str] | None = None) -> int:
    """Tune on the training folders and write all scores."""
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
        clean = training_images(options.data, "grey" if kind == "grey" else "colour", options.images)
        case = Case(kind, clean, sigma, quality)
        ratio = noise_ratio(case.clean, sigma)
        for name, rows in case.rows(options.numbers):
            record["results"].append(
                {"kind": kind, "quality": quality, "sigma": sigma, "noise_ratio": ratio, "number": name, "rows": rows}
            )
            text = "   ".join(f"{row['value']}: {row['psnr']:.3f} {row['seconds']:.2f} s" for row in rows)
            print(f"{kind:>6} {quality:<8} σ={sigma:<4g} ratio {ratio:.2f}  {name:<20} {text}", flush=True)
        with replacing(options.out, overwrite=True) as part:
            part.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
