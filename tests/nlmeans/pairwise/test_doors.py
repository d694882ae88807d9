"""The doors of the engines: every name is there, with a docstring, and none costs an import before it is used."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

DOORS = ["nlmeans.pairwise", "nlmeans.wiener", "nlmeans.groups"]


def test_doors_are_light():
    code = f"import sys, {', '.join(DOORS)}; print([name for name in ('numba', 'scipy') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("door", DOORS)
def test_every_name_of_a_door_is_there(door):
    package = importlib.import_module(door)
    assert set(package.__all__) <= set(dir(package))
    for name in package.__all__:
        thing = getattr(package, name)
        assert not callable(thing) or name[0].isupper() or len(thing.__doc__.splitlines()) > 5
    with pytest.raises(AttributeError, match="kernel"):
        package.kernel  # noqa: B018


@pytest.mark.parametrize("door", DOORS)
def test_no_module_hides_a_name_of_the_door(door):
    """Once it is imported, a module of a function's name would take its place."""
    package = importlib.import_module(door)
    modules = {path.stem for folder in package.__path__ for path in Path(folder).glob("*.py")}
    assert modules & set(package.__all__) == {"naive"}
