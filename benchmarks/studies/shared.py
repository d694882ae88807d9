"""Noise that the channels of a colour picture share: ``python -m benchmarks shared --data DIR --out FILE``.

The middle of every fourth picture of Kodak24, with noise of σ = 25 in each channel, of which pairs of channels have so
much in common. Methods are told its covariance, or σ, or nothing; and each channel is denoised by itself, with σ. Then
the same pictures in grey, held as three equal channels, beside the grey ones.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import nlmeans
from nlmeans.noise import Gaussian

from ..harness import environment
from ..harness.files import write_json
from ..harness.metrics import psnr
from ..harness.pairs import middle
from ..harness.published import Published, Row, Table, named
from ..harness.sets import read

SIGMA = 25.0
SHARED = (0.0, 0.25, 0.5, 1.0)
EVERY = 4
LUMA = np.array([0.299, 0.587, 0.114])
METHODS: dict[str, dict[str, Any]] = {
    "the default": {}, '`method="ridge"`': {"method": "ridge"}, '`method="learned"`': {"method": "learned"},
}  # fmt: skip
COVARIANCE, LEVEL, NOTHING, APART = "covariance given", "σ given", "nothing given", "channel by channel, σ given"


def noise(shape: tuple[int, int], shared: float, seed: int) -> np.ndarray:
    """Return noise of σ = 1 in three channels, each two of which have the correlation ``shared``."""
    white = np.random.default_rng(seed).normal(size=(4, *shape))
    return np.moveaxis(np.sqrt(shared) * white[3] + np.sqrt(1 - shared) * white[:3], 0, -1)


def results(noisy: np.ndarray, shared: float, method: dict[str, Any]) -> dict[str, np.ndarray]:
    """Return what a method makes of a picture by what it is told."""
    covariance = SIGMA**2 * (shared + (1 - shared) * np.eye(3))
    coloured = partial(nlmeans.denoise, noisy, channel_axis=-1, **method)
    made = {LEVEL: coloured(sigma=SIGMA), NOTHING: coloured()}
    if method.get("method") != "learned":  # it takes no covariance, and is another network in grey
        made[COVARIANCE] = coloured(noise=Gaussian(covariance=covariance))
        made[APART] = np.stack([nlmeans.denoise(noisy[..., k], SIGMA, **method) for k in range(3)], axis=-1)
    return made


def measure(pictures: list[np.ndarray], name: str, shared: float) -> list[dict[str, Any]]:
    """Return dB of a method by what it is told, the mean over the pictures."""
    found: dict[str, list[float]] = {}
    for seed, clean in enumerate(pictures):
        noisy = clean + SIGMA * noise(clean.shape[:2], shared, 1000 + seed)
        for told, result in results(noisy, shared, METHODS[name]).items():
            found.setdefault(told, []).append(psnr(result, clean))
    return [
        {"method": name, "told": told, "shared": shared, "psnr": round(float(np.mean(each)), 3)}
        for told, each in found.items()
    ]


def held(pictures: list[np.ndarray], name: str) -> dict[str, Any]:
    """Return dB of pictures in grey, of the same held as colour, and by how much the two are apart at most."""
    alone, as_colour, apart = [], [], 0.0
    for seed, picture in enumerate(pictures):
        clean = picture @ LUMA
        noisy = clean + SIGMA * np.random.default_rng(1000 + seed).normal(size=clean.shape)
        grey = nlmeans.denoise(noisy, SIGMA, **METHODS[name])
        colour = nlmeans.denoise(np.stack([noisy] * 3, -1), SIGMA, channel_axis=-1, **METHODS[name])
        alone.append(psnr(grey, clean))
        as_colour.append(psnr(colour, np.stack([clean] * 3, -1)))
        apart = max(apart, float(np.abs(colour - grey[..., None]).max()))
    return {
        "method": name, "grey": round(float(np.mean(alone)), 3), "held": round(float(np.mean(as_colour)), 3),
        "apart": apart,
    }  # fmt: skip


def rows(published: Published, told: tuple[str, ...] = ()) -> list[Row]:
    """Return dB of each method by what channels share and what it is told, or of some of the latter alone."""
    table: dict[tuple[str, str], Row] = {}
    for row in published.study("shared")["channels"]:
        if not told or row["told"] in told:
            name = row["method"] if len(told) == 1 else f"{row['method']}; {row['told']}"
            line = table.setdefault((row["method"], row["told"]), {"PSNR in dB, correlation": name})
            line[f"{row['shared']:g}"] = f"{row['psnr']:.2f}"
    return list(table.values())


def held_rows(published: Published) -> list[Row]:
    """Return dB of grey pictures, and of those held as colour."""
    return [
        {
            "PSNR in dB": row["method"], "grey": f"{row['grey']:.2f}", "held as colour": f"{row['held']:.2f}",
            "apart at most, in grey levels": f"{row['apart']:.2g}",
        }
        for row in published.study("shared")["grey"]
    ]  # fmt: skip


TABLES: dict[str, Table] = {
    "shared": lambda published: named(rows(published)),
    "shared-untold": lambda published: named(rows(published, (NOTHING,))),
    "grey-as-colour": lambda published: named(held_rows(published)),
}


def main(arguments: list[str] | None = None) -> int:
    """Measure all correlations and write the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks shared", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds Kodak24")
    parser.add_argument("--side", type=int, default=128, help="pixels along the sides of the middle that is taken")
    parser.add_argument("--every", type=int, default=EVERY, help="take every so many pictures")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    options = parser.parse_args(arguments)
    paths = sorted((options.data / "Kodak24").glob("*.png"))[:: options.every]
    pictures = [middle(read(path, True), options.side).astype(np.float64) for path in paths]
    record: dict[str, Any] = environment.brief() | {
        "sigma": SIGMA, "side": options.side, "pictures": [path.name for path in paths], "channels": [], "grey": []
    }  # fmt: skip
    for name in METHODS:
        for shared in SHARED:
            record["channels"] += (found := measure(pictures, name, shared))
            print(*(f"{row['method']} {row['told']} {shared:g}: {row['psnr']:.2f}" for row in found), sep="\n")
        record["grey"].append(held(pictures, name))
        print(record["grey"][-1], flush=True)
    write_json(options.out, record)
    return 0
