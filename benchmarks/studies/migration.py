"""What calls of other libraries take, and what takes their place: ``python -m benchmarks migration``.

The calls are those of ``docs/migration.md``. Before time is taken, the two answers are held against each other; then
both take turns, on equal threads and the same CPUs. What is not installed is left out, and that is stated.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

from ..harness import environment, files
from ..harness.metrics import clipped_psnr
from ..harness.pictures import Picture
from ..harness.published import Row, Table, named, seconds, times
from ..harness.timing import describe, interleave, pinned, ratios, summary
from ..peers.pairs import PAIRS, Pair, ffmpeg_version

ROUNDS, SLOW_ROUNDS = 5, 3
THREADS = (1, 2)
LESS_DB = 0.25
"""What another method, or another strength, may lack of the other call's PSNR."""
FILE = "migration.json"
HEADS = ("it took", "takes now", "times as fast", "apart", "dB")


@contextmanager
def on_cpus(count: int) -> Iterator[None]:
    """Let this process and its children have so many CPUs: calls without an argument for threads take one for each."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(allowed)[:count])
    try:
        with pinned(count):
            yield
    finally:
        os.sched_setaffinity(0, allowed)


def value(answer: Any, pair: Pair) -> np.ndarray:
    """Return an answer in grey levels; that of a program is read from its file."""
    return np.asarray(answer() if callable(answer) else answer, np.float64) * pair.unit


def compared(pair: Pair, picture: Picture, before: np.ndarray, after: np.ndarray) -> dict[str, Any]:
    """Return how near the answers are to each other and to the truth; ValueError where that is not near enough."""
    if before.shape != after.shape or not np.isfinite(after).all():
        raise ValueError(f"the answers must be finite and of one shape; got {before.shape} and {after.shape}")
    result: dict[str, Any] = {"apart": float(np.abs(before - after).mean()), "may_be_apart": pair.apart}
    if pair.apart is not None and result["apart"] > pair.apart:
        raise ValueError(f"the answers must differ by at most {pair.apart:g} grey levels; got {result['apart']:.2f}")
    if before.ndim == 0:  # estimates of σ
        result["sigma"] = {"true": picture.sigma, "before": float(before), "after": float(after)}
        errors = [abs(float(each) - picture.sigma) for each in (before, after)]
        if errors[1] > errors[0] + 0.02 * picture.sigma:
            raise ValueError(
                f"the estimate must be as near to σ = {picture.sigma:g}; got {after:.2f}, not {before:.2f}"
            )
        return result
    result["psnr"] = {"before": clipped_psnr(before, picture.clean), "after": clipped_psnr(after, picture.clean)}
    if result["psnr"]["after"] < result["psnr"]["before"] - LESS_DB:
        raise ValueError(
            f"the PSNR must be at most {LESS_DB} dB below the other call's; "
            f"got {result['psnr']['after']:.2f} and {result['psnr']['before']:.2f}"
        )
    return result


def measured(pair: Pair, threads: int, rounds: int, folder: Path) -> dict[str, Any]:
    """Return both answers' nearness and both calls' times."""
    picture = pair.subject()
    before, after = pair.make(picture, threads, folder)
    nearness = compared(pair, picture, value(before(), pair), value(after(), pair))
    timings = interleave({"before": before, "after": after}, rounds, lambda name, answer: None)
    if timings.faults:
        raise ValueError("; ".join(timings.faults.values()))
    theirs, ours = timings.seconds("before"), timings.seconds("after")
    taken = {"before": summary(theirs, "s"), "after": summary(ours, "s"), "ratio": ratios(ours, theirs)}
    return {**nearness, **taken}


def row(pair: Pair, threads: int, rounds: int) -> dict[str, Any]:
    """Return the record of a pair: measured, or skipped or failed with a reason."""
    known = {
        "name": pair.name, "library": pair.library, "call": pair.before, "instead": pair.after, "threads": threads,
        "picture": pair.picture, "noise": pair.case.sigma,
    }  # fmt: skip
    if reason := pair.missing():
        return {**known, "status": "skipped", "reason": reason}
    with tempfile.TemporaryDirectory() as folder, on_cpus(threads):
        try:
            figures = measured(pair, threads, min(rounds, SLOW_ROUNDS) if pair.slow else rounds, Path(folder))
        except Exception as error:  # another library raises what it likes
            return {**known, "status": "failed", "reason": describe(error)}
    return {**known, "status": "measured", **figures}


def counts(pair: Pair, wanted: Sequence[int]) -> list[int]:
    """Return the numbers of threads that both calls can have here."""
    most = 1 if pair.single else environment.available_cpus()
    return [count for count in wanted if count <= most]


def shown(result: dict[str, Any]) -> list[Row]:
    """Return the rows of a table."""
    rows = []
    for each in result["rows"]:
        cells = {
            "call": f"{each['library']}: `{each['call']}`, {each['picture']}",
            "instead": each["instead"] if each["instead"].startswith("the same") else f"`{each['instead']}`",
            "threads": str(each["threads"]),
        }
        if each["status"] == "measured":
            taken = [seconds(each[name]["median"]) for name in ("before", "after")]
            ratio = f"**{times(each['ratio']['median'])}×**"
            apart = "" if each["may_be_apart"] is None else f"{each['apart']:.2f}"
            cells |= dict(zip(HEADS, (*taken, ratio, apart, outcome(each)), strict=True))
        else:
            cells |= dict(zip(HEADS, ("–", "–", "–", "", f"{each['status']}: {each['reason']}"), strict=True))
        rows.append(cells)
    return rows


def outcome(each: dict[str, Any]) -> str:
    """Return what came of both calls, for people."""
    if "psnr" in each:
        return f"{each['psnr']['before']:.2f} → {each['psnr']['after']:.2f}"
    return "σ: {before:.2f} → {after:.2f} of {true:g}".format(**each["sigma"])


TABLES: dict[str, Table] = {"migration": lambda published: named(shown(published.study("migration")))}


def main(arguments: list[str] | None = None, pairs: Sequence[Pair] = PAIRS) -> int:
    """Measure all calls, print them, and write them to a file; 1 where an answer was at fault."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks migration", description=__doc__)
    names = ", ".join(pair.name for pair in pairs)
    parser.add_argument("--only", default="*", metavar="GLOBS", help=f"calls, parted by commas, of: {names}")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="rounds of each; at most 3 of the slow ones")
    parser.add_argument("--side", type=int, default=512, help="the most pixels along each side")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help=f"where to write {FILE}")
    options = parser.parse_args(arguments)
    if not hasattr(os, "sched_setaffinity"):
        parser.error("needs a system that gives a process as many CPUs as it is to have, as Linux does")
    record: dict[str, Any] = {"date": datetime.now(UTC).isoformat(timespec="seconds"), **environment.describe()}
    record |= {"ffmpeg": ffmpeg_version(), "rows": []}
    for pair in pairs:
        if not any(fnmatchcase(pair.name, pattern) for pattern in options.only.split(",")):
            continue
        for threads in counts(pair, THREADS):
            print(f"{pair.name}, threads: {threads}", file=sys.stderr, flush=True)
            record["rows"].append(row(pair.small(options.side), threads, options.rounds))
    print("\n".join(named(shown(record))))
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        files.write_json(options.out / FILE, record)
    return int(any(each["status"] == "failed" for each in record["rows"]))
