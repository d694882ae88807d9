"""FITS, the files of astronomy, by astropy: images, extensions, compressed images.

Headers are kept card by card, other units byte by byte; an image is replaced where it lies. Undefined pixels, those of
value BLANK or NaN, and those that a mask in the file says are of no use, are missing, and come back as they were.

Source: https://fits.gsfc.nasa.gov/fits_standard.html.
"""

from __future__ import annotations

import gzip
import logging
import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ... import atomic
from ...arrays import ArrayInfo, Slices, Source, Target
from ...format import Format
from ...gzipped import inside
from ...mapped import Laid, fill
from ...picture import LENGTHS, Picture, PictureError, Request
from . import packed
from .coding import NATIVE, Coding
from .content import BLOCK, KINDS, Content, bad, opened, quiet, zipped
from .content import LENGTHS as NAMED

logger = logging.getLogger("nlmeans")

PLAIN = (".fits", ".fit", ".fts", ".fz")
MAGIC = b"SIMPLE  ="
NAMES = {letter: name for name, letter in KINDS.items()}
STALE = ("DATAMIN", "DATAMAX")
SUMS = ("CHECKSUM", "DATASUM")
"""Cards that say something of the pixels."""


@dataclass(frozen=True, eq=False)
class Origin:
    """What a file says besides the pixels of its image."""

    before: bytes = field(repr=False)
    after: bytes = field(repr=False)
    header: Any = field(repr=False)
    raw: bytes | None = field(repr=False)  # the header as it is stored, unless it is a new one
    number: int
    shape: tuple[int, ...]
    packed: bool
    coding: Coding
    missing: np.ndarray | None = field(default=None, repr=False)  # where a mask says that pixels are of no use
    values: np.ndarray | None = field(default=None, repr=False)  # their real values

    def typed(self, dtype: np.dtype) -> Origin:
        """Return what a file of real values of another type says."""
        coding = Coding.new(np.dtype(dtype), None)
        return replace(self, header=_retyped(self.header, coding, self.packed), raw=None, coding=coding)


class Fits(Format):
    """Images of one of a file's header and data units."""

    name = "FITS"
    endings = (*PLAIN, *(f"{plain}.gz" for plain in PLAIN[:3]))
    needs, extra = "astropy.io.fits", "fits"
    has_series = True
    write_options = ("lossy",)
    loses = (
        "how floats were rounded by compression: they are packed without loss unless --lossy says otherwise; names of "
        "channels; compressed images and .gz are not read by regions"
    )

    def recognises(self, head: bytes, path: Path) -> bool:
        """Whether a file begins as FITS does, or is a gzip file of one."""
        return inside(head).startswith(MAGIC)

    def read(self, request: Request) -> Picture:
        """Read real values: whole numbers as they are where they are not scaled, else floats."""
        content = Content.of(self.library(), request)
        stored = self._stored(content, content.number)
        pixels = content.coding.decode(stored.reshape(content.shape))
        missing = values = None
        if content.mask is not None:
            missing = bad(content, self._stored(content, content.mask).reshape(content.shape))
            values, pixels[missing] = pixels[missing], np.nan
            logger.info("%s: %d pixels count as missing, as its mask says", request.path.name, len(values))
        image = content.image
        if image.packed and packed.quantised(image.header):
            logger.warning("%s: its floats were rounded when they were compressed", request.path.name)
        origin = Origin(
            content.raw(0, image.start), content.raw(image.end, None), image.header, image.raw, content.number,
            image.shape, image.packed, content.coding, missing, values,
        )  # fmt: skip
        names = None if request.channel_axis is not None else content.axes
        return Picture(
            pixels, names, request.channel_axis, spacing=content.spacing, unit=content.unit,
            nodata=content.coding.nodata, native=origin,
        )  # fmt: skip

    def check(self, picture: Picture) -> None:
        """Refuse what a new image cannot hold: opacity, and numbers of types that it has not."""
        self.library()
        if self._kept(picture) is None:
            _check_new(picture.pixels.dtype, picture.alpha is not None)

    def write(self, part: Path, picture: Picture, path: Path, *, lossy: int | None = None, **options: Any) -> None:
        """Write the file that the picture was read from with its pixels, or a new one."""
        origin = self._kept(picture)
        pixels = picture.pixels
        if origin is None:
            self.check(picture)
            info = ArrayInfo(
                pixels.shape, pixels.dtype, picture.dimensions, picture.spacing, pixels.shape, picture.unit,
                picture.nodata,
            )  # fmt: skip
            origin, order = self._new(info)
            pixels = _undefined(pixels.transpose(order), picture.nodata)
        elif picture.nodata is not None and origin.coding.dtype.kind == "f":
            pixels = _undefined(pixels, picture.nodata)
        if origin.missing is not None:
            lost = origin.missing & np.isnan(pixels)
            pixels, values = pixels.copy(), np.empty(pixels.shape, pixels.dtype)
            values[origin.missing] = origin.values
            pixels[lost] = values[lost]
        stored = origin.coding.encode(pixels).reshape(origin.shape)
        header = _refreshed(origin.header, pixels)
        with part.open("wb") as file:
            file.write(origin.before)
            if origin.packed:
                unit = packed.unit_of(self.library(), header, stored, lossy)
                file.write(_padded(unit))
            else:
                file.write(origin.raw if origin.raw is not None and header is origin.header else _text(header))
                file.write(stored.tobytes())
                file.write(b"\0" * (-stored.nbytes % BLOCK))
            file.write(origin.after)
        self._sum_up(part, origin.number, header)
        if path.suffix.lower() == ".gz":
            plain = part.read_bytes()
            with part.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as file:
                file.write(plain)

    def open(self, request: Request) -> Source:
        """Read the headers of a file whose image is not packed."""
        if zipped(request.path):
            raise PictureError("a packed FITS cannot be read in blocks: unpack it first")
        content = Content.of(self.library(), request)
        units = [content.units[k] for k in (content.number, content.mask) if k is not None]
        if any(unit.packed for unit in units):
            raise PictureError("compressed images cannot be read in blocks: unpack the file first (funpack)")
        coding = content.coding
        info = ArrayInfo(
            content.shape, coding.working, content.axes, content.spacing, (1,) * len(content.shape), content.unit,
            coding.nodata,
        )  # fmt: skip
        return FitsSource(request.path, info, content)

    def check_target(self, path: Path, overwrite: bool) -> None:
        """Refuse a name that says that the file is packed."""
        if path.suffix.lower() in (".gz", ".fz"):
            raise PictureError(f"a packed FITS cannot be written in blocks: {path.name} ends in {path.suffix}")
        super().check_target(path, overwrite)

    def create(self, part: Path, info: ArrayInfo, source: Source) -> Target:
        """Write all but the pixels, and take the room that these need."""
        target = self._target(part, info, source)
        content = None if target.source is None else target.source.content
        with part.open("wb") as file:
            if content is not None:
                _copy(content.path, file, 0, content.image.start)
            file.write(target.head)
            file.truncate(target.laid.end + -target.laid.end % BLOCK)
            file.seek(0, 2)
            if content is not None:
                _copy(content.path, file, content.image.end, None)
        atomic.reserve(part)
        return target

    def reopen(self, part: Path, info: ArrayInfo, source: Source) -> Target:
        """Go on with a file that was created."""
        target = self._target(part, info, source)
        target.laid.check_end(part.stat().st_size)
        return target

    def _stored(self, content: Content, number: int) -> np.ndarray:
        """Return the numbers of an image as they are stored."""
        unit = content.units[number]
        if unit.packed:
            return packed.stored(self.library(), content, number)
        dtype = Coding.of(unit.header, unit.bits, False).dtype
        with opened(content.path) as file:
            file.seek(unit.data)
            return fill(file, np.empty(unit.shape, dtype))

    def _kept(self, picture: Picture) -> Origin | None:
        """Return what a picture has from its file, if that is a FITS of the same shape."""
        origin = picture.native
        same = isinstance(origin, Origin) and math.prod(origin.shape) == picture.pixels.size
        return origin if same else None

    def _target(self, part: Path, info: ArrayInfo, source: Source) -> FitsTarget:
        if isinstance(source, FitsSource) and source.info.shape == info.shape:
            image, coding = source.content.image, source.content.coding
            header, head = image.header, image.raw
            if info.dtype != source.info.dtype:
                coding = Coding.new(info.dtype, None)
                header = _retyped(header, coding, False)
                head = _text(header)
            laid = Laid(image.start + len(head), info.shape, coding.dtype, tuple(range(info.ndim)))
            return FitsTarget(part, info, header, head, coding, laid, source)
        _check_new(info.dtype, False)
        origin, order = self._new(info)
        head = _text(origin.header)
        laid = Laid(len(head), origin.shape, origin.coding.dtype, tuple(order.index(k) for k in range(info.ndim)))
        return FitsTarget(part, info, origin.header, head, origin.coding, laid, None)

    def _new(self, info: ArrayInfo) -> tuple[Origin, list[int]]:
        """Return what a file of one image says, and the order of the image's axes in it."""
        axes, library = info.axes or "", self.library()
        if len(axes) != info.ndim:
            raise PictureError(f"a FITS file must know its axes: this has shape {info.shape}; name them with --axes")
        order = sorted(range(info.ndim), key=lambda k: "NTCZYX".find(axes[k]))
        coding = Coding.new(info.dtype, info.nodata)
        header = library.Header([("SIMPLE", True), ("BITPIX", packed.BITS[coding.dtype.str[1:]])])
        header["NAXIS"] = info.ndim
        space = iter(info.spacing or ())
        sides = {axis: next(space, None) for axis in axes if axis in "XYZ"}
        for number, k in enumerate(reversed(order), 1):
            header[f"NAXIS{number}"] = info.shape[k]
        _describe(header, coding)
        unit = next((name for name, letter in NAMED.items() if letter == info.unit), None)
        for number, k in enumerate(reversed(order), 1):
            side = sides.get(axes[k])
            if axes[k] in NAMES and axes[k] not in "YX":
                header[f"CTYPE{number}"] = NAMES[axes[k]]
            if side is not None and info.unit is not None:
                header[f"CDELT{number}"] = side if unit else side * LENGTHS[info.unit] / LENGTHS["mm"]
                header[f"CUNIT{number}"] = {"angstrom": "Angstrom"}.get(unit or "mm", unit or "mm")
        shape = tuple(info.shape[k] for k in order)
        return Origin(b"", b"", header, None, 0, shape, False, coding), order

    def _sum_up(self, part: Path, number: int, header: Any) -> None:
        """Make the check sums of an image anew, where it has them."""
        if not any(name in header for name in SUMS):
            return
        with (
            quiet(),
            self.library().open(
                part, "update", memmap=True, do_not_scale_image_data=True, disable_image_compression=True
            ) as hdus,
        ):
            hdus[number].add_checksum()


FORMAT = Fits()


@dataclass(frozen=True, eq=False)
class FitsSource(Source):
    """A FITS image that is read."""

    path: Path
    info: ArrayInfo
    content: Content

    def read(self, slices: Slices) -> np.ndarray:
        """Return a part, NaN where a mask says that pixels are of no use."""
        pixels = self.real(slices)
        if self.content.mask is not None:
            pixels[self.bad(slices)] = np.nan
        return pixels

    def real(self, slices: Slices) -> np.ndarray:
        """Return a part, whatever a mask says."""
        return self.content.coding.decode(self._stored(self.content.number, slices))

    def bad(self, slices: Slices) -> np.ndarray:
        """Return where a mask says that pixels are of no use."""
        return bad(self.content, self._stored(self.content.mask or 0, slices))

    def _stored(self, number: int, slices: Slices) -> np.ndarray:
        unit, shape = self.content.units[number], self.content.shape
        dtype = Coding.of(unit.header, unit.bits, False).dtype
        return np.array(Laid(unit.data, shape, dtype, tuple(range(len(shape)))).view(self.path)[slices])


@dataclass(frozen=True, eq=False)
class FitsTarget(Target):
    """A FITS image that is written."""

    path: Path
    info: ArrayInfo
    header: Any
    head: bytes
    coding: Coding
    laid: Laid
    source: FitsSource | None

    def write(self, slices: Slices, pixels: np.ndarray) -> None:
        """Write a part; what a mask says is of no use stays as it was."""
        if self.coding.dtype.kind == "f":
            pixels = _undefined(pixels, self.info.nodata)
        if self.source is not None and self.source.content.mask is not None:
            lost = self.source.bad(slices) & np.isnan(pixels)
            pixels = np.where(lost, self.source.real(slices), pixels).astype(pixels.dtype)
        self.laid.view(self.path, "r+")[slices] = self.coding.encode(pixels)

    def finish(self, stop: Callable[[], None], spare: Path) -> Path:
        """Make anew what the header says of the pixels."""
        number = 0 if self.source is None else self.source.content.number
        if any(name in self.header for name in STALE):
            low, high = math.inf, -math.inf
            for k in range(self.laid.shape[0]):
                stop()
                low, high = _limits(self.coding.decode(np.array(self._mapped()[k : k + 1])), low, high)
            header = _with_limits(self.header, low, high)
            if header is not self.header:
                with self.path.open("r+b") as file:
                    file.seek(self.laid.offset - len(self.head))
                    file.write(_text(header))
        FORMAT._sum_up(self.path, number, self.header)
        return self.path

    def result(self, finished: Path) -> Source:
        """Return the image that was written."""
        number = 0 if self.source is None else self.source.content.number
        return FORMAT.open(Request(finished, self.info.axes, None, 2**62, whole=False, series=str(number)))

    def _mapped(self) -> np.ndarray:
        return np.memmap(self.path, self.laid.dtype, "r", self.laid.offset, self.laid.shape)


def _check_new(dtype: np.dtype, opaque: bool) -> None:
    if opaque:
        raise PictureError("a FITS file holds images without opacity; write a TIFF or NPY instead")
    if dtype.name not in NATIVE:
        raise PictureError(
            f"a FITS file holds {', '.join(NATIVE)} pixels: these are {dtype.name}; write a TIFF or NPY instead"
        )


def _undefined(pixels: np.ndarray, nodata: float | None) -> np.ndarray:
    """Return floats with NaN for what is declared to be no data, as the format has it."""
    if nodata is None or math.isnan(nodata) or pixels.dtype.kind != "f":
        return pixels
    return np.where(pixels == nodata, np.nan, pixels).astype(pixels.dtype)


def _describe(header: Any, coding: Coding) -> None:
    """Say how real values are stored."""
    if coding.scaled:
        header["BSCALE"], header["BZERO"] = 1, int(coding.inter)
    if coding.blank is not None:
        header["BLANK"] = coding.blank


def _retyped(header: Any, coding: Coding, is_packed: bool) -> Any:
    """Return the header of an image of another type."""
    result = header.copy()
    result["ZBITPIX" if is_packed else "BITPIX"] = packed.BITS[coding.dtype.str[1:]]
    for name in ("BSCALE", "BZERO", "BLANK"):
        result.remove(name, ignore_missing=True)
    _describe(result, coding)
    return result


def _refreshed(header: Any, pixels: np.ndarray) -> Any:
    """Return a header with the pixels' limits, where it has limits."""
    return _with_limits(header, *_limits(pixels, math.inf, -math.inf))


def _limits(pixels: np.ndarray, low: float, high: float) -> tuple[float, float]:
    finite = pixels[np.isfinite(pixels)]
    return (min(low, float(finite.min())), max(high, float(finite.max()))) if finite.size else (low, high)


def _with_limits(header: Any, low: float, high: float) -> Any:
    """Return a header with other limits; the same one where they are right, to the digits that are customary."""
    wrong = {}
    for name, value in zip(STALE, (low, high), strict=True):
        said = header.get(name)
        right = isinstance(said, int | float) and math.isclose(said, value, rel_tol=1e-6)
        if name in header and math.isfinite(value) and not right:
            wrong[name] = value
    if not wrong:
        return header
    result = header.copy()
    result.update(wrong)
    return result


def _text(header: Any) -> bytes:
    with quiet():
        return bytes(header.tostring().encode("ascii"))


def _padded(unit: bytes) -> bytes:
    return unit + b"\0" * (-len(unit) % BLOCK)


def _copy(path: Path, target: Any, start: int, end: int | None) -> None:
    """Copy bytes of a file to another."""
    with path.open("rb") as file:
        file.seek(start)
        if end is None:
            shutil.copyfileobj(file, target)
            return
        left = end - start
        while left and (block := file.read(min(left, 1 << 20))):
            target.write(block)
            left -= len(block)
