"""Where a Zarr store is, and what is named in it."""

from __future__ import annotations

from pathlib import Path

CODECS = 64 << 20
"""Bytes that codecs take at most."""
METADATA = ("zarr.json", ".zgroup", ".zarray")
"""Files that a store or a group or array in it has one of."""


def split(path: Path) -> tuple[Path, str]:
    """Return the folder of a store, and what is named within it."""
    for place in (path, *path.parents):
        if place.suffix == ".zarr":
            return place, "/".join(path.parts[len(place.parts) :])
    return path, ""


def is_node(path: Path) -> bool:
    """Whether there is a Zarr store, or a group or array in one."""
    return any((path / name).is_file() for name in METADATA)
