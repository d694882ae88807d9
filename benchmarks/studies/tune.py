"""Choose the defaults of `nlmeans/plan/defaults.py` on training pictures: ``python -m benchmarks tune --data DIR``.

The three columns of the table are tuned one after the other, on the same noisy images, σ known: the plain pass, the
pass that a Wiener step follows, and the second pass, which the best of the other leads. Every combination of patch
radius and strength is judged by the mean PSNR. The result file lists all of them, so that a row of the table can be
defended: what it gains, and what a neighbouring choice would lose. Test sets (Set12, BSD68, Kodak24) are never read.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

import nlmeans

from ..harness import files
from ..harness.environment import available_cpus
from ..harness.metrics import clipped_psnr
from ..harness.sets import TRAINING, TRAINING_SIDE, training_images

SIGMAS = (5, 10, 15, 25, 35, 50, 75)
COLUMNS = ("fast", "pilot", "guided")
GRIDS = {
    "fast": {1: (0.4, 0.5, 0.6, 0.7, 0.8, 1.0), 2: (0.4, 0.5, 0.6, 0.7, 0.85), 3: (0.4, 0.5, 0.6, 0.75)},
    "pilot": {1: (0.4, 0.5, 0.6, 0.7, 0.8, 1.0), 2: (0.4, 0.5, 0.6, 0.7, 0.85), 3: (0.4, 0.5, 0.6)},
    "guided": {0: (0.3, 0.4, 0.5, 0.65), 1: (0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6), 2: (0.2, 0.3, 0.4)},
}
AXES = {"grey": "YX", "colour": "YXC", "volume": "ZYX"}
SEARCH = {"grey": 10, "colour": 10, "volume": 5}
QUALITY = {"fast": "fast", "pilot": "balanced", "guided": "best"}
"""Whose pass, or second pass, a column is."""


def noisy_pictures(clean: list[np.ndarray], axes: str, sigma: float) -> list[np.ndarray]:
    """Return pictures with seeded noise, drawn channel by channel."""
    result = []
    for k, picture in enumerate(clean):
        planes = np.moveaxis(picture, -1, 0) if axes.endswith("C") else picture
        noise = np.random.default_rng(k).normal(0, sigma, planes.shape)
        result.append((picture + (np.moveaxis(noise, 0, -1) if axes.endswith("C") else noise)).astype(np.float32))
    return result


class Column:
    """The columns of the table for one σ: the PSNR of all settings, given the columns before."""

    def __init__(self, kind: str, clean: list[np.ndarray], sigma: float) -> None:
        self.kind, self.clean, self.sigma = kind, clean, sigma
        self.noisy = noisy_pictures(clean, AXES[kind], sigma)
        self.pilots: list[np.ndarray] = []

    def run(self, column: str, patch: int, strength: float) -> list[np.ndarray]:
        """Denoise all images with one setting; a guide has the second pass alone."""
        options: dict[str, Any] = {
            "axes": AXES[self.kind], "quality": QUALITY[column], "patch_radius": patch, "strength": strength,
            "search_radius": SEARCH[self.kind], "threads": 1,
        }  # fmt: skip
        guides = self.pilots if column == "guided" else [None] * len(self.noisy)
        pairs = zip(self.noisy, guides, strict=True)
        return [nlmeans.denoise(noisy, self.sigma, guide=guide, **options) for noisy, guide in pairs]

    def tune(self, column: str) -> list[dict[str, float]]:
        """Return the mean PSNR of every setting, best first."""
        grid = [(patch, strength) for patch, strengths in GRIDS[column].items() for strength in strengths]

        def row(setting: tuple[int, float]) -> dict[str, float]:
            results = self.run(column, *setting)
            psnr = np.mean([clipped_psnr(r, c) for r, c in zip(results, self.clean, strict=True)])
            return {"patch_radius": setting[0], "strength": setting[1], "psnr": round(float(psnr), 3)}

        with ThreadPoolExecutor(available_cpus()) as pool:
            rows = list(pool.map(row, grid))
        rows.sort(key=lambda row: -row["psnr"])
        if column == "pilot":
            self.pilots = self.run(column, int(rows[0]["patch_radius"]), rows[0]["strength"])
        return rows


def noise_ratio(clean: list[np.ndarray], sigma: float) -> float:
    """Return σ over the signal's standard deviation, what the table's rows are chosen by; the images' median."""
    return float(np.median([sigma / np.sqrt(image.reshape(-1, image.shape[-1]).var()) for image in clean]))


def main(arguments: list[str] | None = None) -> int:
    """Tune on the training folders and write all figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks tune", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help=f"folder that holds {', '.join(TRAINING.values())}")
    parser.add_argument("--images", type=int, default=20, help="pictures of each kind")
    parser.add_argument("--kinds", nargs="+", choices=TRAINING, default=list(TRAINING))
    parser.add_argument("--sigmas", nargs="+", type=float, default=list(SIGMAS))
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    options = parser.parse_args(arguments)

    results = []
    for kind, sigma in product(options.kinds, options.sigmas):
        clean = training_images(options.data, kind, options.images)
        work, ratio = Column(kind, clean, sigma), noise_ratio(clean, sigma)
        for column in COLUMNS:
            rows = work.tune(column)
            results.append({"kind": kind, "sigma": sigma, "noise_ratio": ratio, "column": column, "rows": rows})
            each = [next(r for r in rows if r["patch_radius"] == p) for p in GRIDS[column]]
            text = "   ".join(f"{r['patch_radius']}: {r['strength']} {r['psnr']:.2f}" for r in each)
            print(f"{kind:>6} σ={sigma:<3g} ratio {ratio:.3f}  {column:<6}  {text}", flush=True)
    record = {"nlmeans": nlmeans.__version__, "images": options.images, "side": TRAINING_SIDE, "results": results}
    files.write_json(options.out, record)
    return 0
