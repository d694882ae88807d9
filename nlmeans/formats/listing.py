"""What can be done with each kind of file, as rows of a table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .format import Format


@dataclass(frozen=True)
class Entry:
    """A format, and what can be done with its files."""

    name: str
    endings: tuple[str, ...]
    read: bool
    write: bool
    by_regions: bool  # read by regions: they may be larger than memory
    has_series: bool
    loses: str
    install: str | None  # what installs what it needs; None where it needs nothing
    usable: bool  # whether that is there


def entries(formats: Iterable[Format]) -> list[Entry]:
    """Return an entry for each format, by its name."""
    made = [
        Entry(
            fmt.name, fmt.endings, fmt.can("read", "open"), fmt.can("write", "create"), fmt.can("open"),
            fmt.has_series, fmt.loses, fmt.installation, fmt.usable,
        )
        for fmt in formats
    ]  # fmt: skip
    return sorted(made, key=lambda entry: entry.name.lower())
