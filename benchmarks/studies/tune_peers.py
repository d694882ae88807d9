"""Choose the peers' settings on training pictures: ``python -m benchmarks tune-peers --data DIR``.

Each method is tried with every setting of a grid, on the middles of evenly spaced pictures of Train400 and of
CBSD400_train and on two parts of a T1 brain, with standard noise whose σ it is told; the settings with the best mean
PSNR go to ``tuned.json``, which the suites read, and all scores with them. No test picture is looked at.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

import nlmeans
from nlmeans.formats import replacing

from ..harness.pictures_runner import psnr
from ..peers.plain import PEERS, TUNED, Peer
from .tune import training_images

SIGMAS = {"grey": (5, 10, 15, 25, 35, 50, 75), "colour": (5, 10, 15, 25, 35, 50, 75), "volume": (5, 15, 25, 50)}
GRIDS: dict[str, dict[str, tuple[Any, ...]]] = {
    "skimage-nlm": {"patch": (3, 5, 7), "distance": (10,), "h": (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.05)},
    "skimage-tv": {"weight": (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.15, 1.3)},
    "skimage-wavelet": {
        "shrinkage": ("BayesShrink", "VisuShrink"), "mode": ("soft", "hard"),
        "factor": (0.25, 0.35, 0.5, 0.7, 0.85, 1.0, 1.15, 1.3, 1.5),
    },
    "skimage-bilateral": {
        "tone": (0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0), "space": (0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0)
    },
    "opencv-nlm": {
        "patch": (3, 5, 7), "window": (21,),
        "h": (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0, 1.1, 1.25),
    },
    "gaussian-blur": {"width": (0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0, 1.2, 1.5, 2.0, 2.5, 3.0)},
    "median-filter": {"size": (1, 3, 5, 7, 9, 11)},
}  # fmt: skip
"""Patches of 3, and a median of 1, are the least that there are; VisuShrink and hard thresholds were never the best."""
VOLUME_GRIDS: dict[str, dict[str, tuple[Any, ...]]] = {
    "skimage-nlm": {"patch": (3,), "distance": (5,), "h": (0.2, 0.3, 0.4, 0.5, 0.7, 0.85)}
}


def settings(grid: Mapping[str, tuple[Any, ...]]) -> Iterator[dict[str, Any]]:
    """Yield every combination of a grid."""
    for values in product(*grid.values()):
        yield dict(zip(grid, values, strict=True))


def scores(peer: Peer, form: str, sigma: float, clean: list[np.ndarray]) -> list[dict[str, Any]]:
    """Return the mean PSNR of every noise, best first."""
    grid = (VOLUME_GRIDS if form == "volume" else GRIDS)[peer.name]
    noisy = [
        (picture + np.random.default_rng(k).normal(0, sigma, picture.shape)).astype(np.float32)
        for k, picture in enumerate(clean)
    ]
    found = []
    for noise in settings(grid):
        results = [peer.function(picture, sigma, form == "colour", **noise) for picture in noisy]
        each = [psnr(np.clip(r, 0, 255).astype(np.float64), c) for r, c in zip(results, clean, strict=True)]
        found.append({**noise, "psnr": round(float(np.mean(each)), 3)})
    return sorted(found, key=lambda row: -row["psnr"])


def main(arguments: list[str] | None = None) -> int:
    """Try all settings and write the best ones, and all scores."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks tune-peers", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds Train400, CBSD400_train and MRI")
    parser.add_argument("--images", type=int, default=10, help="pictures of each kind")
    parser.add_argument("--forms", nargs="+", choices=SIGMAS, default=list(SIGMAS))
    parser.add_argument("--out", type=Path, default=TUNED, help="JSON file to write")
    parser.add_argument("--methods", nargs="+", choices=GRIDS, default=list(GRIDS), help="those to tune")
    options = parser.parse_args(arguments)
    record: dict[str, Any] = {"settings": {}, "tried": []}
    if options.out.exists():  # what is not tuned now stays
        record = json.loads(options.out.read_text(encoding="utf-8"))
    record |= {"nlmeans": nlmeans.__version__, "images": options.images}
    for form in options.forms:
        clean = [image.astype(np.float64) for image in training_images(options.data, form, options.images)]
        for peer in PEERS:
            grids = VOLUME_GRIDS if form == "volume" else GRIDS
            if not isinstance(peer, Peer) or peer.name not in set(grids) & set(options.methods) or peer.missing():
                continue
            tried = [row for row in record["tried"] if (row["method"], row["form"]) != (peer.name, form)]
            best = {}
            for sigma in SIGMAS[form]:
                rows = scores(peer, form, float(sigma), clean)
                best[str(sigma)] = {name: value for name, value in rows[0].items() if name != "psnr"}
                tried.append(
                    {"method": peer.name, "version": peer.version(), "form": form, "sigma": sigma, "rows": rows}
                )
                print(f"{form:>6} σ={sigma:<3} {peer.name:<18} {rows[0]}", flush=True)
            record["settings"].setdefault(peer.name, {})[form] = best
            record["tried"] = tried
            with replacing(options.out, overwrite=True) as part:
                part.write_text(json.dumps(record) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
