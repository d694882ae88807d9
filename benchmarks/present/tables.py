"""The pages' tables and charts, made of the committed results: ``python -m benchmarks tables``.

What stands in a page between ``<!-- table: NAME -->`` and ``<!-- end -->`` is made of the results that lie beside this
program; nothing there is written by hand, and a test says where that is no longer so. Pages are the README, this
folder's, and all in ``docs``. Suites and studies have their tables themselves. ``--check`` writes nothing.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

from .. import studies, suites
from ..harness import environment
from ..harness.discovery import modules
from ..harness.published import Published, Table
from . import choice, costs
from .charts import pareto
from .report import groups

PAGES = ("README.md", "benchmarks/README.md", "docs/**/*.md")
MARK = re.compile(r"(<!-- table: ([\w-]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
INK = "<style>:root{color:#1c1e22}@media(prefers-color-scheme:dark){:root{color:#e8e9ec}}</style>"
"""By itself, outside a page, a chart has to bring its ink for light and for dark."""


def tables() -> dict[str, Table]:
    """Return all tables by name."""
    measured = [module for package in (suites, studies) for module in modules(package)]
    return {
        name: table for module in (*measured, choice, costs) for name, table in getattr(module, "TABLES", {}).items()
    }


def pages(root: Path) -> list[Path]:
    """Return the pages that have tables."""
    found = (path for pattern in PAGES for path in sorted(root.glob(pattern)))
    return [path for path in found if MARK.search(path.read_text(encoding="utf-8"))]


def filled(text: str, published: Published | None = None) -> str:
    """Return a page with all its tables made anew; ValueError where it asks for one that there is not."""
    results, known = published or Published(), tables()

    def made(mark: re.Match[str]) -> str:
        if mark[2] not in known:
            raise ValueError(f"there is no table {mark[2]!r}; there are {', '.join(known)}")
        return mark[1] + "\n".join(known[mark[2]](results)) + "\n" + mark[4]

    return MARK.sub(made, text)


def outdated(root: Path) -> Iterator[tuple[Path, str]]:
    """Yield the pages that are not what the results say, with what they are to be."""
    for path in pages(root):
        text = path.read_text(encoding="utf-8")
        if (made := filled(text)) != text:
            yield path, made


def charts() -> Iterator[tuple[str, str]]:
    """Yield a chart of dB against time for each kind of picture, and its file's name."""
    cases = [case for result in Published().latest("quality") for case in result["cases"]]
    for title, points in groups(cases).items():
        chart = re.sub(r"(<svg[^>]*>)", rf"\1{INK}", pareto(title, points), count=1)
        yield f"pareto-{title.split(',')[0].lower()}.svg", chart


def main(arguments: list[str] | None = None, root: Path = environment.ROOT) -> int:
    """Make the tables of all pages anew."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks tables", description=__doc__)
    parser.add_argument("--check", action="store_true", help="say which pages are not what the results say; write none")
    options = parser.parse_args(arguments)
    old = list(outdated(root))
    if options.check:
        for path, _ in old:
            print(f"{path.relative_to(root)} is not what the results say")
        return int(bool(old))
    for path, text in (*old, *((root / "docs" / name, chart) for name, chart in charts())):
        path.write_text(text, encoding="utf-8")
        print(f"{path.relative_to(root)} written")
    return 0
