"""The rules of the benchmarks' house, read from the syntax trees."""

import ast
from functools import cache
from pathlib import Path
from tomllib import loads

import pytest

from benchmarks.__main__ import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
FLOORS = ("harness", "peers", "suites", "studies", "present", "__main__")
"""A module imports from its own folder or from those before it."""
FILES = sorted((ROOT / "benchmarks").rglob("*.py"))
PUBLIC = {
    "nlmeans": (
        *("convert", "datasets", "extend", "groups", "io", "large", "noise", "pairwise", "pairwise.naive", "show"),
        *("show.page", "tiled", "compat.*"),
    ),
    "nonlocal_block": ("denoiser", "mixer", "weights", "train.classifier", "train.denoiser", "train.mixer", "trained"),
}
"""What the benchmarks may import from besides the packages themselves."""
INSIDE = {
    ("studies/ridge_stages.py", f"nlmeans.{name}")
    for name in ("groups.kernels", "simd.blocks", "simd.jit", "simd.lanes", "simd.sizes")
} | {("harness/tried.py", f"nonlocal_block.train.{name}") for name in ("folder", "loop", "pictures", "tasks")}
"""What is imported and is not public: the study of how long the parts of a kernel take must open it, and
what the ablation tries trains in its own ways."""


def place(path):
    """Return a file's name within the benchmarks."""
    return path.relative_to(ROOT / "benchmarks").as_posix()


def is_module(name):
    path = ROOT / name.replace(".", "/")
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


@cache
def imports(path):
    """Return the full names of the modules that a file imports, wherever in it."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            around = package[: len(package) + 1 - node.level] if node.level else ()
            base = ".".join(filter(None, (*around, node.module)))
            inner = (f"{base}.{alias.name}" for alias in node.names)
            names |= {name if is_module(name) else base for name in inner}
    return frozenset(names)


def own(path):
    """Return the modules of the benchmarks that a file imports, as parts of their names."""
    return [name.split(".")[1:] for name in imports(path) if name.startswith("benchmarks.")]


@pytest.mark.parametrize("path", FILES, ids=place)
def test_imports_run_down_the_floors(path):
    floor = place(path).removesuffix(".py").split("/")[0]
    allowed = FLOORS[: FLOORS.index(floor) + 1] if floor in FLOORS else ()
    assert {parts[0] for parts in own(path)} <= set(allowed)


def test_no_module_comes_back_to_itself():
    arrows = {place(path): {"/".join(parts) + ".py" for parts in own(path)} for path in FILES}
    while leaves := {name for name, targets in arrows.items() if not targets & arrows.keys()}:
        arrows = {name: targets for name, targets in arrows.items() if name not in leaves}
    assert not arrows


def test_nothing_private_is_imported_but_by_studies_of_parts():
    private = set()
    for path in FILES:
        for name in imports(path):
            package, _, inner = name.partition(".")
            public = PUBLIC.get(package, ("*",))
            if inner and package in PUBLIC and not any(Path(inner).match(pattern) for pattern in public):
                private.add((place(path), name))
    assert private == INSIDE


def test_no_file_is_a_list_of_what_lies_in_a_folder():
    """A suite and a study are added by their files: nobody above names one, but for the drawing of weights."""
    tops = [path for path in FILES if place(path).startswith("present/") or place(path) == "__main__.py"]
    named = {".".join(parts) for path in tops for parts in own(path) if parts[0] in ("suites", "studies")}
    assert named <= {"suites", "studies", "studies.weights"}


def test_every_study_is_a_command():
    studies = {path.stem.replace("_", "-") for path in (ROOT / "benchmarks/studies").glob("[!_]*.py")}
    assert studies <= set(COMMANDS)


def test_the_wheel_holds_the_two_packages_alone():
    settings = loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert settings["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == ["nlmeans", "nonlocal_block"]
