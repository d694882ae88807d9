"""What 16-bit arithmetic costs beside float64: ``python -m benchmarks arithmetic --data DIR --out FILE``.

Set12, BSD68 and Kodak24 with standard noise, σ known. Each picture is denoised as float32, where scores and weights of
the first pass have 16 bits, and as float64, where nothing has. Deviations are in σ.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

import nlmeans

from ..harness import files
from ..harness.metrics import clipped_psnr
from ..harness.sets import COLOURED, SIGMAS, standard

SETS = ("Set12", "BSD68", "Kodak24")
QUALITIES = ("preview", "fast", "balanced")
FAR = 0.1
"""In σ: pixels that deviate by more are counted."""


def picture(noisy: np.ndarray, clean: np.ndarray, sigma: float, axes: str, quality: Any) -> tuple[float, ...]:
    """Return the PSNR by float64, what 16 bits add to it, the RMS deviation, and the share of pixels far off."""
    exact = nlmeans.denoise(noisy.astype(np.float64), sigma, axes=axes, quality=quality)
    result = nlmeans.denoise(noisy, sigma, axes=axes, quality=quality)
    off = (result - exact) / sigma
    psnr = clipped_psnr(exact, clean)
    return psnr, clipped_psnr(result, clean) - psnr, float(np.sqrt(np.mean(off**2))), float(np.mean(abs(off) > FAR))


def main(arguments: list[str] | None = None) -> int:
    """Measure all pictures and write the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks arithmetic", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help=f"folder that holds {', '.join(SETS)}")
    parser.add_argument("--every", type=int, default=1, help="take every so many pictures")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    options = parser.parse_args(arguments)
    record = []
    for name in SETS:
        axes = "YXC" if name in COLOURED else "YX"
        for sigma in SIGMAS:
            pairs = list(standard(options.data / name, sigma))[:: options.every]
            for quality in QUALITIES:
                rows = np.array([picture(noisy, clean, sigma, axes, quality) for _, noisy, clean in pairs])
                means = rows.mean(0)
                summary = {
                    "set": name, "sigma": sigma, "quality": quality, "pictures": len(rows),
                    "psnr_float64": round(float(means[0]), 4),
                    "gain_db": round(float(means[1]), 5),
                    "worst_gain_db": round(float(rows[:, 1].min()), 5),
                    "rms": round(float(rows[:, 2].max()), 5),
                    "far": round(float(rows[:, 3].max()), 6),
                }  # fmt: skip
                record.append(summary)
                print(summary, flush=True)
    files.write_json(options.out, {"nlmeans": nlmeans.__version__, "results": record})
    return 0
