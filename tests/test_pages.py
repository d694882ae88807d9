"""Every block of code in the README and in the documentation runs, or says above it why it cannot.

Blocks of Python share the names of a page, and start from those of `pages.arrays`. Lines of shell that call ``nlmeans``
run on small pictures of the names that they give. What installs something names extras that there are, and other
programs of the project know the flags that they are given. A block that can do none of this has a comment above it:
``<!-- not run: the reason -->``.
"""

import ast
import doctest
import re
import shlex
import subprocess
import sys
import tomllib
from functools import lru_cache
from importlib.util import find_spec

import pytest
from pages import PAGES, ROOT, arrays, blocks, make, run

ELSEWHERE = {
    "docs/migration.md": "tests/nlmeans/compat/test_migration.py",
    "docs/extend.md": "tests/nlmeans/test_extend_page.py",
}
"""Pages whose blocks another module runs, since they need more."""
PASSIVE = {"", "text", "toml", "yaml", "json", "powershell"}
"""Languages of blocks that are only looked at."""
INSTALLS = re.compile(r"(python\S* -m venv|\S*pip\d? install|\S*python\S* -m pip)\b")
MODULE = re.compile(r"(?:\S*/)?python\S* -m ((?:benchmarks|nonlocal_block)\S*)")
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
OPTIONAL = (
    "torch",
    "dask",
    "zarr",
    "xarray",
    "astropy",
    "cv2",
    "dipy",
    "bm3d",
    "SimpleITK",
    "napari",
    "ipywidgets",
    "scico",
    "deepinv",
    "cil",
)


def absent(code):
    """Return a package that a block needs and that is not installed."""
    imported = {
        name.partition(".")[0]
        for node in ast.walk(ast.parse(code))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    needed = {"torch" if name == "nonlocal_block" else name for name in imported}
    needed |= {"torch"} if 'method="learned"' in code else set()
    return next((name for name in OPTIONAL if name in needed and find_spec(name) is None), None)


def of(language, page):
    return [block for block in blocks(page) if block.language == language]


def test_blocks_are_of_known_languages():
    unknown = [
        block.place
        for page in PAGES
        for block in blocks(page)
        if block.language not in PASSIVE | {"python", "pycon", "sh"}
    ]
    assert unknown == []


@pytest.mark.parametrize("page", [page for page in PAGES if page not in ELSEWHERE and of("python", page)])
def test_python_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("noisy.png", "photo.jpg", "big.npy"):
        make(name)
    names, left_out = arrays(), []
    for block in of("python", page):
        if block.reason:
            continue
        if (missing := absent(block.code)) is not None:
            left_out.append(f"{block.place} needs {missing}")
            continue
        exec(compile("\n" * (block.line - 1) + block.code, str(ROOT / page), "exec"), names)
    if left_out:
        pytest.skip("; ".join(left_out))


@pytest.mark.parametrize("page", [page for page in PAGES if of("pycon", page)])
def test_dialogues_are_as_printed(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names, runner = arrays(), doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS)
    for block in of("pycon", page):
        if not block.reason:
            test = doctest.DocTestParser().get_doctest(block.code, names, page, str(ROOT / page), block.line - 1)
            runner.run(test, clear_globs=False)
            names = test.globs
    assert runner.failures == 0


def lines():
    """Yield the lines of shell by their places; those that go on in the next one are one."""
    for page in sorted({*PAGES} - {"docs/extend.md"}):
        for block in of("sh", page):
            for number, line in enumerate(re.sub(r"\\\n\s*", " ", block.code).splitlines()):
                if line.strip() and not line.lstrip().startswith("#"):
                    for part in line.split("&&"):
                        yield pytest.param(part.strip(), block.reason, id=f"{page}:{block.line + number}")


@pytest.mark.parametrize(("line", "reason"), [*lines()])
def test_shell_runs(line, reason, tmp_path, monkeypatch):
    if reason:
        return
    if re.search(r"\.(mp4|mov|mkv)\b", line):
        pytest.importorskip("av", reason="av is not installed: pip install 'nlmeans[video]'")
    monkeypatch.chdir(tmp_path)
    if INSTALLS.match(line):
        named = {name for group in re.findall(r"(?:\.|nlmeans)\[([\w,]+)\]", line) for name in group.split(",")}
        assert named <= {*EXTRAS}, line
        assert "-c " not in line or "-c constraints.txt" in line
    elif found := MODULE.match(line):
        words = shlex.split(line[found.end() :], comments=True)
        flags = {word.partition("=")[0] for word in words if word.startswith("-")}
        if found[1].startswith("nonlocal_block"):
            pytest.importorskip("torch")
        place = [word for word in words[:1] if re.fullmatch(r"[a-z][a-z-]*", word)]
        assert {flag for flag in flags if flag not in help_of(found[1], *place)} == set()
    elif line.startswith(("pytest", "python -m pytest", ".venv/bin/python -m pytest")):
        pass  # this
    else:
        run(line)


@lru_cache
def help_of(module, *words):
    command = [sys.executable, "-m", module, *words, "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_block_leaves_a_trained_network_as_it_was():
    torch = pytest.importorskip("torch")
    code = next(block.code for page in PAGES for block in of("python", page) if "network.insert" in block.code)
    before, insertion = code.rsplit("network.insert", 1)
    names = {"torch": torch}
    exec("from nonlocal_block import NonLocalBlock2d\n" + before, names)
    names["network"].eval()
    x = torch.rand(2, 3, 20, 20)
    ref = names["network"](x)
    exec("network.insert" + insertion, names)
    assert torch.equal(names["network"](x), ref)
