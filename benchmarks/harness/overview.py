"""Results where noise was not told, as tables: what pictures gained, which lost, and an earlier build's beside."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .beside import MARK
from .pairs import halves
from .published import table
from .schema import Record

LOSS = 0.005
"""dB less than before that count as worse: figures have two digits."""
NOTHING = "–"
SPLIT = "PolyU"
"""The set whose scenes are halved: the one that methods may be developed with."""


@dataclass(frozen=True)
class Gains:
    """What a method reached on the pictures of a case, and what they had before.

    Attributes
    ----------
    names : sequence of str
        The pictures.
    before, after : ndarray
        Their dB, as they went in and as they came out.
    seconds : float or None
        Of a picture, the median.
    """

    names: Sequence[str]
    before: np.ndarray
    after: np.ndarray
    seconds: float | None

    def of(self, names: Iterable[str]) -> Gains:
        """Return the gains on some of the pictures."""
        kept = np.isin(self.names, list(names))
        return Gains([n for n, k in zip(self.names, kept, strict=True) if k], self.before[kept], self.after[kept], None)

    @property
    def mean(self) -> str:
        """What the pictures have on average, in dB."""
        return f"{self.after.mean():.2f}"

    @property
    def gain(self) -> str:
        """What they gained on average."""
        return f"{(self.after - self.before).mean():+.2f}"

    @property
    def worst(self) -> str:
        """What the picture gained that gained least."""
        return f"{(self.after - self.before).min():+.2f}"

    @property
    def lost(self) -> int:
        """How many came out worse than they went in."""
        return int(np.count_nonzero(self.after < self.before - LOSS))

    @property
    def time(self) -> str:
        """Milliseconds a picture."""
        return NOTHING if self.seconds is None else f"{1e3 * self.seconds:.0f}"


Both = tuple[Gains | None, Gains | None]
"""What an earlier build reached, and what this one does."""


def gains(case: Record) -> dict[str, Both]:
    """Return what each method of a case gained, by the method's name; nothing without figures of the noisy pictures."""
    found: dict[str, dict[bool, Gains]] = {}
    measured = [method for method in case["methods"] if method["status"] == "measured"]
    before = next((method["measures"]["psnr"]["values"] for method in measured if method["name"] == "noisy"), None)
    for method in measured if before is not None else ():
        name, _, build = method["name"].partition(MARK)
        values, seconds = method["measures"]["psnr"]["values"], method["measures"].get("seconds", {}).get("median")
        found.setdefault(name, {})[not build] = Gains(case["pictures"], np.array(before), np.array(values), seconds)
    return {name: (both.get(False), both.get(True)) for name, both in found.items()}


def builds(case: Record) -> str:
    """Return the name of the earlier build that a case was measured with, or none."""
    return next((m["name"].partition(MARK)[2] for m in case["methods"] if MARK in m["name"]), "")


def told(both: Both, what: Callable[[Gains], Any]) -> str:
    """Return a figure of both builds, or of this one where it was measured alone."""
    before, now = (NOTHING if gained is None else str(what(gained)) for gained in both)
    return now if both[0] is None else f"{before} → {now}"


def photographs(case: Record, words: Mapping[str, str]) -> list[str]:
    """Return a table of a case of pairs: dB of all and of both halves, the worst picture, how many lost."""
    develop, report = halves(case["pictures"])
    heads = ["dB, mean", "gain at worst", f"worse, of {len(case['pictures'])}", "ms"]
    split = case["parameters"]["source"] == SPLIT and develop and report
    if split:
        heads[1:1] = [f"half to develop with, {len(develop)}", f"half to report, {len(report)}"]
    rows = []
    for name, both in gains(case).items():
        figures = [told(both, lambda g: g.mean)]
        if split:
            figures += [told(part(both, names), lambda g: g.mean) for names in (develop, report)]
        rest = [told(both, lambda g: g.worst), told(both, lambda g: g.lost), told(both, lambda g: g.time)]
        rows.append([words.get(name, name), *figures, *rest])
    return table([case["title"], *heads], rows)


def part(both: Both, names: Sequence[str]) -> Both:
    """Return both builds' gains on some of the pictures."""
    before, now = (None if gained is None else gained.of(names) for gained in both)
    return before, now


def each(case: Record, words: Mapping[str, str]) -> list[str]:
    """Return a table of a case with few pictures: the dB of each."""
    rows = [
        [words.get(name, name), *(told(part(both, [picture]), lambda g: g.mean) for picture in case["pictures"])]
        for name, both in gains(case).items()
    ]
    return table([case["title"], *case["pictures"]], rows)


def compressed(cases: Sequence[Record], words: Mapping[str, str]) -> list[str]:
    """Return a table of cases of noise in JPEG files: the mean gain in each, and how many pictures came out worse."""

    def cell(both: Both) -> str:
        lost = told(both, lambda g: g.lost)
        return told(both, lambda g: g.gain) + (f", {lost} worse" if lost.strip("0 →–") else "")

    found = [gains(case) for case in cases]
    names = [name for name in dict.fromkeys(name for gained in found for name in gained) if name != "noisy"]
    heads = [f"σ = {case['parameters']['sigma']:g}, JPEG {case['parameters']['jpeg']}" for case in cases]
    rows = [[words.get(name, name), *(cell(gained.get(name, (None, None))) for gained in found)] for name in names]
    return table([f"gain in dB, {cases[0]['parameters']['source']}", *heads], rows)


def overview(result: Record, words: Mapping[str, str]) -> list[str]:
    """Return all tables of a result, the earlier build's figures before an arrow, and who could not be measured."""
    measured = [case for case in result["cases"] if gains(case)]
    lines = []
    for case in measured:
        if case["parameters"]["jpeg"] is None:
            lines += ["", *(photographs if case["parameters"]["coloured"] else each)(case, words)]
    sources = dict.fromkeys(c["parameters"]["source"] for c in measured if c["parameters"]["jpeg"] is not None)
    for source in sources:
        cases = [c for c in measured if c["parameters"]["jpeg"] is not None and c["parameters"]["source"] == source]
        lines += ["", *compressed(cases, words)]
    if build := next(filter(None, map(builds, result["cases"])), ""):
        lines += ["", f"Before the arrow {build}, after it this build."]
    reasons: dict[str, list[str]] = {}
    for case in result["cases"]:
        for method in case["methods"]:
            if method["status"] != "measured":
                reasons.setdefault(f"{method['name']} {method['status']}: {method['reason']}", []).append(case["name"])
    return [
        *lines,
        *([""] if reasons else []),
        *(f"{reason} ({', '.join(names)})" for reason, names in reasons.items()),
    ]
