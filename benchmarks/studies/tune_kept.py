"""Choose what quality "best" keeps of its pilot, on training pictures: ``python -m benchmarks tune-kept --data DIR``.

Grey pictures alone, σ known. For each share that is kept at most, and each share of the second Wiener step, the result
file has the gain over quality "balanced" in dB: the mean over the pictures, the least of them, and how many lose more
than `LOSS`. Test sets (Set12, BSD68, Kodak24) are never read.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

import nlmeans
from nlmeans.extend import Method, Options, Outcome, Progress, Recipe, Region, Sample, method_of

from ..harness import files
from ..harness.metrics import clipped_psnr
from ..harness.sets import training_images
from .tune import AXES, noise_ratio, noisy_pictures

SIGMAS = (5, 10, 15, 25, 35, 50)
KEPT = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6)
WIENER = (0.3, 0.5)
LOSS = 0.05


class Kept(Method):
    """Method "nlm" whose second pass keeps another share of its pilot."""

    name = "nlm"
    nlm = method_of("nlm")
    options = nlm.options
    plan = nlm.plan

    def __init__(self, kept: float, wiener: float) -> None:
        self.shares = {"kept": kept, "wiener": wiener}

    def decide(self, sample: Sample, options: Options, progress: Progress | None = None) -> Recipe:
        """Decide as "nlm" does, and change the shares of the last pass."""
        recipe = self.nlm.decide(sample, options, progress)
        *before, last = recipe.plan.passes
        plan = replace(recipe.plan, passes=(*before, replace(last, **self.shares)))
        return replace(recipe, method=self, plan=plan)

    def run(self, region: Region, recipe: Recipe, **how: Any) -> Outcome:
        """Run as "nlm" does."""
        return self.nlm.run(region, recipe, **how)


def psnrs(noisy: list[np.ndarray], clean: list[np.ndarray], sigma: float, **options: Any) -> np.ndarray:
    """Return the PSNR of each picture."""
    results = (nlmeans.denoise(image, sigma, axes=AXES["grey"], **options) for image in noisy)
    return np.asarray([clipped_psnr(result, picture) for result, picture in zip(results, clean, strict=True)])


def rows(clean: list[np.ndarray], sigma: float) -> list[dict[str, float]]:
    """Return the gains over quality "balanced" at one σ, by what is kept."""
    noisy = noisy_pictures(clean, AXES["grey"], sigma)
    balanced, found = psnrs(noisy, clean, sigma), []
    for kept, wiener in product(KEPT, WIENER):
        gains = psnrs(noisy, clean, sigma, method=Kept(kept, wiener), quality="best") - balanced
        found.append(
            {
                "kept": kept, "wiener": wiener, "gain": round(float(gains.mean()), 3),
                "least": round(float(gains.min()), 3), "losses": int((gains < -LOSS).sum()),
            }
        )  # fmt: skip
    return found


def main(arguments: list[str] | None = None) -> int:
    """Tune on the training folder and write all figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks tune-kept", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds Train400")
    parser.add_argument("--images", type=int, default=40, help="pictures")
    parser.add_argument("--sigmas", nargs="+", type=float, default=list(SIGMAS))
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    options = parser.parse_args(arguments)
    record: dict[str, Any] = {"nlmeans": nlmeans.__version__, "images": options.images, "results": []}
    clean = training_images(options.data, "grey", options.images)
    for sigma in options.sigmas:
        found, ratio = rows(clean, sigma), noise_ratio(clean, sigma)
        record["results"].append({"sigma": sigma, "noise_ratio": ratio, "rows": found})
        text = "   ".join(f"{r['kept']} {r['wiener']}: {r['gain']:.3f} {r['least']:.3f} {r['losses']}" for r in found)
        print(f"σ={sigma:<3g} ratio {ratio:.3f}  {text}", flush=True)
        files.write_json(options.out, record)
    return 0
