"""PSNR on a standard set: ``python -m benchmarks.quality --data DIR --out FILE``.

Standard noise (float, unclipped, seed 1000 + i for the i-th file in sorted order) on Set12, σ known; nlmeans with all
other parameters left to its plan, scikit-image's fast mode at its documented setting.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
from skimage.io import imread
from skimage.restoration import denoise_nl_means

import nlmeans

from .tune import psnr

SIGMAS = (15, 25, 50)


def documented(image: np.ndarray, sigma: float) -> np.ndarray:
    """Denoise with scikit-image as its gallery does: 7×7 patches, distance 10, h = 0.6 σ."""
    result: np.ndarray = denoise_nl_means(
        image, patch_size=7, patch_distance=10, h=0.6 * sigma, sigma=sigma, fast_mode=True, preserve_range=True
    )
    return result


METHODS: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    f"nlmeans {nlmeans.__version__}, defaults {nlmeans.plan(np.zeros((9, 9)), 1).defaults_version}": nlmeans.denoise,
    f"scikit-image {version('scikit-image')}": documented,
}


def main(arguments: list[str] | None = None) -> int:
    """Measure every method at every σ and write the figures of every picture."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds Set12")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    options = parser.parse_args(arguments)
    files = sorted((options.data / "Set12").glob("*.png"))
    record = []
    for sigma in SIGMAS:
        clean = [imread(file).astype(np.float64) for file in files]
        noisy = [
            (image + np.random.default_rng(1000 + k).normal(0, sigma, image.shape)).astype(np.float32)
            for k, image in enumerate(clean)
        ]
        for name, method in METHODS.items():
            each = [psnr(method(image, sigma), truth) for image, truth in zip(noisy, clean, strict=True)]
            pictures = {file.name: round(value, 3) for file, value in zip(files, each, strict=True)}
            record.append(
                {"set": "Set12", "sigma": sigma, "method": name, "psnr": float(np.mean(each)), "each": pictures}
            )
            print(f"Set12 σ={sigma:<3} {name:<32} {np.mean(each):.2f} dB", flush=True)
    options.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
