"""What files of any format are to who reads and writes them by regions: arrays, as sources and targets."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from .picture import PictureError

Slices = tuple[slice, ...]
"""A part of an array: a slice along each of its axes."""


@dataclass(frozen=True)
class ArrayInfo:
    """An array in a file.

    Attributes
    ----------
    shape : tuple of int
        Sides.
    dtype : numpy.dtype
        The pixels' type, in this machine's order of bytes.
    axes : str or None
        Names of the axes as `nlmeans.denoise` takes them; None where the file leaves them open.
    spacing : tuple of float or None
        Sides of a pixel along Z, Y and X, as far as there are such axes; None where the file does not say them.
    chunks : tuple of int
        Sides of what can only be read, or written, whole.
    unit : str or None
        The unit of ``spacing``, one of `nlmeans.formats.picture.LENGTHS`; None where the file does not say it.
    nodata : float or None
        The value that stands for "no data here", where the file declares one.
    channels : tuple of str or None
        Names of the channels along C, where the file says them.

    Examples
    --------
    >>> import numpy as np
    >>> from nlmeans.extend import ArrayInfo
    >>> info = ArrayInfo((100, 512, 512), np.dtype("u2"), "ZYX", (2.0, 0.5, 0.5), chunks=(1, 64, 64), unit="µm")
    >>> info.ndim
    3
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    axes: str | None
    spacing: tuple[float, ...] | None
    chunks: tuple[int, ...]
    unit: str | None = None
    nodata: float | None = None
    channels: tuple[str, ...] | None = None

    @property
    def ndim(self) -> int:
        """How many axes there are."""
        return len(self.shape)


class Source:
    """An array that is read. It can be pickled, and read from many threads and processes.

    Attributes
    ----------
    path : Path
        The file.
    info : ArrayInfo
        What it holds.
    codec_memory : int
        Bytes that codecs take at most while it is read.
    apart : tuple of str
        Names of other series of the file that belong to the same picture, in sizes of their own, where the caller has
        named none: each is denoised by itself, into ``place(name)`` of the target, an NPY file.

    Examples
    --------
    >>> import numpy as np
    >>> from nlmeans.extend import ArrayInfo, Source
    >>> class Ramp(Source):
    ...     info = ArrayInfo((9, 9), np.dtype(float), "YX", None, (1, 1))
    ...     def read(self, slices):
    ...         return np.indices(self.info.shape).sum(axis=0, dtype=float)[slices]
    >>> Ramp().read((slice(2, 4), slice(0, 3))).tolist()
    [[2.0, 3.0, 4.0], [3.0, 4.0, 5.0]]
    """

    path: Path
    info: ArrayInfo
    codec_memory: int = 0
    apart: tuple[str, ...] = ()

    @property
    def advice(self) -> str | None:
        """What the caller can say of axes that the file leaves open."""
        return None

    def read(self, slices: Slices) -> np.ndarray:
        """Return a part, in memory of its own."""
        raise NotImplementedError

    def release(self) -> None:
        """Give back what is held in memory for further parts."""

    def identity(self) -> dict[str, Any]:
        """Return what changes when the file is another, as far as JSON can hold it."""
        return identity_of(self.path)


class Target:
    """An array that is written. Parts that are made of whole chunks may be written at the same time.

    Attributes
    ----------
    path : Path
        The file, by the name that it has until it is finished.
    info : ArrayInfo
        What it holds.

    Examples
    --------
    >>> import numpy as np
    >>> from nlmeans.extend import ArrayInfo, Target
    >>> class Memory(Target):
    ...     def __init__(self, info):
    ...         self.info, self.array = info, np.zeros(info.shape, info.dtype)
    ...     def write(self, slices, pixels):
    ...         self.array[slices] = pixels
    >>> target = Memory(ArrayInfo((9, 9), np.dtype(float), "YX", None, (1, 1)))
    >>> target.write((slice(0, 3), slice(0, 3)), np.ones((3, 3)))
    >>> float(target.array.sum())
    9.0
    """

    path: Path
    info: ArrayInfo

    def accompany(self, source: Source, how: str | None) -> None:
        """Bring what else is in the store of a source: ``"copy"`` or ``"link"`` it, or (None) leave it out."""
        if how is not None:
            raise PictureError(
                f"others comes along from one Zarr store to another; got {source.path} and {self.path.stem}"
            )

    def place(self, series: str) -> Path:
        """Return the NPY file for a series that is denoised apart."""
        raise NotImplementedError

    def write(self, slices: Slices, pixels: np.ndarray) -> None:
        """Write a part."""
        raise NotImplementedError

    def coarser(self) -> Iterable[list[Slices]]:
        """Yield the parts of each coarser level that is made of the one before."""
        return ()

    def shrink(self, level: int, slices: Slices) -> None:
        """Fill a part of a coarser level."""
        raise NotImplementedError

    def finish(self, stop: Callable[[], None], spare: Path) -> Path:
        """Do what is left when all has been written; return the file that is to get the output's name.

        That is the target's own, or one that was made of it by the name ``spare``. ``stop`` raises when the work is to
        stop, and is called often.
        """
        return self.path

    def result(self, finished: Path) -> Source | None:
        """Return what was written, as a source, where its file may hold other images too; None where it holds none."""
        return None


class ArraySource(Source):
    """An array in memory, as a source."""

    def __init__(self, array: Any) -> None:
        self.array = array
        self.info = ArrayInfo(array.shape, array.dtype, None, None, array.shape)

    def read(self, slices: Slices) -> np.ndarray:
        """Return a copy of a part."""
        return np.array(self.array[slices])

    def identity(self) -> dict[str, Any]:
        """Return a hash of all that it holds."""
        return self._hashed

    @cached_property
    def _hashed(self) -> dict[str, Any]:
        from hashlib import sha256

        return {"array": sha256(np.ascontiguousarray(self.array).tobytes()).hexdigest(), "shape": self.array.shape}


def identity_of(path: Path) -> dict[str, Any]:
    """Return what changes when a plain file, or one in a folder, is written again."""
    if path.is_dir():
        inside = [identity_of(file) for file in sorted(path.iterdir()) if file.is_file()]
        return {"path": str(path.resolve()), "files": inside}
    status = path.stat()
    return {"path": str(path.resolve()), "bytes": status.st_size, "modified": status.st_mtime_ns}
