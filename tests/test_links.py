"""Links of the pages lead somewhere: files that exist, headings that a page has. Nothing is asked of a network."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from pages import FENCE, PAGES, ROOT, text_of

LINK = re.compile(r"!?\[[^\]]*\]\(<?([^)\s>]+)>?(?: \"[^\"]*\")?\)")
ELSEWHERE = re.compile(r"[a-z]+:")
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
TARGET = re.compile(r"^\(([\w-]+)\)=$|<a (?:id|name)=\"([\w-]+)\"", re.MULTILINE)


def prose(page):
    """Return a page without its code."""
    return re.sub(r"`[^`\n]+`", "", COMMENT.sub("", FENCE.sub("", text_of(page))))


def slug(heading):
    """Return the anchor of a heading, as GitHub and MyST make it."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def anchors(page):
    """Return the anchors of a page; one that comes again gets a number."""
    text, known = FENCE.sub("", text_of(page)), set()
    for heading in re.findall(r"^#+ +(.+?) *#*$", text, re.MULTILINE):
        name, count = slug(heading), 0
        while (one := f"{name}-{count}" if count else name) in known:
            count += 1
        known.add(one)
    return known | {name for pair in TARGET.findall(text) for name in pair if name}


def pages_made(target):
    """Whether the build of the documentation makes a page, as it makes those of public names and of examples."""
    place = target.relative_to(ROOT / "docs") if target.is_relative_to(ROOT / "docs") else Path()
    if place.parts[:1] == ("gallery",):
        return place.stem == "index" or (ROOT / "docs/examples" / Path(*place.parts[1:])).with_suffix(".py").is_file()
    return place.parts[:2] == ("reference", "generated")


def broken(page):
    """Yield the links of a page that lead nowhere."""
    for link in LINK.findall(prose(page)):
        if ELSEWHERE.match(link):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = ((ROOT / page).parent / path).resolve() if path else ROOT / page
        source = next((one for one in (target, target.with_name(f"{target.name}.md")) if one.is_file()), target)
        leads = source.exists() or target.with_name(f"{target.name}.rst").is_file() or pages_made(target)
        if leads and anchor and source.suffix == ".md":
            leads = anchor in anchors(source.relative_to(ROOT).as_posix())
        if not leads:
            yield link


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    assert [*broken(page)] == []


def test_a_link_that_leads_nowhere_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr("test_links.ROOT", tmp_path)
    monkeypatch.setattr("pages.ROOT", tmp_path)
    (tmp_path / "a.md").write_text(
        "# A heading\n\n[1](#a-heading) [2](#none) [3](b.md) [4](a.md#a-heading) `[5](c.md)`\n"
    )
    assert [*broken("a.md")] == ["#none", "b.md"]
