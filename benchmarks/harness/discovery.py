"""What a folder offers: a module is added by its file alone, and no list names it."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType


def modules(package: ModuleType) -> Iterator[ModuleType]:
    """Yield the modules of a package, in the order of their names."""
    for module in iter_modules(package.__path__):
        yield import_module(f"{package.__name__}.{module.name}")


def commands(package: ModuleType) -> dict[str, tuple[str, str]]:
    """Return the modules that have a function ``main`` by the command that runs it: their names, and what they are for.

    They are read, not imported: a list of commands must not wait for all that these need.
    """
    result = {}
    for path in sorted(path for folder in package.__path__ for path in Path(folder).glob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "\ndef main(" in text:
            summary = text.strip('"').partition("\n")[0].partition(": ``")[0].rstrip('."')
            result[path.stem.replace("_", "-")] = (f"{package.__name__}.{path.stem}", summary)
    return result
