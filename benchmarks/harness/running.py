"""One run of one suite: what is asked of it, what an earlier run left, and the file that it makes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path

from . import environment, schema
from .beside import SHORT, Beside, Build
from .cases import Case
from .fits import fits
from .methods import Method
from .pictures_runner import folder_keeper
from .runner import run_case
from .sets import QualityCase
from .suite import Suite

SHOWN_AT = 25.0
"""Pictures of the noise level that is nearest are kept, for the page's gallery."""


NO_BUILD = "none"
BESIDE = ("call", "pictures")
"""The kinds of cases in which an earlier build is measured beside this one."""


class Usage(ValueError):
    """Something was asked for that there is not, or that cannot be."""


@dataclass(frozen=True)
class Request:
    """What a run is asked for.

    Attributes
    ----------
    only, methods : tuple of str
        Patterns of names of cases and of methods; empty for all.
    sigmas : tuple of float
        Noise levels; empty for the usual ones.
    data : Path or None
        Folder of standard sets.
    threads : tuple of int
        Thread counts; empty for the usual ones.
    repeat : int or None
        Rounds.
    quick : bool
        Whether cases are made small.
    out : Path or None
        Folder for the result file and the pictures.
    resume : bool
        Whether finished cases of an earlier run in that folder are kept, those that are not asked for too.
    against : str
        The commit, or folder, of the earlier build that our methods are measured beside, `NO_BUILD` for none; if empty,
        the suite's where sets are measured in full.
    untimed : bool
        Whether the times of cases of pictures are left out, since the machine does other work besides.
    """

    only: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    sigmas: tuple[float, ...] = ()
    data: Path | None = None
    threads: tuple[int, ...] = ()
    repeat: int | None = None
    quick: bool = False
    out: Path | None = None
    resume: bool = False
    against: str = ""
    untimed: bool = False

    @property
    def partial(self) -> bool:
        """Whether something else is asked for than all that a suite has."""
        other = self.only or self.methods or self.sigmas or self.threads or self.quick or self.untimed
        return bool(other or self.data or self.repeat)


@dataclass
class Work:
    """The cases of a suite that are asked for, each with its methods."""

    suite: Suite
    cases: dict[Case, list[Method]] = field(default_factory=dict)


def work(suites: Iterable[Suite], request: Request) -> list[Work]:
    """Return what of the suites is asked for.

    Raises
    ------
    Usage
        If a pattern names nothing, or nothing is left, or the folder of the sets is empty.
    """
    suites = list(suites)
    if request.data is not None:
        _check_sets(suites, request.data)
    sigmas = request.sigmas or None
    offered = {
        suite.name: suite.small(request.data, sigmas) if request.quick else suite.build(request.data, sigmas)
        for suite in suites
    }
    names = [case.name for cases in offered.values() for case in cases]
    known = [name for suite in suites for name in suite.methods]
    _check_patterns(request.only, names, "case")
    _check_patterns(request.methods, list(dict.fromkeys(known)), "method")
    parts = []
    for suite in suites:
        part, earlier_methods = Work(suite), beside(suite, request)
        for case in offered[suite.name]:
            methods = [suite.methods[name] for name in case.methods if matches(name, request.methods)]
            if case.kind in BESIDE:
                methods += earlier_methods(methods)
            if methods and matches(case.name, request.only):
                part.cases[case] = methods
        if part.cases:
            parts.append(part)
    if not parts:
        raise Usage("none of the methods asked for takes part in the cases asked for")
    return parts


def beside(suite: Suite, request: Request) -> Callable[[list[Method]], list[Method]]:
    """Return what says which methods of an earlier build are measured with some; Usage if there is no such build."""
    usual = suite.before if request.data is not None and not request.quick else ""
    asked = request.against or usual or NO_BUILD
    if not suite.beside or asked == NO_BUILD:
        return lambda methods: []
    build: Build | str
    try:
        build = Build(asked)
    except ValueError as error:
        if request.against:
            raise Usage(f"--against {error}") from error
        build = f"an earlier build {error}"
    name = asked[:SHORT] if isinstance(build, str) else build.name
    return lambda methods: [Beside.of(method, build, name) for method in methods if method.own]


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Say whether a name is asked for; no pattern asks for all."""
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)


def _check_patterns(patterns: Sequence[str], names: Sequence[str], what: str) -> None:
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise Usage(f"no {what} is named {pattern!r}; there are {', '.join(names)}")


def _check_sets(suites: Sequence[Suite], data: Path) -> None:
    wanted = list(dict.fromkeys(name for suite in suites for name in suite.sets))
    if not wanted:
        raise Usage(f"--data is for suites that measure sets of pictures; {suites[0].name} has none")
    pairs = [suite for suite in suites if suite.pairs]
    more = ", or pairs: NAME_real and NAME_mean, NAME_noisy and NAME_gt or NAME_clean" if pairs else ""
    if not any((data / name).is_dir() for name in wanted) and not (
        data.is_dir() and any(suite.build(data, None) for suite in pairs)
    ):
        raise Usage(f"--data must be a folder that holds one of {', '.join(wanted)}{more}; {data} holds none of them")


def largest() -> int:
    """Return the largest thread count that is measured unless others are asked for."""
    return min(2, environment.available_cpus())


def run(part: Work, request: Request) -> schema.Record:
    """Run a suite's part, keep what is finished in a file while it runs, and return the result.

    Raises
    ------
    OSError
        If the folder cannot be written.
    Usage
        If the folder holds an interrupted run and ``request.resume`` is not set, or one that cannot be continued.
    """
    suite = part.suite
    counts = list(request.threads) or ([largest()] if request.quick else sorted({1, largest()}))
    repeat = request.repeat or (1 if request.quick else suite.rounds)
    result = blank(part, request, counts)
    path = place(result, request)
    unfinished = unfinished_of(path) if path else None
    cases = earlier(part, request, result)
    order = [case.name for case in suite.build(request.data, request.sigmas or None)]

    def keep_record(record: schema.Record) -> None:
        """Put a case among those that there are, in the suite's order, and all of them into the file."""
        cases[record["name"], record["threads"]] = record
        ranks = {name: rank for rank, name in enumerate(order)}
        result["cases"] = sorted(
            cases.values(), key=lambda case: (ranks.get(case["name"], len(ranks)), case["threads"])
        )
        if exponents := fits(result["cases"]):
            result["fits"] = exponents
        if unfinished:
            schema.write(result, unfinished)

    if unfinished:
        for record in cases.values() or ():
            keep_record(record)
        schema.write(result, unfinished)  # finds out now, not after minutes, that it cannot
    levels = [case.sigma for case in part.cases if isinstance(case, QualityCase) and case.known and case.sigma]
    shown = min(levels, key=lambda level: abs(level - SHOWN_AT), default=None)
    try:
        for case, methods in part.cases.items():
            threads = counts if case.each_thread_count else [case.own_threads or max(counts)]
            todo = [count for count in threads if not still_holds(cases.get((case.name, count)), case, methods)]
            if not todo:
                continue
            print(f"{case.name}: {case.title}", file=sys.stderr, flush=True)
            keep = None
            if path and isinstance(case, QualityCase) and case.jpeg is None and case.sigma in (shown, None):
                keep = folder_keeper(path.parent / "pictures" / case.name)
            for record in run_case(case, methods, todo, repeat, keep):
                if request.untimed and isinstance(case, QualityCase):
                    without_times(record)
                stamp = {"date": now(), "commit": result["git"]["commit"]}
                keep_record({**record, "measured": stamp})
        result["complete"] = True
    except KeyboardInterrupt:
        print("interrupted: what was finished is kept; --resume goes on", file=sys.stderr)
    if path and unfinished:
        schema.write(result, unfinished)
        if result["complete"]:
            os.replace(unfinished, path)
            print(f"written to {path}", file=sys.stderr)
    return result


def without_times(record: schema.Record) -> None:
    """Take a case's times from its record."""
    for method in record["methods"]:
        method.pop("first_call_s", None)
        method["measures"].pop("seconds", None)


def now() -> str:
    """Return the date and time as it stands in result files."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def blank(part: Work, request: Request, counts: Sequence[int]) -> schema.Record:
    """Return a result without cases."""
    return {
        "schema": schema.VERSION, "suite": part.suite.name, "version": environment.own_version(), "complete": False,
        "quick": request.quick, "date": now(), "threads": list(counts), **environment.describe(), "cases": [],
        **({"untimed": True} if request.untimed else {}),
    }  # fmt: skip


def place(result: schema.Record, request: Request) -> Path | None:
    """Return the file of a result: a whole run has one, a part of it where a folder is asked for."""
    name = f"{result['suite']}.json"
    if request.out is not None:
        return request.out / name
    if request.partial:
        return None
    return environment.RESULTS / result["version"] / environment.slug(result["machine"]) / name


def unfinished_of(path: Path) -> Path:
    """Return where a result stands while it is not whole."""
    return path.with_name(path.name + ".unfinished")


def earlier(part: Work, request: Request, result: schema.Record) -> dict[tuple[str, int], schema.Record]:
    """Return the cases of an earlier run in the same place, by name and threads; none if it is not to be resumed.

    Raises
    ------
    Usage
        If an interrupted run is there and is not to be resumed; if it was of another version, machine, size, or of
        other packages; or if cases that are asked for were measured with other methods, whose figures would be lost.
    """
    path = place(result, request)
    if path is None:
        return {}
    if not request.resume:
        if unfinished_of(path).exists():
            raise Usage(f"{unfinished_of(path)} is what an interrupted run left: go on with --resume, or delete it")
        return {}
    cases: dict[tuple[str, int], schema.Record] = {}
    for source in (path, unfinished_of(path)):
        if not source.exists():
            continue
        try:
            before = schema.read(source)
        except ValueError as error:
            raise Usage(str(error)) from error
        for name in ("suite", "version", "quick", "packages"):
            if before[name] != result[name]:
                raise Usage(f"--resume needs an earlier run of {name} {result[name]}; {source} is of {before[name]}")
        if not schema.same_machine(before, result):
            raise Usage(f"--resume needs an earlier run on this machine; {source} is of {before['machine']['cpu']}")
        cases |= {(case["name"], case["threads"]): case for case in before["cases"]}
    for case, methods in part.cases.items():
        names = {method.name for method in methods}
        for (name, _), record in cases.items():
            others = {method["name"] for method in record["methods"]} - names
            if name == case.name and others:
                raise Usage(
                    f"--resume would drop figures of {', '.join(sorted(others))} in {name}: ask for these methods too, "
                    "or write to another folder"
                )
    return cases


def check(parts: Sequence[Work], request: Request) -> None:
    """Raise what would keep any part from running, before the first one runs."""
    for part in parts:
        earlier(part, request, blank(part, request, [1]))


def still_holds(record: schema.Record | None, case: Case, methods: Sequence[Method]) -> bool:
    """Say whether a case was measured as it would be now, with the same editions of the same methods, and whole."""
    if record is None or record["parameters"] != case.parameters() or record.get("unreadable"):
        return False
    before = {method["name"]: method for method in record["methods"]}
    if list(before) != [method.name for method in methods]:
        return False
    for method in methods:
        if (method.missing() is None) != (before[method.name]["status"] == "measured"):
            return False
        if method.missing() is None and method.edition(case) != before[method.name]["version"]:
            return False
    return True
