"""The command line: ``python -m benchmarks``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from . import environment, report, schema
from .runner import run_case
from .suites import SUITES, Suite

STUDIES = {
    "quality": "PSNR on Set12, BSD68, Kodak24, PolyU and FMD, classical and learned",
    "sure": "how near strength='sure' comes to the best strength",
    "noise": "how near the estimated σ comes to the true one",
    "classifier": "what non-local blocks add to the article's classifier, on MNIST",
    "ablation": "what the non-local stage adds to the learned denoiser",
    "ship": "put trained weights of the denoiser into the package",
    "pictures": "sheets of noisy and denoised details to look at",
    "tune": "choose the defaults on training pictures",
}
"""Programs of their own, most of which measure standard sets that ``--data`` names."""
IN_CHECKOUT = (environment.ROOT / "pyproject.toml").exists()
RESULTS = Path(__file__).parent / "results" if IN_CHECKOUT else Path("benchmark-results")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 0 where all went well, 1 where a method failed, 2 for usage, 130 where interrupted."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words and words[0] in STUDIES:
        return int(import_module(f".{words[0]}", __package__).main(words[1:]))
    options = parser().parse_args(words)
    try:
        return int(options.run(options))
    except OSError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    main_parser = argparse.ArgumentParser("python -m benchmarks", description="Measure this library and its peers.")
    commands = main_parser.add_subparsers(required=True, metavar="COMMAND")
    for suite in SUITES:
        add_suite(commands.add_parser(suite.name, help=suite.about, description=run_suite.__doc__), suite)

    for name, about in STUDIES.items():
        commands.add_parser(name, help=about, add_help=False)  # its module has the options
    show = commands.add_parser("report", help="print a result file as a table")
    show.add_argument("file", type=Path)
    show.add_argument("--markdown", action="store_true", help="as Markdown, for the README")
    show.set_defaults(run=run_report)
    return main_parser


def add_suite(command: argparse.ArgumentParser, suite: Suite) -> None:
    """Add a suite's options to its command."""
    cases = {case.name: case for case in suite.cases}
    some = partial(chosen, cases, "case")
    command.add_argument("--only", type=some, metavar="GLOBS", help=f"cases, of: {', '.join(cases)}")
    some = partial(chosen, suite.methods, "method")
    command.add_argument("--methods", type=some, metavar="GLOBS", help=f"methods, of: {', '.join(suite.methods)}")
    command.add_argument("--threads", type=thread_counts, metavar="N,N", help="thread counts (default: 1,2 on 2 CPUs)")
    rounds = f"rounds (default: {suite.rounds}; with --quick 1)"
    command.add_argument("--repeat", type=at_least_one, metavar="N", help=rounds)
    command.add_argument("--quick", action="store_true", help="small inputs: shows that all works, times mean nothing")
    command.add_argument("--json", action="store_true", help="print the result file instead of the table")
    command.add_argument("--out", type=Path, metavar="FILE", help="where to write the result file")
    command.set_defaults(run=run_suite, suite=suite)


def run_suite(options: argparse.Namespace) -> int:
    """Measure speed and memory.

    A run of everything is written to results/VERSION/MACHINE/SUITE.json beside this program, or to the file that
    --out names; a part of it, or a quick run, only where --out is given. GLOBS are names or patterns, parted by
    commas.
    """
    suite: Suite = options.suite
    wanted = {method.name for method in options.methods or suite.methods.values()}
    cases = [case.quick() for case in options.only or suite.quick] if options.quick else options.only or suite.cases
    work = {case: [suite.methods[name] for name in case.methods if name in wanted] for case in cases}
    work = {case: methods for case, methods in work.items() if methods}
    if not work:
        print("benchmarks: none of the methods asked for takes part in the cases asked for", file=sys.stderr)
        return 2
    counts = options.threads or ([largest()] if options.quick else sorted({1, largest()}))
    repeat = options.repeat or (1 if options.quick else suite.rounds)
    result: schema.Record = {
        "schema": schema.VERSION,
        "suite": suite.name,
        "version": environment.own_version(),
        "complete": False,
        "quick": options.quick,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "threads": counts,
        **environment.describe(),
        "cases": [],
    }
    part = bool(options.only or options.methods or options.threads or options.quick)
    path = options.out or (None if part else default_path(result))
    unfinished = path.with_name(path.name + ".unfinished") if path else None
    if unfinished:
        schema.write(result, unfinished)  # finds out now, not after minutes, that it cannot

    try:
        for case, methods in work.items():
            print(f"{case.name}: {case.title}", file=sys.stderr, flush=True)
            for record in run_case(case, methods, counts, repeat):
                result["cases"].append(record)
                if unfinished:
                    schema.write(result, unfinished)
        result["complete"] = True
    except KeyboardInterrupt:
        print("interrupted: what was finished is kept", file=sys.stderr)

    if path and unfinished and result["complete"]:
        schema.write(result, unfinished)
        os.replace(unfinished, path)
        print(f"written to {path}", file=sys.stderr)
    if options.json:
        sys.stdout.write(schema.text(result))
    else:
        report.show(result, sys.stdout)
    if not result["complete"]:
        return 130
    return int(any(method["status"] == "failed" for case in result["cases"] for method in case["methods"]))


def run_report(options: argparse.Namespace) -> int:
    """Print a result file."""
    try:
        result = schema.read(options.file)
    except ValueError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    if options.markdown:
        sys.stdout.write(report.markdown(result))
    else:
        report.show(result, sys.stdout)
    return 0


def chosen(offered: Mapping[str, Any], what: str, globs: str) -> list[Any]:
    """Return what the comma-separated patterns name; one that names nothing is an error."""
    patterns = globs.split(",")
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in offered):
            raise argparse.ArgumentTypeError(f"no {what} is named {pattern!r}; there are {', '.join(offered)}")
    return [item for name, item in offered.items() if any(fnmatchcase(name, pattern) for pattern in patterns)]


def largest() -> int:
    """Return the largest thread count that is measured unless others are asked for."""
    return min(2, environment.available_cpus())


def thread_counts(text: str) -> list[int]:
    """Return thread counts, sorted; more threads than CPUs is an error, since it would time the scheduler."""
    cpus = environment.available_cpus()
    counts = sorted({at_least_one(number) for number in text.split(",")})
    if counts[-1] > cpus:
        raise argparse.ArgumentTypeError(f"at most {cpus} threads, the CPUs this process may use, not {text}")
    return counts


def at_least_one(text: str) -> int:
    """Return a whole number above 0."""
    if not text.strip().isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text!r}")
    return int(text)


def default_path(result: schema.Record) -> Path:
    """Return where the result of a whole run belongs."""
    return RESULTS / result["version"] / environment.slug(result["machine"]) / f"{result['suite']}.json"


if __name__ == "__main__":
    raise SystemExit(main())
