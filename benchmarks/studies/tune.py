"""Tune the defaults of `nlmeans/plan/defaults.py` on training images: ``python -m benchmarks tune --data DIR``.

The three columns of the table are tuned one after the other, on the same noisy images, σ known: the plain pass, the
pass that a Wiener step follows, and the second pass, which the best of the other leads. Every combination of patch
radius and strength is scored by the mean PSNR. The result file lists all of them, so that a row of the table can be
defended: what it gains, and what a neighbouring choice would lose. Test sets (Set12, BSD68, Kodak24) are never read.
"""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
from skimage.io import imread

import nlmeans
from nlmeans._axes import Layout
from nlmeans.methods.average import average
from nlmeans.noise.fitted import FittedNoise
from nlmeans.noise.models import Gaussian
from nlmeans.pairwise.tiles import available_cpus

SIGMAS = (5, 10, 15, 25, 35, 50, 75)
COLUMNS = ("fast", "pilot", "guided")
GRIDS = {
    "fast": {1: (0.4, 0.5, 0.6, 0.7, 0.8, 1.0), 2: (0.4, 0.5, 0.6, 0.7, 0.85), 3: (0.4, 0.5, 0.6, 0.75)},
    "pilot": {1: (0.4, 0.5, 0.6, 0.7, 0.8, 1.0), 2: (0.4, 0.5, 0.6, 0.7, 0.85), 3: (0.4, 0.5, 0.6)},
    "guided": {0: (0.3, 0.4, 0.5, 0.65), 1: (0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6), 2: (0.2, 0.3, 0.4)},
}
FOLDERS = {"grey": "Train400", "colour": "CBSD400_train", "volume": "MRI"}
AXES = {"grey": "YX", "colour": "YXC", "volume": "ZYX"}
SEARCH = {"grey": 10, "colour": 10, "volume": 5}
SIDE = 180


def training_images(data: Path, kind: str, count: int) -> list[np.ndarray]:
    """Return the middle squares of evenly spaced pictures of the training folder, as float32 of range 0 to 255.

    There is one volume to train on, a T1 brain: two parts of it are taken.
    """
    folder = data / FOLDERS[kind]
    if kind == "volume":
        from nlmeans import formats

        volume = formats.read(folder / "BRAINIX_T1.nii.gz").pixels.T.astype(np.float32)
        parts = volume[:, 150:250, 150:250], volume[:, 250:350, 200:300]
        return [part * (255 / volume.max()) for part in parts]
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".png", ".jpg"))
    pictures = [imread(path) for path in files[:: max(len(files) // count, 1)][:count]]
    return [_middle(picture).astype(np.float32) for picture in pictures]


def _middle(picture: np.ndarray) -> np.ndarray:
    top, left = ((side - SIDE) // 2 for side in picture.shape[:2])
    return picture[top : top + SIDE, left : left + SIDE]


def psnr(result: np.ndarray, clean: np.ndarray) -> float:
    """Return the peak signal-to-noise ratio in dB of 8-bit pictures, clipped to their range."""
    error = np.mean(np.square(np.clip(result, 0, 255) - clean, dtype=np.float64))
    return float(10 * np.log10(255**2 / error))


class Column:
    """One column of the table for one σ: scores of all settings, given those of the columns before."""

    def __init__(self, kind: str, clean: list[np.ndarray], sigma: float) -> None:
        self.kind, self.sigma = kind, sigma
        layout = nlmeans.plan(clean[0], sigma, axes=AXES[kind]).axes
        self.clean = [Layout(layout).planes(image)[0] for image in clean]
        self.noisy = [
            np.ascontiguousarray(planes + np.random.default_rng(k).normal(0, sigma, planes.shape), np.float32)
            for k, planes in enumerate(self.clean)
        ]
        self.pilots: list[np.ndarray] = []

    def run(self, column: str, patch: int, strength: float) -> list[np.ndarray]:
        """Denoise all images with one noise."""
        quality = {"fast": "fast", "pilot": "balanced", "guided": "best"}[column]
        results = []
        for k, planes in enumerate(self.noisy):
            plan = nlmeans.plan(
                Layout(AXES[self.kind]).array(planes[None]), self.sigma, axes=AXES[self.kind],
                quality=quality, patch_radius=patch, search_radius=SEARCH[self.kind], strength=strength,
            )  # fmt: skip
            step = replace(plan.passes[-1], strength=strength)
            noise = FittedNoise(Gaussian(self.sigma), (float(self.sigma),) * len(planes))
            guide = self.pilots[k] if column == "guided" else None
            results.append(average(planes, replace(plan, passes=(step,)), noise, guide, threads=1)[0])
        return results

    def tune(self, column: str) -> list[dict[str, float]]:
        """Return mean PSNR for every noise, best first."""
        grid = [(patch, strength) for patch, strengths in GRIDS[column].items() for strength in strengths]

        def score(patch: int, strength: float) -> float:
            results = self.run(column, patch, strength)
            return float(np.mean([psnr(r, c) for r, c in zip(results, self.clean, strict=True)]))

        with ThreadPoolExecutor(available_cpus()) as pool:
            scores = list(pool.map(lambda noise: score(*noise), grid))
        rows = [
            {"patch_radius": p, "strength": h, "psnr": round(value, 3)}
            for (p, h), value in zip(grid, scores, strict=True)
        ]
        rows.sort(key=lambda row: -row["psnr"])
        if column == "pilot":
            self.pilots = self.run(column, int(rows[0]["patch_radius"]), rows[0]["strength"])
        return rows


def noise_ratio(clean: list[np.ndarray], sigma: float) -> float:
    """Return σ over the signal's standard deviation, what the table's rows are chosen by; the images' median."""
    return float(np.median([sigma / np.sqrt(image.reshape(-1, image.shape[-1]).var()) for image in clean]))


def main(arguments: list[str] | None = None) -> int:
    """Tune on the training folders and write all scores."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks tune", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help=f"folder that holds {', '.join(FOLDERS.values())}")
    parser.add_argument("--images", type=int, default=20, help="pictures of each kind")
    parser.add_argument("--kinds", nargs="+", choices=FOLDERS, default=list(FOLDERS))
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    options = parser.parse_args(arguments)

    results = []
    for kind, sigma in product(options.kinds, SIGMAS):
        clean = training_images(options.data, kind, options.images)
        work, ratio = Column(kind, clean, sigma), noise_ratio(clean, sigma)
        for column in COLUMNS:
            rows = work.tune(column)
            results.append({"kind": kind, "sigma": sigma, "noise_ratio": ratio, "column": column, "rows": rows})
            each = [next(r for r in rows if r["patch_radius"] == p) for p in GRIDS[column]]
            text = "   ".join(f"{r['patch_radius']}: {r['strength']} {r['psnr']:.2f}" for r in each)
            print(f"{kind:>6} σ={sigma:<3} ratio {ratio:.3f}  {column:<6}  {text}", flush=True)
    record = {"nlmeans": nlmeans.__version__, "images": options.images, "side": SIDE, "results": results}
    options.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
