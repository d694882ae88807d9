"""Tables at a terminal, by rich."""

from __future__ import annotations

import sys
from typing import Any

NARROW = 100
"""Columns where the output is no terminal."""


def table(*columns: str) -> Any:
    """Return an empty table; without names of columns, of a name and a value."""
    from rich import box
    from rich.table import Table

    if not columns:
        return Table.grid(padding=(0, 2))
    return Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False)


def drawn(chart: Any) -> str:
    """Return a table as text, as wide as the terminal."""
    from rich.console import Console

    screen = Console(file=sys.stdout, width=None if sys.stdout.isatty() else NARROW, markup=False, highlight=False)
    with screen.capture() as text:
        screen.print(chart)
    return "\n".join(line.rstrip() for line in text.get().splitlines())
