"""Stripes of columns: ``python -m benchmarks stripes --data DIR --out FILE``.

Pictures of the folder CBSD400_train, in grey, get Gaussian noise and offsets of columns: white ones, wide ones (means
of five), or a few single lines; then there are a sinogram whose detector's pixels differ, and counts of a camera with
an offset a column. Each is denoised without and with ``stripes``, after a plain subtraction of what the mean of a
column has beyond the median of 17, and by bm3dornl in the interpreter that ``NLMEANS_PEERS`` names. All are given σ.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import median_filter, uniform_filter1d
from skimage.data import shepp_logan_phantom
from skimage.transform import radon, resize

import nlmeans
from nlmeans import io
from nlmeans.noise import PoissonGaussian

from ..harness.files import write_json
from ..harness.metrics import psnr
from ..harness.published import Published, Row, Table, named
from ..harness.timing import timed
from ..peers.spectra import Given
from ..peers.streaks import streaks

SIGMAS, STRENGTHS = (10.0, 25.0), (0.0, 0.2, 0.5, 1.0, 2.0)
WIDTH = 17
CALLS: dict[str, dict[str, Any]] = {"fast": {"quality": "fast"}}
PEERS = {"bm3dornl": streaks()}
NAMES = {
    "fast, no removal": "as they are", "fast, auto removal": '`stripes="auto"`',
    "fast, plain removal": "a plain subtraction",
}  # fmt: skip
"""What tables call the methods."""


def offsets(kind: str, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return offsets of columns, with mean 0 and in units of their standard deviation."""
    values = rng.normal(size=count)
    if kind == "wide":
        values = uniform_filter1d(values, 5, mode="wrap")
    if kind == "lines":
        values = values * (rng.permutation(count) < count // 40)
    values -= values.mean()
    return np.asarray(values / values.std())


def cases(pictures: list[np.ndarray]) -> Iterator[tuple[str, float, float, np.ndarray, np.ndarray]]:
    """Yield a kind, the stripes' standard deviation in units of σ, σ, the clean picture and the noisy one."""
    each = [("white", strength, sigma) for sigma in SIGMAS for strength in STRENGTHS]
    for kind, strength, sigma in [*each, ("wide", 1.0, SIGMAS[0]), ("lines", 1.0, SIGMAS[0])]:
        for seed, clean in enumerate(pictures):
            rng = np.random.default_rng(seed)
            lines = strength * sigma * offsets(kind, clean.shape[1], rng)
            yield kind, strength, sigma, clean, clean + lines + rng.normal(0, sigma, clean.shape)
    rng = np.random.default_rng(0)
    phantom = resize(shepp_logan_phantom(), (256, 256))
    sinogram = radon(phantom, np.linspace(0, 180, 360, endpoint=False)).T  # angles, detector
    sinogram *= 255 / sinogram.max()
    lines = 5 * offsets("white", 256, rng)
    yield "sinogram", 1.0, 5.0, sinogram, sinogram + lines + rng.normal(0, 5, sinogram.shape)
    clean = pictures[0]
    counts = 2 * rng.poisson(clean / 2) + rng.normal(0, 3, clean.shape)
    sigma = float(np.sqrt(2 * clean.mean() + 9))
    yield "camera", 1.0, sigma, clean, counts + sigma * offsets("white", clean.shape[1], rng)


def plainly(noisy: np.ndarray) -> np.ndarray:
    """Return a picture without what the mean of a column has beyond the median of those around."""
    means = noisy.mean(axis=0)
    lines = means - median_filter(means, WIDTH)
    return np.asarray(noisy - (lines - lines.mean()))


def measure(pictures: list[np.ndarray], peers: list[str]) -> list[dict[str, Any]]:
    """Return dB and seconds of every method, the mean over the pictures."""
    found: dict[tuple[str, float, float, str], list[tuple[float, float]]] = {}
    for kind, strength, sigma, clean, noisy in cases(pictures):
        known: dict[str, Any] = {"noise": PoissonGaussian(2, 0, 3)} if kind == "camera" else {"sigma": sigma}

        def note(name: str, result: np.ndarray, seconds: float, clean: np.ndarray = clean) -> None:
            found.setdefault((kind, sigma, strength, name), []).append((psnr(result, clean), seconds))  # noqa: B023

        for name, options in CALLS.items():
            for how in (None, "auto", "plain"):
                source = plainly(noisy) if how == "plain" else noisy
                asked = {**known, **options, "threads": 1, "stripes": "auto" if how == "auto" else None}
                if not found:
                    nlmeans.denoise(source, **asked)  # compiles
                result, reading = timed(lambda: nlmeans.denoise(source, **asked))  # noqa: B023
                note(f"{name}, {how or 'no'} removal", result, reading.cpu_seconds)
        for name in peers:
            result, reading = PEERS[name].call(Given(), noisy, sigma, 1).timed()
            note(name, result, reading.cpu_seconds)
    return [
        {
            "stripes": kind, "sigma": sigma, "strength": strength, "method": name,
            "psnr": round(float(np.mean([f[0] for f in each])), 3), "worst": round(float(min(f[0] for f in each)), 3),
            "cpu_seconds": round(float(np.median([f[1] for f in each])), 3),
        }
        for (kind, sigma, strength, name), each in found.items()
    ]  # fmt: skip


def rows(published: Published) -> list[Row]:
    """Return dB of each method, by the stripes."""
    table: dict[str, Row] = {}
    for row in published.study("stripes")["cases"]:
        case = f"{row['stripes']}, {row['strength']:g} σ, σ = {row['sigma']:.3g}"
        table.setdefault(case, {"PSNR in dB": case})[NAMES.get(row["method"], row["method"])] = f"{row['psnr']:.2f}"
    return list(table.values())


TABLES: dict[str, Table] = {"stripes": lambda published: named(rows(published))}


def main(arguments: list[str] | None = None) -> int:
    """Measure all kinds of stripes and write the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks stripes", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds CBSD400_train")
    parser.add_argument("--pictures", type=int, default=8, help="how many of them, evenly spread")
    parser.add_argument("--side", type=int, help="pixels along the sides of the corner that is taken; default: all")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    options = parser.parse_args(arguments)
    paths = sorted((options.data / "CBSD400_train").glob("*.jpg"))
    paths = paths[:: max(len(paths) // options.pictures, 1)][: options.pictures]
    pictures = [io.read(path).pixels[: options.side, : options.side].mean(axis=-1) for path in paths]
    reason = PEERS["bm3dornl"].missing()
    if reason:
        print(f"without bm3dornl: {reason}: {PEERS['bm3dornl'].install}")
    record: dict[str, Any] = {
        "nlmeans": nlmeans.__version__, "pictures": [path.name for path in paths],
        "sides": [picture.shape for picture in pictures],
        "bm3dornl": None if reason else PEERS["bm3dornl"].version(),
        "cases": measure(pictures, [] if reason else list(PEERS)),
    }  # fmt: skip
    for row in record["cases"]:
        print(*row.values(), flush=True)
    write_json(options.out, record)
    return 0
