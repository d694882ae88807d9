"""How near the estimated σ comes to the true one: ``python -m benchmarks noise --data DIR --out FILE``.

Standard noise (float, unclipped, seed 1000 + i for the i-th file in sorted order) is added to every picture of BSD68
and Set12, and estimated by `nlmeans.estimate_sigma` and by scikit-image's `estimate_sigma`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from skimage.io import imread
from skimage.restoration import estimate_sigma

import nlmeans
from nlmeans.noise import estimate_planes

from ..harness.files import write_json
from ..harness.published import Published, Row, Table, named

SETS = ("BSD68", "Set12")
SIGMAS = (2, 5, 10, 15, 25, 50, 75)
METHODS: dict[str, Callable[[np.ndarray], float]] = {
    f"nlmeans {nlmeans.__version__}": nlmeans.estimate_sigma,
    f"scikit-image {version('scikit-image')}": estimate_sigma,
}


def measure(files: list[Path], sigma: float) -> list[dict[str, Any]]:
    """Return errors and seconds of every method, and how often white noise was taken for correlated."""
    noisy = []
    for k, file in enumerate(files):
        clean = imread(file).astype(np.float64)
        noisy.append(clean + np.random.default_rng(1000 + k).normal(0, sigma, clean.shape))
    flagged = sum(estimate_planes(image[None, None], None).correlated for image in noisy)
    rows = []
    for name, estimate in METHODS.items():
        start = time.perf_counter()
        errors = np.array([estimate(image) / sigma - 1 for image in noisy])
        worst = int(np.abs(errors).argmax())
        rows.append(
            {
                "method": name, "sigma": sigma, "mean_absolute_percent": round(float(100 * np.abs(errors).mean()), 2),
                "bias_percent": round(float(100 * errors.mean()), 2),
                "worst_percent": round(float(100 * errors[worst]), 1), "worst_file": files[worst].name,
                "seconds": round((time.perf_counter() - start) / len(files), 4),
                "flagged_as_correlated": flagged if name.startswith("nlmeans") else None,
            }
        )  # fmt: skip
    return rows


def rows(published: Published) -> list[Row]:
    """Return the mean error and that of the worst picture, by set, method and σ."""
    errors: dict[tuple[str, str], Row] = {}
    for name, result in published.study("noise").items():
        for row in result["rows"]:
            method = row["method"].split()[0]
            line = errors.setdefault((name, method), {"mean error (worst) of σ in %": f"{name}, {method}"})
            line[f"σ = {row['sigma']:g}"] = f"{row['mean_absolute_percent']:.1f} ({row['worst_percent']:+.0f})"
    return list(errors.values())


TABLES: dict[str, Table] = {"sigma": lambda published: named(rows(published))}


def main(arguments: list[str] | None = None) -> int:
    """Measure on all sets and write the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks noise", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds BSD68 and Set12")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    options = parser.parse_args(arguments)
    record: dict[str, Any] = {}
    for name in SETS:
        files = sorted(path for path in (options.data / name).iterdir() if path.suffix == ".png")
        record[name] = {"pictures": len(files), "rows": [row for s in SIGMAS for row in measure(files, s)]}
        for row in record[name]["rows"]:
            print(name, *(f"{key}={value}" for key, value in row.items()), flush=True)
    write_json(options.out, record)
    return 0
