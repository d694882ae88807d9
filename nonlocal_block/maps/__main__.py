"""The command line: ``python -m nonlocal_block.maps --checkpoint FILE --data DIR --out DIR``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
import typer

from nlmeans.datasets import Labelled, mnist
from nlmeans.formats import check_target, replacing

from ..classifier import MODES, NonLocalClassifier, load_classifier
from . import drawing, shapes
from .page import page
from .reading import Reading, compare, read, readings

INTERRUPTED = 130  # what shells say of a program that Ctrl-C ended
FORESEEN = (OSError, ValueError, TypeError, RuntimeError)
SHEET, PAGE, FIGURES = "maps.png", "index.html", "figures.json"
MOST = 100
"""Most digits that are drawn, unless the user names them; the figures are those of all."""

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def maps(
    *,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the pictures.")],
    checkpoint: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Checkpoint of nonlocal_block.train; by default the package's own."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where MNIST's files lie; else they are downloaded into the user's cache."),
    ] = None,
    digits: Annotated[
        str | None, typer.Option(metavar="N,N", help="Draw these digits of the set, and not those that are misread.")
    ] = None,
    split: Annotated[Literal["test", "train"], typer.Option(help="The set.")] = "test",
    only_shapes: Annotated[
        bool, typer.Option("--shapes", help="Draw the second block's layers and matrices, for one digit.")
    ] = False,
    threads: Annotated[int | None, typer.Option(min=1, metavar="INT", help="Threads to use.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace pictures that are there.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")] = False,
) -> None:
    """Draw what the digit classifier looks at: for every misread digit the convolutions' heat maps of the true class
    and of the one that was read, and in a red box the key that the second non-local block looks at most.

    Writes a contact sheet, a page, and how much of the heat lies in the box, against other boxes.
    """  # noqa: D205
    if threads is not None:
        torch.set_num_threads(threads)
    with _refusals():
        if not only_shapes and find_spec("jinja2") is None:  # refused before minutes of work
            raise RuntimeError("the page needs Jinja2, which is not installed: pip install 'nlmeans[learned]'")
        names = ("block.png", "matrices.png") if only_shapes else (SHEET, PAGE, FIGURES)
        for name in names if out.exists() else ():
            check_target(out / name, overwrite)
        network, notes = load_classifier(checkpoint)
        if network.block not in MODES:
            raise ValueError(f"only non-local blocks have maps; {checkpoint} holds block={network.block!r}")
        digit_set = mnist(split, data)
        chosen = None if digits is None else _indices(digits, len(digit_set.images), split)
        if only_shapes and chosen is not None and len(chosen) != 1:
            raise ValueError(f"--shapes draws one digit; got --digits {digits}")
        if only_shapes:
            written = _shapes(network, digit_set, chosen or [0])
        else:
            written = _maps(network, notes, digit_set, split, chosen, quiet)
        out.mkdir(parents=True, exist_ok=True)
        for name, content in written.items():
            _write(out / name, content, overwrite)
    if not quiet:
        typer.echo(f"{', '.join(str(out / name) for name in written)}: done")


def _shapes(network: NonLocalClassifier, digits: Labelled, chosen: Sequence[int]) -> dict[str, Any]:
    image = torch.from_numpy(digits.images[chosen[0]])[None, None].float() / 255
    with torch.no_grad():
        features = network.conv_2(network.nl_1(network.conv_1(image)))
    return dict(shapes.draw(network.nl_2, features))  # type: ignore[arg-type]


def _maps(
    network: NonLocalClassifier,
    notes: dict[str, Any],
    digits: Labelled,
    split: str,
    chosen: Sequence[int] | None,
    quiet: bool,
) -> dict[str, Any]:
    """Return the files' contents; the figures go to the screen too."""
    images, labels = digits
    right = read(network, images) == labels
    errors = np.flatnonzero(~right)
    # As many that were read right, the same ones in every run.
    some = np.random.default_rng(0).permutation(np.flatnonzero(right))[: max(len(errors), 1)]
    groups = {
        "misread": _readings(network, digits, errors, quiet),
        "read right": _readings(network, digits, some, quiet),
    }
    figures = {name: compare(group) for name, group in groups.items() if group}
    accuracy = f"{len(images) - len(errors)} of {len(images)} digits read right ({100 * right.mean():.2f} %)"
    if chosen is None:
        shown = groups["misread"][:MOST]
        what = _counted(len(errors), "misread digit")
        what = what if len(shown) == len(errors) else f"The first {len(shown)} of {what}"
        title = f"{what}: {accuracy}" if len(errors) else f"No digit was misread: {accuracy}; choose some with --digits"
    else:
        shown = list(readings(network, images, labels, chosen))
        title = f"{_counted(len(shown), 'chosen digit')}; {accuracy}"
    sentences = [f"Block: {network.block}.", *(_sentence(name, overlaps) for name, overlaps in figures.items())]
    record = {
        "checkpoint": notes, "block": network.block, "split": split, "digits": len(images),
        "accuracy": round(float(right.mean()), 6), "errors": errors.tolist(), "overlap": figures,
    }  # fmt: skip
    if not quiet:
        typer.echo("\n".join([title, *sentences]))
    return {
        SHEET: drawing.contact_sheet(shown, title),
        PAGE: page(shown, title, sentences, figures),
        FIGURES: json.dumps(record, indent=1) + "\n",
    }


def _sentence(group: str, overlaps: dict[str, Any]) -> str:
    """Return a group's verdict in words."""
    heat = overlaps["heat_of_the_class_read"]
    if "overlap" not in heat:
        return f"Of digits {group} there are too few for a verdict."
    random, others = (
        f"{100 * low:+.1f} to {100 * high:+.1f} points: {verdict}"
        for (_, low, high), verdict in (
            (heat["over_any"], heat["verdict"]),
            (heat["over_others"], heat["verdict_others"]),
        )
    )
    bare = f"; {heat['left_out']} without heat left out" if heat["left_out"] else ""
    return (
        f"Of digits {group} ({heat['n']}{bare}), {100 * heat['overlap']:.1f} % of the convolutions' heat lies in the "
        f"box that the block holds most important, {100 * heat['any_box']:.1f} % in a random one of the nine, "
        f"{100 * heat['others_box']:.1f} % in another digit's. Own less random: {random}. Own less another's: {others}."
    )


def _readings(network: NonLocalClassifier, digits: Labelled, indices: np.ndarray, quiet: bool) -> list[Reading]:
    some = readings(network, digits.images, digits.labels, indices.tolist())
    if quiet or not sys.stderr.isatty():
        return list(some)
    from rich.console import Console
    from rich.progress import track

    return list(track(some, "reading", len(indices), console=Console(stderr=True), transient=True))


def _indices(text: str, count: int, split: str) -> list[int]:
    """Return the numbers of digits."""
    numbers = [part.strip() for part in text.split(",")]
    for number in numbers:
        if not number.isdecimal() or int(number) >= count:
            raise ValueError(f"--digits must be whole numbers from 0 to {count - 1}, the {split} set's; got {number!r}")
    chosen = [int(number) for number in numbers]
    if len(set(chosen)) < len(chosen):
        raise ValueError(f"--digits must name each digit once; got {text!r}")
    return chosen


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _write(path: Path, content: str | np.ndarray, overwrite: bool) -> None:
    """Write a picture or a text, whole or not at all."""
    from PIL import Image

    with replacing(path, overwrite=overwrite) as part:
        if isinstance(content, str):
            part.write_text(content, encoding="utf-8", newline="\n")
        else:
            with part.open("wb") as file:
                Image.fromarray(content).save(file, "PNG", optimize=True)


@contextmanager
def _refusals() -> Iterator[None]:
    """End the program with one line where the cause is known."""
    try:
        yield
    except FORESEEN as error:
        typer.echo(f"nonlocal_block.maps: {error}", err=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt as error:
        typer.echo("nonlocal_block.maps: interrupted", err=True)
        raise typer.Exit(INTERRUPTED) from error


if __name__ == "__main__":
    app(prog_name="python -m nonlocal_block.maps")
