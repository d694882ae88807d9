"""A sheet of ten photographs' middles, beside an earlier build: ``python -m benchmarks crops --data DIR --out FILE``.

Pairs spread evenly over those of a folder, each as the camera wrote it, as the earlier build denoises it, as this one
does, and as it would be without noise. The noise is not told. 256² are denoised, the middle of them is shown.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nlmeans import io

from .. import peers
from ..harness.beside import Beside, Build
from ..harness.environment import available_cpus
from ..harness.methods import Method
from ..harness.metrics import clipped_psnr
from ..harness.pairs import PairsCase, middle, pairs
from ..harness.sets import Pair
from ..harness.sheets import sheet
from ..peers.plain import Plain
from ..suites.real import BEFORE, taken

PICTURES, ABREAST = 10, 2
SHOWN = 128

Column = tuple[str, np.ndarray]


def spread(found: Sequence[Any], count: int) -> list[Any]:
    """Return so many of a sequence, from the first to the last, evenly."""
    return [found[round(k)] for k in np.linspace(0, len(found) - 1, min(count, len(found)))]


def columns(case: PairsCase, pair: Pair, method: Plain, build: Build) -> list[Column]:
    """Return the four titled parts of a pair."""
    noisy, clean = pair
    ways: tuple[Method, ...] = (Beside.of(method, build, build.name), method)
    before, now = (way.call(case, noisy, None, available_cpus())() for way in ways)
    titled = [
        (f"{title}, {clipped_psnr(picture, clean):.2f} dB", picture)
        for title, picture in (("noisy", noisy), (build.name, before), ("now", now))
    ]
    return [(title, part(picture)) for title, picture in (*titled, ("truth", clean))]


def part(picture: np.ndarray) -> np.ndarray:
    """Return what is shown of a picture, in bytes."""
    return np.clip(np.rint(middle(picture, SHOWN)), 0, 255).astype(np.uint8)


def main(arguments: list[str] | None = None) -> int:
    """Write the sheet."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks crops", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of pairs in colour")
    parser.add_argument("--method", default="ridge", help="one of ours, as the suite real names it (default: ridge)")
    parser.add_argument("--against", default=BEFORE, help=f"commit, or folder of a checkout (default: {BEFORE[:7]})")
    parser.add_argument("--out", type=Path, required=True, help="PNG file; an earlier one is replaced")
    options = parser.parse_args(arguments)
    known = peers.methods(Plain)
    if options.method not in known:
        parser.error(f"--method must be one of {', '.join(known)}, not {options.method!r}")
    try:
        build = Build(options.against)
    except ValueError as error:
        parser.error(f"--against {error}")
    place = options.data.resolve()
    found = pairs(place)
    if not found:
        parser.error(f"--data must be a folder of pairs; there are none in {options.data}")
    case = taken(place.name, place.parent, True)
    made = [columns(case, case.load(files), known[options.method], build) for files in spread(found, PICTURES)]
    rows = [[column for parts in made[k : k + ABREAST] for column in parts] for k in range(0, len(made), ABREAST)]
    drawn = sheet(rows, legend=f"{options.method}: {place.name}, noise not told")
    io.write(options.out, io.Picture(drawn, "YXC"), overwrite=True)
    print(options.out)
    return 0
