"""NumPy's own files, a region at a time."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from . import npy
from .picture import PictureError
from .store import About, Region, identity_of


@dataclass(frozen=True)
class NpySource:
    """An NPY file that is read."""

    path: Path
    about: About

    @classmethod
    def open(cls, path: Path) -> NpySource:
        """Look at the header."""
        shape, dtype = npy.header(path)
        return cls(path, About(shape, dtype, "YX" if len(shape) == 2 else None, None, (1,) * len(shape)))

    def read(self, region: Region) -> np.ndarray:
        """Return a region."""
        mapped = np.load(self.path, mmap_mode="r", allow_pickle=False)
        return np.array(mapped[region], self.about.dtype)  # the mapping goes, and no longer counts as memory

    def identity(self) -> dict[str, Any]:
        """Return what changes when the file is another."""
        return identity_of(self.path)


@dataclass(frozen=True)
class NpyTarget:
    """An NPY file that is written."""

    path: Path
    about: About

    @classmethod
    def create(cls, path: Path, about: About) -> NpyTarget:
        """Write the header, and take the room that the pixels need.

        Raises
        ------
        OSError
            If there is not as much.
        """
        np.lib.format.open_memmap(path, mode="w+", dtype=about.dtype, shape=about.shape)
        reserve(path)
        return cls(path, about)

    @classmethod
    def reopen(cls, path: Path, about: About) -> NpyTarget:
        """Go on with a file that was created."""
        if npy.header(path) != (about.shape, about.dtype):
            raise PictureError(f"it must have shape {about.shape} and dtype {about.dtype}")
        return cls(path, about)

    def write(self, region: Region, pixels: np.ndarray) -> None:
        """Write a region."""
        np.load(self.path, mmap_mode="r+", allow_pickle=False)[region] = pixels

    def coarser(self) -> list[list[Region]]:
        """Return none: there is one level."""
        return []

    def finish(self, stop: Callable[[], None]) -> Path:
        """Return the path: all is there."""
        return self.path


def reserve(path: Path) -> None:
    """Take the room on disk that a file says it has: a full disk is an error now, and no crash later."""
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, max(path.stat().st_size, 1))
