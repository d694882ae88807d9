"""What is public says what it is: types in its signature, and an example that runs."""

import ast
import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOORS = [
    "nlmeans", "nlmeans.extend", "nlmeans.large", "nlmeans.pairwise", "nlmeans.groups", "nlmeans.wiener",
    "nlmeans.noise", "nlmeans.tiled", "nlmeans.io", "nlmeans.convert", "nlmeans.datasets", "nlmeans.raw",
    "nlmeans.compat.skimage", "nlmeans.compat.opencv", "nlmeans.compat.ants", "nonlocal_block",
]  # fmt: skip
WITHOUT_EXAMPLE = {
    "DenoisingError": "a fault of this library, which no call is known to raise",
    "Unfinished": "it takes a disk that is full, or a process that is killed",
    "Step": "group_step() makes and runs it",
    "mnist": "it takes files that are downloaded",
    "Labelled": "what mnist() returns",
    "Request": "made by nlmeans.io and given to formats",
}
ANYTHING = {
    "integer": "arguments are refused whatever they are", "real": "likewise", "method_of": "likewise",
    "Recipe": "numbers are the method's own", "Outcome": "a plan of the method's own class",
    "Picture": "what only a format knows", "Gaussian": "numbers as they were given; checkers see __init__",
    "Camera": "likewise", "PoissonGaussian": "likewise", "Rician": "likewise",
    "Container": "images are of any class", "within": "likewise",
    "load_classifier": "notes are JSON", "load_denoiser": "notes are JSON",
}  # fmt: skip


def public(door):
    """Return the public names of a module, which nothing is imported for: those of its stub, or of its __all__."""
    path = ROOT.joinpath(*door.split("."))
    stub = path / "__init__.pyi" if path.is_dir() else path.with_suffix(".pyi")
    source = next(file for file in (stub, path / "__init__.py", path.with_suffix(".py")) if file.exists())
    tree = ast.parse(source.read_text(encoding="utf-8"))
    if source.suffix == ".pyi":
        return [alias.asname for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    return next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "__all__"
    )


@pytest.fixture(params=[f"{door}.{name}" for door in DOORS for name in public(door)])
def documented(request):
    """A public function or class; modules, constants and types of others are none."""
    door, _, name = request.param.rpartition(".")
    if door == "nonlocal_block":
        pytest.importorskip("torch")
    value = getattr(import_module(door), name)
    plain = inspect.isfunction(value) or (inspect.isclass(value) and not getattr(value, "_is_protocol", False))
    if not plain or not value.__module__.startswith(("nlmeans", "nonlocal_block")):
        return None
    return value


def test_every_public_name_has_an_example(documented):
    if documented is not None:
        assert (">>>" in inspect.getdoc(documented)) != (documented.__name__ in WITHOUT_EXAMPLE)


def test_signatures_say_types(documented):
    if documented is None or (inspect.isclass(documented) and issubclass(documented, Exception)):
        return
    signature = inspect.signature(documented)
    types = {one.name: one.annotation for one in signature.parameters.values()}
    if not inspect.isclass(documented):
        types["return"] = signature.return_annotation
    vague = [key for key, type_ in types.items() if re.search(r"\bAny\b|_empty", str(type_))]
    assert bool(vague) == (documented.__name__ in ANYTHING), vague


def test_options_are_typed_where_a_checker_looks():
    """The arguments of `denoise` are told to checkers as a record, by the names and types of its signature."""
    import nlmeans

    tree = ast.parse((ROOT / "nlmeans/plan/options.py").read_text(encoding="utf-8"))
    records = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}

    def fields(name):
        node = records[name]
        inner = [fields(base.id) for base in node.bases if base.id in records]
        own = {one.target.id: ast.unparse(one.annotation) for one in node.body if isinstance(one, ast.AnnAssign)}
        return {key: type_ for one in inner for key, type_ in one.items()} | own

    signature = inspect.signature(nlmeans.denoise).parameters
    apart = {"image", "sigma", "dtype", "full_output"}
    types = {name: one.annotation.replace('"', "'") for name, one in signature.items() if name not in apart}
    assert fields("Arguments") == types


def test_a_star_brings_no_module():
    import io

    names = {}
    exec("import io\nfrom nlmeans import *", names)
    assert names["io"] is io
    assert callable(names["plan"])
