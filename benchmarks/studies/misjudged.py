"""What a wrong σ costs: ``python -m benchmarks misjudged --out FILE``.

Pictures that come with scikit-image get Gaussian noise of σ = 25, and methods are given a σ that is too small or too
large.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

import nlmeans

from ..harness import files
from ..harness.metrics import psnr
from ..harness.published import Published, Row, Table, named
from ..harness.sets import samples

SIGMA = 25.0
FACTORS = (0.5, 0.7, 0.85, 1.0, 1.2, 1.4, 2.0)
PICTURES = {"camera": "grey", "astronaut": "colour"}
CALLS: dict[str, dict[str, Any]] = {
    "the default": {}, '`method="ridge"`': {"method": "ridge"}, '`method="learned"`': {"method": "learned"}
}  # fmt: skip


def rows(published: Published) -> list[Row]:
    """Return dB by how wrong σ was."""
    return [
        {
            "σ that is given, σ is 25": f"{row['picture']}, {PICTURES[row['picture']]}: {row['method']}",
            **{f"{SIGMA * factor:g}": f"{value:.2f}" for factor, value in zip(FACTORS, row["psnr"], strict=True)},
        }
        for row in published.study("misjudged")["results"]
    ]


TABLES: dict[str, Table] = {"misjudged": lambda published: named(rows(published))}


def measure(noisy: np.ndarray, clean: np.ndarray, options: dict[str, Any]) -> list[float]:
    """Return the dB of a picture for every σ that is given."""
    axis = -1 if clean.ndim == 3 else None
    results: list[Any] = [nlmeans.denoise(noisy, SIGMA * k, channel_axis=axis, **options) for k in FACTORS]
    return [round(psnr(np.clip(result, 0, 255), clean), 3) for result in results]


def main(arguments: list[str] | None = None) -> int:
    """Measure all pictures and methods, and write the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks misjudged", description=__doc__)
    parser.add_argument("--side", type=int, help="pixels along the sides of the middle that is taken; default: all")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    options = parser.parse_args(arguments)
    results = []
    for picture in PICTURES:
        noisy, clean = samples(picture, SIGMA, None, options.side, None)[0].load()
        for method, choice in CALLS.items():
            results.append({"picture": picture, "method": method, "psnr": measure(noisy, clean, choice)})
            print(results[-1], flush=True)
    files.write_json(options.out, {"nlmeans": nlmeans.__version__, "factors": FACTORS, "results": results})
    return 0
