"""Links to Markdown files outside of these pages lead to the pages that stand for them."""

import posixpath
import re
from pathlib import Path

LINK = re.compile(r"\]\(((?:\.\./)+[^)#\s]*\.md)(?=[)#])")


def resolve(app, page: str, source: list[str]) -> None:
    """Write links such as ``../README.md`` as links to pages, by the table ``pages_of_files``."""
    folder = posixpath.dirname(page)

    def inside(link: re.Match[str]) -> str:
        file = posixpath.normpath(posixpath.join(Path(app.srcdir).name, folder, link[1]))
        target = app.config.pages_of_files.get(file)
        return f"]({posixpath.relpath(target, folder or '.')}" if target else link[0]

    source[0] = LINK.sub(inside, source[0])


def setup(app) -> dict[str, bool]:
    """Register the table and what applies it."""
    app.add_config_value("pages_of_files", {}, "env")
    app.connect("source-read", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
