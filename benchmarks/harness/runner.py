"""Runs cases: each method is checked, then timed or weighed, and leaves a record with its numbers or a reason."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from . import fresh
from .beside import Beside
from .cases import Case
from .checks import Finding, Judge
from .environment import for_child
from .methods import CannotRun, Denoiser, Method
from .pictures import PictureCase
from .pictures_runner import Keep, run_pictures
from .schema import Record
from .sets import QualityCase
from .timing import Timings, describe, interleave, pinned, ratios, summary, timed

NOT_RUN = "not run"
COMPARED = (("seconds", "times as fast", ""), ("extra_memory", "times as small", " (memory)"))
"""The measures that ratios are taken of: their units, and how they differ in name."""


@dataclass
class Entry:
    """A method on its way through a case: how it is run, how its answer is had, who judges it, and its record."""

    method: Method
    record: Record
    judge: Judge
    run: Callable[[], Any]
    answer: Callable[[Any], Any]


def run_case(
    case: Case, methods: Sequence[Method], counts: Sequence[int], repeat: int, keep: Keep | None = None
) -> Iterator[Record]:
    """Measure one case, at each thread count or, where the case says so, at the largest alone or at its own.

    Parameters
    ----------
    case : Case
        What to measure.
    methods : sequence of Method
        Those of the case's methods that were asked for.
    counts : sequence of int
        Threads that each may use.
    repeat : int
        Rounds, where the case does not fix them.
    keep : callable, optional
        Is given the answers to the first picture of a case of pictures.

    Yields
    ------
    dict
        The case at one thread count as it stands in result files. A method that is not installed, or that gave a
        wrong answer, is in it with the reason, and without a time.
    """
    rounds = case.rounds or repeat
    missing = {method.name: method.missing() for method in methods}
    contest = case.kind in ("call", "program")
    subject = case.subject() if contest else None
    judges: dict[str, Judge] = {}
    if not case.each_thread_count:
        counts = [case.own_threads or max(counts)]
    for threads in counts:
        records = []
        able = []
        for method in methods:
            record = blank(case, method, threads)
            records.append(record)
            if reason := missing[method.name]:
                skip(record, reason, method.install)
            else:
                with excused(record):
                    record["version"] = method.edition(case)
                    able.append((method, record))
        pictures: Record = {}
        if isinstance(case, QualityCase):
            extra = rounds if case.folder is None else 0
            rounds = max(extra, 1)
            try:
                pictures = run_pictures(case, able, threads, extra, keep)
            except FileNotFoundError as error:
                for _, record in able:
                    skip(record, str(error))
                if case.folder is not None and (case.folder / case.source).is_dir():  # an empty one is a mistake
                    pictures = {"pictures": [], "unreadable": [{"name": case.source, "reason": str(error)}]}
        elif contest:
            _contest(case, able, subject, judges, threads, rounds)
        else:
            _alone(case, able, threads, rounds)
        measured = [(method, record) for method, record in able if record["status"] == "measured"]
        if not isinstance(case, QualityCase):
            _compare(measured)
        if case.multiples:
            _multiply(case.methods[0], [record for _, record in measured])
        yield {
            "name": case.name, "kind": case.kind, "title": case.title, "note": case.note,
            "parameters": case.parameters(), "threads": threads, "rounds": rounds, "methods": records, **pictures,
        }  # fmt: skip


def blank(case: Case, method: Method, threads: int) -> Record:
    """Return a method's record before anything is known about its answer."""
    return {
        "name": method.name, "own": method.own, "package": method.package, "version": None, "dtype": method.dtype,
        "note": method.note, "threads": method.threads(case, threads), "call": None, "status": "failed",
        "reason": NOT_RUN, "install": None, "checks": [], "measures": {}, "ratios": {},
    }  # fmt: skip


def fail(record: Record, reason: str) -> None:
    """Take from a record all that only a right answer may have."""
    record.pop("first_call_s", None)
    record |= {"status": "failed", "reason": reason, "measures": {}, "ratios": {}}


def skip(record: Record, reason: str, install: str | None = None) -> None:
    """Note why a method takes no part, and what would install it."""
    fail(record, reason)
    record |= {"status": "skipped", "install": install}


@contextmanager
def excused(record: Record) -> Iterator[None]:
    """Make what is raised a record's reason: a method takes none of the others with it."""
    try:
        yield
    except CannotRun as error:
        skip(record, str(error), error.install)
    except Exception as error:
        fail(record, describe(error))


def accept(record: Record, findings: Iterable[Finding]) -> bool:
    """Note findings in a record; what failed is its reason."""
    findings = list(findings)
    record["checks"] = [finding.record() for finding in findings]
    wrong = [str(finding) for finding in findings if not finding.passed]
    if wrong:
        fail(record, "wrong answer: " + "; ".join(wrong))
    return not wrong


def _contest(
    case: Case, able: Sequence[tuple[Method, Record]], subject: Any, judges: dict[str, Judge], threads: int, rounds: int
) -> None:
    """Check, then time side by side. The judges are kept from one thread count to the next."""
    in_process = case.kind == "call"
    enter = _call if in_process else _program
    with tempfile.TemporaryDirectory() as folder:
        ready = []
        for method, record in able:
            with excused(record):
                if method.name not in judges:
                    judges[method.name] = method.judge(case, subject)
                ready.append(enter(case, method, record, judges[method.name], threads, Path(folder)))
        with pinned(threads) if in_process else nullcontext():  # now, since it can pin only what has been loaded
            entries = {entry.method.name: entry for entry in ready if _first(entry)}
            timings = interleave(
                {name: entry.run for name, entry in entries.items()},
                rounds,
                lambda name, answer: entries[name].judge.fault(entries[name].answer(answer)),
            )
    for entry in entries.values():
        _settle(entry, timings, in_process)


def _call(case: Case, method: Method, record: Record, judge: Judge, threads: int, _: Path) -> Entry:
    method.pin(threads)
    call = method.call(case, *judge.given, threads)
    record["call"] = str(call)
    return Entry(method, record, judge, call, lambda answer: answer)


def _program(case: Case, method: Method, record: Record, judge: Judge, threads: int, folder: Path) -> Entry:
    from PIL import Image

    assert isinstance(case, PictureCase)
    assert isinstance(method, Denoiser)
    source, target = folder / "noisy.png", folder / f"{method.name}.png"
    Image.fromarray(judge.given[0]).save(source)
    command = method.command(case, str(source), str(target), threads)
    shown = ["python", *method.command(case, "noisy.png", "denoised.png", threads)[1:]]
    record["call"] = subprocess.list2cmdline(shown)

    def load(_: Any) -> np.ndarray:
        with Image.open(target) as file:
            answer = np.asarray(file)
        target.unlink()  # so that no program finds its work done
        return answer

    environment = for_child(method.threads(case, threads))
    return Entry(method, record, judge, lambda: fresh.run(command, environment), load)


def _first(entry: Entry) -> bool:
    """Run a method for the first time, which is reported apart, and say whether its answer is right."""
    with excused(entry.record):
        answer, reading = timed(entry.run)
        entry.record["first_call_s"] = reading.seconds
        return accept(entry.record, entry.judge.examine(entry.answer(answer)))
    return False


def _settle(entry: Entry, timings: Timings, in_process: bool) -> None:
    """Put a method's times, or why it has none, into its record."""
    name, record = entry.method.name, entry.record
    if name in timings.faults:
        fail(record, timings.faults[name])
        return
    measures = {"seconds": summary(timings.seconds(name), "s")}
    if in_process:
        measures["cores"] = summary(timings.cores(name), "cores kept busy")
    record |= {"status": "measured", "reason": None, "measures": measures | entry.judge.quality()}


def _compare(measured: Sequence[tuple[Method, Record]]) -> None:
    """Give each of our own methods its ratios to the peers; where there is none, to the first of our own.

    Besides, each gets its ratio to what an earlier build has under its name.
    """
    others = [pair for pair in measured if pair[0].yardstick or not pair[0].own] or measured[:1]
    others = [*others, *(pair for pair in measured if isinstance(pair[0], Beside))]
    for method, record in measured:
        for measure, unit, label in COMPARED:
            if not method.own or measure not in record["measures"]:
                continue
            mine = record["measures"][measure]["values"]
            record["ratios"] |= {
                other.name + label: ratios(mine, theirs["measures"][measure]["values"], unit)
                for other, theirs in others
                if other is not method and other.rivals(method)
            }


def _multiply(first: str, measured: Sequence[Record]) -> None:
    """Give the others' records their times as multiples of the first method's, from the two of a round."""
    seconds = {record["name"]: record["measures"]["seconds"]["values"] for record in measured}
    for record in measured:
        if first in seconds and record["name"] != first:
            multiple = ratios(seconds[first], seconds[record["name"]], f"times the time of {first}")
            record["measures"]["multiple"] = multiple


def _alone(case: Case, able: Sequence[tuple[Method, Record]], threads: int, rounds: int) -> None:
    """Measure what only fresh processes can show, round by round, in an order that rotates."""
    measurements: list[tuple[Record, fresh.Measurement]] = []
    with tempfile.TemporaryDirectory() as folder:
        for method, record in able:
            with excused(record):
                measurements.append((record, fresh.begin(case, method, threads, Path(folder) / method.name)))
        for turn in range(rounds):
            start = turn % max(len(measurements), 1)
            for record, measurement in measurements[start:] + measurements[:start]:
                if record["reason"] == NOT_RUN:
                    with excused(record):
                        measurement.turn()
        for record, measurement in measurements:
            if record["reason"] == NOT_RUN:
                measures, findings, record["call"] = measurement.measured()
                if accept(record, findings):
                    record |= {"status": "measured", "reason": None, "measures": measures}
