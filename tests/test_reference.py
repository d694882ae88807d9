"""The reference names everything that is public, and says of versions and errors what is so."""

import importlib
import inspect
import re

import pytest
from pages import ROOT, text_of

from nlmeans.plan.defaults import DEFAULTS_VERSION

PAGES = sorted((ROOT / "docs/reference/api").glob("*.rst"))
DOORS = [
    "nlmeans", "nlmeans.compat.ants", "nlmeans.compat.opencv", "nlmeans.compat.skimage",
    "nlmeans.compat.skimage_backend",
    "nlmeans.compat.xarray", "nlmeans.convert", "nlmeans.datasets", "nlmeans.extend", "nlmeans.io", "nlmeans.large",
    "nlmeans.noise", "nlmeans.pairwise", "nlmeans.raw", "nlmeans.tiled", "nonlocal_block",
]  # fmt: skip
NEEDS = {"nlmeans.compat.xarray": "xarray", "nonlocal_block": "torch"}
RAISED = re.compile(r"^class (\w+)\(\w*(?:Error|Exception)\)", re.MULTILINE)
ENTRY = re.compile(r"^   ([\w.]+)$", re.MULTILINE)


def listed():
    """Return the full names that the pages have entries for."""
    names = set()
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        module = re.search(r"^\.\. currentmodule:: (\S+)", text, re.MULTILINE)[1]
        names |= {f"{module}.{name}" for name in ENTRY.findall(text)}
    return names


def resolved(name):
    """Return what a full name stands for."""
    module, _, rest = name.rpartition(".")
    try:
        return getattr(importlib.import_module(module), rest)
    except ImportError:
        return getattr(resolved(module), rest)


@pytest.mark.parametrize("door", DOORS)
def test_every_public_name_is_in_the_reference(door):
    if door in NEEDS:
        pytest.importorskip(NEEDS[door])
    module, names = importlib.import_module(door), listed()
    objects = {id(resolved(name)) for name in names if not name.startswith(tuple(NEEDS)) or name.startswith(door)}
    public = getattr(module, "__all__", None) or dir(module)
    missing = [
        name
        for name in public
        if f"{door}.{name}" not in names
        and not name.startswith("_")
        and not inspect.ismodule(getattr(module, name))
        and id(getattr(module, name)) not in objects
    ]
    assert missing == []


def test_the_reference_names_nothing_that_there_is_not():
    for name in sorted(listed()):
        if not any(name.startswith(door) for door in NEEDS):
            assert resolved(name) is not None


def test_modules_that_are_shown_are_in_the_reference():
    import nlmeans

    shown = {name for name in dir(nlmeans) if inspect.ismodule(getattr(nlmeans, name))}
    assert {f"nlmeans.{name}" for name in shown} <= {*DOORS, "nlmeans.compat"}


def test_the_last_version_of_the_defaults_is_the_one_in_use():
    rows = re.findall(r"^\| (\d+) \|", text_of("docs/reference/defaults.md"), re.MULTILINE)
    assert rows == [str(number + 1) for number in range(DEFAULTS_VERSION)]


def test_every_kind_of_error_of_ours_is_explained():
    ours = {
        name
        for path in (ROOT / "nlmeans").rglob("*.py")
        for name in re.findall(
            r"^class (\w+)\(\w*(?:Error|Exception)\)", path.read_text(encoding="utf-8"), re.MULTILINE
        )
    }
    page = text_of("docs/reference/errors.md")
    assert {name for name in ours if name not in page} == {"Changed"}  # a PictureError
