"""What a FITS file holds: its header and data units, which of them is the image, and its axes."""

from __future__ import annotations

import gzip
import logging
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...picture import PictureError, Request, quoted, times
from .coding import Coding

logger = logging.getLogger("nlmeans")

ZIPPED = b"\x1f\x8b"
DEFLATE = 1032  # bytes that one byte can stand for
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
    start, data, end : int
        Where the header begins, the data do, and these end.
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
    header: Any = field(repr=False)
    raw: bytes = field(repr=False)
    packed: bool
    kind: str

    @property
    def bits(self) -> int:
        """BITPIX of the image."""
        return _whole(self.header, "ZBITPIX" if self.packed else "BITPIX")

    @property
    def size(self) -> int:
        """Bytes of the data, without those that fill the last block."""
        sides = [_whole(self.header, f"NAXIS{k + 1}") for k in range(min(_whole(self.header, "NAXIS"), 999))]
        groups = self.header.get("GROUPS") is True
        count = math.prod(sides[1:] if groups else sides) if sides else 0
        more, copies = (
            _whole(self.header, name) if name in self.header else k for k, name in enumerate(("PCOUNT", "GCOUNT"))
        )
        return abs(_whole(self.header, "BITPIX")) // 8 * copies * (more + count)

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


def _places(library: Any, path: Path) -> list[tuple[int, int, int]]:
    """Return where each header begins, its data do, and these end."""
    try:
        with quiet(), library.open(path, memmap=False, lazy_load_hdus=False, disable_image_compression=True) as hdus:
            places = [hdu.fileinfo() for hdu in hdus]
    except OSError as error:
        if isinstance(error, FileNotFoundError | PermissionError):
            raise
        raise PictureError(f"the file is damaged or cut short: {quoted(error)}") from error
    found = [(place["hdrLoc"], place["datLoc"], place["datLoc"] + place["datSpan"]) for place in places]
    if any(not start < data <= end < 2**62 for start, data, end in found):
        raise PictureError(f"the file is damaged: its units lie at {quoted(found)}")
    return found


def _units(library: Any, path: Path) -> Iterator[Unit]:
    places = _places(library, path)
    with opened(path) as file:
        for start, data, end in places:
            file.seek(start)
            raw = file.read(data - start)
            header = library.Header.fromstring(raw)
            version = header.get("EXTVER", 1)
            name = str(header.get("EXTNAME", "") or ("" if start else "PRIMARY")).strip().upper()
            packed = header.get("ZIMAGE") is True
            extension = str(header.get("XTENSION", "IMAGE")).strip()
            kind = "" if packed or extension == "IMAGE" else extension
            yield Unit(
                name if version == 1 or not name else f"{name},{version}", start, data, end, header, raw, packed,
                "random groups" if header.get("GROUPS") is True else kind,
            )  # fmt: skip


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
