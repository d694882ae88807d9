"""What the non-local stage adds to the learned denoiser: ``python -m benchmarks ablation --data DIR --runs DIR``.

The same network and recipe three times: with the learned stage, with weights from raw patches of the proposal in its
place (two numbers learn, gain and exponent), and with the identity in its place. Equal budgets, a fraction of what the
shipped weights had, and two seeds, which make all three see the same crops and noise. Grey pictures, σ known: BSD68,
and pictures that repeat themselves (Set12's House and Barbara, scikit-image's brick wall and page of text), which were
chosen before any was seen.

With --fast the same of the small network of quality "fast", and of much else that it may be worth (`harness.tried`): a
classical pilot, wider networks that take as long, a second non-local stage, other noise, another loss, less data and
time. Every one is also timed.

Runs lie in --runs as `python -m nonlocal_block.train denoiser` leaves them; those that are not finished are continued.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
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
SIMILAR = ("Set12 02.png", "Set12 09.png", "skimage brick", "skimage page")
"""Pictures that repeat themselves."""
SETS = ("BSD68", "self-similar")
SIDE = 512
"""Of the picture that is timed."""
ROUNDS = 5

Train = Callable[[Path, int, int], tuple["NonLocalDenoiser", Figures]]
"""Trains in a folder, for a number of epochs, by a seed; returns the network, and what the training measured."""
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


@dataclass(frozen=True)
class Plan:
    """Trainings by their names; what is a gain, of which on which; their length; and what is measured."""

    trainings: Mapping[str, Train]
    gains: Mapping[str, tuple[str, str]]
    epochs: int
    sets: tuple[str, ...] = SETS
    sigmas: tuple[int, ...] = SIGMAS
    timed: bool = False


def large(data: Path) -> Plan:
    """Return the trainings of the usual network."""
    from nonlocal_block.train.denoiser import train_denoiser

    def train(variant: Literal["learned", "raw", "none"]) -> Train:
        def run(folder: Path, epochs: int, seed: int) -> tuple[NonLocalDenoiser, Figures]:
            resume = (folder / "checkpoint.pt").exists()
            return train_denoiser(folder, data, epochs=epochs, seed=seed, weights=variant, resume=resume), {}

        return run

    gains = {f"learned over {other}": ("learned", other) for other in VARIANTS[1:]}
    return Plan({variant: train(variant) for variant in VARIANTS}, gains, epochs=3)


def fast(data: Path) -> Plan:
    """Return the trainings of the small network."""
    from ..harness.tried import TRIALS, Trial

    def train(trial: Trial) -> Train:
        def run(folder: Path, epochs: int, seed: int) -> tuple[NonLocalDenoiser, Figures]:
            network, row = trial.trained(folder, data, epochs=epochs, seed=seed)
            return network, {f"held back σ={sigma}": {"mean": round(row[f"psnr_{sigma}"], 4)} for sigma in SIGMAS}

        return run

    gains = {name: (name, "plain") for name in TRIALS if name != "plain"}
    gains |= {
        f"{name} at equal time": (name, f"as slow as {name}") for name in TRIALS if f"as slow as {name}" in TRIALS
    }
    trainings = {name: train(trial) for name, trial in TRIALS.items()}
    return Plan(trainings, gains, epochs=2, sets=SETS[1:], sigmas=SIGMAS[1:2], timed=True)


def evaluate(network: NonLocalDenoiser, data: Path, similar: tuple[str, ...], plan: Plan) -> Figures:
    """Return what a network reaches on every picture."""
    return {
        f"{name} σ={sigma}": reached(network, pictures(data, name, sigma, similar), sigma)
        for name, sigma in product(plan.sets, plan.sigmas)
    }


def milliseconds(networks: Mapping[str, NonLocalDenoiser], side: int = SIDE) -> dict[str, float]:
    """Return the least processor time that each network takes for a grey picture, in turns."""
    import torch

    noisy = 0.5 + 0.1 * torch.randn(1, 1, side, side, generator=torch.Generator().manual_seed(0))
    least = dict.fromkeys(networks, float("inf"))
    for name in list(networks) * (1 + ROUNDS):
        start = time.process_time()
        with torch.inference_mode():
            networks[name](noisy, 0.1)
        least[name] = min(least[name], 1e3 * (time.process_time() - start))
    return {name: round(each, 1) for name, each in least.items()}


def summary(done: dict[tuple[str, int], Figures], gained: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    """Return each variant's mean over pictures, seed by seed, and what the gains are."""
    names = list(next(iter(done.values())))
    means = {
        variant: {name: [statistics.fmean(done[variant, seed][name].values()) for seed in SEEDS] for name in names}
        for variant in dict.fromkeys(variant for variant, _ in done)
    }
    gains = {
        label: {
            name: [round(a - b, 4) for a, b in zip(means[own][name], means[other][name], strict=True)] for name in names
        }
        for label, (own, other) in gained.items()
        if own in means and other in means
    }
    rounded = {v: {name: [round(x, 4) for x in each] for name, each in sets.items()} for v, sets in means.items()}
    return {"psnr": rounded, "gain": gains}


def table(result: dict[str, Any]) -> str:
    """Return the summary in Markdown, means and gains seed by seed."""
    names = list(next(iter(result["psnr"].values())))
    lines = [f"| | {' | '.join(names)} |", f"|{'---|' * (1 + len(names))}"]
    for group, form in (("psnr", ".2f"), ("gain", "+.3f")):
        for label, sets in result[group].items():
            lines.append(f"| {label} | {' | '.join(', '.join(f'{x:{form}}' for x in sets[name]) for name in names)} |")
    return "\n".join(lines)


def gains(published: Published, study: str = "ablation") -> list[Row]:
    """Return the gains, seed by seed."""
    found = published.study(study)
    took = found.get("milliseconds", {})
    own = [(f"(dB of {name})", name, found["psnr"][name], ".2f") for name in took if name not in found["gain"]]
    return [
        {
            "gain of": label,
            **({"512², 1 thread": f"{took[name]:.0f} ms" if name in took else ""} if took else {}),
            **{held: ", ".join(f"{x:{form}}" for x in each) for held, each in sets.items()},
        }
        for label, name, sets, form in [*own, *((name, name, sets, "+.2f") for name, sets in found["gain"].items())]
    ]


TABLES: dict[str, Table] = {
    "ablation": lambda published: named(gains(published)),
    "ablation-fast": lambda published: named(gains(published, "ablation-fast")),
}
PAGE = {"What the non-local stage adds to the learned denoiser: dB, seed by seed": gains}


def main(arguments: list[str] | None = None, similar: tuple[str, ...] = SIMILAR) -> int:
    """Train what is missing, and write the figures of every picture."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks ablation", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds CBSD400_train, BSD68 and Set12")
    parser.add_argument("--runs", type=Path, required=True, help="folder of the trainings, each in a folder of its own")
    parser.add_argument("--fast", action="store_true", help="the small network, and more variants")
    parser.add_argument("--variants", nargs="+", metavar="NAME", help="leave out all but these (default: all)")
    parser.add_argument("--only", default="*", help="train those of this name alone, such as 'raw-*', write nothing")
    parser.add_argument("--epochs", type=int, help="of each training (default: 3, with --fast 2 short ones)")
    parser.add_argument("--threads", type=int, default=1, help="of torch; two programs of one thread beat one of two")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    options = parser.parse_args(arguments)
    if options.threads < 1 or (options.epochs is not None and options.epochs < 1):
        parser.error(f"--epochs and --threads must be at least 1; got {options.epochs} and {options.threads}")
    plan = (fast if options.fast else large)(options.data)
    epochs = options.epochs or plan.epochs
    variants = options.variants or list(plan.trainings)
    if unknown := set(variants) - set(plan.trainings):
        parser.error(f"there is no variant {', '.join(sorted(unknown))}; there are {', '.join(plan.trainings)}")
    runs = {f"{variant}-{seed}": (variant, seed) for seed in SEEDS for variant in variants}
    wanted = {name: run for name, run in runs.items() if fnmatchcase(name, options.only)}
    if not wanted:
        parser.error(f"no training is named {options.only!r}; there are {', '.join(runs)}")
    if options.out:
        io.check_target(options.out, overwrite=True)  # now, and not after hours of training
    for name in plan.sets:
        pictures(options.data, name, plan.sigmas[0], similar)  # that they are there, likewise
    import torch

    torch.set_num_threads(options.threads)
    done: dict[tuple[str, int], Figures] = {}
    networks = {}
    for name, (variant, seed) in wanted.items():
        print(name, file=sys.stderr, flush=True)
        network, figures = plan.trainings[variant](options.runs / name, epochs, seed)
        if options.only == "*":
            done[variant, seed] = {**figures, **evaluate(network, options.data, similar, plan)}
            networks[variant] = network
    if not done:
        return 0
    result = summary(done, plan.gains)
    if plan.timed:
        result["milliseconds"] = milliseconds(networks)
    print(table(result))
    if options.out:
        each = {f"{variant}-{seed}": figures for (variant, seed), figures in done.items()}
        files.write_json(options.out, {**environment.describe(), "epochs": epochs, **result, "pictures": each})
    return 0
