"""What the learned side may take from the classical one: public doors, and no name with an underscore."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOORS = {
    f"nlmeans.{name}" for name in ("datasets", "extend", "formats", "io", "methods", "noise", "pairwise", "show")
} | {"nlmeans"}
FILES = {str(path.relative_to(ROOT / "nonlocal_block")): path for path in (ROOT / "nonlocal_block").rglob("*.py")}


def past_doors(code):
    """Return the modules and names of nlmeans that code imports, but should not."""
    taken = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            taken += [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            taken += [(node.module, alias.name) for alias in node.names]
    ours = [(module, name) for module, name in taken if module.split(".")[0] == "nlmeans"]
    return [(module, name) for module, name in ours if module not in DOORS or name.startswith("_")]


@pytest.mark.parametrize("file", sorted(FILES))
def test_nothing_private_is_imported(file):
    assert past_doors(FILES[file].read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("code", "taken"),
    [
        ("import nlmeans._checks", [("nlmeans._checks", "")]),
        ("from nlmeans.pairwise.run import pairwise_average", [("nlmeans.pairwise.run", "pairwise_average")]),
        ("from nlmeans import _progress", [("nlmeans", "_progress")]),
        ("def f():\n    from nlmeans.pairwise import attend", []),
        ("import nlmeans.extend, numpy", []),
        ("from .nlmeans import x", []),
    ],
)
def test_reaching_past_a_door_is_seen(code, taken):
    assert past_doors(code) == taken
