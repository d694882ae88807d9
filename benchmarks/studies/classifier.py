"""What non-local blocks add to the article's classifier: ``python -m benchmarks classifier --data DIR --runs DIR``.

The same network with six things between its stages (four non-local blocks, 1×1 convolutions of as many parameters,
nothing), trained on all of MNIST by the article's recipe: Adam with the rate 0.001, batches of 128, nothing chosen. One
seed makes all six start alike and shows them the same batches, so that differences are taken seed by seed. A run of
five epochs contains the run of one: nothing in the recipe depends on how many will follow. Then our own recipe,
which was chosen on 5000 training images that it holds back, and looks at the test images once.

Runs lie in --runs as `python -m nonlocal_block.train classifier` leaves them; finished ones are read, others continued,
so that hours of training may be spread over days and machines.
"""

from __future__ import annotations

import argparse
import csv
import math
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from nlmeans import io

from ..harness import environment, files
from ..harness.published import Published, Row, Table, named

FUNCTIONS = ("gaussian", "embedded_gaussian", "dot_product", "concatenation")
CONTROLS = ("none", "conv")
VARIANTS = (*CONTROLS, *FUNCTIONS)
ARTICLE = "embedded_gaussian"
FIGURES = {"test": "test_accuracy", "running": "running_accuracy", "train": "train_accuracy"}
"""Test images; training images in passing, with dropout; training images in eval mode after the epoch."""
CLAIMS = {(1, "test"): 0.96, (1, "running"): 0.9836, (100, "test"): 0.9939, (100, "running"): 0.9991}
"""What the article says, by epochs and figure."""
MORE = {"shift": 2.0, "angle": 12.0, "stretch": 0.12}
TRIALS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "moved more": MORE,
    "moved more at twice the rate": {**MORE, "learning_rate": 6e-3},
    "moved more and not smoothed": {**MORE, "smoothing": 0.0},
}
"""Changes to our own recipe that were tried on its validation images."""
T95 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}
"""Student's t by the number of values: a mean is known to t·sd/√n with 95 %."""

Epoch = dict[str, float]
Runs = dict[tuple[str, int], list[Epoch]]


@dataclass(frozen=True)
class Schedule:
    """How much is trained.

    Attributes
    ----------
    seeds : mapping of int to int
        How many seeds each variant is trained with, by epochs.
    long, fair, trial : int
        Epochs of the article's block, of our own recipe, and of changes to it.
    changes : tuple of str
        Those of `TRIALS`.
    claims : mapping
        Of the article, as `CLAIMS`.
    """

    seeds: Mapping[int, int] = field(default_factory=lambda: {1: 5, 5: 3})
    long: int = 100
    fair: int = 30
    trial: int = 10
    changes: tuple[str, ...] = tuple(TRIALS)
    claims: Mapping[tuple[int, str], float] = field(default_factory=lambda: CLAIMS)

    def runs(self) -> list[Run]:
        """Return all trainings, the short ones first."""
        epochs = {(block, k): n for n, seeds in sorted(self.seeds.items()) for block in VARIANTS for k in range(seeds)}
        epochs[ARTICLE, 0] = self.long
        article = sorted((Run(block, seed, n) for (block, seed), n in epochs.items()), key=lambda run: run.epochs)
        trials = [Run(ARTICLE, 0, self.trial, "trial", change) for change in self.changes]
        return [*article, *trials, Run(ARTICLE, 0, self.fair, "fair")]


@dataclass(frozen=True)
class Run:
    """One training."""

    block: str
    seed: int
    epochs: int
    recipe: Literal["article", "fair", "trial"] = "article"
    change: str = ""

    @property
    def name(self) -> str:
        """What its folder is called."""
        if self.recipe == "trial":
            return f"trial-{self.change.replace(' ', '-')}"
        return f"{self.block}-{self.seed}" if self.recipe == "article" else f"{self.recipe}-{self.block}-{self.seed}"


def history(folder: Path) -> list[Epoch]:
    """Return a row for every finished epoch of a run."""
    path = folder / "log.csv"
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]


def trained(run: Run, folder: Path, data: Path) -> list[Epoch]:
    """Return a run's rows, after training what is missing."""
    rows = history(folder)
    if len(rows) >= run.epochs:
        return rows[: run.epochs]
    from nonlocal_block.train.classifier import RECIPES, train_classifier

    print(f"{run.name}: {len(rows)} of {run.epochs} epochs", file=sys.stderr, flush=True)
    resume = (folder / "checkpoint.pt").exists()
    options: dict[str, Any] = {"block": run.block, "recipe": run.recipe}
    if run.recipe == "trial":
        options |= {"recipe": replace(RECIPES["fair"], **TRIALS[run.change]), "blind": True}
    return train_classifier(folder, data, epochs=run.epochs, seed=run.seed, resume=resume, **options).history


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Return mean and standard deviation over seeds, and within what the mean is known with 95 %."""
    n = len(values)
    figures: dict[str, Any] = {"mean": statistics.fmean(values), "sd": statistics.stdev(values) if n > 1 else None}
    figures["known_to"] = T95[n] * figures["sd"] / math.sqrt(n) if n > 1 else None
    return {name: None if x is None else round(x, 6) for name, x in figures.items()} | {
        "each": [round(value, 6) for value in values]
    }


def compare(rows: Runs, epochs: int, seeds: int) -> dict[str, Any]:
    """Return every variant's figures after so many epochs, what it gains on the controls, and the verdict."""

    def values(block: str, figure: str) -> list[float]:
        return [rows[block, seed][epochs - 1][FIGURES[figure]] for seed in range(seeds)]

    accuracies = {block: {name: spread(values(block, name)) for name in FIGURES} for block in VARIANTS}
    gains = {
        f"{block} over {other}": {
            name: spread([a - b for a, b in zip(values(block, name), values(other, name), strict=True)])
            for name in FIGURES
        }
        for other in CONTROLS
        for block in VARIANTS
        if block not in (other, "none")
    }
    return {
        "epochs": epochs,
        "seeds": seeds,
        "accuracy": accuracies,
        "gain": gains,
        "function_matters_little": {name: kinds(accuracies, gains, name) for name in ("test", "running")},
    }


def kinds(accuracies: dict[str, Any], gains: dict[str, Any], figure: str) -> dict[str, Any]:
    """Return whether the functions differ by less than seeds do, and by less than they gain on no block."""
    means = [accuracies[block][figure]["mean"] for block in FUNCTIONS]
    deviation = math.sqrt(statistics.fmean(accuracies[block][figure]["sd"] ** 2 for block in FUNCTIONS))
    gain = statistics.fmean(gains[f"{block} over none"][figure]["mean"] for block in FUNCTIONS)
    between = max(means) - min(means)
    return {
        "range_between_functions": round(between, 6),
        "sd_over_seeds": round(deviation, 6),
        "gain_over_none": round(gain, 6),
        "holds": between < deviation and between < gain,
    }


def summary(done: dict[Run, list[Epoch]], schedule: Schedule) -> dict[str, Any]:
    """Return all verdicts."""
    rows = {(run.block, run.seed): history for run, history in done.items() if run.recipe == "article"}
    comparisons = [compare(rows, epochs, seeds) for epochs, seeds in sorted(schedule.seeds.items())]
    claims = []
    for (epochs, figure), claimed in schedule.claims.items():
        if epochs in schedule.seeds:
            measured = comparisons[sorted(schedule.seeds).index(epochs)]["accuracy"][ARTICLE][figure]
        else:
            measured = spread([rows[ARTICLE, 0][epochs - 1][FIGURES[figure]]])
        claims.append({"epochs": epochs, "figure": figure, "article": claimed, "found": measured})
    own = {
        run.name: {key: value for key, value in history[-1].items() if key.endswith(("accuracy", "validation_loss"))}
        for run, history in done.items()
        if run.recipe != "article"
    }
    return {"claims": claims, "comparisons": comparisons, "own_recipe": own}


def percent(figures: dict[str, Any]) -> str:
    """Return mean ± spread in percent."""
    sd = "" if figures["sd"] is None else f" ± {100 * figures['sd']:.2f}"
    return f"{100 * figures['mean']:.2f}{sd}"


def tables(result: dict[str, Any]) -> str:
    """Return the verdicts as Markdown."""
    lines = ["| article's claim | article | found |", "|---|---|---|"]
    for claim in result["claims"]:
        what = f"{claim['figure']}, {claim['epochs']} epoch{'s' if claim['epochs'] > 1 else ''}"
        lines.append(f"| {what} | {100 * claim['article']:.2f} % | {percent(claim['found'])} % |")
    for part in result["comparisons"]:
        head = f"{part['epochs']} epochs, {part['seeds']} seeds"
        lines += ["", f"| {head} | test % | running % | train % | gain on none, test | gain on conv, test |"]
        lines.append("|---" * 6 + "|")
        for block, figures in part["accuracy"].items():
            gain = [part["gain"].get(f"{block} over {other}", {}).get("test") for other in CONTROLS]
            cells = [percent(figures[name]) for name in FIGURES] + [percent(g) if g else "" for g in gain]
            lines.append(f"| {block} | {' | '.join(cells)} |")
        for name, kind in part["function_matters_little"].items():
            lines.append(
                f"\n{name}: the functions range over {100 * kind['range_between_functions']:.2f} points, one function "
                f"over its seeds {100 * kind['sd_over_seeds']:.2f}, the gain on no block is "
                f"{100 * kind['gain_over_none']:+.2f}: the function matters little: {kind['holds']}"
            )
    lines += ["", "| our own recipe | validation % | validation loss | test % |", "|---|---|---|---|"]
    for name, figures in result["own_recipe"].items():
        test = f"{100 * figures['test_accuracy']:.2f}" if "test_accuracy" in figures else "not looked at"
        lines.append(
            f"| {name} | {100 * figures['validation_accuracy']:.2f} | {figures['validation_loss']:.4f} | {test} |"
        )
    return "\n".join(lines) + "\n"


def accuracies(published: Published) -> list[Row]:
    """Return the test accuracy in percent by the blocks, after one epoch and after five."""
    words = {
        "none": "no block", "conv": "1×1 convolutions, as many parameters", "gaussian": "gaussian",
        "embedded_gaussian": "embedded gaussian, the article's", "dot_product": "dot product",
        "concatenation": "concatenation",
    }  # fmt: skip
    rows = []
    for name, text in words.items():
        row = {"blocks": text}
        for one in published.study("classifier")["comparisons"]:
            heading = f"{one['epochs']} epoch{'s' * (one['epochs'] > 1)}, {one['seeds']} seeds"
            row[heading] = percent(one["accuracy"][name]["test"])
        rows.append(row)
    return rows


TABLES: dict[str, Table] = {"classifier": lambda published: named(accuracies(published))}
PAGE = {"What blocks add to a digit classifier: test accuracy in %": accuracies}


def main(arguments: list[str] | None = None, schedule: Schedule = Schedule()) -> int:
    """Train what is missing, and write the verdicts."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks classifier", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds MNIST, or whose folder mnist does")
    parser.add_argument("--runs", type=Path, required=True, help="folder of the trainings, each in a folder of its own")
    parser.add_argument("--only", default="*", help="train those of this name alone, such as 'none-*', write nothing")
    parser.add_argument("--threads", type=int, default=1, help="of torch; two programs of one thread beat one of two")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    options = parser.parse_args(arguments)
    if options.threads < 1:
        parser.error(f"--threads must be at least 1; got {options.threads}")
    if options.out:
        io.check_target(options.out, overwrite=True)  # now, and not after hours of training
    import torch

    torch.set_num_threads(options.threads)
    data = options.data / "mnist" if (options.data / "mnist").is_dir() else options.data
    wanted = [run for run in schedule.runs() if fnmatchcase(run.name, options.only)]
    if not wanted:
        parser.error(
            f"no training is named {options.only!r}; there are {', '.join(run.name for run in schedule.runs())}"
        )
    done = {run: trained(run, options.runs / run.name, data) for run in wanted}
    if options.only != "*":
        return 0
    result = summary(done, schedule)
    print(tables(result), end="")
    if options.out:
        logs = {run.name: rows for run, rows in done.items()}
        files.write_json(options.out, {**environment.describe(), "threads": options.threads, **result, "logs": logs})
    return 0
