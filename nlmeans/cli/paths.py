"""Which file is read and which is written for it."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import typer

from ..formats import PictureError
from ..formats.foreign import is_header
from ..formats.format import Format
from ..formats.table import by_name, by_store, is_file, ours, to_write

logger = logging.getLogger("nlmeans")

BIG = 1 << 24
"""Bytes of a file from which it is asked what it would take in memory."""


def in_blocks(source: Path, target: Path, series: str | None) -> bool:
    """Whether a file is denoised block by block: where one is only done so, or it would take half of the memory."""
    read, written = by_store(source) or by_name(source), by_name(target)
    if _only_in_blocks(read, "read", "open") or _only_in_blocks(written, "write", "create"):
        return True
    file = source if read is None else read.file(source)
    if not file.is_file() or file.stat().st_size < BIG:
        return False
    from ..large.files import is_large

    return is_large(source, series)


def _only_in_blocks(fmt: Format | None, whole: str, by_regions: str) -> bool:
    return fmt is not None and fmt.can(by_regions) and not fmt.can(whole)


def check_encoding(given: Iterable[str], targets: Iterable[Path]) -> None:
    """Raise `typer.BadParameter` for an option of writing that none of the files' formats takes."""
    taken = {option for target in targets if (fmt := by_name(target)) for option in fmt.write_options}
    for option in set(given) - taken:
        takers = ", ".join(fmt.name for fmt in ours() if option in fmt.write_options)
        hint = f"--{option.replace('_', '-')}"
        raise typer.BadParameter(f"is for {takers} files: none is written", param_hint=hint)


def pairs(inputs: list[Path], output: str) -> tuple[list[tuple[Path, Path]], Path | None]:
    """Pair every input with its output.

    Several inputs, or a folder, go to a folder under their own names, as TIFF or OME-TIFF what can only be read; one
    file goes to a file, or into a folder that exists or is written with a slash at the end.

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
        if is_file(inputs[0]):  # else that is what is wrong: a pattern that matches nothing, say
            check_name(target, "OUT", "write", "create", folders=_folders(inputs[0]))
        return [(inputs[0], target)], None
    if (target.exists() and not target.is_dir()) or (by_name(target) is not None and not into_folder):
        raise typer.BadParameter(f"several pictures go to a folder; got {output}", param_hint="OUT")
    sources: dict[Path, Path] = {}
    for source in files_of(inputs):
        fmt = by_store(source) or by_name(source)
        place = target / (source.name if fmt is None else fmt.file(source).name)
        if fmt is not None and not fmt.can("write", "create"):
            place = place.with_suffix(fmt.instead[0])
            logger.info("%s: no file of the format %s can be written: the result is %s", source, fmt.name, place.name)
        check_name(place, "IN", "write", "create", folders=_folders(source))
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
        inside = [item for item in inside if not is_header(item)]
        pictures = [item for item in inside if by_name(item) or by_store(item)]
        others = [item.name for item in inside if item not in pictures]
        if others:
            shown = ", ".join(others[:3]) + (", …" if len(others) > 3 else "")
            logger.warning("%s: leaving out %d of other kinds: %s", path, len(others), shown)
        if not pictures:
            raise typer.BadParameter(f"a folder must hold pictures, of `nlmeans formats`; {path} holds none")
        yield from pictures


def check_target(target: Path, source: Path, overwrite: bool) -> None:
    """Raise if the output of a picture may not or cannot be written: before the work, not after it."""
    (by_name(target) or _folders(source) or Format()).check_target(target, overwrite)


def _folders(source: Path) -> Format | None:
    """Return the format of a folder that is read as one file, and can be written as one; None of anything else."""
    fmt = by_store(source) if source.is_dir() else None
    return fmt if fmt is not None and fmt.can("write") else None


def check_name(path: Path, what: str, *abilities: str, folders: Format | None = None) -> Format:
    """Return the format of an output with one of the abilities, and refuse a name that ends like none.

    A name of no format is that of a folder if what is read is one, of the format ``folders``.

    Raises
    ------
    typer.BadParameter
        Naming the argument, ``what``.
    """
    try:
        return to_write(path, *abilities, folders=folders)
    except PictureError as error:
        raise typer.BadParameter(f"{path}: {error}", param_hint=what) from None
