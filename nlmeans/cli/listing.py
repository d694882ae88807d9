"""The table of formats, for a person or as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from itertools import chain

from ..formats.listing import Entry, entries
from ..formats.table import others, ours

SHOWN = 2
"""Ends of names that are listed for a format in a table."""


def listed(as_json: bool) -> str:
    """Return the formats that there are, and what can be done with them here."""
    found = entries(chain(ours(), others()))
    return json.dumps([asdict(entry) for entry in found], indent=2) if as_json else _table(found)


def _table(found: Sequence[Entry]) -> str:
    from .tables import drawn, table

    chart = table("format", "names end in", "read", "write", "by regions", "here")
    chart.columns[-1].no_wrap = True  # commands are copied
    for entry in found:
        ends = ", ".join(entry.endings[:SHOWN]) + ", …" * (len(entry.endings) > SHOWN)
        can = (yes(entry.read), yes(entry.write), yes(entry.by_regions))
        chart.add_row(entry.name, ends, *can, "yes" if entry.usable else f"no: {entry.install}")
    return drawn(chart)


def yes(holds: bool) -> str:
    """Return how a table says that something can be done."""
    return "yes" if holds else "–"
