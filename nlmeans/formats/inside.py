"""Paths that name what is in a file: ``file.h5::/entry/data``."""

from __future__ import annotations

from pathlib import Path

MARK = "::"


def split(path: Path) -> tuple[Path, str]:
    """Return a file, and the name of what is in it, without slashes at its ends; an empty one where there is none."""
    name, mark, inside = str(path).partition(MARK)
    return (Path(name), inside.strip("/")) if mark and name and not path.exists() else (path, "")
