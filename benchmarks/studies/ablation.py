"""What the non-local stage adds to the learned denoiser: ``python -m benchmarks ablation --data DIR --runs DIR``.

The same network and recipe three times: with the learned stage, with weights from raw patches of the proposal in its
place (two numbers learn, gain and exponent), and with the identity in its place. Equal budgets, a fraction of what the
shipped weights had, and two seeds, which make all three see the same crops and noise. Grey pictures, σ known: BSD68,
and pictures that repeat themselves (Set12's House and Barbara, scikit-image's brick wall and page of text), which were
chosen before any was seen.

Runs lie in --runs as `python -m nonlocal_block.train denoiser` leaves them; those that are not finished are continued.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nlmeans import io

from ..harness import environment, files
from ..harness.published import Published, Row, Table, named
from ..harness.sets import SIGMAS, standard
from .ship import Figures, reached

if TYPE_CHECKING:
    from nonlocal_block import NonLocalDenoiser

VARIANTS: tuple[Literal["learned", "raw", "none"], ...] = ("learned", "raw", "none")
SEEDS = (0, 1)
EPOCHS = 3
SIMILAR = ("Set12 02.png", "Set12 09.png", "skimage brick", "skimage page")
"""Pictures that repeat themselves."""
SETS = ("BSD68", "self-similar")

Pictures = list[tuple[str, np.ndarray, np.ndarray]]


@cache
def pictures(data: Path, name: str, sigma: int, similar: tuple[str, ...]) -> Pictures:
    """Return name, noisy and clean picture, the values of 8 bits."""
    if name == "BSD68":
        return list(standard(data / "BSD68", sigma))
    return list(_repetitive(data, sigma, similar))


def _repetitive(data: Path, sigma: int, similar: tuple[str, ...]) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    import skimage.data

    for name, noisy, clean in standard(data / "Set12", sigma):
        if f"Set12 {name}" in similar:
            yield f"Set12 {name}", noisy, clean
    for k, name in enumerate(name for name in similar if name.startswith("skimage ")):
        clean = getattr(skimage.data, name.removeprefix("skimage "))().astype(np.float64)
        noise = np.random.default_rng(1100 + k).normal(0, sigma, clean.shape)
        yield name, (clean + noise).astype(np.float32), clean


def evaluate(network: NonLocalDenoiser, data: Path, similar: tuple[str, ...]) -> Figures:
    """Return what a network reaches on every picture."""
    return {
        f"{name} σ={sigma}": reached(network, pictures(data, name, sigma, similar), sigma)
        for name, sigma in product(SETS, SIGMAS)
    }


def summary(done: dict[tuple[str, int], Figures]) -> dict[str, Any]:
    """Return each variant's mean over pictures, seed by seed, and what the learned stage gains on the others."""
    names = list(next(iter(done.values())))
    means = {
        variant: {name: [statistics.fmean(done[variant, seed][name].values()) for seed in SEEDS] for name in names}
        for variant in VARIANTS
    }
    gains = {
        f"learned over {other}": {
            name: [round(a - b, 4) for a, b in zip(means["learned"][name], means[other][name], strict=True)]
            for name in names
        }
        for other in VARIANTS[1:]
    }
    rounded = {v: {name: [round(x, 4) for x in each] for name, each in sets.items()} for v, sets in means.items()}
    return {"psnr": rounded, "gain": gains}


def table(result: dict[str, Any]) -> str:
    """Return the summary in Markdown, means and gains seed by seed."""
    lines = [f"| | {' | '.join(f'{name}, σ = 15 / 25 / 50' for name in SETS)} |", "|---|---|---|"]
    for group, form in (("psnr", ".2f"), ("gain", "+.3f")):
        for label, sets in result[group].items():
            fields = [
                " / ".join(", ".join(f"{x:{form}}" for x in sets[f"{name} σ={sigma}"]) for sigma in SIGMAS)
                for name in SETS
            ]
            lines.append(f"| {label} | {' | '.join(fields)} |")
    return "\n".join(lines)


def gains(published: Published) -> list[Row]:
    """Return what the stage gains, seed by seed."""
    return [
        {"gain of": what, **{name: ", ".join(f"{gain:+.2f}" for gain in each) for name, each in sets.items()}}
        for what, sets in published.study("ablation")["gain"].items()
    ]


TABLES: dict[str, Table] = {"ablation": lambda published: named(gains(published))}
PAGE = {"What the non-local stage adds to the learned denoiser: dB, seed by seed": gains}


def main(arguments: list[str] | None = None, similar: tuple[str, ...] = SIMILAR) -> int:
    """Train what is missing, and write the figures of every picture."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks ablation", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds CBSD400_train, BSD68 and Set12")
    parser.add_argument("--runs", type=Path, required=True, help="folder of the trainings, each in a folder of its own")
    parser.add_argument("--only", default="*", help="train those of this name alone, such as 'raw-*', write nothing")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help=f"of each training (default: {EPOCHS})")
    parser.add_argument("--threads", type=int, default=1, help="of torch; two programs of one thread beat one of two")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    options = parser.parse_args(arguments)
    if min(options.epochs, options.threads) < 1:
        parser.error(f"--epochs and --threads must be at least 1; got {options.epochs} and {options.threads}")
    runs = {f"{variant}-{seed}": (variant, seed) for seed in SEEDS for variant in VARIANTS}
    wanted = {name: run for name, run in runs.items() if fnmatchcase(name, options.only)}
    if not wanted:
        parser.error(f"no training is named {options.only!r}; there are {', '.join(runs)}")
    if options.out:
        io.check_target(options.out, overwrite=True)  # now, and not after hours of training
    for name in SETS:
        pictures(options.data, name, SIGMAS[0], similar)  # that they are there, likewise
    import torch

    from nonlocal_block.train.denoiser import train_denoiser

    torch.set_num_threads(options.threads)
    done: dict[tuple[str, int], Figures] = {}
    for name, (variant, seed) in wanted.items():
        print(name, file=sys.stderr, flush=True)
        folder = options.runs / name
        network = train_denoiser(
            folder, options.data, epochs=options.epochs, seed=seed, weights=variant,
            resume=(folder / "checkpoint.pt").exists(),
        )  # fmt: skip
        if options.only == "*":
            done[variant, seed] = evaluate(network, options.data, similar)
    if not done:
        return 0
    result = summary(done)
    print(table(result))
    if options.out:
        each = {f"{variant}-{seed}": figures for (variant, seed), figures in done.items()}
        files.write_json(options.out, {**environment.describe(), "epochs": options.epochs, **result, "pictures": each})
    return 0
