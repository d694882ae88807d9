"""Committed results, and what tables in Markdown are made of."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import environment, schema

VERSION = re.compile(r"\d+(\.\d+)*")


@dataclass(frozen=True)
class Published:
    """The results in a folder: of each suite and study those of the last version that was measured, up to this one."""

    folder: Path = environment.RESULTS

    @property
    def places(self) -> list[Path]:
        """The folders of this version and of those before it, the newest first."""
        own = numbers(environment.own_version())
        versions = {numbers(path.name): path for path in self.folder.iterdir() if VERSION.fullmatch(path.name)}
        return [path for version, path in sorted(versions.items(), reverse=True) if version <= own]

    def latest(self, suite: str) -> list[schema.Record]:
        """Return the results of a suite, with times: those of the machine that was measured last."""
        for place in self.places:
            results = [result for result in self._of(suite, place) if not result.get("untimed")]
            if results:
                return [result for result in results if result["machine"]["cpu"] == results[-1]["machine"]["cpu"]]
        return []

    def lasting(self, suite: str) -> dict[str, schema.Record]:
        """Return the cases by name, for figures that no machine changes: each method as its last version has it."""
        cases: dict[str, schema.Record] = {}
        methods: dict[str, dict[str, schema.Record]] = {}
        for result in (result for place in reversed(self.places) for result in self._of(suite, place)):
            for case in result["cases"]:
                found = {method["name"]: method for method in case["methods"] if method["status"] == "measured"}
                known = methods.setdefault(case["name"], {})
                known.update(found)
                cases[case["name"]] = {**case, "methods": list(known.values())}
        return cases

    @staticmethod
    def _of(suite: str, place: Path) -> list[schema.Record]:
        """Return a version's results of a suite, in the order of time."""
        results = [result for result in schema.results(place, f"*/{suite}*.json") if result["suite"] == suite]
        return sorted(results, key=lambda result: str(result["date"]))

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
        files = [place / f"{name}.json" for place in self.places]
        file = next((file for file in files if file.exists()), None)
        if file is None:
            raise FileNotFoundError(f"no version up to {environment.own_version()} has {name}.json in {self.folder}")
        record: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return record


def numbers(version: str) -> tuple[int, ...]:
    """Return a version's numbers, by which versions are ordered, without what makes it one before a release."""
    found = VERSION.match(version)
    return tuple(int(number) for number in found[0].split(".")) if found else ()


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
