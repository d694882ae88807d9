"""Choose where weights end, on training pictures: ``python -m benchmarks tune-vanish --data DIR``.

σ known. For each quality of method "nlm", and for method "ridge", the result file has the mean PSNR with weights that
come from the image itself ending at each of `ENDS`, and the gain over the first, which is as good as no end.
Test sets (Set12, BSD68, Kodak24) are never read.
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
from ..harness.sets import TRAINING, training_images
from .tune import AXES, SIGMAS, noise_ratio, noisy_pictures

ENDS = (-32, -15, -12, -10, -8, -6)
"""Binary exponents of what is taken off the weights."""
RUNS = (("nlm", "fast"), ("nlm", "balanced"), ("nlm", "best"), ("ridge", None))


class Ending(Method):
    """A method whose averages have weights that end elsewhere, and strengths times a factor."""

    def __init__(self, of: Method, end: int, factor: float = 1.0) -> None:
        self.model, self.end, self.factor = of, end, factor

    @classmethod
    def of(cls, method: Method, end: int, factor: float) -> Ending:
        """Return a method like another."""
        kind = type(cls.__name__, (cls,), {"name": method.name, "options": method.options, "plan": method.plan})
        return kind(method, end, factor)

    def decide(self, sample: Sample, options: Options, progress: Progress | None = None) -> Recipe:
        """Decide as the method does, and change the passes whose weights come from the image itself."""
        recipe = self.model.decide(sample, options, progress)
        passes = tuple(
            step if step.guided else replace(step, end=self.end, strength=step.strength * self.factor)
            for step in recipe.plan.passes
        )
        return replace(recipe, method=self, plan=replace(recipe.plan, passes=passes))

    def run(self, region: Region, recipe: Recipe, **how: Any) -> Outcome:
        """Run as the method does."""
        return self.model.run(region, recipe, **how)


def main(arguments: list[str] | None = None) -> int:
    """Tune on the training folders and write all figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks tune-vanish", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help=f"folder that holds {', '.join(TRAINING.values())}")
    parser.add_argument("--images", type=int, default=24, help="pictures of each kind")
    parser.add_argument("--side", type=int, default=180, help="pixels along the sides of what is cut out of them")
    parser.add_argument("--kinds", nargs="+", choices=TRAINING, default=list(TRAINING))
    parser.add_argument("--sigmas", nargs="+", type=float, default=list(SIGMAS))
    parser.add_argument("--factors", nargs="+", type=float, default=[1.0], help="of the strengths")
    parser.add_argument("--methods", nargs="+", choices=("nlm", "ridge"), default=["nlm", "ridge"])
    parser.add_argument("--threads", type=int, help="by default the CPUs that this process may use")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    options = parser.parse_args(arguments)
    record: dict[str, Any] = {
        "nlmeans": nlmeans.__version__, "images": options.images, "side": options.side, "results": [],
    }  # fmt: skip
    for kind, sigma in product(options.kinds, options.sigmas):
        clean = [p[: options.side, : options.side] for p in training_images(options.data, kind, options.images)]
        noisy, ratio = noisy_pictures(clean, AXES[kind], sigma), noise_ratio(clean, sigma)
        for (name, quality), factor in product(RUNS, options.factors):
            if name not in options.methods or (name == "ridge" and kind == "volume"):
                continue
            how = {"axes": AXES[kind], "threads": options.threads, **({"quality": quality} if quality else {})}
            means = []
            for end in ENDS:
                method = Ending.of(method_of(name), end, factor)
                results = (nlmeans.denoise(image, sigma, method=method, **how) for image in noisy)
                means.append(np.mean([clipped_psnr(r, c) for r, c in zip(results, clean, strict=True)]))
            gains = [round(float(mean - means[0]), 4) for mean in means]
            record["results"].append(
                {
                    "kind": kind, "sigma": sigma, "noise_ratio": ratio, "method": name, "quality": quality,
                    "factor": factor,
                    "psnr": round(float(means[0]), 4),
                    "gains": {str(end): gain for end, gain in zip(ENDS, gains, strict=True)},
                }
            )  # fmt: skip
            text = " ".join(f"{gain:+.3f}" for gain in gains[1:])
            print(f"{kind:>6} σ={sigma:<3g} {ratio:.3f} {name} {quality} ×{factor}: {means[0]:.3f} {text}", flush=True)
            files.write_json(options.out, record)
    return 0
