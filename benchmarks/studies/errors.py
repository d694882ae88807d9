"""How many pixels are within the map of the error: ``python -m benchmarks errors --data DIR --out FILE``.

Pictures with simulated Gaussian noise, or photon counts. By method, quality and σ: the shares of the pixels that are
within one and 1.96 times the map of ``full_output="maps"``, 68.3 and 95 % if the errors were normal, in the mean over
the pictures, with their standard deviation from picture to picture; and the map over the errors, both in their root
mean square.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

import nlmeans
from nlmeans.noise import PoissonGaussian

from ..harness import files
from ..harness.published import Published, Row, Table, named

METHODS = (
    ("nlm", "fast"), ("nlm", "balanced"), ("nlm", "best"), ("ridge", "fast"), ("ridge", "balanced"),
    ("learned", "balanced"),
)  # fmt: skip
SIGMAS = (5, 10, 25, 50)
SETS = {"Train400": "grey", "CBSD400_train": "colour", "Set12": "grey"}
FIRST, STEP = 16, 25
"""Which of the training pictures: none that the map was fitted to."""
MOST = 256
"""Rows and columns, of the middle."""


def pictures(folder: Path, kind: str, held_back: bool, every: int) -> list[np.ndarray]:
    """Return the middles of pictures."""
    from PIL import Image

    paths = sorted(path for path in folder.iterdir() if path.suffix in (".png", ".jpg"))
    paths = paths[FIRST::STEP] if held_back else paths
    results = []
    for path in paths[::every]:
        pixels = np.asarray(Image.open(path).convert("L" if kind == "grey" else "RGB"), np.float32)
        y, x = (max(side - MOST, 0) // 2 for side in pixels.shape[:2])
        results.append(pixels[y : y + MOST, x : x + MOST])
    return results


def holds(clean: np.ndarray, noisy: np.ndarray, **options: Any) -> tuple[float, float, float]:
    """Return the shares within 1 and 1.96 times the map, in per cent, and the map over the errors."""
    given = options | ({"channel_axis": -1} if clean.ndim == 3 else {})
    result, report = nlmeans.denoise(noisy, full_output="maps", **given)
    off, error = np.abs(result - clean), report.maps.error
    size = np.sqrt(np.mean(np.square(error, dtype=np.float64)) / np.mean(np.square(off, dtype=np.float64)))
    return 100 * float(np.mean(off < error)), 100 * float(np.mean(off < 1.96 * error)), float(size)


def summary(each: list[tuple[float, float, float]], **what: Any) -> dict[str, Any]:
    """Return means and deviations over pictures."""
    means, deviations = np.mean(each, axis=0), np.std(each, axis=0)
    names = ("within", "within_196", "map_over_error")
    figures = {name: round(float(value), 3) for name, value in zip(names, means, strict=True)}
    spread = {f"{name}_spread": round(float(value), 3) for name, value in zip(names, deviations, strict=True)}
    return {**what, "pictures": len(each), **figures, **spread}


def rows(published: Published) -> list[Row]:
    """Return how many pixels are within the map, by pictures and method: from one noise to another."""
    cases: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for row in published.study("errors")["results"]:
        cases.setdefault((row["set"], row["method"], row["quality"]), []).append(row)

    def between(each: list[dict[str, Any]], name: str, form: str) -> str:
        values = [row[name] for row in each]
        return f"{min(values):{form}} to {max(values):{form}}"

    return [
        {
            "pictures": name, "method": f'`"{method}"`, `"{quality}"`',
            "within the map": f"{between(each, 'within', '.0f')} %",
            "within 1.96 times": f"{between(each, 'within_196', '.0f')} %",
            "map over error": between(each, "map_over_error", ".2f"),
        }
        for (name, method, quality), each in cases.items()
    ]  # fmt: skip


TABLES: dict[str, Table] = {"errors": lambda published: named(rows(published))}


def main(arguments: list[str] | None = None) -> int:
    """Measure all pictures and write the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks errors", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help=f"folder that holds {', '.join(SETS)}")
    parser.add_argument("--every", type=int, default=1, help="take every so many pictures")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=SETS, help="sets to measure")
    options = parser.parse_args(arguments)
    record = []
    for name in options.sets:
        images = pictures(options.data / name, SETS[name], name != "Set12", options.every)
        for method, quality in METHODS:
            given: dict[str, Any] = {"method": method, "quality": quality}
            for sigma in SIGMAS:
                rng = np.random.default_rng(sigma)
                noise = [rng.normal(0, sigma, image.shape).astype(np.float32) for image in images]
                each = [holds(image, image + n, sigma=sigma, **given) for image, n in zip(images, noise, strict=True)]
                record.append(summary(each, set=name, method=method, quality=quality, noise=f"σ = {sigma}"))
                print(record[-1], flush=True)
            rng = np.random.default_rng(0)
            counts = [rng.poisson(image / 4).astype(np.float32) for image in images]
            pairs = zip(images, counts, strict=True)
            each = [holds(image / 4, one, noise=PoissonGaussian(1.0), **given) for image, one in pairs]
            record.append(summary(each, set=name, method=method, quality=quality, noise="counts of up to 64"))
            print(record[-1], flush=True)
    files.write_json(options.out, {"nlmeans": nlmeans.__version__, "results": record})
    return 0
