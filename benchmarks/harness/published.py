"""Committed results, and what tables in Markdown are made of."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import environment, schema


@dataclass(frozen=True)
class Published:
    """The results of this version in a folder."""

    folder: Path = environment.RESULTS

    @property
    def place(self) -> Path:
        """The folder of this version."""
        return self.folder / environment.own_version()

    def latest(self, suite: str) -> list[schema.Record]:
        """Return the results of a suite: those of the machine that was measured last."""
        results = [result for result in schema.results(self.place, f"*/{suite}*.json") if result["suite"] == suite]
        results.sort(key=lambda result: str(result["date"]))
        return [result for result in results if result["machine"]["cpu"] == results[-1]["machine"]["cpu"]]

    def cases(self, suite: str) -> dict[tuple[str, int], dict[str, schema.Record]]:
        """Return the measured methods of a suite's cases, by the case's name and threads, then by their own names."""
        return {
            (case["name"], case["threads"]): {
                method["name"]: method for method in case["methods"] if method["status"] == "measured"
            }
            for result in self.latest(suite)
            for case in result["cases"]
        }

    def study(self, name: str) -> dict[str, Any]:
        """Return the result of a study."""
        record: dict[str, Any] = json.loads((self.place / f"{name}.json").read_text(encoding="utf-8"))
        return record


Row = dict[str, str]
Table = Callable[[Published], list[str]]
"""Makes the lines of a table in Markdown. Suites and studies offer those of their results as ``TABLES``, by name."""


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table in Markdown."""
    return [f"| {' | '.join(cells)} |" for cells in (heads, ["---"] * len(heads), *rows)]


def named(rows: Sequence[Row]) -> list[str]:
    """Return rows whose cells have the names of columns as a table."""
    return table(list(rows[0]), [list(row.values()) for row in rows])


def seconds(number: float) -> str:
    """Return a time."""
    return f"{number:.3g} s" if number >= 1 else f"{1e3 * number:.3g} ms"


def times(ratio: float) -> str:
    """Return a ratio with as many digits as say something."""
    return f"{ratio:.{2 if ratio < 0.95 else 1 if ratio < 9.95 else 0}f}"


def ms(method: schema.Record) -> str:
    """Return a method's median time."""
    return seconds(method["measures"]["seconds"]["median"])


def against(own: schema.Record, methods: dict[str, schema.Record], peer: str) -> str:
    """Return a peer's median time, and how many times ours that is, round by round."""
    if peer not in own["ratios"]:
        return "–"
    return f"{ms(methods[peer])}: **{times(own['ratios'][peer]['median'])}×**"
