"""PSNR on standard sets: ``python -m benchmarks quality --data DIR --out FILE``.

Standard noise (float, unclipped, seed 1000 + i for the i-th file in sorted order), σ known, all other parameters left
to the plan; scikit-image's fast mode at its documented setting. Then what cameras and JPEG make of noise, σ unknown:
8-bit pictures that were clipped, and compressed after the noise came in, beside the PSNR of what went in. Last
fluorescence microscopy, where it is photons that are counted: ``noise="auto"``.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from skimage.io import imread
from skimage.restoration import denoise_nl_means

import nlmeans

from .tune import psnr

SIGMAS = (15, 25, 50)
STANDARD = {"Set12": "Set12", "BSD68": "BSD68", "Kodak24": "Kodak24"}
QUALITIES = (75, 90)
JPEG_SIGMAS = (5, 10, 15, 25)

Denoiser = Callable[[np.ndarray, float | None], np.ndarray]


def ours(image: np.ndarray, sigma: float | None, **options: Any) -> np.ndarray:
    """Denoise with everything but ``options`` left to the plan."""
    result: np.ndarray = nlmeans.denoise(image, sigma, channel_axis=-1 if image.ndim == 3 else None, **options)
    return result


def documented(image: np.ndarray, sigma: float | None) -> np.ndarray:
    """Denoise with scikit-image as its gallery does: 7×7 patches, distance 10, h = 0.6 σ."""
    result: np.ndarray = denoise_nl_means(
        image, patch_size=7, patch_distance=10, h=0.6 * (sigma or 0), sigma=sigma or 0, fast_mode=True,
        preserve_range=True, channel_axis=-1 if image.ndim == 3 else None,
    )  # fmt: skip
    return result


def methods(known: bool, noise: str | None) -> dict[str, Denoiser]:
    """Return the methods by name; scikit-image's has no estimate of its own to compare with."""
    found: dict[str, Denoiser] = {
        f"nlmeans {quality}": partial(ours, quality=quality, noise=noise) for quality in ("fast", "balanced", "best")
    }
    if known:
        found["nlmeans fast, sure"] = partial(ours, quality="fast", strength="sure")
        found["nlmeans balanced, sure"] = partial(ours, quality="balanced", strength="sure")
        found[f"scikit-image {version('scikit-image')}"] = documented
    return found


@dataclass(frozen=True)
class Condition:
    """A set of pictures with one kind of noise."""

    name: str
    sigma: float | None
    pairs: Callable[[], Iterator[tuple[str, np.ndarray, np.ndarray]]]
    noise: str | None = None


def standard(folder: Path, sigma: float) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield name, noisy and clean picture."""
    for k, file in enumerate(sorted(folder.glob("*.png"))):
        clean = imread(file).astype(np.float64)
        noisy = clean + np.random.default_rng(1000 + k).normal(0, sigma, clean.shape)
        yield file.name, noisy.astype(np.float32), clean


def compressed(folder: Path, sigma: float, quality: int) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield pictures that were saved as JPEG after noise came in."""
    from PIL import Image

    for name, noisy, clean in standard(folder, sigma):
        file = io.BytesIO()
        Image.fromarray(np.clip(np.rint(noisy), 0, 255).astype(np.uint8)).save(file, "JPEG", quality=quality)
        yield name, np.asarray(Image.open(file)), clean


def camera(folder: Path) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield photographs as the camera wrote them, and the mean of many of each."""
    for file in sorted(folder.rglob("*_real.*")):
        clean = imread(file.with_name(file.name.replace("_real", "_mean"))).astype(np.float64)
        yield file.name, imread(file), clean


def microscope(folder: Path) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield fluorescence images, grey where all channels are one, and the mean of fifty of each."""
    truths = {file.name.partition("_gt")[0].removesuffix("_avg50"): file for file in folder.glob("*_gt.png")}
    for file in sorted(folder.glob("*_noisy.png")):
        name = file.name.removesuffix("_noisy.png").removesuffix("_001")
        noisy, clean = (
            picture.mean(-1) if picture.ndim == 3 else picture for picture in map(imread, (file, truths[name]))
        )
        yield file.name, np.rint(noisy).astype(np.uint8), clean.astype(np.float64)


def conditions(data: Path) -> list[Condition]:
    """Return everything that is measured."""
    found = [
        Condition(f"{name} σ={sigma}", float(sigma), partial(standard, data / folder, sigma))
        for name, folder in STANDARD.items()
        for sigma in SIGMAS
    ]
    found += [
        Condition(f"Kodak24 σ={sigma}, JPEG {q}", None, partial(compressed, data / "Kodak24", sigma, q))
        for q in QUALITIES
        for sigma in JPEG_SIGMAS
    ]
    found.append(Condition("PolyU", None, partial(camera, data / "PolyU")))
    return [*found, Condition("FMD", None, partial(microscope, data / "FMD"), noise="auto")]


def measure(condition: Condition) -> Iterator[dict[str, Any]]:
    """Yield a record a method: mean PSNR, that of each picture, and which came out worse than they went in."""
    pairs = list(condition.pairs())
    before = [psnr(noisy.astype(np.float32), clean) for _, noisy, clean in pairs]
    for name, method in methods(condition.sigma is not None, condition.noise).items():
        each = [psnr(method(noisy, condition.sigma), clean) for _, noisy, clean in pairs]
        yield {
            "set": condition.name,
            "sigma": condition.sigma,
            "method": name,
            "psnr": round(float(np.mean(each)), 3),
            "noisy": round(float(np.mean(before)), 3),
            "each": {file: round(value, 3) for (file, _, _), value in zip(pairs, each, strict=True)},
            "worsened": [file for (file, _, _), was, now in zip(pairs, before, each, strict=True) if now < was - 0.005],
        }


def main(arguments: list[str] | None = None) -> int:
    """Measure every method under every condition and write the figures of every picture."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks quality", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds Set12, BSD68, Kodak24 and PolyU")
    parser.add_argument("--only", default="", help="part of the name of the conditions to measure")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    options = parser.parse_args(arguments)
    defaults = nlmeans.plan(np.zeros((9, 9)), 1).defaults_version
    record: dict[str, Any] = {"nlmeans": nlmeans.__version__, "defaults_version": defaults, "results": []}
    for condition in conditions(options.data):
        if options.only not in condition.name:
            continue
        for row in measure(condition):
            record["results"].append(row)
            worse = f", {len(row['worsened'])} worsened" if row["worsened"] else ""
            print(
                f"{row['set']:<22} {row['method']:<24} {row['psnr']:.2f} dB (noisy {row['noisy']:.2f}){worse}",
                flush=True,
            )
    options.out.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
