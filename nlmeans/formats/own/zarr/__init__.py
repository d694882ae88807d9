"""Zarr arrays and OME-Zarr images, by regions."""

from __future__ import annotations

from pathlib import Path

from ...arrays import ArrayInfo, Source, Target
from ...format import Format
from ...picture import PictureError, Request

METADATA = ("zarr.json", ".zgroup", ".zarray")
"""Files that a store or a group or array in it has one of."""


def split(path: Path) -> tuple[Path, str]:
    """Return the folder of a store, and what is named within it."""
    for place in (path, *path.parents):
        if place.suffix == ".zarr":
            return place, "/".join(path.parts[len(place.parts) :])
    return path, ""


def _is_node(path: Path) -> bool:
    """Whether there is a Zarr store, or a group or array in one."""
    return any((path / name).is_file() for name in METADATA)


class Zarr(Format):
    """A store of one array or image, of any type; a folder."""

    name, endings = "Zarr", (".zarr",)
    needs, extra = "zarr", "scale"
    codec_memory = 64 << 20

    def __init__(self) -> None:
        self.chunk = {"X": 256, "Y": 256, "Z": 32}  # sides of the chunks of an image that had none
        self.piece = 1 << 21  # pixels of a finer level that are held at once for a coarser one

    def store(self, path: Path) -> Path | None:
        """Return the folder of a store, known by its name or by what is in it."""
        store = split(path)[0]
        return store if store.suffix == ".zarr" or _is_node(path) else None

    def open(self, request: Request) -> Source:
        """Look at the metadata."""
        from .regions import ZarrSource

        return ZarrSource.open(request)

    def check_target(self, path: Path, overwrite: bool) -> None:
        """Refuse to replace what is no store."""
        if not path.parent.is_dir():
            raise FileNotFoundError(f"the folder {path.parent} does not exist")
        if path.exists() and not _is_node(path):
            raise PictureError(f"only a Zarr store can be replaced by one: {path} is something else")
        if path.exists() and not overwrite:
            raise FileExistsError(f"{path} exists already; --overwrite (overwrite=True) replaces it")

    def chunks(self, shape: tuple[int, ...], axes: str, source: Source) -> tuple[int, ...]:
        """Return those of a source that is Zarr, or else square ones."""
        from .regions import ZarrSource

        if isinstance(source, ZarrSource):
            return source.info.chunks
        return tuple(min(side, self.chunk.get(axis, 1)) for side, axis in zip(shape, axes, strict=True))

    def create(self, part: Path, info: ArrayInfo, source: Source) -> Target:
        """Write all but the pixels."""
        from .regions import ZarrTarget

        return ZarrTarget.create(part, info, source)

    def reopen(self, part: Path, info: ArrayInfo, source: Source) -> Target:
        """Go on with a store that was created."""
        from .regions import ZarrTarget

        return ZarrTarget.reopen(part, info, source)


FORMAT = Zarr()
