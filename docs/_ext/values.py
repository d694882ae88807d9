"""The directive ``values``: types and numbers of a module with the words that stand below them in the source."""

import ast
import importlib
from pathlib import Path

from sphinx.util.docutils import SphinxDirective


def home(module, name: str) -> Path:
    """Return the file that gives a name its value, through stubs that import it from there."""
    file = Path(module.__file__)
    if file.with_suffix(".pyi").exists():
        file = file.with_suffix(".pyi")
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and name in (alias.name for alias in node.names):
            package = module.__name__ if Path(module.__file__).stem == "__init__" else module.__package__
            return home(importlib.import_module("." * node.level + (node.module or ""), package), name)
    return Path(module.__file__)


def described(file: Path, name: str) -> tuple[str, str]:
    """Return the source of a value, and the string below it."""
    source = file.read_text(encoding="utf-8")
    body = ast.parse(source).body
    for node, following in zip(body, [*body[1:], None], strict=True):
        targets = getattr(node, "targets", [getattr(node, "target", None)])
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            constant = following.value if isinstance(following, ast.Expr) else None
            doc = constant.value if isinstance(constant, ast.Constant) else ""
            value = " ".join((ast.get_source_segment(source, node.value) or "").split())
            return value, " ".join(doc.split())
    raise ValueError(f"{file} gives {name} no value")


class Values(SphinxDirective):
    """``.. values:: MODULE`` with one name a line."""

    required_arguments = 1
    has_content = True

    def run(self):
        """Return a description of each name."""
        module = importlib.import_module(self.arguments[0])
        lines = []
        for name in filter(None, map(str.strip, self.content)):
            value, doc = described(home(module, name), name)
            if not doc:
                raise self.error(f"{module.__name__}.{name} has no words below it in the source")
            lines += [f".. py:data:: {module.__name__}.{name}"]
            lines += [f"   :value: {value}"] if len(value) < 200 else []
            lines += ["", f"   {doc}", ""]
        return self.parse_text_to_nodes("\n".join(lines))


def setup(app) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("values", Values)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
