"""Files appear whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def write(path: Path, text: str) -> None:
    """Write a text; an earlier one stays until the new one is whole."""
    part = path.with_name(path.name + ".new")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)


def write_json(path: Path, record: Any, indent: int | None = 1) -> None:
    """Write a record as JSON."""
    write(path, json.dumps(record, indent=indent, ensure_ascii=False) + "\n")
