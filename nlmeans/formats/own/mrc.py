"""MRC and CCP4, the files of electron microscopy, by mrcfile: images, stacks, volumes and stacks of volumes.

What stands before the pixels is kept as it is, the extended header and labels too; the least, largest and mean value
and the deviation, which would be those of other pixels, are made anew.

Source: https://www.ccpem.ac.uk/mrc_format/mrc2014.php, and IMOD's notes on its flags,
https://bio3d.colorado.edu/imod/doc/mrc_format.txt.
"""

from __future__ import annotations

import bz2
import gzip
import logging
import math
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from .. import atomic
from ..arrays import ArrayInfo, Slices, Source, Target
from ..format import Format
from ..gzipped import ZIPPED, inside
from ..mapped import Laid, fill
from ..picture import LENGTHS, Picture, PictureError, Request, times

logger = logging.getLogger("nlmeans")

PLAIN = (".mrc", ".mrcs", ".map", ".ccp4", ".st", ".ali", ".rec")
PACKED: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open}
MAGIC, PLACE = b"MAP", 208
HEADER = 1024
DEFLATE = 1032  # bytes that one byte can stand for
PADDING = 2**16
STACKS = (".mrcs", ".st", ".ali")  # of separate images, whatever the space group
VOLUMES = range(401, 631)  # space groups of stacks of volumes
IMOD = 1146047817  # the mark of a file with flags
SIGNED, NIBBLES = 1, 16  # flags
MODES = {"int8": 0, "int16": 1, "float32": 2, "uint8": 6, "uint16": 6, "float16": 12}
KNOWN = (0, 1, 2, 3, 4, 6, 12, 101)
ENDIANS = {0x44: "<", 0x11: ">"}
UNREADABLE = {
    3: "complex whole numbers: save the magnitude",
    4: "complex numbers: save the magnitude",
    101: "two pixels a byte: convert it (newstack -mode 0 of IMOD)",
}
UNIT = "Å"


@dataclass(frozen=True)
class Origin:
    """All that stands before the pixels, and how they lie after it."""

    head: bytes = field(repr=False)
    laid: Laid

    def typed(self, dtype: np.dtype) -> Origin:
        """Return the head of a file with pixels of another type."""
        return _typed(self, np.dtype(dtype))


class Mrc(Format):
    """Grey images, with all that stands before them in their file."""

    name = "MRC"
    endings = (*PLAIN, *(f"{plain}{packed}" for plain in PLAIN[:3] for packed in PACKED))
    needs, extra = "mrcfile", "mrc"
    loses = (
        "what follows the pixels; statistics are made anew; a new file has no value for no data, and times in it are "
        "separate images; packed files (.gz, .bz2) are not read by regions"
    )
    colours = False

    def recognises(self, head: bytes, path: Path) -> bool:
        """Whether a file says that it is a map, or is a gzip file of one."""
        head = inside(head)
        named = path.name.lower().endswith(self.endings)
        return head[PLACE : PLACE + 3] == MAGIC or (named and (head.startswith(b"BZh") or _plausible(head)))

    def read(self, request: Request) -> Picture:
        """Read the numbers as they are stored, axes in the order of Z, Y, X whatever theirs in the file."""
        origin, axes, spacing = self._begun(request)
        laid = origin.laid
        with _opened(request.path) as file:
            file.seek(laid.offset)
            stored = fill(file, np.empty(laid.shape, laid.dtype))
            file.read(PADDING)  # there a packed file says if all was right
        pixels = stored.transpose(laid.order).astype(laid.dtype.newbyteorder("="), copy=False)
        names = request.axes if request.names_axes else axes
        if names is not None and len(names) == 3 and pixels.ndim == 2:
            pixels = pixels[None]  # one section, by all its names
        sides = _along(spacing, names)
        return Picture(
            pixels, names, request.channel_axis, spacing=sides, unit=UNIT if sides else None, native=origin
        )  # fmt: skip

    def check(self, picture: Picture) -> None:
        """Refuse what an MRC cannot hold: colours, opacity, and numbers of types that it has not."""
        if _kept(picture) is None:
            if picture.alpha is not None:
                raise PictureError("an MRC holds grey images without opacity; write a TIFF or NPY instead")
            self._new(picture.dimensions, picture.pixels.shape, picture.pixels.dtype, None)

    def write(self, part: Path, picture: Picture, path: Path, **options: Any) -> None:
        """Write what stood before the pixels, or a new header, and the pixels after it."""
        origin = _kept(picture)
        if origin is None:
            self.check(picture)
            spacing = _in_unit(picture.spacing, picture.unit, picture.dimensions)
            origin = self._new(picture.dimensions, picture.pixels.shape, picture.pixels.dtype, spacing)
        stored = origin.laid.stored(picture.pixels)
        sections = stored.reshape(-1, *stored.shape[-2:])
        head = _with_statistics(origin, sections)
        pack: Callable[[Any], Any] = {
            ".gz": lambda raw: gzip.GzipFile("", "wb", 6, raw, mtime=0),
            ".bz2": lambda raw: bz2.BZ2File(raw, "wb"),
        }.get(path.suffix.lower(), lambda raw: raw)
        with part.open("wb") as raw, pack(raw) as file:
            file.write(head)
            for section in sections:
                file.write(section.astype(origin.laid.dtype).tobytes())

    def open(self, request: Request) -> Source:
        """Read the header of a file that is not packed."""
        if isinstance(_packing(request.path), str):
            raise PictureError("a packed MRC cannot be read in blocks: unpack it first")
        origin, axes, spacing = self._begun(request)
        laid = origin.laid
        sides, dtype = _along(spacing, axes), laid.dtype.newbyteorder("=")
        info = ArrayInfo(laid.turned, dtype, axes, sides, (1,) * len(laid.shape), UNIT if sides else None)
        return MrcSource(request.path, info, origin)

    def check_target(self, path: Path, overwrite: bool) -> None:
        """Refuse a name that says that the file is packed."""
        if path.suffix.lower() in PACKED:
            raise PictureError(f"a packed MRC cannot be written in blocks: leave out {path.suffix} in {path.name}")
        super().check_target(path, overwrite)

    def create(self, part: Path, info: ArrayInfo, source: Source) -> Target:
        """Write all that stands before the pixels, and take the room that these need."""
        target = self._target(part, info, source)
        with part.open("wb") as file:
            file.write(target.origin.head)
            file.truncate(target.origin.laid.end)
        atomic.reserve(part)
        return target

    def reopen(self, part: Path, info: ArrayInfo, source: Source) -> Target:
        """Go on with a file that was created."""
        target = self._target(part, info, source)
        target.origin.laid.check_end(part.stat().st_size)
        return target

    def _target(self, part: Path, info: ArrayInfo, source: Source) -> MrcTarget:
        if isinstance(source, MrcSource) and source.info.shape == info.shape:
            same = info.dtype == source.info.dtype
            return MrcTarget(part, info, source.origin if same else source.origin.typed(info.dtype))
        spacing = _in_unit(info.spacing, info.unit, info.axes or "")
        return MrcTarget(part, info, self._new(info.axes or "", info.shape, info.dtype, spacing))

    def _begun(self, request: Request) -> tuple[Origin, str, dict[str, float]]:
        """Read all that stands before the pixels; return it, names of the axes, and a pixel's sides along them."""
        size, packing = request.path.stat().st_size, _packing(request.path)
        with _opened(request.path) as file:
            first = file.read(HEADER)
            record = _record(self.library(), first)
            names = _names(record, request)
            laid, spacing = _laid(record, names)
            if packing is None:
                laid.check_end(size)
            else:
                request.check_claim(laid.end, size, DEFLATE if packing == ".gz" else None)
            request.check_size(*laid.shape[-2:])
            head = first + file.read(laid.offset - HEADER)
        if len(head) < laid.offset:
            raise PictureError(f"the file is cut short: {laid.offset:,} bytes come before its pixels, {len(head):,} do")
        return Origin(head, laid), names, spacing

    def _new(self, axes: str, shape: tuple[int, ...], dtype: np.dtype, spacing: dict[str, float] | None) -> Origin:
        """Return the head of a file for an image from elsewhere."""
        library = self.library()
        if len(axes) != len(shape):
            raise PictureError(f"an MRC must know its axes: this has shape {shape}; name them with --axes (axes=)")
        there = [k for k, axis in enumerate(axes) if axis in "YX" or shape[k] > 1]
        order = sorted(there, key=lambda k: "NTZYX".find(axes[k]))
        names = "".join(axes[k] for k in order)
        if names not in ("YX", "ZYX", "NYX", "TYX", "NZYX", "TZYX"):
            raise PictureError(
                f"an MRC holds grey images, volumes, or one series of them: this has shape {shape}, axes {axes}; "
                "write a TIFF or NPY instead"
            )
        if dtype.name not in MODES:
            raise PictureError(
                f"an MRC holds {', '.join(MODES)} pixels: these are {dtype.name}; write a TIFF or NPY instead"
            )
        mode, sides = MODES[dtype.name], tuple(shape[k] for k in order)
        stored = library.utils.dtype_from_mode(mode).newbyteorder("<")
        laid = Laid(HEADER, sides, stored, tuple(order.index(k) for k in there))
        return Origin(_header(library, names, sides, mode, spacing or {}), laid)


FORMAT = Mrc()


@dataclass(frozen=True)
class MrcSource(Source):
    """An MRC that is read."""

    path: Path
    info: ArrayInfo
    origin: Origin

    def read(self, slices: Slices) -> np.ndarray:
        """Return a part."""
        return np.array(self.origin.laid.view(self.path)[slices], self.info.dtype)


@dataclass(frozen=True)
class MrcTarget(Target):
    """An MRC that is written."""

    path: Path
    info: ArrayInfo
    origin: Origin

    def write(self, slices: Slices, pixels: np.ndarray) -> None:
        """Write a part."""
        self.origin.laid.view(self.path, "r+").reshape(self.info.shape)[slices] = pixels

    def finish(self, stop: Callable[[], None], spare: Path) -> Path:
        """Write the statistics of what has been written."""
        laid = self.origin.laid

        def sections() -> Iterable[np.ndarray]:
            for k in range(math.prod(laid.shape[:-2])):
                stop()
                stored = np.memmap(self.path, laid.dtype, "r", laid.offset, laid.shape)  # anew: it counts as memory
                yield stored.reshape(-1, *laid.shape[-2:])[k]

        head = _with_statistics(self.origin, sections())
        with self.path.open("r+b") as file:
            file.write(head[:HEADER])
        return self.path


def _packing(path: Path) -> str | None:
    """Return how a file is packed; None where it is not."""
    with path.open("rb") as file:
        first = file.read(3)
    return ".gz" if first.startswith(ZIPPED) else ".bz2" if first == b"BZh" else None


def _opened(path: Path) -> Any:
    packing = _packing(path)
    return path.open("rb") if packing is None else PACKED[packing](path, "rb")


def _kept(picture: Picture) -> Origin | None:
    """Return what a picture has from its file, if that is an MRC of the same shape."""
    origin = picture.native
    same = isinstance(origin, Origin) and math.prod(origin.laid.shape) == picture.pixels.size
    return origin if same else None


def _plausible(head: bytes) -> bool:
    """Whether a file that does not say MAP, as old ones, begins with sides and a mode."""
    sides = (struct.unpack_from(f"{endian}4i", head) for endian in "<>" if len(head) >= 16)
    return any(min(columns, rows, sections) > 0 and mode in KNOWN for columns, rows, sections, mode in sides)


def _record(library: Any, first: bytes) -> Any:
    """Return the fields of a header, in its order of bytes: that of its stamp, unless the mode makes sense in another.

    It is an array without axes, whose fields have that order too.
    """
    if len(first) < HEADER:
        raise PictureError(f"the file is cut short: an MRC's header has {HEADER:,} bytes, there are {len(first):,}")
    said = ENDIANS.get(first[PLACE + 4], "<")
    other = "<" if said == ">" else ">"
    records: list[Any] = [
        np.frombuffer(first, library.dtypes.HEADER_DTYPE.newbyteorder(end), 1).reshape(()) for end in (said, other)
    ]
    return next((record for record in records if int(record["mode"]) in KNOWN), records[0])


def _names(record: Any, request: Request) -> str:
    """Return the names of the axes, and say what of that is a guess."""
    count, group = int(record["nz"]), int(record["ispg"])
    if count == 1:
        return "YX"
    if group in VOLUMES:
        return "NZYX"
    name = request.path.name.lower()
    for packed in PACKED:
        name = name.removesuffix(packed)
    by_name = name.endswith(STACKS)
    stack = by_name or group == 0
    if not request.names_axes:
        logger.info(
            "%s: its %d sections are taken as %s, as its %s says: --axes %s takes them as %s",
            request.path.name, count, "separate images" if stack else "a volume",
            "name" if by_name else f"space group {group}", *(("ZYX", "a volume") if stack else ("NYX", "images")),
        )  # fmt: skip
    return "NYX" if stack else "ZYX"


def _laid(record: Any, names: str) -> tuple[Laid, dict[str, float]]:
    """Return how the pixels lie in a file, and a pixel's sides in Å where they are lengths."""
    columns, rows, sections = (int(record[name]) for name in ("nx", "ny", "nz"))
    extended, each = int(record["nsymbt"]), int(record["mz"])
    if min(columns, rows, sections) < 1 or extended < 0:
        said = f"{times((sections, rows, columns))} pixels after {extended} bytes"
        raise PictureError(f"the file is damaged: its header says {said}")
    if "N" in names and "Z" in names and (each < 1 or sections % each):
        raise PictureError(f"the file is damaged: its {sections} sections are said to be volumes of {each}")
    letters = _letters(record)
    volumes = (sections // each, each) if names == "NZYX" else (sections,) * (len(names) - 2)
    shape, inner = (*volumes, rows, columns), letters[-3 if "Z" in names else -2 :]
    wanted = sorted(inner, key="ZYX".index)
    before = len(shape) - len(inner)
    order = (*range(before), *(before + inner.index(axis) for axis in wanted))
    cell = {axis: float(record["cella"][axis.lower()]) for axis in "XYZ"}
    grid = {axis: int(record[f"m{axis.lower()}"]) for axis in "XYZ"}
    sides = {axis: cell[axis] / grid[axis] for axis in wanted if grid[axis] > 0}
    fine = len(sides) == len(wanted) and all(0 < side < math.inf for side in sides.values())
    spatial = names.replace("N", "")
    spacing = {name: sides[axis] for name, axis in zip(spatial, wanted, strict=True)} if fine else {}
    return Laid(HEADER + extended, shape, _dtype(record), order), spacing


def _letters(record: Any) -> str:
    """Return which axis of space sections, rows and columns run along."""
    said = tuple(int(record[name]) for name in ("maps", "mapr", "mapc"))
    if sorted(said) == [1, 2, 3]:
        return "".join("XYZ"[axis - 1] for axis in said)
    if any(said):
        logger.warning("sections, rows and columns are taken as Z, Y and X: the header says axes %s of 1 to 3", said)
    return "ZYX"


def _dtype(record: Any) -> np.dtype:
    """Return the type of the pixels in the file's order of bytes."""
    mode, endian = int(record["mode"]), record["mode"].dtype.byteorder
    flags = _flags(record)
    if mode in UNREADABLE or (mode == 0 and flags is not None and flags & NIBBLES):
        raise PictureError(f"an MRC of mode {mode} cannot be read, {UNREADABLE[mode if mode in UNREADABLE else 101]}")
    names = {value: name for name, value in MODES.items()}
    if mode not in names:
        raise PictureError(f"an MRC must be of mode {', '.join(map(str, sorted(names)))}: this says {mode}")
    if mode:
        return np.dtype(names[mode]).newbyteorder(endian)
    if flags is not None:
        return np.dtype("int8" if flags & SIGNED else "uint8")
    if record["dmin"] >= 0 and 127 < record["dmax"] <= 255:
        logger.warning("mode 0 is taken as 0 to 255: the header says that values reach %g", record["dmax"])
        return np.dtype("uint8")
    return np.dtype("int8")


def _flags(record: Any) -> int | None:
    """Return the flags that IMOD and others write; None where there are none."""
    extra = bytes(record["extra2"])  # it begins at byte 112
    mark, flags = (np.frombuffer(extra, record["mode"].dtype, 2, 152 - 112)).tolist()
    return flags if mark == IMOD else None


def _along(spacing: dict[str, float], axes: str | None) -> tuple[float, ...] | None:
    """Return the sides of a pixel along those axes of an image that are space."""
    space = [axis for axis in axes or "" if axis in "ZYX"]
    return tuple(spacing[axis] for axis in space) if space and set(space) <= spacing.keys() else None


def _in_unit(spacing: tuple[float, ...] | None, unit: str | None, axes: str) -> dict[str, float]:
    """Return the sides of a pixel in the format's unit."""
    if spacing is None or unit is None:
        return {}
    space = (axis for axis in axes if axis in "XYZ")
    return {axis: side * LENGTHS[unit] / LENGTHS[UNIT] for axis, side in zip(space, spacing, strict=True)}


def _header(library: Any, names: str, sides: tuple[int, ...], mode: int, spacing: dict[str, float]) -> bytes:
    """Return a new header."""
    record = np.zeros(1, library.dtypes.HEADER_DTYPE.newbyteorder("<")).reshape(())
    rows, columns = sides[-2:]
    sections = math.prod(sides[:-2])
    depth = sides[-3] if "Z" in names else 1
    record["nx"], record["ny"], record["nz"], record["mode"] = columns, rows, sections, mode
    for axis, count in (("x", columns), ("y", rows), ("z", depth)):
        record[f"m{axis}"] = count
        record["cella"][axis] = spacing.get(axis.upper(), 0.0) * count
    record["mapc"], record["mapr"], record["maps"] = 1, 2, 3
    record["ispg"] = {"ZYX": 1, "NZYX": 401, "TZYX": 401}.get(names, 0)
    record["cellb"] = (90, 90, 90)
    record["map"], record["nversion"], record["machst"] = b"MAP ", 20141, (0x44, 0x44, 0, 0)
    return bytes(record.tobytes())


def _typed(origin: Origin, dtype: np.dtype) -> Origin:
    """Return the head of a file with pixels of another type."""
    library = FORMAT.library()
    if dtype.name not in MODES:
        raise PictureError(
            f"an MRC holds {', '.join(MODES)} pixels: these are {dtype.name}; write a TIFF or NPY instead"
        )
    record = _record(library, origin.head).copy()
    endian, mode = record["mode"].dtype.byteorder, MODES[dtype.name]
    record["mode"] = mode
    head = bytearray(record.tobytes() + origin.head[HEADER:])
    flags = _flags(record)
    if mode == 0 and flags is not None:
        head[156:160] = np.array(flags | SIGNED, record["mode"].dtype).tobytes()
    stored = library.utils.dtype_from_mode(mode).newbyteorder(endian)
    return Origin(bytes(head), replace(origin.laid, dtype=stored))


def _with_statistics(origin: Origin, sections: Iterable[np.ndarray]) -> bytes:
    """Return the head with the least, largest and mean value and the deviation from it, of those that are finite."""
    count, mean, squares, low, high = 0, 0.0, 0.0, math.inf, -math.inf
    for section in sections:
        values = section[np.isfinite(section)].astype(np.float64)
        if not values.size:
            continue
        own = float(values.mean())
        total = count + values.size
        squares += float(((values - own) ** 2).sum()) + (own - mean) ** 2 * count * values.size / total
        mean, count = mean + (own - mean) * values.size / total, total
        low, high = min(low, float(values.min())), max(high, float(values.max()))
    record = _record(FORMAT.library(), origin.head).copy()
    if count:
        record["dmin"], record["dmax"], record["dmean"] = low, high, mean
        record["rms"] = math.sqrt(squares / count)
    else:
        record["dmin"], record["dmax"], record["dmean"], record["rms"] = 0, -1, -2, -1  # as the format says "unknown"
    return bytes(record.tobytes()) + origin.head[HEADER:]
