"""What a FITS file holds: its header and data units, which of them is the image, and its axes."""

from __future__ import annotations

import gzip
import logging
import math
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...gzipped import ZIPPED
from ...picture import PictureError, Request, quoted, times
from .coding import Coding

logger = logging.getLogger("nlmeans")

DEFLATE = 1032  # bytes that one byte can stand for
BLOCK = 2880  # bytes that everything is a multiple of
MOST_BLOCKS = 10_000  # of a header
FIRST = re.compile(rb"SIMPLE  = +T[ /]")
END = re.compile(rb"^(?:.{80})*END {77}", re.DOTALL)
MASKS = ("DQ", "MASK")
JWST_BAD = 1  # the bit of its masks that says that a pixel is of no use
KINDS = {
    "TIME": "T", "UTC": "T", "STOKES": "N", "IMAGE": "N", "CHANNEL": "C", "DEPTH": "Z",
}  # fmt: skip
"""Axes by CTYPE; the last three, and TIME, are what is written here."""
LENGTHS = {"pm": "pm", "angstrom": "Å", "nm": "nm", "um": "µm", "mm": "mm", "cm": "cm", "m": "m"}
"""Units of length by CUNIT, in small letters."""


@dataclass(frozen=True)
class Unit:
    """A header and its data.

    Attributes
    ----------
    name : str
        EXTNAME, with EXTVER after a comma where it is not 1.
    start, data, end, size : int
        Where the header begins, the data do, and the blocks of these end; how many bytes they have.
    header : Header of astropy
        The header as it is stored.
    raw : bytes
        The same in bytes.
    packed : bool
        Whether it is a compressed image.
    kind : str
        What it is, where it is no image.
    """

    name: str
    start: int
    data: int
    end: int
    size: int
    header: Any = field(repr=False)
    raw: bytes = field(repr=False)
    packed: bool
    kind: str

    @property
    def bits(self) -> int:
        """BITPIX of the image."""
        return _whole(self.header, "ZBITPIX" if self.packed else "BITPIX")

    @property
    def shape(self) -> tuple[int, ...]:
        """Sides of the image, the slowest first; none where it holds none."""
        if self.kind:
            return ()
        start = "ZNAXIS" if self.packed else "NAXIS"
        count = min(_whole(self.header, start), 999)
        return tuple(_whole(self.header, f"{start}{k}") for k in range(count, 0, -1))


@dataclass(frozen=True)
class Content:
    """A file's units, and the image that is meant."""

    path: Path
    units: tuple[Unit, ...]
    number: int
    mask: int | None
    coding: Coding
    shape: tuple[int, ...]  # sides of the image, without axes of length 1 that come before Y and X
    axes: str
    spacing: tuple[float, ...] | None
    unit: str | None

    @property
    def image(self) -> Unit:
        """The image."""
        return self.units[self.number]

    @classmethod
    def of(cls, library: Any, request: Request) -> Content:
        """Read the headers."""
        path = request.path
        units = tuple(_units(library, path))
        number = _chosen(units, request)
        image = units[number]
        shape = image.shape
        mask = _mask(units, image)
        coding = Coding.of(image.header, image.bits, mask is not None)
        if min(shape) < 1:
            raise PictureError(f"a picture must have pixels: its header says {times(shape)}")
        _check_end(units, number, mask, request)
        request.check_size(*shape[-2:])
        kept, names = _axes(image, request)
        spacing, unit = _spacing(image.header, names, len(shape), kept)
        sides = tuple(shape[k] for k in kept)
        return cls(path, units, number, mask, coding, sides, names, spacing, unit)

    def raw(self, start: int, end: int | None) -> bytes:
        """Return bytes of the file, unpacked where it is."""
        with opened(self.path) as file:
            file.seek(start)
            return bytes(file.read() if end is None else file.read(end - start))


@contextmanager
def quiet() -> Iterator[None]:
    """Let no warning of astropy through, of which there is one for every card that is not as the standard has it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def zipped(path: Path) -> bool:
    """Whether a file is a gzip file."""
    with path.open("rb") as file:
        return file.read(2) == ZIPPED


def opened(path: Path) -> Any:
    """Return the file, unpacked where it is a gzip file."""
    return gzip.open(path, "rb") if zipped(path) else path.open("rb")


def _units(library: Any, path: Path) -> Iterator[Unit]:
    """Yield what is in a file, to its end or what is no extension any more."""
    there = math.inf if zipped(path) else path.stat().st_size
    with opened(path) as file:
        start = 0
        while start < there and (raw := _header(file, start)):
            with quiet():
                header = library.Header.fromstring(raw)
            version = header.get("EXTVER", 1)
            name = str(header.get("EXTNAME", "") or ("" if start else "PRIMARY")).strip().upper()
            packed = header.get("ZIMAGE") is True
            extension = str(header.get("XTENSION", "IMAGE")).strip()
            kind = "" if packed or extension == "IMAGE" else extension
            size = _size(header)
            data = start + len(raw)
            end = data + size + -size % BLOCK
            if not data <= end < 2**62:
                raise PictureError(f"the file is damaged: it says that {size:,} bytes come after byte {data:,}")
            yield Unit(
                name if version == 1 or not name else f"{name},{version}", start, data, end, size, header, raw, packed,
                "random groups" if header.get("GROUPS") is True else kind,
            )  # fmt: skip
            start = end


def _header(file: Any, start: int) -> bytes:
    """Return a header that begins there; nothing where none does."""
    file.seek(start)
    raw = bytes(file.read(BLOCK))
    if not raw.startswith(b"XTENSION" if start else b"SIMPLE"):
        return b""
    if not start and not FIRST.match(raw):
        raise PictureError(f"the file is damaged: it must begin with SIMPLE = T; got {quoted(repr(raw[:30]))}")
    blocks = [raw]
    while not END.search(blocks[-1]):
        blocks.append(bytes(file.read(BLOCK)))
        if len(blocks[-1]) < BLOCK or len(blocks) > MOST_BLOCKS:
            raise PictureError("the file is damaged or cut short: a header must end with END")
    return b"".join(blocks)


def _size(header: Any) -> int:
    """Return how many bytes of data there are, without those that fill the last block."""
    sides = [_whole(header, f"NAXIS{k + 1}") for k in range(min(_whole(header, "NAXIS"), 999))]
    count = math.prod(sides[1:] if header.get("GROUPS") is True else sides) if sides else 0
    more, copies = (_whole(header, name) if name in header else k for k, name in enumerate(("PCOUNT", "GCOUNT")))
    return abs(_whole(header, "BITPIX")) // 8 * copies * (more + count)


def _whole(header: Any, name: str) -> int:
    value = header.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise PictureError(f"{name} must be a whole number; got {quoted(repr(value))}")
    return value


def _chosen(units: tuple[Unit, ...], request: Request) -> int:
    """Return the number of the unit that is asked for, or of the first image."""
    images = [k for k, unit in enumerate(units) if len(unit.shape) > 1 and min(unit.shape) > 0]
    if request.series is None:
        if not images:
            held = ", ".join(unit.kind or f"an array of {times(unit.shape) or 'nothing'}" for unit in units[:6])
            raise PictureError(f"a FITS file must hold an image of two or more axes: this holds {held}")
        others = [f"{k} {units[k].name}".strip() for k in images[1:]]
        if others:
            name = f"{images[0]} {units[images[0]].name}".strip()
            logger.info(
                "%s: the image in HDU %s is taken; --hdu takes another: %s",
                request.path.name, name, quoted(", ".join(others)),
            )  # fmt: skip
        return images[0]
    asked = replace(request, series=request.series.upper().removesuffix(",1"))
    number = asked.chosen([unit.name for unit in units]) or 0
    if number not in images:
        unit = units[number]
        held = unit.kind or (f"an array of {times(unit.shape)}" if unit.shape else "no data")
        raise PictureError(f"the HDU must be an image of two or more axes: {quoted(request.series)} is {held}")
    return number


def _mask(units: tuple[Unit, ...], image: Unit) -> int | None:
    """Return the number of the unit that says which pixels of the image are of no use."""
    name, _, version = image.name.partition(",")
    if name in MASKS:
        return None
    suffix = f",{version}" if version else ""
    for k, unit in enumerate(units):
        if unit.name in [f"{mask}{suffix}" for mask in MASKS] and unit.shape == image.shape and unit.bits > 0:
            return k
    return None


def bad(content: Content, stored: np.ndarray) -> np.ndarray:
    """Return where a mask says that pixels are of no use."""
    header = content.units[content.mask or 0].header
    zero = header.get("BZERO", 0)
    numbers = stored.astype(np.int64) + int(zero if isinstance(zero, int | float) else 0)
    telescope = str(content.units[0].header.get("TELESCOP", "")).strip()
    return (numbers & JWST_BAD if telescope == "JWST" else numbers) != 0


def _check_end(units: tuple[Unit, ...], number: int, mask: int | None, request: Request) -> None:
    """Refuse a file that ends before its data do."""
    there = request.path.stat().st_size
    packed = zipped(request.path)
    for unit in units:
        end = unit.data + unit.size
        if packed:
            request.check_claim(end, there, DEFLATE)
        elif end > there:
            raise PictureError(f"the file is cut short: its pixels end at byte {end:,}, the file at {there:,}")
    for unit in (units[k] for k in (number, mask) if k is not None):
        if unit.packed:
            claimed = math.prod(unit.shape) * abs(unit.bits) // 8
            request.check_claim(claimed, unit.end - unit.data, None)


def _axes(image: Unit, request: Request) -> tuple[tuple[int, ...], str]:
    """Return which axes are kept, and their names: those of length 1 before Y and X go, unless the caller has them."""
    shape = image.shape
    if request.axes is not None and len(request.axes) == len(shape):
        return tuple(range(len(shape))), request.axes
    kept = tuple(k for k in range(len(shape)) if k >= len(shape) - 2 or shape[k] > 1)
    if request.axes is not None:
        return kept, request.axes
    names = "YX"
    for k in reversed(kept[:-2]):
        number = len(shape) - k  # as FITS counts
        said = str(image.header.get(f"CTYPE{number}", "")).strip()
        known = KINDS.get(said.upper().partition("-")[0])
        guess = "C" if not said and shape[k] == 3 else "Z"
        letter = known or next(axis for axis in (guess, "N", "C", "T", "Z", "?") if axis not in names)
        if known is None and not request.names_axes:
            logger.info(
                "%s: its axis %d, %s, is taken as %s: --axes names each axis otherwise, such as %s for separate images",
                request.path.name, number, quoted(said) if said else "which has no name", letter, f"N{names}",
            )  # fmt: skip
        names = letter + names
    if "BAYERPAT" in image.header:
        logger.warning(
            "%s: its pixels are a mosaic of colours (%s), which are averaged as if they were one",
            request.path.name, quoted(image.header["BAYERPAT"]),
        )  # fmt: skip
    return kept, names


def _spacing(header: Any, names: str, count: int, kept: tuple[int, ...]) -> tuple[tuple[float, ...] | None, str | None]:
    """Return the sides of a pixel along space and their unit, where they are lengths."""
    sides, units = [], set()
    for k, axis in zip(kept, names, strict=False):
        if axis in "XYZ":
            side, unit = header.get(f"CDELT{count - k}"), header.get(f"CUNIT{count - k}")
            if not isinstance(side, int | float) or str(unit).strip().lower() not in LENGTHS or not side:
                return None, None
            sides.append(abs(float(side)))
            units.add(LENGTHS[str(unit).strip().lower()])
    return (tuple(sides), units.pop()) if len(units) == 1 else (None, None)
