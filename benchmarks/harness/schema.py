"""The form of result files. Every file is held against it before it is written."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from . import files

Record = dict[str, Any]
"""A part of a result, as it stands in its file."""

VERSION = 1
"""Raised when a reader of older files would misread newer ones."""


def _object(properties: Record, optional: tuple[str, ...] = ()) -> Record:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


TEXT = {"type": "string", "minLength": 1}
MAYBE_TEXT = {"type": ["string", "null"]}
NUMBER = {"type": "number"}
COUNT = {"type": "integer", "minimum": 1}
TIME = {"type": "number", "exclusiveMinimum": 0}
MAYBE_COUNT = {"type": ["integer", "null"], "minimum": 1}
MAYBE_FLAG = {"type": ["boolean", "null"]}

DATE = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)$"}

SUMMARY = _object(
    {
        "unit": TEXT,
        "values": {"type": "array", "items": NUMBER, "minItems": 1},
        "median": NUMBER,
        "quartiles": {"type": "array", "items": NUMBER, "minItems": 2, "maxItems": 2},
    }
)
FINDING = _object(
    {
        "what": TEXT,
        "value": {"type": ["number", "null"]},
        "rule": {"enum": [">=", "<="]},
        "limit": NUMBER,
        "passed": {"type": "boolean"},
    }
)
METHOD = _object(
    {
        "name": TEXT,
        "own": {"type": "boolean"},
        "package": TEXT,
        "version": MAYBE_TEXT,
        "dtype": TEXT,
        "note": {"type": "string"},
        "threads": COUNT,
        "call": MAYBE_TEXT,
        "status": {"enum": ["measured", "failed", "skipped"]},
        "reason": MAYBE_TEXT,
        "install": MAYBE_TEXT,
        "checks": {"type": "array", "items": FINDING},
        "first_call_s": TIME,
        "measures": {"type": "object", "additionalProperties": SUMMARY},
        "ratios": {"type": "object", "additionalProperties": SUMMARY},
    },
    optional=("first_call_s",),
)
# What is no right answer has no time; what was measured was checked.
METHOD["if"] = {"properties": {"status": {"const": "measured"}}}
METHOD["then"] = {
    "properties": {
        "call": TEXT,
        "reason": {"type": "null"},
        "checks": {"minItems": 1, "items": {"properties": {"passed": {"const": True}}}},
        "measures": {"minProperties": 1},
    }
}
METHOD["else"] = {
    "properties": {
        "first_call_s": False,
        "reason": TEXT,
        "measures": {"maxProperties": 0},
        "ratios": {"maxProperties": 0},
    }
}
CASE = _object(
    {
        "name": TEXT,
        "kind": TEXT,
        "title": TEXT,
        "note": {"type": "string"},
        "parameters": {"type": "object", "required": ["sigma", "seed"]},
        "threads": COUNT,
        "rounds": COUNT,
        "methods": {"type": "array", "items": METHOD, "minItems": 1},
        "measured": _object({"date": DATE, "commit": MAYBE_TEXT}),
        "pictures": {"type": "array", "items": TEXT},
        "unreadable": {"type": "array", "items": _object({"name": TEXT, "reason": TEXT})},
    },
    optional=("note", "measured", "pictures", "unreadable"),
)
FIT = _object(
    {
        "sweep": TEXT,
        "method": TEXT,
        "measure": TEXT,
        "points": {"type": "integer", "minimum": 2},
        "exponent": NUMBER,
        "last_exponent": NUMBER,
        "factor": TIME,
    }
)
MACHINE = _object(
    {
        "cpu": TEXT,
        "architecture": TEXT,
        "flags": {"type": "array", "items": TEXT},
        "cores": MAYBE_COUNT,
        "cpus": MAYBE_COUNT,
        "cpus_available": COUNT,
        "memory_bytes": COUNT,
        "load_average": {"type": ["number", "null"]},
    }
)
RESULT: Record = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Results of python -m benchmarks",
    **_object(
        {
            "schema": {"const": VERSION},
            "suite": TEXT,
            "version": TEXT,
            "complete": {"type": "boolean"},
            "quick": {"type": "boolean"},
            "date": DATE,
            "threads": {"type": "array", "items": COUNT, "minItems": 1},
            "machine": MACHINE,
            "os": TEXT,
            "python": TEXT,
            "packages": {"type": "object", "additionalProperties": TEXT, "required": ["nlmeans", "numpy"]},
            "settings": {"type": "object", "additionalProperties": {"type": "string"}},
            "git": _object({"commit": MAYBE_TEXT, "dirty": MAYBE_FLAG}),
            "cases": {"type": "array", "items": CASE},
            "fits": {"type": "array", "items": FIT},
            "untimed": {"const": True},
        },
        optional=("fits", "untimed"),
    ),
}
"""JSON schema of a result file."""


def validate(result: Any) -> None:
    """Raise ``jsonschema.ValidationError`` where a result has not the form that readers rely on."""
    import jsonschema

    jsonschema.validate(result, RESULT, jsonschema.Draft202012Validator)


def text(result: Record) -> str:
    """Return a result as JSON, validated; NaN and infinity, which JSON has not, are errors."""
    validate(result)
    spread = json.dumps(result, indent=1, ensure_ascii=False, allow_nan=False)
    # A value a picture: numbers in a row, not in a column of thousands of lines.
    return re.sub(r"\[\s+([-+.\deE,\s]+?)\s+\]", lambda row: f"[{' '.join(row[1].split())}]", spread) + "\n"


def write(result: Record, path: Path) -> None:
    """Write a result file, whole or not at all."""
    content = text(result)
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write(path, content)


def read(path: Path) -> Record:
    """Read a result file; ValueError where it is none."""
    import jsonschema

    try:
        result = json.loads(path.read_text(encoding="utf-8"))
        validate(result)
    except (json.JSONDecodeError, UnicodeDecodeError, jsonschema.ValidationError) as error:
        first_line = str(error).splitlines()[0]
        raise ValueError(f"{path} is no result file of this version of the benchmarks: {first_line}") from error
    assert isinstance(result, dict)
    return result


def same_machine(one: Record, other: Record) -> bool:
    """Say whether two results are of one kind of machine: processors' names alone may stand for several."""
    names = ("cpu", "flags", "cpus_available")
    return all(one["machine"][name] == other["machine"][name] for name in names)


def results(folder: Path, pattern: str = "*.json") -> list[Record]:
    """Return the result files in a folder, in the order of their names; studies have files of other forms."""
    named = sorted(folder.glob(pattern))
    return [read(path) for path in named if '"suite": ' in path.read_text(encoding="utf-8", errors="replace")]
