"""What moved beyond noise between two result files: ``python -m benchmarks compare A B``.

A is what was, B what is. Seconds and memory moved if the middle halves of their values lie apart and the medians are
further apart than ``--least`` says; over many pictures, if the middle half of the pictures' ratios does. From a single
value nothing can be said. dB and SSIM, in which chance has no part, moved if means differ by 0.02 dB or 0.001. A method
that was measured and is not any more got worse. Cases of other parameters or pictures are named and not compared, and
files of two machines not by seconds. The exit code is 0 if nothing moved, 1 if something did (with ``--worse``: if
something got worse), 2 for usage.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..harness import schema
from ..harness.timing import mean, summary

EXACT = {"psnr": 0.02, "ssim": 0.001}
"""Measures without chance, and the difference of means that counts."""
LESS_IS_BETTER = ("seconds", "extra_memory", "import", "compiled_first_call", "cached_first_call")
CLOCKED = ("seconds", "import", "compiled_first_call", "cached_first_call")
"""What depends on the machine."""
FEWEST = 3
"""Values that it takes to know a change from noise."""


@dataclass(frozen=True)
class Change:
    """A measure of a method in a case, before and after."""

    where: str
    measure: str
    before: float
    after: float
    better: bool

    def __str__(self) -> str:
        percent = "" if self.before == 0 else f" ({100 * (self.after / self.before - 1):+.3g} %)"
        verdict = "better" if self.better else "WORSE"
        return f"{verdict:<6} {self.where}: {self.measure} {self.before:.4g} → {self.after:.4g}{percent}"


@dataclass(frozen=True)
class Loss:
    """A method that has figures in A and none in B."""

    where: str
    reason: str
    better: bool = False

    def __str__(self) -> str:
        return f"WORSE  {self.where}: {self.reason}"


def changes(before: schema.Record, after: schema.Record, least: float) -> Iterator[Change | Loss]:
    """Yield what moved beyond noise; ``least`` is a share of the median."""
    same_machine = schema.same_machine(before, after)
    old, new = by_case(before), by_case(after)
    for place, case in new.items():
        if place not in old or not alike(old[place], case):
            continue
        was = {method["name"]: method for method in old[place]["methods"] if method["status"] == "measured"}
        for method in case["methods"]:
            where = f"{place[0]}, {place[1]} threads, {method['name']}"
            if method["name"] not in was:
                continue
            if method["status"] == "failed":
                yield Loss(where, f"measured before, failed now: {method['reason']}")
                continue
            paired = len(case.get("pictures", ())) > 1
            yield from _moves(where, was[method["name"]], method, same_machine, least, paired)


def _moves(
    where: str, was: schema.Record, now: schema.Record, same_machine: bool, least: float, paired: bool
) -> Iterator[Change]:
    for kind in ("measures", "ratios"):
        for name in now[kind].keys() & was[kind].keys():
            counts = kind == "ratios" or name in (*LESS_IS_BETTER, *EXACT)
            if not counts or (kind == "measures" and name in CLOCKED and not same_machine):
                continue
            exact = EXACT.get(name) if kind == "measures" else None
            if numbers := _moved(was[kind][name], now[kind][name], exact, least, paired):
                less = kind == "measures" and name in LESS_IS_BETTER
                words = name if kind == "measures" else f"times as fast as {name}"
                yield Change(where, words, *numbers, better=(numbers[1] < numbers[0]) == less)


def _moved(
    was: schema.Record, now: schema.Record, exact: float | None, least: float, paired: bool
) -> tuple[float, float] | None:
    """Return the two numbers if they differ beyond noise."""
    if exact is not None:
        means = mean(was), mean(now)
        return means if abs(means[0] - means[1]) > exact else None
    medians = was["median"], now["median"]
    if min(len(was["values"]), len(now["values"])) < FEWEST:
        return None
    if paired:
        pairs = zip(was["values"], now["values"], strict=True)
        low, high = summary([new / old for old, new in pairs], "ratio")["quartiles"]
        return medians if low > 1 + least or high < 1 / (1 + least) else None
    apart = now["quartiles"][0] > was["quartiles"][1] or now["quartiles"][1] < was["quartiles"][0]
    far = abs(medians[1] - medians[0]) > least * abs(medians[0])
    return medians if apart and far else None


def by_case(result: schema.Record) -> dict[tuple[str, int], schema.Record]:
    """Return the cases by their name and threads."""
    return {(case["name"], case["threads"]): case for case in result["cases"]}


def alike(one: schema.Record, other: schema.Record) -> bool:
    """Say whether two cases are of the same things."""
    return all(one.get(name) == other.get(name) for name in ("parameters", "pictures"))


def main(arguments: list[str] | None = None) -> int:
    """Print what moved."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks compare", description=__doc__)
    parser.add_argument("before", type=Path, metavar="A", help="result file of what was")
    parser.add_argument("after", type=Path, metavar="B", help="result file of what is")
    parser.add_argument("--least", type=float, default=0.05, metavar="SHARE", help="of a median (default: 0.05)")
    parser.add_argument("--worse", action="store_true", help="exit code 1 only if something got worse")
    options = parser.parse_args(arguments)
    try:
        before, after = schema.read(options.before), schema.read(options.after)
    except (OSError, ValueError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    if before["suite"] != after["suite"]:
        print(
            f"benchmarks: files of one suite can be compared, not {before['suite']} and {after['suite']}",
            file=sys.stderr,
        )
        return 2
    if not schema.same_machine(before, after):
        print(f"two machines, {before['machine']['cpu']} and {after['machine']['cpu']}: seconds are not compared")
    if before["quick"] or after["quick"]:
        print("one of them is a quick run: its times say little")
    one, other = by_case(before), by_case(after)
    for place in sorted(set(one) ^ set(other)):
        print(f"only in {options.before if place in one else options.after}: {place[0]}, {place[1]} threads")
    both = [place for place in one if place in other]
    for place in both:
        if not alike(one[place], other[place]):
            print(f"not compared, of other parameters or pictures: {place[0]}, {place[1]} threads")
    if not any(alike(one[place], other[place]) for place in both):
        print("benchmarks: the files have no case in common", file=sys.stderr)
        return 2
    moved = list(changes(before, after, options.least))
    for change in sorted(moved, key=lambda change: change.better):
        print(change)
    print(f"{len(moved)} measures moved" if moved else "nothing moved beyond noise")
    return int(any(not change.better for change in moved) if options.worse else bool(moved))
