"""Kernels take few arguments by position: what belongs together comes as a named tuple."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3] / "nlmeans"
MOST = 10
FILES = sorted(ROOT.glob("*/kernels*.py"))


def crowded(code):
    """Return the functions that take more arguments than a reader can tell apart."""
    functions = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.FunctionDef)]
    return [node.name for node in functions if len(node.args.args) > MOST]


@pytest.mark.parametrize("file", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_arguments_are_few(file):
    assert crowded(file.read_text(encoding="utf-8")) == []


def test_many_are_seen():
    assert len(FILES) > 8
    assert crowded(f"def f({', '.join(f'a{k}' for k in range(MOST + 1))}): pass") == ["f"]
