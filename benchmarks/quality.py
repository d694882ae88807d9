"""PSNR on standard sets: ``python -m benchmarks quality --data DIR --out FILE``.

Classical and learned side by side. Standard noise (float, unclipped, seed 1000 + i for the i-th file in sorted order),
σ known or estimated, all other parameters left to the plan; scikit-image's fast mode at its documented setting, and
BM3D where it is installed. Then what cameras and JPEG make of noise, σ unknown: 8-bit pictures that were clipped, and
compressed after the noise came in, beside the PSNR of what went in. Last fluorescence microscopy, where it is photons
that are counted: ``noise="auto"``.

Rows of an earlier run in FILE stay unless they are measured again, so that parts can be measured one by one.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from skimage.io import imread
from skimage.restoration import denoise_nl_means

import nlmeans
from nlmeans.io import check_target, replacing

from .tune import psnr

SIGMAS = (15, 25, 50)
STANDARD = {"Set12": "Set12", "BSD68": "BSD68", "Kodak24": "Kodak24"}
QUALITIES = (75, 90)
JPEG_SIGMAS = (5, 10, 15, 25)

LEARNED, BM3D = "learned", "BM3D"

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


def estimated(image: np.ndarray, _: float | None, **options: Any) -> np.ndarray:
    """Denoise without being told σ."""
    return ours(image, None, **options)


def block_matching(image: np.ndarray, sigma: float | None) -> np.ndarray:
    """Denoise with the authors' BM3D, colours by its variant for RGB."""
    import bm3d

    function = bm3d.bm3d_rgb if image.ndim == 3 else bm3d.bm3d
    result: np.ndarray = 255 * function(image.astype(np.float64) / 255, (sigma or 0) / 255)
    return result


def trained(channels: int) -> dict[str, str]:
    """Return which weights the learned method works with, and the beginning of their SHA-256."""
    from nonlocal_block.denoising import NAMES
    from nonlocal_block.weights import digest

    return {NAMES[channels]: digest(NAMES[channels])[:16]}


def methods(known: bool, noise: str | None) -> dict[str, Denoiser]:
    """Return the methods by name; the peers have no estimate of their own to compare with."""
    found: dict[str, Denoiser] = {
        f"nlmeans {quality}": partial(ours, quality=quality, noise=noise) for quality in ("fast", "balanced", "best")
    }
    if find_spec("torch"):
        found[LEARNED] = partial(ours, method="learned", noise=noise)
    if known:
        found["nlmeans balanced, σ estimated"] = partial(estimated, quality="balanced")
        if LEARNED in found:
            found[f"{LEARNED}, σ estimated"] = partial(estimated, method="learned")
        found["nlmeans fast, sure"] = partial(ours, quality="fast", strength="sure")
        found["nlmeans balanced, sure"] = partial(ours, quality="balanced", strength="sure")
        found[f"scikit-image {version('scikit-image')}"] = documented
        if find_spec("bm3d"):
            found[f"{BM3D} {version('bm3d')}"] = block_matching
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
    files = sorted(folder.glob("*.png"))
    if not files:
        raise FileNotFoundError(f"there are no pictures in {folder}")
    for k, file in enumerate(files):
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
    files = sorted(folder.rglob("*_real.*"))
    if not files:
        raise FileNotFoundError(f"there are no pictures in {folder}")
    for file in files:
        clean = imread(file.with_name(file.name.replace("_real", "_mean"))).astype(np.float64)
        yield file.name, imread(file), clean


def microscope(folder: Path) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield fluorescence images, grey where all channels are one, and the mean of fifty of each."""
    truths = {file.name.partition("_gt")[0].removesuffix("_avg50"): file for file in folder.glob("*_gt.png")}
    if not truths:
        raise FileNotFoundError(f"there are no pictures in {folder}")
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


def measure(condition: Condition, chosen: dict[str, Denoiser]) -> Iterator[dict[str, Any]]:
    """Yield a record a method: mean PSNR, that of each picture, and which came out worse than they went in."""
    pairs = list(condition.pairs())
    before = [psnr(noisy.astype(np.float32), clean) for _, noisy, clean in pairs]
    for name, method in chosen.items():
        each = [psnr(method(noisy, condition.sigma), clean) for _, noisy, clean in pairs]
        yield {
            "set": condition.name,
            "sigma": condition.sigma,
            "method": name,
            "psnr": round(float(np.mean(each)), 3),
            "noisy": round(float(np.mean(before)), 3),
            "each": {file: round(value, 3) for (file, _, _), value in zip(pairs, each, strict=True)},
            "worsened": [file for (file, _, _), was, now in zip(pairs, before, each, strict=True) if now < was - 0.005],
            **({"weights": trained(3 if pairs[0][2].ndim == 3 else 1)} if name.startswith(LEARNED) else {}),
        }


def main(arguments: list[str] | None = None) -> int:
    """Measure every method under every condition and write the figures of every picture."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks quality", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds Set12, BSD68, Kodak24 and PolyU")
    parser.add_argument("--only", default="", help="part of the name of the conditions to measure")
    parser.add_argument("--methods", default="*", metavar="GLOBS", help="methods to measure, parted by ;")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    options = parser.parse_args(arguments)
    defaults = nlmeans.plan(np.zeros((9, 9)), 1).defaults_version
    record: dict[str, Any] = {"nlmeans": nlmeans.__version__, "defaults_version": defaults, "results": []}
    try:
        rows = earlier(options.out, record)
        check_target(options.out, overwrite=True)
    except (OSError, ValueError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    places = {condition.name: k for k, condition in enumerate(conditions(options.data))}
    work = {
        condition: chosen
        for condition in conditions(options.data)
        if options.only in condition.name and (chosen := wanted(condition, options.methods.split(";")))
    }
    if not work:
        parser.error(f"nothing is measured: --only {options.only!r} --methods {options.methods!r} name no such pair")
    for condition, chosen in work.items():
        try:
            for row in measure(condition, chosen):
                rows[row["set"], row["method"]] = row
                record["results"] = sorted(rows.values(), key=lambda row: places.get(row["set"], len(places)))
                with replacing(options.out, overwrite=True) as part:
                    part.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
                worse = f", {len(row['worsened'])} worsened" if row["worsened"] else ""
                told = f"{row['psnr']:.2f} dB (noisy {row['noisy']:.2f}){worse}"
                print(f"{row['set']:<22} {row['method']:<28} {told}", flush=True)
        except FileNotFoundError as error:
            print(f"{condition.name:<22} skipped: {error}", flush=True)
    print(side_by_side(record["results"]))
    return 0


def wanted(condition: Condition, patterns: list[str]) -> dict[str, Denoiser]:
    """Return the methods that are asked for and that the condition has."""
    found = methods(condition.sigma is not None, condition.noise)
    return {name: method for name, method in found.items() if any(fnmatchcase(name, p) for p in patterns)}


def earlier(path: Path, record: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the rows of an earlier run, by set and method, without those of other trained weights.

    Raises
    ------
    ValueError
        If the file holds something else, or figures of another version, which must not stand beside new ones.
    """
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        now = {**trained(1), **trained(3)} if find_spec("torch") else None
        rows = {
            (row["set"], row["method"]): row
            for row in found["results"]
            if now is None or row.get("weights", {}).items() <= now.items()
        }
        made = {name: found[name] for name in ("nlmeans", "defaults_version")}
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} must be a result of this program, or not there: {error!r}") from error
    own = {name: record[name] for name in made}
    if made != own:
        raise ValueError(f"{path} must be of {own}, or not there; it is of {made}")
    return rows


def side_by_side(results: list[dict[str, Any]]) -> str:
    """Return the mean PSNR as a table in Markdown: a line a method, a column a set, σ after σ in one field."""
    sets: dict[str, list[str]] = {}
    for row in results:
        columns = sets.setdefault(row["set"].partition(" σ=")[0] + row["set"].partition(",")[2], [])
        if row["set"] not in columns:
            columns.append(row["set"])
    known = {(row["method"], row["set"]): row["psnr"] for row in results}
    lines = [["", *(f"{name}" for name in sets)], ["---"] * (1 + len(sets))]
    for method in dict.fromkeys(row["method"] for row in results):
        fields = [
            " / ".join(f"{known[method, name]:.2f}" if (method, name) in known else "–" for name in columns)
            for columns in sets.values()
        ]
        lines.append([method, *fields])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
