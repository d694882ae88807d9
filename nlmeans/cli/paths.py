"""Which file is read and which is written for it."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import typer

from .. import formats
from ..formats.zarrs import named as named_zarr

logger = logging.getLogger("nlmeans")

BIG = 1 << 24
"""Bytes of a file from which it is asked what it would take in memory."""


def in_blocks(source: Path, target: Path) -> bool:
    """Whether a file is denoised block by block: one of Zarr, or one that would take half of the memory."""
    if named_zarr(source) or target.suffix == ".zarr":
        return True
    if not source.is_file() or source.stat().st_size < BIG:
        return False
    from ..large.files import is_large

    return is_large(source)


def pairs(inputs: list[Path], output: str) -> tuple[list[tuple[Path, Path]], Path | None]:
    """Pair every input with its output.

    Several inputs, or a folder, go to a folder under their own names; one file goes to a file, or into a folder that
    exists or is written with a slash at the end.

    Returns
    -------
    list of (Path, Path)
        What to read and what to write.
    Path or None
        The folder to write to, which may not exist yet.

    Raises
    ------
    typer.BadParameter
        If an output has the name of no format, or two inputs would go to the same output.
    """
    target = Path(output)
    into_folder = (target.is_dir() and not named_zarr(target)) or output.endswith(("/", os.sep))
    if len(inputs) == 1 and (named_zarr(inputs[0]) or not inputs[0].is_dir()) and not into_folder:
        if inputs[0].exists():  # else that is what is wrong: a pattern that matches nothing, say
            check_name(target, "OUT")
        return [(inputs[0], target)], None
    named = formats.ending(target) in (*formats.FORMATS, ".zarr")
    if (target.exists() and not target.is_dir()) or (named and not into_folder):
        raise typer.BadParameter(f"several pictures go to a folder; got {output}", param_hint="OUT")
    sources: dict[Path, Path] = {}
    for source in files_of(inputs):
        place = target / source.name
        check_name(place, "IN")
        if place in sources:
            raise typer.BadParameter(
                f"two pictures would both be written to {place}: {sources[place]} and {source}", param_hint="IN"
            )
        sources[place] = source
    return [(source, place) for place, source in sources.items()], target


def files_of(inputs: Iterable[Path]) -> Iterator[Path]:
    """Yield files, for a folder the pictures in it (not those in folders within)."""
    for path in inputs:
        if not path.is_dir() or named_zarr(path):
            yield path
            continue
        inside = sorted(item for item in path.iterdir() if not item.name.startswith("."))
        inside = [item for item in inside if item.is_file() or named_zarr(item)]
        pictures = [item for item in inside if formats.ending(item) in (*formats.FORMATS, ".zarr")]
        others = [item.name for item in inside if item not in pictures]
        if others:
            shown = ", ".join(others[:3]) + (", …" if len(others) > 3 else "")
            logger.warning("%s: leaving out %d of other kinds: %s", path, len(others), shown)
        if not pictures:
            raise typer.BadParameter(f"a folder must hold pictures; {path} holds no {', '.join(formats.FORMATS)}")
        yield from pictures


def check_name(path: Path, what: str) -> None:
    """Refuse a name that ends like no format.

    Raises
    ------
    typer.BadParameter
        Naming the argument, ``what``.
    """
    if path.suffix == ".zarr":
        return
    try:
        formats.format_of(path)
    except formats.PictureError as error:
        raise typer.BadParameter(f"{path}: {error}", param_hint=what) from None
