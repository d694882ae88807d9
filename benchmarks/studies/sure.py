"""How near ``strength="sure"`` comes to the best strength: ``python -m benchmarks sure --data DIR --out FILE``.

BSD68 with standard noise. Each picture is denoised with eleven strengths, the best of which by its true error is the
oracle; then with "sure", which does not know the picture. With the gap in dB come the error that was predicted and the
time, in plain passes of the same quality, that the choice took: medians over the pictures.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

import nlmeans

from ..harness import files
from ..harness.published import Published, Row, Table, named
from ..harness.sets import SIGMAS, standard

FACTORS = tuple(2.0 ** (k / 4) for k in range(-5, 6))


def error(result: np.ndarray, clean: np.ndarray) -> float:
    """Return the mean squared error, of pictures that are not clipped: that is what is predicted."""
    return float(np.mean(np.square(result - clean, dtype=np.float64)))


def picture(noisy: np.ndarray, clean: np.ndarray, sigma: float, quality: Any) -> dict[str, float]:
    """Measure one picture."""
    strength = nlmeans.plan(noisy, sigma, quality=quality).strength
    errors = [
        error(nlmeans.denoise(noisy, sigma, quality=quality, strength=strength * factor), clean) for factor in FACTORS
    ]
    start = time.perf_counter()
    nlmeans.denoise(noisy, sigma, quality=quality)
    plain = time.perf_counter() - start
    start = time.perf_counter()
    result, report = nlmeans.denoise(noisy, sigma, quality=quality, strength="sure", full_output=True)
    chosen = time.perf_counter() - start
    reached = error(result, clean)
    return {
        "gap_db": 10 * np.log10(reached / min(errors)),
        "default_gap_db": 10 * np.log10(errors[FACTORS.index(1.0)] / min(errors)),
        "predicted": report.plan.predicted_mse / reached - 1,
        "passes": chosen / plain - 1,
    }


def rows(published: Published) -> list[Row]:
    """Return how near the chosen strength comes to the best one, and what choosing takes."""
    return [
        {
            "quality": f'`"{row["quality"]}"`', "σ": f"{row['sigma']:g}",
            "behind the best strength": f"{row['gap_db']:.3f} dB",
            "the default strength": f"{row['default_gap_db']:.3f} dB", "worst picture": f"{row['worst_gap_db']:.2f} dB",
            "its predicted error is off by": f"{100 * row['predicted_absolute']:.1f} %",
            "takes, in plain calls": f"{row['passes']:.1f}",
        }
        for row in published.study("sure")["results"]
    ]  # fmt: skip


TABLES: dict[str, Table] = {"sure": lambda published: named(rows(published))}


def main(arguments: list[str] | None = None) -> int:
    """Measure all pictures and write the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks sure", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds BSD68")
    parser.add_argument("--every", type=int, default=1, help="take every so many pictures")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    options = parser.parse_args(arguments)
    record = []
    for quality in ("fast", "balanced"):
        for sigma in SIGMAS:
            pairs = list(standard(options.data / "BSD68", sigma))[:: options.every]
            each = [picture(noisy, clean, sigma, quality) for _, noisy, clean in pairs]
            mean = {
                name: round(float(np.mean([row[name] for row in each])), 4) for name in ("gap_db", "default_gap_db")
            }
            predicted = np.array([row["predicted"] for row in each])
            summary = {
                "quality": quality, "sigma": sigma, "pictures": len(each), **mean,
                "worst_gap_db": round(max(row["gap_db"] for row in each), 4),
                "predicted_mean": round(float(predicted.mean()), 4),
                "predicted_absolute": round(float(abs(predicted).mean()), 4),
                "passes": round(float(np.median([row["passes"] for row in each])), 2),
            }  # fmt: skip
            record.append(summary)
            print(summary, flush=True)
    files.write_json(options.out, {"nlmeans": nlmeans.__version__, "results": record})
    return 0
