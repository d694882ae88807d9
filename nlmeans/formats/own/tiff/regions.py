"""TIFF, a part at a time: by its tiles and strips, packed or not."""

from __future__ import annotations

import math
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any, Self

import numpy as np

from ....pairwise.tiles import available_cpus
from ... import exif
from ...arrays import ArrayInfo, Slices, Source, Target
from ...atomic import reserve
from ...picture import PictureError, Request, naming, quoted
from ...pyramid import shrunk_part
from ...separate import ImageTarget, SeparateTarget, one_of
from . import codecs, ome, saving, whole

SIDE = 256
"""Side of the tiles of a packed file whose source had strips."""


@dataclass(frozen=True)
class Grid:
    """The segments of a page, tiles or strips of rows, of all channels or of each."""

    axes: str  # of the page: YX, YXS or SYX
    apart: int  # channels that have segments of their own
    together: int  # and those that lie pixel by pixel
    sides: tuple[int, int]  # rows and columns of the page
    tile: tuple[int, int]  # and of a segment

    @classmethod
    def of(cls, page: Any) -> Grid:
        """Read it off a page."""
        apart, _, length, width, together = page.shaped
        tile = (page.tilelength, page.tilewidth) if page.is_tiled else (min(page.rowsperstrip, length), width)
        return cls(page.axes, apart, together, (length, width), tile)

    def touched(self, rows: slice, columns: slice) -> Iterator[tuple[int, int, int, int]]:
        """Yield index, channel apart, first row and first column of the segments that hold some of a part."""
        (high, wide), (down, across) = self.tile, (math.ceil(n / t) for n, t in zip(self.sides, self.tile, strict=True))
        places = product(
            range(self.apart),
            range(rows.start // high, math.ceil(rows.stop / high)),
            range(columns.start // wide, math.ceil(columns.stop / wide)),
        )
        for channel, row, column in places:
            yield (channel * down + row) * across + column, channel, row * high, column * wide


class _Opened:
    """What is known of a file. It is open only while it is read: not every system removes what is open."""

    def __init__(self, request: Request) -> None:
        from tifffile import TiffFile

        codecs.provide()
        self.path = request.path
        with TiffFile(self.path) as self.tif:
            said = whole.described(self.tif, self.path.name)
            self.series = whole.chosen_series(self.tif, request)
            self.size = whole.of_series(said, self.tif, self.series)
            self.page = self.series.keyframe
        self.lock, self.readers = threading.Lock(), 0

    @contextmanager
    def reading(self) -> Iterator[Self]:
        """Have the file open meanwhile."""
        with self.lock:
            self.tif.filehandle.open()
            self.readers += 1
        try:
            yield self
        finally:
            with self.lock:
                self.readers -= 1
                if not self.readers:
                    self.tif.filehandle.close()

    def read(self, slices: Slices) -> np.ndarray:
        """Return a part of the series."""
        series, page = self.series, self.page
        if series.dataoffset is not None:
            dtype = page.dtype.newbyteorder(self.tif.byteorder)
            mapped = np.memmap(self.path, dtype, "r", series.dataoffset, series.shape)
            return np.array(mapped[slices], page.dtype.newbyteorder("="))
        cuts = [slice(*cut.indices(side)) for cut, side in zip(slices, series.shape, strict=True)]
        lead = len(series.shape) - len(page.shape)
        inner = dict(zip(page.axes, cuts[lead:], strict=True))
        outer = [range(cut.start, cut.stop) for cut in cuts[:lead]]
        numbers = np.arange(math.prod(series.shape[:lead])).reshape(series.shape[:lead])[tuple(cuts[:lead])]
        pages = [self._page(int(number), inner) for number in numbers.ravel()]
        return np.stack(pages).reshape(*map(len, outer), *pages[0].shape)

    def _page(self, number: int, cuts: dict[str, slice]) -> np.ndarray:
        grid, rows, columns = Grid.of(self.page), cuts["Y"], cuts["X"]
        shape = (grid.apart, rows.stop - rows.start, columns.stop - columns.start, grid.together)
        pixels = np.empty(shape, self.page.dtype.newbyteorder("="))
        for index, channel, row, column in grid.touched(rows, columns):
            segment = self._segment(number, index)
            first, left = max(row, rows.start), max(column, columns.start)
            last, right = min(row + segment.shape[0], rows.stop), min(column + segment.shape[1], columns.stop)
            pixels[channel, first - rows.start : last - rows.start, left - columns.start : right - columns.start] = (
                segment[first - row : last - row, left - column : right - column]
            )
        if "S" not in cuts:
            return pixels[0, :, :, 0]
        return pixels[cuts["S"], :, :, 0] if grid.apart > 1 else pixels[0, :, :, cuts["S"]]

    def _segment(self, number: int, index: int) -> np.ndarray:
        """Return rows, columns and channels of one segment, unpacked."""
        with self.lock:
            page, handle = self.series.pages[number], self.tif.filehandle
            offset, size = page.dataoffsets[index], page.databytecounts[index]
            handle.seek(offset)
            data = handle.read(size) if size else None
            tables = getattr(page, "jpegtables", None) or self.page.jpegtables
        segment, _, shape = self.page.decode(data, index, **({"jpegtables": tables} if tables else {}))
        if segment is None:  # a file may leave out what is empty
            segment = np.full(shape, self.page.nodata, self.page.dtype)
        return np.asarray(segment[0])


@lru_cache(maxsize=16)
def _opened_once(path: Path, series: str | None, modified: int) -> _Opened:
    return _Opened(Request(path, None, None, 0, whole=False, series=series))


def _opened(path: Path, series: str | None) -> _Opened:
    """Return a file whose pages were read once."""
    return _opened_once(path, series, path.stat().st_mtime_ns)


@dataclass(frozen=True)
class TiffSource(Source):
    """A TIFF that is read."""

    path: Path
    info: ArrayInfo
    origin: whole.Origin
    big: bool
    series: str | None = None

    @classmethod
    def open(cls, request: Request) -> TiffSource:
        """Read the header, and refuse what cannot be filtered by regions."""
        with _opened(request.path, request.series).reading() as opened:
            return cls._of(request, opened)

    @classmethod
    def _of(cls, request: Request, opened: _Opened) -> TiffSource:
        path, series, page = request.path, opened.series, opened.page
        whole.check_series(opened.tif, series, page, request)
        origin = whole.origin_of(opened.tif, series, page, request)
        if page.photometric == whole.PALETTE and origin.kind not in ("imagej", "ome"):
            raise PictureError("a palette cannot be filtered by regions: save the file as RGB")
        if page.extrasamples and (page.photometric == whole.RGB or page.extrasamples[0] in (1, 2)):
            raise PictureError("alpha cannot be kept by regions: save the file without it")
        if page.shaped[1] > 1 or not set("YX") <= set(page.axes) <= set("SYX"):
            raise PictureError(f"pages must be pictures to be read by regions; these have axes {page.axes}")
        axes = series.axes if "C" in series.axes else series.axes.replace("S", "C")
        known = set(axes) <= set("TZCYX")
        grid = Grid.of(page)
        sides = {"Y": grid.tile[0], "X": grid.tile[1]} if series.dataoffset is None else {}
        chunks, dtype = tuple(sides.get(axis, 1) for axis in series.axes), page.dtype.newbyteorder("=")
        spacing = ome.in_rows(opened.size, "".join(a for a in "ZYX" if a in axes))
        info = ArrayInfo(
            tuple(series.shape), dtype, axes if known else None, spacing, chunks,
            None if spacing is None else opened.size.unit, whole.nodata_of(origin, dtype),
            naming(opened.size.channels, series.axes, series.shape),
        )  # fmt: skip
        return cls(path, info, origin, bool(opened.tif.is_bigtiff), request.series)

    def read(self, slices: Slices) -> np.ndarray:
        """Return a part."""
        try:
            with _opened(self.path, self.series).reading() as opened:
                return whole.bright(opened.read(slices), self.origin.white)
        except (OSError, MemoryError):
            raise
        except Exception as error:  # decoders meet damaged files with exceptions of every kind
            if (known := codecs.lacking(error, _opened(self.path, self.series).page)) is not None:
                raise known from None
            raise PictureError(f"{self.path} is damaged or cannot be unpacked: {quoted(error)}") from error

    @property
    def advice(self) -> str:
        """What the caller can say of axes that the file leaves open."""
        return f"this has shape {self.info.shape}; {whole.advice(self.origin.axes.replace('S', 'C'))}"


def create(path: Path, info: ArrayInfo, source: Source) -> Target:
    """Write all but the pixels, and take the room that they need."""
    return TiffTarget.create(path, info, source).stacked


def reopen(path: Path, info: ArrayInfo, source: Source) -> Target:
    """Go on with a file that was created."""
    return TiffTarget.reopen(path, info, source).stacked


@dataclass(frozen=True)
class TiffTarget(ImageTarget):
    """A TIFF that is written in one piece, so that any part has its place, and packed or tiled as its source was."""

    path: Path
    info: ArrayInfo
    source: TiffSource | None
    offset: int | None = None  # of its pixels, in a file of several images

    @classmethod
    def made_of(cls, path: Path, info: ArrayInfo, source: Source) -> TiffTarget:
        """Return a target that takes over what its source says, if that is a TIFF too."""
        return cls(path, info, source if isinstance(source, TiffSource) else None)

    @classmethod
    def create(cls, path: Path, info: ArrayInfo, source: Source) -> TiffTarget:
        """Write all but the pixels, and take the room that they need."""
        target = cls.made_of(path, info, source)
        if target.source is not None and target._origin.in_place and target._origin.tile is None:
            shutil.copyfile(target.source.path, path)
        else:
            packing = (*saving.PACKING, "predictor")
            target._save(path, None, {name: value for name, value in target._given().items() if name not in packing})
            reserve(path)
        return target

    @classmethod
    def reopen(cls, path: Path, info: ArrayInfo, source: Source) -> TiffTarget:
        """Go on with a file that was created."""
        target = cls.made_of(path, info, source)
        if not target._separate:
            target._pixels("r")
        return target

    @property
    def stacked(self) -> Target:
        """The same file, as the array that its series are where its images are separate."""
        import tifffile

        if not self._separate:
            return self
        one = one_of(self.info)
        assert one is not None
        with tifffile.TiffFile(self.path) as tif:
            offsets = [series.dataoffset for series in tif.series]
        return SeparateTarget.of(self.path, self.info, lambda k: TiffTarget(self.path, one, None, offsets[k]))

    @property
    def _separate(self) -> bool:
        said = {} if self.source is not None else self._new_metadata()
        return "ome" in said and "N" in said["metadata"]["axes"]

    def write(self, slices: Slices, pixels: np.ndarray) -> None:
        """Write a part."""
        if self.source is not None and self.source.origin.photometric == whole.MIN_IS_WHITE:
            pixels = whole.bright(pixels, self.source.origin.white)
        self._pixels("r+")[slices] = pixels

    def read(self, slices: Slices) -> np.ndarray:
        """Return a part."""
        return np.array(self._pixels("r")[slices])

    def _pixels(self, mode: Any) -> np.ndarray:
        import tifffile

        order = self._order
        shape = tuple(self.info.shape[axis] for axis in order)
        if self.offset is None:
            stored = tifffile.memmap(self.path, mode=mode).reshape(shape)
        else:
            stored = np.memmap(self.path, self.info.dtype.newbyteorder("<"), mode, self.offset, shape)
        return stored.transpose(np.argsort(order))

    def finish(self, stop: Callable[[], None], spare: Path) -> Path:
        """Pack and tile the file, if its source was, and make smaller copies anew; return the new one, or else this."""
        given = self._given()
        tile, levels = (None, ()) if self.source is None else (self.source.origin.tile, self.source.origin.levels)
        if self.source is None or not (tile or "compression" in given or levels) or given.get("imagej"):
            return self.path
        tile, packing = tile or (SIDE, SIDE), {"maxworkers": available_cpus()} if "compression" in given else {}
        try:
            smaller = [(self._tiles(tile, stop, shape), shape) for shape in levels]
            self._save(spare, self._tiles(tile, stop, self.info.shape), given | packing | {"tile": tile}, smaller)
        except BaseException:
            spare.unlink(missing_ok=True)
            raise
        return spare

    @property
    def _origin(self) -> whole.Origin:
        """What the source says besides its pixels."""
        assert self.source is not None
        dtype = self.info.dtype
        return self.source.origin if dtype == self.source.info.dtype else self.source.origin.typed(dtype)

    @property
    def _order(self) -> list[int]:
        """The numbers of the axes in the order of the file."""
        said = {} if self.source is not None else self._new_metadata()
        axes = self.info.axes or ""
        if "ome" not in said:
            return list(range(self.info.ndim))
        return [axes.index(axis) for axis in said["metadata"]["axes"]]

    def _given(self) -> dict[str, Any]:
        """Return what tifffile takes for the file."""
        shape = tuple(self.info.shape[axis] for axis in self._order)
        given: dict[str, Any] = {"shape": shape, "dtype": self.info.dtype}
        if self.source is not None and self.source.big:
            given["bigtiff"] = True
        if self.source is not None:
            return saving.options(self._origin, self.info.dtype) | given
        return self._new_metadata() | given

    def _new_metadata(self) -> dict[str, Any]:
        """Return what a file that is made of another kind says of its pixels."""
        axes, channels = self.info.axes or "", naming(self.info.channels, self.info.axes, self.info.shape)
        if axes.endswith("YXC") and self.info.shape[-1] == 3 and channels is None:
            return {"photometric": "rgb", "planarconfig": "contig", "metadata": {"axes": axes[:-1] + "S"}}
        named = {"axes": axes.replace("N", "I")} if len(axes) > 2 else None
        space = "".join(axis for axis in "ZYX" if axis in axes)
        sides = dict(zip(space, self.info.spacing or (), strict=False))
        spacing = tuple(sides[axis] for axis in axes if axis in sides) if sides else None
        said = saving.ome_options(axes, self.info, spacing, self.info.unit, channels)
        return {"photometric": "minisblack", "metadata": named} | said

    def _save(self, path: Path, pixels: Any, given: dict[str, Any], levels: Sequence[Any] = ()) -> None:
        origin = None if self.source is None else self.source.origin
        camera = None if self.source is None or self.source.big else exif.from_tiff(self.source.path)
        tags = saving.declaring(self.info.nodata) if origin is None else dict(origin.tags)
        if self.source is not None and self.info.nodata is None and self.source.info.nodata is not None:
            del tags[whole.NODATA]  # of pixels that are none of those that were read
        saving.save(path, pixels, camera, tags, given, levels)

    def _tiles(self, tile: tuple[int, int], stop: Callable[[], None], shape: tuple[int, ...]) -> Iterator[np.ndarray]:
        """Yield the tiles of all pages of a copy of this shape, in the order of a file."""
        import tifffile

        with tifffile.TiffFile(self.path) as tif:
            page = tif.series[0].keyframe
            grid = Grid.of(page)
        high, wide = tile
        flat = (-1, grid.apart, *grid.sides, grid.together)
        count = math.prod(self.info.shape) // math.prod(flat[1:])
        rows, columns = (shape[self._origin.axes.index(axis)] for axis in "YX")
        places = list(replace(grid, tile=tile, sides=(rows, columns)).touched(slice(0, rows), slice(0, columns)))
        nodata = saving.stored_nodata(self.info.nodata, self._origin)
        for number, (_, channel, row, column) in product(range(count), places):
            stored = tifffile.memmap(self.path, mode="r").reshape(flat)  # anew: what was mapped counts as memory
            stop()
            cuts = slice(row, min(row + high, rows)), slice(column, min(column + wide, columns))
            if (rows, columns) == grid.sides:
                part = stored[number, channel][cuts]
            else:
                sides = (rows, columns, grid.together)
                part = shrunk_part(stored[number, channel], sides, (*cuts, slice(0, grid.together)), nodata)
            yield np.pad(part, ((0, high - part.shape[0]), (0, wide - part.shape[1]), (0, 0)))
