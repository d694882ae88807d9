"""Examples of the gallery have a title, their own seeds, and pictures that come with packages.

The build of the documentation runs all of them; here the quickest ones run, without a network.
"""

import ast
import re
import runpy
import socket
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "docs" / "examples"
EXAMPLES = sorted(FOLDER.rglob("*.py"))
QUICKEST = ("first_picture", "plot_document", "plot_mri")
WITH_PACKAGE = {
    "binary_blobs", "brick", "camera", "coffee", "coins", "gravel", "hubble_deep_field", "immunohistochemistry", "moon",
    "page", "rocket",
}  # fmt: skip
"""Pictures of skimage.data that are in its wheel; others are downloaded."""
DOWNLOADS = {"pooch", "urllib", "requests", "http", "socket"}


def names_of(tree):
    """Return the names in a script with all that leads to them, such as ``np.random.default_rng``."""
    return [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute | ast.Name)]


def imports_of(tree):
    """Return what a script imports: a module, and a name in it or None."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module, alias.name) for alias in node.names)


@pytest.fixture(params=EXAMPLES, ids=lambda path: path.stem)
def example(request):
    return request.param


def test_there_are_examples_in_sections():
    assert len(EXAMPLES) >= 17
    assert {path.parent for path in EXAMPLES} == {path.parent for path in FOLDER.rglob("GALLERY_HEADER.rst")}


def test_titles_are_underlined(example):
    title, line, *_ = ast.get_docstring(ast.parse(example.read_text(encoding="utf-8"))).splitlines()
    assert re.fullmatch("=+", line)
    assert len(line) == len(title)


def test_examples_show_what_was_taken_away_and_a_profile(example):
    text = example.read_text(encoding="utf-8")
    assert "residual" in text or example.stem in ("plot_nonlocal_block", "plot_large")
    assert "profile" in text or example.stem in ("first_picture", "plot_nonlocal_block", "plot_large")


def test_random_numbers_have_a_seed(example):
    tree = ast.parse(example.read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert all(call.args for call in calls if ast.unparse(call.func).endswith("default_rng"))
    drawn = [name for name in names_of(tree) if re.match(r"np\.random\.(?!default_rng\b)", name)]
    assert not drawn
    assert "torch" not in names_of(tree) or "torch.manual_seed" in names_of(tree)


def test_pictures_come_with_packages(example):
    tree = ast.parse(example.read_text(encoding="utf-8"))
    imported = list(imports_of(tree))
    assert not DOWNLOADS & {module.partition(".")[0] for module, _ in imported}
    assert "scipy.datasets" not in {module for module, _ in imported}
    data = {name for module, name in imported if module == "skimage.data"}
    data |= {name.rpartition(".")[2] for name in names_of(tree) if re.fullmatch(r"(ski\.)?data\.\w+", name)}
    assert data <= WITH_PACKAGE


@pytest.mark.parametrize("name", QUICKEST)
def test_quickest_examples_run_without_a_network(name, monkeypatch):
    pyplot = pytest.importorskip("matplotlib.pyplot")

    def refuse(*args):
        raise OSError("an example asked for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(pyplot, "show", lambda: None)
    pyplot.switch_backend("agg")
    (path,) = (path for path in EXAMPLES if path.stem == name)
    runpy.run_path(str(path))
    assert pyplot.get_fignums()
    pyplot.close("all")
