"""Choose the peers' settings on training pictures: ``python -m benchmarks tune-peers --data DIR``.

Each method is tried with every setting of a grid, on the middles of evenly spaced pictures of Train400 and of
CBSD400_train and on two parts of a T1 brain, with standard noise whose σ it is given; the settings with the best mean
PSNR go to ``tuned.json``, which the suites read, with all that was tried. No test picture is read.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

import nlmeans

from .. import peers
from ..harness import files
from ..harness.cases import Form
from ..harness.metrics import clipped_psnr
from ..harness.sets import training_images
from ..peers.plain import TUNED, Peer

SIGMAS: dict[Form, tuple[float, ...]] = {
    "grey": (5, 10, 15, 25, 35, 50, 75), "colour": (5, 10, 15, 25, 35, 50, 75), "volume": (5, 15, 25, 50)
}  # fmt: skip


def tried(peer: Peer, form: Form, sigma: float, clean: list[np.ndarray]) -> list[dict[str, Any]]:
    """Return the mean PSNR of every setting, best first."""
    noisy = [
        (picture + np.random.default_rng(k).normal(0, sigma, picture.shape)).astype(np.float32)
        for k, picture in enumerate(clean)
    ]
    rows = []
    for setting in peer.choices(form):
        results = [peer.function(picture, sigma, form == "colour", **setting) for picture in noisy]
        each = [clipped_psnr(r, c) for r, c in zip(results, clean, strict=True)]
        rows.append({**setting, "psnr": round(float(np.mean(each)), 3)})
    return sorted(rows, key=lambda row: -row["psnr"])


def main(arguments: list[str] | None = None) -> int:
    """Try all settings and write the best ones, with all that was tried."""
    known = {name: peer for name, peer in peers.methods(Peer).items() if peer.grid}
    parser = argparse.ArgumentParser(prog="python -m benchmarks tune-peers", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds Train400, CBSD400_train and MRI")
    parser.add_argument("--images", type=int, default=10, help="pictures of each kind")
    parser.add_argument("--forms", nargs="+", choices=SIGMAS, default=list(SIGMAS))
    parser.add_argument("--out", type=Path, default=TUNED, help="JSON file to write")
    parser.add_argument("--methods", nargs="+", choices=known, default=list(known), help="those to tune")
    parser.add_argument("--sigmas", nargs="+", type=float, help="noise levels (default: those of the form)")
    options = parser.parse_args(arguments)
    record: dict[str, Any] = {"settings": {}, "tried": []}
    if options.out.exists():  # what is not tuned now stays
        record = json.loads(options.out.read_text(encoding="utf-8"))
    record |= {"nlmeans": nlmeans.__version__, "images": options.images}
    for form in options.forms:
        clean = [image.astype(np.float64) for image in training_images(options.data, form, options.images)]
        for peer in (known[name] for name in options.methods):
            if next(peer.choices(form), None) is None or peer.missing():
                continue
            every = [row for row in record["tried"] if (row["method"], row["form"]) != (peer.name, form)]
            best = {}
            for sigma in options.sigmas or SIGMAS[form]:
                rows = tried(peer, form, float(sigma), clean)
                best[f"{sigma:g}"] = {name: value for name, value in rows[0].items() if name != "psnr"}
                every.append(
                    {"method": peer.name, "version": peer.version(), "form": form, "sigma": sigma, "rows": rows}
                )
                print(f"{form:>6} σ={sigma:<3g} {peer.name:<18} {rows[0]}", flush=True)
            record["settings"].setdefault(peer.name, {})[form] = best
            record["tried"] = every
            files.write_json(options.out, record, indent=None)
    return 0
