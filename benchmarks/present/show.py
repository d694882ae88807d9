"""A result file as tables, on the terminal or in Markdown: ``python -m benchmarks show FILE``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import IO

from ..harness import schema
from ..harness.schema import Record
from ..harness.timing import mean
from ..suites import all_suites

HEADERS = ("threads", "method", "median (middle half)", "times as fast (small) as", "PSNR dB", "SSIM", "first call s")

FORMS = {
    "seconds": (1.0, "s"),
    "import": (1e3, "ms import"),
    "multiple": (1.0, "times the first's"),
    "extra_memory": (1e-6, "MB"),
    "extra_copies": (1.0, "copies"),
    "compiled_first_call": (1.0, "s compiled"),
    "cached_first_call": (1.0, "s cached"),
    "layers": (1.0, "layers"),
    "parameters": (1e-3, "thousand parameters"),
    "macs": (1e-6, "million multiplications"),
}
"""The measures that the table shows in its middle column: their factor, and the unit in words."""


DIGITS = {"psnr": 2, "ssim": 3}


def rows(case: Record) -> list[tuple[str, ...]]:
    """Return a case's part of the table, one row a method, under `HEADERS`."""
    lines = []
    for method in case["methods"]:
        busy = f" ({method['measures']['cores']['median']:.2g} busy)" if "cores" in method["measures"] else ""
        head = (f"{method['threads']}{busy}", f"{method['name']} {method['version'] or ''}".strip())
        lines.append(head + (_measured(method) if method["status"] == "measured" else _unmeasured(method)))
    return lines


def _title(case: Record) -> str:
    """Return what was measured, with its note; older results have none."""
    note = case.get("note")
    return f"{case['title']} ({note})" if note else str(case["title"])


def _measured(method: Record) -> tuple[str, ...]:
    measures = method["measures"]
    middle = ", ".join(_summary(measures[name], *form) for name, form in FORMS.items() if name in measures)
    faster = ", ".join(f"{other} {_summary(ratio, 1.0, '')}" for other, ratio in method["ratios"].items())
    quality = (f"{mean(measures[name]):.{digits}f}" if name in measures else "" for name, digits in DIGITS.items())
    return middle, faster, *quality, f"{method['first_call_s']:.3g}" if "first_call_s" in method else ""


def _unmeasured(method: Record) -> tuple[str, ...]:
    remedy = f" ({method['install']})" if method["install"] else ""
    return f"{method['status'].upper()}: {method['reason']}{remedy}", "", "", "", ""


def _summary(summary: Record, factor: float, unit: str) -> str:
    median, (lower, upper) = summary["median"] * factor, (value * factor for value in summary["quartiles"])
    spread = f" ({_number(lower)}–{_number(upper)})" if len(summary["values"]) > 1 else ""
    return f"{_number(median)}{spread} {unit}".strip()


def _number(value: float) -> str:
    """Return three digits, or all before the point."""
    return f"{value:.3g}" if abs(value) < 999.5 else f"{value:.0f}"


def footer(result: Record) -> str:
    """Return where and when the numbers were taken, in a line or two."""
    machine, git = result["machine"], result["git"]
    commit = (git["commit"] or "no commit")[:10] + (" with local changes" if git["dirty"] else "")
    packages = ", ".join(f"{name} {version}" for name, version in result["packages"].items())
    vectors = "AVX-512" if "avx512f" in machine["flags"] else "AVX2" if "avx2" in machine["flags"] else ""
    about = [machine["cpu"], vectors, f"{machine['cpus_available']} CPUs", f"{machine['memory_bytes'] / 2**30:.0f} GiB"]
    unfinished = "" if result["complete"] else "Interrupted: the cases that were finished. "
    small = "A quick run on small pictures: the times say nothing. " if result["quick"] else ""
    return (
        f"{unfinished}{small}{', '.join(filter(None, about))}; {result['os']}; {result['python']}; {packages}. "
        f"Commit {commit}, {result['date']}."
    )


def markdown(result: Record) -> str:
    """Return all cases as one table in Markdown."""

    def line(cells: tuple[str, ...]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    table = [line(("case", *HEADERS)), line(("---",) * (len(HEADERS) + 1))]
    for case in result["cases"]:
        table += [line((_title(case) if k == 0 else "", *cells)) for k, cells in enumerate(rows(case))]
    return "\n".join([*table, *glance(result), "", footer(result), ""])


def show(result: Record, file: IO[str]) -> None:
    """Print a table for each case."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=file, width=None if file.isatty() else 160, highlight=False, markup=False)
    colours = {"measured": None, "failed": "red", "skipped": "yellow"}
    for case in result["cases"]:
        table = Table(*HEADERS, box=None, padding=(0, 2, 0, 0))
        for method, cells in zip(case["methods"], rows(case), strict=True):
            table.add_row(*map(Text, cells), style=colours[method["status"]])
        console.print(f"\n{case['name']}: {_title(case)}", style="bold")
        console.print(table)
    file.writelines(f"{line}\n" for line in glance(result))
    console.print(f"\n{footer(result)}")


def glance(result: Record) -> list[str]:
    """Return what a result's suite tells at a glance."""
    told = next((suite.overview for suite in all_suites() if suite.name == result["suite"] and suite.overview), None)
    return told(result) if told else []


def main(arguments: list[str] | None = None) -> int:
    """Print a result file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks show", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--markdown", action="store_true", help="as Markdown")
    options = parser.parse_args(arguments)
    try:
        result = schema.read(options.file)
    except (OSError, ValueError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2 if isinstance(error, OSError) else 1
    if options.markdown:
        sys.stdout.write(markdown(result))
    else:
        show(result, sys.stdout)
    return 0
