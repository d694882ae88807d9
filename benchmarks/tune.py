"""Tune the table of defaults in `nlmeans/plan.py` on training images: ``python -m benchmarks.tune --data DIR``.

Every combination of patch radius, search radius and strength is run on the same noisy images, σ known, and scored by
the mean PSNR. The result file lists all of them, so that a row of the table can be defended: what it gains, and what
a neighbouring choice would lose. Test sets (Set12, BSD68, Kodak24) are never read.
"""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import numpy as np
from skimage.io import imread

import nlmeans
from nlmeans.pairwise.tiles import available_cpus

SIGMAS = (5, 10, 15, 25, 35, 50, 75)
PATCHES = (1, 2, 3, 4)
SEARCHES = (7, 10, 14)
STRENGTHS = {
    1: (0.4, 0.5, 0.6, 0.7, 0.8, 1.0),
    2: (0.35, 0.45, 0.55, 0.65, 0.75, 0.9),
    3: (0.35, 0.45, 0.55, 0.65, 0.8),
}
STRENGTHS[4] = STRENGTHS[3]
FOLDERS = {"grey": "Train400", "colour": "CBSD400_train"}
SIDE = 180


def training_images(data: Path, kind: str, count: int) -> list[np.ndarray]:
    """Return the middle squares of evenly spaced pictures of the training folder, as float32."""
    files = sorted(path for path in (data / FOLDERS[kind]).iterdir() if path.suffix.lower() in (".png", ".jpg"))
    pictures = [imread(path) for path in files[:: max(len(files) // count, 1)][:count]]
    return [_middle(picture).astype(np.float32) for picture in pictures]


def _middle(picture: np.ndarray) -> np.ndarray:
    top, left = ((side - SIDE) // 2 for side in picture.shape[:2])
    return picture[top : top + SIDE, left : left + SIDE]


def psnr(result: np.ndarray, clean: np.ndarray) -> float:
    """Return the peak signal-to-noise ratio in dB of 8-bit pictures, clipped to their range."""
    error = np.mean(np.square(np.clip(result, 0, 255) - clean, dtype=np.float64))
    return float(10 * np.log10(255**2 / error))


def tune(kind: str, clean: list[np.ndarray], sigma: float) -> list[dict[str, float]]:
    """Return mean PSNR for every combination of parameters, best first."""
    noisy = [
        (image + np.random.default_rng(k).normal(0, sigma, image.shape)).astype(np.float32)
        for k, image in enumerate(clean)
    ]
    channel_axis = -1 if kind == "colour" else None

    def score(patch: int, search: int, strength: float) -> float:
        results = [
            nlmeans.denoise(
                image, sigma, channel_axis=channel_axis, patch_radius=patch, search_radius=search,
                strength=strength, threads=1,
            )
            for image in noisy
        ]  # fmt: skip
        return float(np.mean([psnr(result, image) for result, image in zip(results, clean, strict=True)]))

    grid = [(p, s, h) for p, s in product(PATCHES, SEARCHES) for h in STRENGTHS[p]]
    with ThreadPoolExecutor(available_cpus()) as pool:
        scores = list(pool.map(lambda setting: score(*setting), grid))
    rows = [
        {"patch_radius": p, "search_radius": s, "strength": h, "psnr": round(value, 3)}
        for (p, s, h), value in zip(grid, scores, strict=True)
    ]
    return sorted(rows, key=lambda row: -row["psnr"])


def noise_ratio(clean: list[np.ndarray], sigma: float) -> float:
    """Return σ over the signal's standard deviation, what the table's rows are chosen by; the images' median."""
    return float(np.median([sigma / np.sqrt(image.reshape(-1, image.shape[-1]).var()) for image in clean]))


def main(arguments: list[str] | None = None) -> int:
    """Tune on the training folders and write all scores."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tune", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds Train400 and CBSD400_train")
    parser.add_argument("--images", type=int, default=20, help="pictures of each kind")
    parser.add_argument("--kinds", nargs="+", choices=FOLDERS, default=list(FOLDERS))
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    options = parser.parse_args(arguments)

    results = []
    for kind in options.kinds:
        clean = training_images(options.data, kind, options.images)
        for sigma in SIGMAS:
            rows = tune(kind, clean, sigma)
            results.append({"kind": kind, "sigma": sigma, "noise_ratio": noise_ratio(clean, sigma), "rows": rows})
            best = rows[0]
            print(f"{kind:>6} σ={sigma:<3} ratio {results[-1]['noise_ratio']:.3f}  {best}", flush=True)
            for search in SEARCHES:
                each = [max((r for r in rows if r["patch_radius"] == p and r["search_radius"] == search),
                            key=lambda r: r["psnr"]) for p in PATCHES]  # fmt: skip
                text = "   ".join(f"{r['patch_radius']}: {r['strength']} {r['psnr']:.2f}" for r in each)
                print(f"         search {search:>2}   {text}", flush=True)
    record = {"nlmeans": nlmeans.__version__, "images": options.images, "side": SIDE, "results": results}
    options.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
