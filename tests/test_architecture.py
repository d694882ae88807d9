"""The rules of the house, read from the syntax trees: folders are floors, and imports run downward."""

import ast
import subprocess
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FLOORS = [  # of nlmeans, from the ground: a room imports from those below its own floor
    {"_axes", "_defaults", "_notes", "_progress", "_typing", "_version", "_workspace", "show"},
    {"_checks", "datasets", "simd"},
    {"_companions", "_containers", "convert", "pairwise"},
    {"formats", "groups", "pixels", "wiener"},
    {"io", "motion", "noise"},
    {"plan"},
    {"methods"},
    {"extend", "large"},
    {"denoise", "tiled"},
    {"compat", "denoiser", "notebook", "raw"},
    {"nlmeans"},
    {"cli", "napari"},
    {"__main__"},
]
STOREYS = [  # of nonlocal_block
    {"_device", "_modes", "plan", "request", "weights"},
    {"_checks", "backends"},
    {"functional", "layouts"},
    {"block", "denoiser", "nlm"},
    {"classifier", "mixer"},
    {"trained"},
    {"_planes"},
    {"method"},
    {"denoising", "loop"},
    {"nonlocal_block"},
    {"maps", "train"},
]
ENGINES = {"pairwise", "wiener", "groups", "motion"}
DOORS = {"nlmeans"} | {f"nlmeans.{name}" for name in ("datasets", "extend", "formats", "noise", "pairwise", "show")}
"""What `nonlocal_block` may import of `nlmeans`."""
PUBLIC = {"nlmeans"} | {f"nlmeans.{name}" for name in ("extend", "io", "large", "noise")}
"""What the plugin for napari may import of it."""


@cache
def modules(package):
    """Return the files of a package by their modules' names."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted((ROOT / package).rglob("*.py"))
    }


ALL = modules("nlmeans") | modules("nonlocal_block")


def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports(name, types=False):
    """Return the modules that a module imports, within functions too; with ``types`` those that types alone need.

    The names of a door, which come when they are used, stand in the stub beside it.
    """
    path = ALL[name]
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    trees = [tree_of(file) for file in (path, path.with_suffix(".pyi")) if file.exists()]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    if not types:
        blocks = [node for node in nodes if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
        hidden = {id(inner) for block in blocks for inner in ast.walk(block)}
        nodes = [node for node in nodes if id(node) not in hidden]
    result = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            result |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                home = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*home, base] if base else home)
            inner = {full for alias in node.names if (full := f"{base}.{alias.name}") in ALL}
            result |= inner or {base}
    return result - {name}


def room(name):
    """Return the folder, or the file in the package's root, that a module is; the package's own file is the package."""
    return name.split(".")[1] if "." in name else name


def ours(name, package):
    return {module for module in imports(name) if module.split(".")[0] == package}


@pytest.mark.parametrize(("package", "floors"), [("nlmeans", FLOORS), ("nonlocal_block", STOREYS)])
def test_every_room_has_its_floor(package, floors):
    assert sorted(room for floor in floors for room in floor) == sorted({room(name) for name in modules(package)})


@pytest.mark.parametrize(("package", "floors"), [("nlmeans", FLOORS), ("nonlocal_block", STOREYS)])
def test_rooms_import_from_the_floors_below(package, floors):
    floor = {room: k for k, rooms in enumerate(floors) for room in rooms}
    for name in modules(package):
        for module in ours(name, package):
            own, other = room(name), room(module)
            assert own == other or floor[other] < floor[own], f"{name} imports {module}"


@pytest.mark.parametrize("package", ["nlmeans", "nonlocal_block"])
def test_no_module_imports_itself_by_way_of_others(package):
    graph = {name: ours(name, package) - {name, package} for name in modules(package)}
    doors = {name for name, path in modules(package).items() if path.name == "__init__.py"}
    for name in graph:  # what a package's own file says, all modules in it may build on, and they are behind its door
        graph[name] -= {door for door in doors if name.startswith(f"{door}.")}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize("name", modules("nlmeans"))
def test_nlmeans_knows_nothing_above_it(name):
    roots = {module.split(".")[0] for module in imports(name, types=True)}
    assert not roots & {"torch", "nonlocal_block", "benchmarks", "tests"}


def test_only_simd_calls_numba_and_only_engines_call_kernels():
    for name in modules("nlmeans"):
        if room(name) != "simd":
            assert not {module for module in imports(name) if module.split(".")[0] in ("numba", "llvmlite")}, name
        if room(name) not in ENGINES:
            assert not {module for module in imports(name) if ".kernels" in module}, name


def test_kernels_cannot_raise():
    for name in (name for name in modules("nlmeans") if ".kernels" in name):
        assert not [node for node in ast.walk(tree_of(ALL[name])) if isinstance(node, ast.Raise | ast.Assert)]


@pytest.mark.parametrize("name", modules("nonlocal_block"))
def test_the_learned_side_comes_in_by_the_doors(name):
    used = imports(name, types=True)
    assert {module for module in used if module.split(".")[0] == "nlmeans"} <= DOORS
    assert not {module.split(".")[0] for module in used} & {"benchmarks", "tests", "numba"}


@pytest.mark.parametrize("name", [name for name in modules("nlmeans") if room(name) == "napari"])
def test_the_plugin_comes_in_by_the_doors(name):
    used = {module for module in imports(name, types=True) if module.split(".")[0] == "nlmeans"}
    assert {module for module in used if room(module) != "napari"} <= PUBLIC


def test_methods_models_and_formats_answer_for_themselves():
    """What is printed is not read back, and nobody but their own modules asks which method it is."""
    for name, path in ALL.items():
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "startswith":
                of = node.func.value
                assert not (isinstance(of, ast.Attribute) and of.attr in ("noise", "text", "notes")), (
                    name,
                    node.lineno,
                )
            if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.Eq):
                right = node.comparators[0]
                assert not (isinstance(right, ast.Name) and right.id == "note"), (name, node.lineno)
            if isinstance(node, ast.Constant) and node.value in ("ridge", "learned"):
                assert room(name) in ("methods", "method", "cli", "train", "denoise", "denoiser"), (name, node.lineno)


def test_import_stays_light():
    code = (
        "import sys, nlmeans; "
        "print(*[m for m in ('numba', 'scipy', 'torch', 'skimage', 'PIL', 'rich', 'typer') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
