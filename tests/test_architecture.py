"""The rules of the house, read from the syntax trees: imports run downward, numba stays in its place."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def modules(package):
    """Return the files of a package by their modules' names."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted((ROOT / package).rglob("*.py"))
    }


MODULES = modules("nlmeans")
LEARNED = modules("nonlocal_block")
LEAVES = {"nlmeans._checks": {"nlmeans.layout"}, "nlmeans.pairwise.spec": set(), "nlmeans.layout": set()}
FLOORS = [  # a module imports from its own floor or from those below
    {"nlmeans._jit", "nlmeans._progress", "nlmeans.layout", "nlmeans.pairwise.spec", "nlmeans.groups.spec"},
    {
        f"nlmeans.{name}"
        for name in ("_lanes", "_blocks", "_checks", "defaults", "vst", "explain", "outliers", "stripes", "missing")
    }
    | {"nlmeans.containers", "nlmeans.crops"}
    | {"nlmeans.pairwise.tiles", "nlmeans.pairwise.kernels_uneven", "nlmeans.scores"}
    | {name for name in MODULES if name.startswith("nlmeans.page")},
    {
        "nlmeans.pairwise.kernels",
        "nlmeans.pairwise.naive",
        "nlmeans.pairwise.weights",
        "nlmeans.wiener.naive",
        "nlmeans.groups.naive",
    }
    | {name for name in MODULES if name.startswith("nlmeans.noise")}
    | {"nlmeans.colour"},
    {f"nlmeans.pairwise.kernels_{name}" for name in ("apart", "patchwise", "domain", "risk")}
    | {"nlmeans.wiener.kernels", "nlmeans.groups.kernels", "nlmeans.groups.kernels_match"}
    | {"nlmeans.options", "nlmeans.methods"},
    {"nlmeans.plan", "nlmeans.units"},
    {"nlmeans.choose"},
    {"nlmeans.pairwise.domain"},
    {"nlmeans.pairwise.run", "nlmeans.pairwise.risk", "nlmeans.pairwise.attend", "nlmeans.wiener.run"}
    | {"nlmeans.groups.run"},
    {"nlmeans.nlm"},
    {"nlmeans.sure", "nlmeans.ridge"},
    {"nlmeans.prepare"},
    {"nlmeans.pieces", "nlmeans.sample"},
    {"nlmeans.tiled"},
    {"nlmeans.denoise", "nlmeans.looking"},
    {"nlmeans"},
    {name for name in MODULES if name.startswith("nlmeans.compat")} | {"nlmeans.convert"},
    {name for name in MODULES if name.startswith(("nlmeans.io", "nlmeans.datasets"))},
    {name for name in MODULES if name.startswith("nlmeans.large")},
    {name for name in MODULES if name.startswith(("nlmeans.cli", "nlmeans.demo", "nlmeans.__main__"))},
]


BORROWED = {
    "_checks",
    "_progress",
    "datasets",
    "denoise",
    "explain",
    "io",
    "layout",
    "nlm",
    "noise",
    "options",
    "pairwise",
    "pieces",
    "plan",
    "prepare",
}
"""What nonlocal_block takes from nlmeans, none of it a kernel."""
STOREYS = [  # of nonlocal_block, as FLOORS
    {"_checks", "_device", "_modes", "request", "weights"},
    {name.removeprefix("nonlocal_block.") for name in LEARNED if ".backends." in name},
    {"backends"},
    {"functional"},
    {"block", "nlm", "layouts"},
    {"classifier", "denoiser"},
    {"_planes"},
    {"_image"},
    {"denoising"},
    {"train.folder"},
    {"train.loop"},
    {name.removeprefix("nonlocal_block.") for name in LEARNED if ".train." in name},
    {name.removeprefix("nonlocal_block.") for name in LEARNED if ".maps" in name},
]
RUNNERS = {f"nlmeans.pairwise.{name}" for name in ("run", "attend", "domain", "risk")}
RUNNERS |= {"nlmeans.wiener.run", "nlmeans.groups.run"}
PACKAGES = {"nlmeans.pairwise", "nlmeans.wiener", "nlmeans.groups"}


def imports(path, name, top_only=False):
    """Return the full names of the modules that a file imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_only else ast.walk(tree)
    found = set()
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                home = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*home, base] if base else home)
            inner = {name for alias in node.names if (name := f"{base}.{alias.name}") in MODULES | LEARNED}
            found |= inner or {base}
    return found


@pytest.mark.parametrize("name", MODULES)
def test_nlmeans_knows_nothing_above_it(name):
    roots = {module.split(".")[0] for module in imports(MODULES[name], name)}
    assert not roots & {"torch", "nonlocal_block", "benchmarks", "tests"}


def test_every_module_has_its_floor():
    assert set().union(*FLOORS) | PACKAGES == set(MODULES)


@pytest.mark.parametrize("name", sorted(set(MODULES) - PACKAGES))
def test_imports_run_downward(name):
    floor = next(k for k, names in enumerate(FLOORS) if name in names)
    below = set().union(*FLOORS[: floor + 1])
    ours = {module for module in imports(MODULES[name], name) if module.startswith("nlmeans")}
    assert ours <= below | ({name.rpartition(".")[0]} - {"nlmeans"})


@pytest.mark.parametrize("name", LEAVES)
def test_leaves_import_nothing_of_ours(name):
    assert {m for m in imports(MODULES[name], name) if m.startswith("nlmeans")} <= LEAVES[name]


def test_only_one_file_jits_and_only_run_calls_kernels():
    for name, path in MODULES.items():
        used = imports(path, name)
        if name not in ("nlmeans._jit", "nlmeans._lanes", "nlmeans._blocks"):
            assert not {m for m in used if m.split(".")[0] in ("numba", "llvmlite")}, name
        runs = name in RUNNERS or ".kernels" in name
        assert runs or not {m for m in used if ".kernels" in m}, name


def test_kernels_cannot_raise_and_checks_cannot_loop_over_pixels():
    for name in (name for name in MODULES if ".kernels" in name):
        kernels = ast.parse(MODULES[name].read_text(encoding="utf-8"))
        assert not [node for node in ast.walk(kernels) if isinstance(node, ast.Raise | ast.Assert)]


def test_import_stays_light():
    code = (
        "import sys, nlmeans; "
        "print(*[m for m in ('numba', 'scipy', 'torch', 'skimage', 'PIL', 'rich', 'typer') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_learned_side_borrows_no_kernels():
    for name, path in LEARNED.items():
        used = {module for module in imports(path, name) if module.split(".")[0] == "nlmeans"}
        assert {module.split(".")[1] for module in used} <= BORROWED, name
        assert not {module for module in used if ".kernels" in module}, name
        assert not {module.split(".")[0] for module in imports(path, name)} & {"benchmarks", "tests", "numba"}, name


@pytest.mark.parametrize("name", sorted(set(LEARNED) - {"nonlocal_block", "nonlocal_block.train"}))
def test_the_learned_sides_imports_run_downward(name):
    floor = next(k for k, names in enumerate(STOREYS) if name.removeprefix("nonlocal_block.") in names)
    below = {f"nonlocal_block.{module}" for module in set().union(*STOREYS[: floor + 1])}
    if name == "nonlocal_block.backends":
        below |= {module for module in LEARNED if ".backends." in module}
    ours = {module for module in imports(LEARNED[name], name) if module.startswith("nonlocal_block.")}
    assert ours <= below
