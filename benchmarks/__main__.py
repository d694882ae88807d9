"""The command line: ``python -m benchmarks``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from . import present, studies
from .harness import environment, schema
from .harness.beside import SHORT
from .harness.discovery import commands
from .harness.running import NO_BUILD, Request, Usage, check, run, work
from .harness.suite import Suite
from .present import show
from .suites import all_suites

COMMANDS = commands(present) | commands(studies)
"""Programs of their own: the names of their modules, and what they are for; the modules have the options."""
QUICK, ALL = "quick", "all"
QUICK_FOLDER = Path("benchmark-results")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 0 where all went well, 1 where something failed, 2 for usage, 130 where interrupted."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return command(words)
    except BrokenPipeError:  # of `… | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def command(words: list[str]) -> int:
    """Run one command."""
    if words and words[0] in COMMANDS:
        return int(import_module(COMMANDS[words[0]][0]).main(words[1:]))
    if not words or (words[0].startswith("-") and words[0] not in ("-h", "--help")):
        words.insert(0, QUICK)
    options = parser().parse_args(words)
    try:
        return int(options.run(options))
    except BrokenPipeError:
        raise
    except (OSError, Usage) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    main_parser = argparse.ArgumentParser(
        "python -m benchmarks",
        description="Measure this library and its peers. Without a command: quick, which takes a few minutes.",
    )
    parsers, suites = main_parser.add_subparsers(metavar="COMMAND"), all_suites()
    add_suite(parsers.add_parser(QUICK, help="all suites in small, and a page to look at"), suites, QUICK)
    for suite in suites:
        add_suite(parsers.add_parser(suite.name, help=suite.about, description=run_suites.__doc__), (suite,), "")
    add_suite(parsers.add_parser(ALL, help="all suites, which takes hours with --data"), suites, ALL)
    for name, (_, about) in COMMANDS.items():
        parsers.add_parser(name, help=about, add_help=False)
    return main_parser


def add_suite(command: argparse.ArgumentParser, suites: Sequence[Suite], every: str) -> None:
    """Add the options of a suite, or of all of them, to its command."""
    methods = dict.fromkeys(name for suite in suites for name in suite.methods)
    cases = [case.name for suite in suites for case in suite.cases]
    some = f"cases, of: {', '.join(cases)}" if len(suites) == 1 else "cases; each suite's --help lists its own"
    command.add_argument("--only", type=patterns, default=(), metavar="GLOBS", help=some)
    command.add_argument(
        "--methods", type=patterns, default=(), metavar="GLOBS", help=f"methods, of: {', '.join(methods)}"
    )
    if sets := list(dict.fromkeys(name for suite in suites for name in suite.sets)):
        some = f"folder of standard sets, measured instead of scikit-image's pictures: {', '.join(sets)}"
        if any(suite.pairs for suite in suites):
            some += "; for real also any folder of pairs, or one that holds some"
        command.add_argument("--data", type=Path, metavar="DIR", help=some)
        command.add_argument(
            "--untimed", action="store_true", help="leave out times, since the machine does other work besides"
        )
    if every != QUICK and any(suite.beside for suite in suites):
        some = f"commit, or folder of a checkout, that our methods are measured beside; {NO_BUILD} for no other build"
        before = [suite.before[:SHORT] for suite in suites if suite.before]
        usual = f"default: {before[0]}, where sets are measured in full" if before else f"default: {NO_BUILD}"
        command.add_argument("--against", default="", metavar="COMMIT", help=f"{some} ({usual})")
    if any(suite.noisy for suite in suites):
        command.add_argument("--sigma", type=levels, default=(), metavar="S,S", help="noise levels in grey levels")
    command.add_argument(
        "--threads", type=thread_counts, default=(), metavar="N,N", help="thread counts (default: 1,2)"
    )
    command.add_argument("--repeat", type=at_least_one, metavar="N", help="rounds of each timing")
    if every != QUICK:
        command.add_argument("--quick", action="store_true", help="small inputs: shows that all works")
    command.add_argument("--json", action="store_true", help="print the result instead of tables")
    command.add_argument("--out", type=Path, metavar="DIR", help="folder for results, pictures and report.html")
    command.add_argument(
        "--resume", action="store_true", help="keep the finished cases of an earlier run in that folder"
    )
    command.set_defaults(run=run_suites, suites=suites, every=every)


def run_suites(options: argparse.Namespace) -> int:
    """Measure.

    A run of everything is written to results/VERSION/MACHINE/SUITE.json beside this program, or to the folder that
    --out names, where a page is made of it, too; a part of it, or a quick run, only where --out is given. GLOBS are
    names or patterns, parted by commas.
    """
    request = Request(
        only=options.only,
        methods=options.methods,
        sigmas=getattr(options, "sigma", ()),
        data=getattr(options, "data", None),
        threads=options.threads,
        repeat=options.repeat,
        quick=options.every == QUICK or options.quick,
        out=options.out or (QUICK_FOLDER if options.every == QUICK else None),
        resume=options.resume,
        against=getattr(options, "against", ""),
        untimed=getattr(options, "untimed", False),
    )
    if request.resume and request.out is None and request.partial:
        raise Usage("--resume needs --out: a part of a suite is written nowhere else")
    parts = work(options.suites, request)
    check(parts, request)
    made = []
    for part in parts:
        made.append(run(part, request))
        if not options.json:
            show.show(made[-1], sys.stdout)
        if not made[-1]["complete"]:
            break
    if options.json:
        texts = [schema.text(result) for result in made]
        sys.stdout.write(f"[{','.join(texts)}]\n" if options.every else texts[0])
    whole = made[-1]["complete"]
    if whole and request.out is not None:
        finish(request.out, made)
    elif whole and options.every and not request.partial:
        finish(environment.RESULTS / environment.own_version() / environment.slug(environment.machine()), made)
    return int(any([faults(result) for result in made])) if whole else 130


def finish(folder: Path, made: Sequence[schema.Record]) -> None:
    """Draw and write what is made of results."""
    from .present.report import write_page

    if any(result["suite"] == "locality" for result in made):
        draw_weights(folder)
    print(f"to look at: {write_page(folder)}", file=sys.stderr)


def draw_weights(folder: Path) -> None:
    """Draw one pixel's weights, which the page shows with the suite ``locality``."""
    from .studies.weights import written

    try:
        written(folder)
    except ImportError as error:  # it names the extra that is missing
        print(f"no drawing of weights: {error}", file=sys.stderr)


def faults(result: schema.Record) -> list[str]:
    """Return what went wrong: methods that failed, pictures that could not be read."""
    failed = [m["name"] for case in result["cases"] for m in case["methods"] if m["status"] == "failed"]
    unreadable = [picture for case in result["cases"] for picture in case.get("unreadable", ())]
    for picture in unreadable:
        print(f"skipped: {picture['reason']}", file=sys.stderr)
    return failed + [picture["name"] for picture in unreadable]


def patterns(text: str) -> tuple[str, ...]:
    """Return the patterns of a list."""
    return tuple(text.split(","))


def levels(text: str) -> tuple[float, ...]:
    """Return noise levels."""
    try:
        given = tuple(float(word) for word in text.split(","))
    except ValueError:
        given = (0.0,)
    if not all(0 < level < float("inf") for level in given):
        raise argparse.ArgumentTypeError(f"must be numbers above 0, parted by commas, not {text!r}")
    return given


def thread_counts(text: str) -> tuple[int, ...]:
    """Return thread counts, sorted; more threads than CPUs is an error, since it would time the scheduler."""
    cpus = environment.available_cpus()
    counts = sorted({at_least_one(number) for number in text.split(",")})
    if counts[-1] > cpus:
        raise argparse.ArgumentTypeError(f"at most {cpus} threads, the CPUs this process may use, not {text}")
    return tuple(counts)


def at_least_one(text: str) -> int:
    """Return a whole number above 0."""
    if not text.strip().isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text!r}")
    return int(text)


if __name__ == "__main__":
    raise SystemExit(main())
