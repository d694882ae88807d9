"""What moved between two result files: ``python -m benchmarks compare A B``.

A is what was, B what is. Seconds and memory moved if the middle halves of their values lie apart and the medians are
further apart than ``--least`` says; dB and SSIM, in which chance has no part, if means differ by 0.02 dB or 0.001.
Files of two machines are compared by ratios to peers, memory and quality, not by seconds. Every case that only one file
has is told. The exit code is 0 if nothing moved, 1 if something did (with ``--worse``: if something got worse), 2 for
usage.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from . import schema
from .terminal import mean

EXACT = {"psnr": 0.02, "ssim": 0.001}
"""Measures without chance, and the difference of means that counts."""
LESS_IS_BETTER = ("seconds", "extra_memory", "import", "compiled_first_call", "cached_first_call")
CLOCKED = ("seconds", "import", "compiled_first_call", "cached_first_call")
"""What depends on the machine."""


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


def changes(before: schema.Record, after: schema.Record, least: float) -> Iterator[Change]:
    """Yield what moved beyond noise; ``least`` is a share of the median."""
    same_machine = before["machine"]["cpu"] == after["machine"]["cpu"]
    old = _methods(before)
    for where, method in _methods(after).items():
        if where not in old:
            continue
        for kind in ("measures", "ratios"):
            for name, now in method[kind].items():
                was = old[where][kind].get(name)
                clocked = kind == "measures" and name in CLOCKED
                if was is None or (clocked and not same_machine):
                    continue
                if kind == "measures" and name not in (*LESS_IS_BETTER, *EXACT):
                    continue
                if found := _moved(was, now, EXACT.get(name) if kind == "measures" else None, least):
                    less = kind == "measures" and name in LESS_IS_BETTER
                    better = (found[1] < found[0]) == less
                    yield Change(where, name if kind == "measures" else f"times as fast as {name}", *found, better)


def _moved(was: schema.Record, now: schema.Record, exact: float | None, least: float) -> tuple[float, float] | None:
    """Return the two numbers if they differ beyond noise."""
    if exact is not None:
        pair = mean(was), mean(now)
        return pair if abs(pair[0] - pair[1]) > exact else None
    apart = now["quartiles"][0] > was["quartiles"][1] or now["quartiles"][1] < was["quartiles"][0]
    far = abs(now["median"] - was["median"]) > least * abs(was["median"])
    return (was["median"], now["median"]) if apart and far else None


def _methods(result: schema.Record) -> dict[str, schema.Record]:
    """Return the measured methods by where they stand."""
    return {
        f"{case['name']}, {case['threads']} threads, {method['name']}": method
        for case in result["cases"]
        for method in case["methods"]
        if method["status"] == "measured"
    }


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
    if before["machine"]["cpu"] != after["machine"]["cpu"]:
        print(f"two machines, {before['machine']['cpu']} and {after['machine']['cpu']}: seconds are not compared")
    if before["quick"] or after["quick"]:
        print("one of them is a quick run: its times say little")
    one, other = set(_methods(before)), set(_methods(after))
    for where in sorted(one ^ other):
        print(f"only in {options.before if where in one else options.after}: {where}")
    if not one & other:
        print("benchmarks: no method was measured in the same case of both files", file=sys.stderr)
        return 2
    found = list(changes(before, after, options.least))
    for change in sorted(found, key=lambda change: change.better):
        print(change)
    print(f"{len(found)} of {len(one & other)} methods' measures moved" if found else "nothing moved beyond noise")
    return int(any(not change.better for change in found) if options.worse else bool(found))


if __name__ == "__main__":
    sys.exit(main())
