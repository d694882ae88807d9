"""Noise that is not white, of a known spectrum: ``python -m benchmarks structured --data DIR --out FILE``.

Pictures of Set12 get noise that is white, pink (its amplitude falls as 1/f), in lines (white noise under a triangle of
31 pixels along x) or demosaicked (every second pixel is the mean of its neighbours). Methods are given the spectrum, or
σ alone, and each has one thread; BM3D's package runs in the interpreter that ``NLMEANS_PEERS`` names.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

import nlmeans
from nlmeans import io
from nlmeans.noise import Gaussian

from ..harness.files import write_json
from ..harness.metrics import psnr
from ..harness.published import Published, Row, Table, named
from ..harness.timing import timed
from ..peers.spectra import Given, bm3d_of

SIGMA = 25.0
KINDS = ("white", "pink", "line", "demosaicked")
CALLS: dict[str, dict[str, Any]] = {
    "the default": {}, '`method="ridge", quality="fast"`': {"method": "ridge", "quality": "fast"},
    '`method="ridge"`': {"method": "ridge"},
}  # fmt: skip
BM3D = "BM3D's package"


def response(kind: str, sides: tuple[int, int]) -> np.ndarray:
    """Return the factors by which a kind of noise takes the frequencies of white noise."""
    y, x = np.fft.fftfreq(sides[0])[:, None], np.fft.fftfreq(sides[1])
    if kind == "pink":
        frequency = np.hypot(y, x)
        frequency[0, 0] = 1 / max(sides)
        return 1 / frequency
    if kind == "line":
        return np.abs(np.fft.fft2((16.0 - np.abs(np.arange(-15, 16)))[None], sides))
    if kind == "demosaicked":
        return 1 + (np.cos(2 * np.pi * y) + np.cos(2 * np.pi * x)) / 2
    return np.ones(sides)


def spectrum(kind: str, sides: tuple[int, int]) -> np.ndarray:
    """Return the power spectrum of noise of σ = 1."""
    power = np.square(response(kind, sides))
    return power / power.mean()


def noise(kind: str, sides: tuple[int, int], seed: int) -> np.ndarray:
    """Return noise of σ = 1."""
    white, factor = np.random.default_rng(seed).normal(size=sides), response(kind, sides)
    if kind == "demosaicked":
        white = white * (np.indices(sides).sum(axis=0) % 2)
        factor = factor * np.sqrt(2)
    return np.fft.ifft2(np.fft.fft2(white) * factor).real / np.sqrt(np.square(response(kind, sides)).mean())


def measure(kind: str, pictures: list[np.ndarray], peer: bool) -> list[dict[str, Any]]:
    """Return dB and seconds of every method, the mean over the pictures."""
    found: dict[tuple[str, bool], list[tuple[float, float, float]]] = {}
    for seed, clean in enumerate(pictures):
        psd = SIGMA**2 * spectrum(kind, clean.shape)
        noisy = clean + SIGMA * noise(kind, clean.shape, 1000 + seed)

        def note(name: str, known: bool, call: Any, clean: np.ndarray = clean) -> None:
            result, reading = timed(call)
            found.setdefault((name, known), []).append((psnr(result, clean), reading.seconds, reading.cpu_seconds))

        for name, options in CALLS.items():
            for model in (Gaussian(SIGMA), Gaussian(psd=psd)):
                if seed == 0:  # compiles
                    nlmeans.denoise(noisy, noise=model, threads=1, **options)
                known = model.spectrum is not None
                note(name, known, lambda: nlmeans.denoise(noisy, noise=model, threads=1, **options))  # noqa: B023
        if peer:
            asked = bm3d_of(psd).call(Given(), noisy, SIGMA, 1)
            result, reading = asked.timed()
            found.setdefault((BM3D, True), []).append((psnr(result, clean), reading.seconds, reading.cpu_seconds))
    return [
        {
            "noise": kind, "method": name, "spectrum": known, "psnr": round(float(np.mean([f[0] for f in each])), 3),
            "seconds": round(float(np.median([f[1] for f in each])), 3),
            "cpu_seconds": round(float(np.median([f[2] for f in each])), 3),
        }
        for (name, known), each in found.items()
    ]  # fmt: skip


def rows(published: Published) -> list[Row]:
    """Return dB and the time of each method, by the kind of noise."""
    table: dict[tuple[str, bool], Row] = {}
    results = published.study("structured")["spectra"]
    theirs = {row["noise"]: row["cpu_seconds"] for row in results if row["method"] == BM3D}
    for row in results:
        given = "spectrum" if row["spectrum"] else "σ"
        line = table.setdefault((row["method"], row["spectrum"]), {"PSNR in dB": f"{row['method']}, {given} given"})
        times = theirs[row["noise"]] / row["cpu_seconds"] if theirs else 0
        line[row["noise"]] = f"{row['psnr']:.2f}" + (f" ({times:.1f}×)" if row["spectrum"] and times else "")
    return list(table.values())


TABLES: dict[str, Table] = {"structured": lambda published: named(rows(published))}


def main(arguments: list[str] | None = None) -> int:
    """Measure all kinds of noise and write the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks structured", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds Set12")
    parser.add_argument("--pictures", type=int, default=12, help="how many of them; default: all")
    parser.add_argument("--side", type=int, help="pixels along the sides of the corner that is taken; default: all")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    options = parser.parse_args(arguments)
    paths = sorted((options.data / "Set12").glob("*.png"))[: options.pictures]
    pictures = [io.read(path).pixels[: options.side, : options.side].astype(np.float64) for path in paths]
    reason = bm3d_of(np.ones((8, 8))).missing()
    if reason:
        print(f"without BM3D: {reason}: {bm3d_of(np.ones((8, 8))).install}")
    record: dict[str, Any] = {
        "nlmeans": nlmeans.__version__, "sigma": SIGMA, "pictures": [path.name for path in paths],
        "sides": [picture.shape for picture in pictures],
        "bm3d": None if reason else bm3d_of(np.ones((8, 8))).version(),
        "spectra": [],
    }  # fmt: skip
    for kind in KINDS:
        record["spectra"] += measure(kind, pictures, reason is None)
        for row in record["spectra"][-len(CALLS) * 2 - 1 :]:
            print(*row.values(), flush=True)
    write_json(options.out, record)
    return 0
