"""Which file is read and which is written for it."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import typer

from ..formats import PictureError
from ..formats.format import Format
from ..formats.table import by_name, by_store, endings, to_write

logger = logging.getLogger("nlmeans")

OTHERWISE = ".tif"
"""End of the name of what is made of a file whose own format cannot be written."""
BIG = 1 << 24
"""Bytes of a file from which it is asked what it would take in memory."""


def in_blocks(source: Path, target: Path, series: str | None) -> bool:
    """Whether a file is denoised block by block: where one is only done so, or it would take half of the memory."""
    read, written = by_store(source) or by_name(source), by_name(target)
    if _only_in_blocks(read, "read", "open") or _only_in_blocks(written, "write", "create"):
        return True
    if not source.is_file() or source.stat().st_size < BIG:
        return False
    from ..large.files import is_large

    return is_large(source, series)


def _only_in_blocks(fmt: Format | None, whole: str, by_regions: str) -> bool:
    return fmt is not None and fmt.can(by_regions) and not fmt.can(whole)


def pairs(inputs: list[Path], output: str) -> tuple[list[tuple[Path, Path]], Path | None]:
    """Pair every input with its output.

    Several inputs, or a folder, go to a folder under their own names, as TIFF what can only be read; one file goes to a
    file, or into a folder that exists or is written with a slash at the end.

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
    into_folder = is_folder(output)
    if len(inputs) == 1 and (by_store(inputs[0]) or not inputs[0].is_dir()) and not into_folder:
        if inputs[0].exists():  # else that is what is wrong: a pattern that matches nothing, say
            check_name(target, "OUT", "write", "create")
        return [(inputs[0], target)], None
    if (target.exists() and not target.is_dir()) or (by_name(target) is not None and not into_folder):
        raise typer.BadParameter(f"several pictures go to a folder; got {output}", param_hint="OUT")
    sources: dict[Path, Path] = {}
    for source in files_of(inputs):
        fmt = by_name(source)
        place = target / source.name
        if fmt is not None and not fmt.can("write", "create"):
            place = place.with_suffix(OTHERWISE)
            logger.info("%s: no file of the format %s can be written: the result is %s", source, fmt.name, place.name)
        check_name(place, "IN", "write", "create")
        if place in sources:
            raise typer.BadParameter(
                f"two pictures would both be written to {place}: {sources[place]} and {source}", param_hint="IN"
            )
        sources[place] = source
    return [(source, place) for place, source in sources.items()], target


def is_folder(output: str) -> bool:
    """Whether an output is a folder, which exists or is written with a slash at the end."""
    return (Path(output).is_dir() and not by_store(Path(output))) or output.endswith(("/", os.sep))


def files_of(inputs: Iterable[Path]) -> Iterator[Path]:
    """Yield files, for a folder the pictures in it (not those in folders within)."""
    for path in inputs:
        if not path.is_dir() or by_store(path):
            yield path
            continue
        inside = sorted(item for item in path.iterdir() if not item.name.startswith("."))
        inside = [item for item in inside if item.is_file() or by_store(item)]
        pictures = [item for item in inside if by_name(item) is not None]
        others = [item.name for item in inside if item not in pictures]
        if others:
            shown = ", ".join(others[:3]) + (", …" if len(others) > 3 else "")
            logger.warning("%s: leaving out %d of other kinds: %s", path, len(others), shown)
        if not pictures:
            raise typer.BadParameter(f"a folder must hold pictures; {path} holds no {', '.join(endings('write'))}")
        yield from pictures


def check_name(path: Path, what: str, *abilities: str) -> Format:
    """Return the format of an output with one of the abilities, and refuse a name that ends like none.

    Raises
    ------
    typer.BadParameter
        Naming the argument, ``what``.
    """
    try:
        return to_write(path, *abilities)
    except PictureError as error:
        raise typer.BadParameter(f"{path}: {error}", param_hint=what) from None
