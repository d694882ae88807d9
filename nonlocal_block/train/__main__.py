"""The command line: ``python -m nonlocal_block.train classifier``, ``denoiser`` or ``mixer``, ``--data``, ``--out``."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import typer

from . import classifier as digits
from . import denoiser as noise
from . import mixer as results
from .folder import Row
from .loop import Interrupted, Watcher

INTERRUPTED = 130  # what shells say of a program that Ctrl-C ended
FORESEEN = (OSError, ValueError, TypeError, FloatingPointError, MemoryError)

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# Options of all tasks.
Out = Annotated[Path, typer.Option(metavar="DIR", help="Folder for checkpoint, log and trained network.")]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Decides all that is random.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, mps ...; auto is the best that there is.")]
Threads = Annotated[
    int | None, typer.Option(min=1, metavar="INT", help="Threads on the CPU; their number changes last digits.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Continue the run in --out.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the run in --out.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")]


@app.callback()
def _top() -> None:
    """Train the networks of nonlocal_block."""


@app.command(short_help="Train the digit classifier on MNIST.")
def classifier(
    *,
    out: Out,
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where MNIST's files lie; else they are downloaded into the user's cache."),
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the images.")] = 1,
    seed: Seed = 0,
    block: Annotated[
        Literal["none", "conv", "gaussian", "embedded_gaussian", "dot_product", "concatenation"],
        typer.Option(help="What follows the first two stages; conv has as many parameters, but uses each pixel alone."),
    ] = "embedded_gaussian",
    backend: Annotated[
        Literal["auto", "sdpa", "linear", "numba", "reference"], typer.Option(help="The backend of the blocks.")
    ] = "auto",
    recipe: Annotated[
        Literal["article", "fair"],
        typer.Option(help="Plain Adam; or augmentation, one cycle, smoothed labels and a validation split."),
    ] = "article",
    batch: Annotated[int, typer.Option(min=1, help="Images of a step.")] = 128,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="INT", help="Take only the first so many training images.")
    ] = None,
    device: Device = "auto",
    threads: Threads = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Train NonLocalClassifier on MNIST, with a line for each epoch, which log.csv in DIR keeps with more digits.

    Ctrl-C leaves a checkpoint, from which --resume continues bit for bit.
    """
    _prepare(resume and overwrite, threads, quiet)
    with _refusals(out), _Screen(quiet) as watcher:
        digits.train_classifier(
            out,
            data,
            epochs=epochs,
            seed=seed,
            block=block,
            backend=backend,
            recipe=recipe,
            batch=batch,
            limit=limit,
            device=device,
            resume=resume,
            overwrite=overwrite,
            watcher=watcher,
        )
    if not quiet:
        typer.echo(f"{out / digits.WEIGHTS}: done")


@app.command(short_help="Train the denoiser on Gaussian noise of all levels.")
def denoiser(
    *,
    out: Out,
    data: Annotated[
        Path, typer.Option(metavar="DIR", help="The folder that holds CBSD400_train, and perhaps Colour_train.")
    ],
    colour: Annotated[
        bool, typer.Option("--colour", help="Train the small network for differences of colours.")
    ] = False,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of 500 steps; the rates fall until the last.")] = 40,
    seed: Seed = 0,
    weights: Annotated[
        Literal["learned", "raw", "none"], typer.Option(help="Weights of the non-local stage's averages.")
    ] = "learned",
    fast: Annotated[bool, typer.Option("--fast", help='Train the small network of quality "fast".')] = False,
    start: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Begin with the network of an earlier run, not at random.")
    ] = None,
    precision: Annotated[
        Literal["auto", "float32", "bfloat16"], typer.Option(help="Of convolutions; auto is bfloat16 where it is fast.")
    ] = "auto",
    device: Device = "auto",
    threads: Threads = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Train NonLocalDenoiser, with a line for each epoch: the PSNR at three noise levels on held-back pictures.

    Ctrl-C leaves a checkpoint, from which --resume continues bit for bit.
    """
    _prepare(resume and overwrite, threads, quiet)
    with _refusals(out), _Screen(quiet) as watcher:
        noise.train_denoiser(
            out,
            data,
            colour=colour,
            epochs=epochs,
            seed=seed,
            weights=weights,
            fast=fast,
            start=start,
            precision=precision,
            device=device,
            resume=resume,
            overwrite=overwrite,
            watcher=watcher,
        )
    if not quiet:
        typer.echo(f"{out / noise.WEIGHTS}: done")


@app.command(short_help="Train what mixes the denoiser's result with that of ridge.")
def mixer(
    *,
    out: Out,
    data: Annotated[Path, typer.Option(metavar="DIR", help="The folder that holds CBSD400_train and Colour_train.")],
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of 250 steps; the rates fall until the last.")] = 3,
    seed: Seed = 0,
    device: Device = "auto",
    threads: Threads = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Train Mixer on results of the package's networks, with a line for each epoch: the PSNR on held-back pictures.

    Ctrl-C leaves a checkpoint, from which --resume continues bit for bit.
    """
    _prepare(resume and overwrite, threads, quiet)
    with _refusals(out), _Screen(quiet) as watcher:
        results.train_mixer(
            out, data, epochs=epochs, seed=seed, device=device, resume=resume, overwrite=overwrite, watcher=watcher
        )
    if not quiet:
        typer.echo(f"{out / results.WEIGHTS}: done")


def _prepare(both: bool, threads: int | None, quiet: bool) -> None:
    """Refuse to resume and overwrite ``both``; set threads and logging."""
    if both:
        raise typer.BadParameter("either continues the run or replaces it", param_hint="--resume, --overwrite")
    if threads is not None:
        torch.set_num_threads(threads)
    logging.basicConfig(format="nonlocal_block.train: %(message)s", level=logging.ERROR if quiet else logging.WARNING)


@contextmanager
def _refusals(out: Path) -> Iterator[None]:
    """End the program with one line where the cause is known."""
    try:
        yield
    except FORESEEN as error:
        typer.echo(f"nonlocal_block.train: {error}", err=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt as error:
        remedy = f"; --resume continues the run in {out}" if isinstance(error, Interrupted) else ""
        typer.echo(f"nonlocal_block.train: interrupted{remedy}", err=True)
        raise typer.Exit(INTERRUPTED) from error


class _Screen(Watcher):
    """Prints a line for each epoch, and on a terminal moves a bar."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._bar: Any = None
        self._drawn = 0.0
        if not quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import Progress

            self._bar = Progress(
                console=Console(stderr=True), transient=True, auto_refresh=False, redirect_stdout=sys.stdout.isatty()
            )
            self._task = self._bar.add_task("")

    def __enter__(self) -> _Screen:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def batch(self, epoch: int, done: int, total: int) -> None:
        """Move the bar, at most ten times a second."""
        if self._bar is None or time.monotonic() - self._drawn < 0.1:
            return
        self._drawn = time.monotonic()
        self._bar.update(self._task, description=f"epoch {epoch}", completed=done, total=total, refresh=True)

    def evaluating(self, epoch: int) -> None:
        """Show that the epoch is being evaluated."""
        if self._bar is not None:
            self._bar.update(self._task, description=f"epoch {epoch}: evaluating", refresh=True)

    def epoch(self, row: Row) -> None:
        """Print an epoch's figures."""
        if self._quiet:
            return
        figures = [_figure(name, value) for name, value in row.items() if name.endswith("_accuracy") or "psnr" in name]
        seconds = f"{row['seconds']:.1f} s + {row['evaluation_seconds']:.1f} s"
        running = ", ".join(
            f"{name.removeprefix('running_')} {row[name]:.4f}"
            for name in ("running_loss", "running_error")
            if name in row
        )
        typer.echo(f"epoch {row['epoch']:.0f}: {', '.join(figures)}, {running}, {seconds}")


def _figure(name: str, value: float) -> str:
    """Return a metric of an epoch as short text."""
    if name.startswith("psnr_"):
        return f"sigma {name.removeprefix('psnr_')}: {value:.2f} dB"
    return f"{name.removesuffix('_accuracy')} {100 * value:.2f} %"


if __name__ == "__main__":
    app(prog_name="python -m nonlocal_block.train")
