"""Zarr arrays and OME-Zarr images, by regions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...arrays import ArrayInfo, Source, Target
from ...format import Format
from ...picture import PictureError, Request
from .places import CODECS, is_node, split


class Zarr(Format):
    """A store of one array or image, of any type; a folder."""

    name, endings, has_series = "Zarr", (".zarr",), True
    needs, extra = "zarr", "scale"
    loses = "labels, other images and groups in the store, unless --others copy or link brings them"
    codec_memory = CODECS

    def __init__(self) -> None:
        self.chunk = {"X": 256, "Y": 256, "Z": 32}  # sides of the chunks of an image that had none
        self.side = 512  # of the smallest level of an image that had none, at most
        self.piece = 1 << 21  # pixels of a finer level that are held at once for a coarser one

    def store(self, path: Path) -> Path | None:
        """Return the folder of a store, known by its name or by what is in it."""
        store = split(path)[0]
        return store if store.suffix == ".zarr" or is_node(path) else None

    def open(self, request: Request) -> Source:
        """Read the metadata."""
        return self._regions().ZarrSource.open(request)

    def check_target(self, path: Path, overwrite: bool) -> None:
        """Refuse to replace what is no store."""
        if not path.parent.is_dir():
            raise FileNotFoundError(f"the folder {path.parent} does not exist")
        if path.exists() and not is_node(path):
            raise PictureError(f"only a Zarr store can be replaced by one: {path} is something else")
        if path.exists() and not overwrite:
            raise FileExistsError(f"{path} exists already; --overwrite (overwrite=True) replaces it")

    def chunks(self, shape: tuple[int, ...], axes: str, source: Source) -> tuple[int, ...]:
        """Return those of a source that is Zarr, or else square ones."""
        if isinstance(source, self._regions().ZarrSource):
            return source.info.chunks
        return tuple(min(side, self.chunk.get(axis, 1)) for side, axis in zip(shape, axes, strict=True))

    def create(self, part: Path, info: ArrayInfo, source: Source) -> Target:
        """Write all but the pixels."""
        return self._regions().create(part, info, source, self.piece, self.side)

    def reopen(self, part: Path, info: ArrayInfo, source: Source) -> Target:
        """Go on with a store that was created."""
        return self._regions().reopen(part, info, source, self.piece)

    def _regions(self) -> Any:
        """Return what reads and writes by regions, once it is sure that it can be imported."""
        self.library()
        from . import regions

        return regions


FORMAT = Zarr()
