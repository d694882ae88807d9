"""The table of formats in the docs is what the formats say; ``python -m`` this module writes it anew."""

from pathlib import Path

from nlmeans.formats.listing import entries
from nlmeans.formats.table import ours

PAGE = Path(__file__).resolve().parents[3] / "docs/formats.md"
START, END = "<!-- made by python -m tests.nlmeans.formats.test_formats_page -->\n", "<!-- end -->\n"
HEAD = ("format", "names end in", "read", "write", "by regions", "series", "install", "what is lost")


def yes(holds):
    return "yes" if holds else "–"


def made():
    """Return the page with the table as the formats have it."""
    before, rest = PAGE.read_text(encoding="utf-8").split(START)
    rows = [HEAD, ("---",) * len(HEAD)]
    for entry in entries(ours()):
        can = (yes(entry.read), yes(entry.write), yes(entry.by_regions), yes(entry.has_series))
        install = f"`{entry.install}`" if entry.install else "–"
        rows.append((entry.name, " ".join(entry.endings), *can, install, entry.loses))
    table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    return f"{before}{START}\n{table}\n{END}{rest.split(END)[1]}"


def test_the_page_is_what_the_formats_say():
    assert PAGE.read_text(encoding="utf-8") == made(), "run python -m tests.nlmeans.formats.test_formats_page"


def test_every_format_says_what_it_loses():
    assert [fmt.name for fmt in ours() if not fmt.loses] == []
    assert [fmt.name for fmt in ours() if "|" in fmt.loses or fmt.loses.endswith(".")] == []


if __name__ == "__main__":
    PAGE.write_text(made(), encoding="utf-8")
