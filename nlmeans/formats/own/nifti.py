"""NIfTI, the files of medical imaging, by nibabel: volumes, series of volumes and slices, `.nii` and `.nii.gz`.

The bytes before the pixels are kept and written back as they were: affine, orientation codes, voxel sizes, units,
scaling, intent, description and extensions stay whatever they are. Only the pixels are replaced.

Source: https://nifti.nimh.nih.gov/nifti-1 and /nifti-2, the headers' definitions.
"""

from __future__ import annotations

import gzip
import io
import logging
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from .. import exif
from ..format import Format
from ..gzipped import ZIPPED, inside
from ..mapped import fill, put
from ..picture import LENGTHS, Picture, PictureError, Request, times
from ..scaled import Scaling

logger = logging.getLogger("nlmeans")

AXES = "XYZN"
LARGEST = 540  # bytes of a NIfTI-2 header
DEFLATE = 1032  # bytes that one byte can stand for
PADDING = 2**16  # bytes after the pixels that are read, to see gzip's check sum
ZIP_LEVEL = 6
NATIVE = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")
UNITS = {"meter": "m", "mm": "mm", "micron": "µm"}
SIZES = tuple(size.to_bytes(4, order) for size in (348, 540) for order in ("little", "big"))
"""What a header begins with, in one order of bytes or the other."""
_SINGLE, PAIR = (b"n+1", b"n+2"), (b"ni1", b"ni2")


@dataclass(frozen=True)
class Origin(Scaling):
    """What stands before the pixels in a file, and how a real value becomes a stored one."""

    x_first: ClassVar[bool] = True
    head: bytes = field(default=b"", repr=False)

    def typed(self, dtype: np.dtype) -> Origin:
        """Return the header of a file with real values of another type."""
        header = _header(FORMAT.library(), self.head)
        header.set_data_dtype(dtype)
        header.set_slope_inter(1, 0)
        block = header.binaryblock
        return Origin(np.dtype(dtype).newbyteorder(header.endianness), head=block + self.head[len(block) :])


class Nifti(Format):
    """One grey slice, volume, or series of them, with all that stands before it in its file."""

    name, endings = "NIfTI", (".nii", ".nii.gz")
    needs, extra = "nibabel", "medical"
    x_first, colours = True, False
    loses = "what follows the pixels; complex numbers and colours are refused"

    def recognises(self, head: bytes, path: Path) -> bool:
        """Whether a file begins like a NIfTI, is a gzip file of one, or too short a one that is named so."""
        first, magics = inside(head), _SINGLE + PAIR
        begins = head.startswith(ZIPPED) and first.startswith(SIZES)
        short = head != first == b"" and path.name.lower().endswith(self.endings)
        return begins or short or first[344:347] in magics or first[4:7] in magics

    def read(self, request: Request) -> Picture:
        """Read real values: whole numbers as they are stored where they are not scaled, else floats."""
        nibabel = self.library()
        size = request.path.stat().st_size
        with request.path.open("rb") as raw:
            zipped = raw.read(2) == ZIPPED
            raw.seek(0)
            file: Any = gzip.GzipFile(fileobj=raw) if zipped else raw
            first = file.read(LARGEST)
            header = _header(nibabel, first)
            shape, dtype = tuple(int(side) for side in header.get_data_shape()), header.get_data_dtype()
            axes = _axes(shape, request)
            _check_kind(header, dtype)
            start = int(header.get_data_offset())
            _check_size(shape, start + math.prod(shape) * dtype.itemsize, size, zipped, request)
            head = (first + file.read(max(start - len(first), 0)))[:start]
            stored = fill(file, np.empty(shape[::-1], dtype), first[start:]).T
            if zipped and len(file.read(PADDING)) == PADDING:
                logger.warning("what follows the pixels is left out: it is more than padding")
        slope, inter = header.get_slope_inter()
        origin = Origin(dtype, *((1.0, 0.0) if slope is None else (float(slope), float(inter))), head=head)
        if not request.names_axes:
            stored = stored.reshape(shape[: len(axes)], order="F")  # without the ones at the end
        zooms = tuple(float(zoom) for zoom in header.get_zooms())
        return Picture(origin.decode(stored), axes, spacing=_spacing(zooms, axes), unit=unit_of(header), native=origin)

    def check(self, picture: Picture) -> None:
        """Refuse what a new NIfTI cannot hold: colours, opacity, half floats, more than one axis of volumes."""
        if isinstance(picture.native, Origin):
            return
        self.library()
        axes, dtype = picture.dimensions, picture.pixels.dtype.newbyteorder("=").name
        if dtype not in NATIVE:
            raise PictureError(
                f"a NIfTI holds {', '.join(NATIVE)} pixels: these are {dtype}; write a TIFF or NPY instead"
            )
        if picture.alpha is not None or "C" in axes or {"T", "N"} <= set(axes) or not {"X", "Y"} <= set(axes):
            raise PictureError(
                "a NIfTI holds grey slices, volumes, or one series of them: this has "
                f"{'opacity and ' if picture.alpha is not None else ''}shape {picture.pixels.shape}, axes {axes}; "
                "write a TIFF or NPY instead"
            )

    def write(self, part: Path, picture: Picture, path: Path, **options: Any) -> None:
        """Write what stood before the pixels, or a new header, and the pixels after it."""
        pixels, origin = picture.pixels, picture.native
        if not isinstance(origin, Origin):
            self.check(picture)
            pixels, origin = _new(picture)
        with part.open("wb") as raw:
            if not path.name.lower().endswith(".gz"):
                raw.write(origin.head)
                put(raw, pixels, origin)
                return
            with gzip.GzipFile("", "wb", ZIP_LEVEL, raw, mtime=0) as file:
                file.write(origin.head)
                put(file, pixels, origin)


FORMAT = Nifti()


def _header(nibabel: Any, first: bytes) -> Any:
    """Return the header at the beginning of a file."""
    magics = {first[344:347]: nibabel.Nifti1Header, first[4:7]: nibabel.Nifti2Header}
    if magics.keys() & set(PAIR):
        raise PictureError("a NIfTI that is one of a pair must be called .hdr or .img, as the other one")
    for magic in magics.keys() & _SINGLE:
        return magics[magic](first[: magics[magic].template_dtype.itemsize])
    raise PictureError("a NIfTI must say at its beginning that it is one: this says something else")


def _axes(shape: tuple[int, ...], request: Request) -> str:
    """Name the dimensions: x, y, z and then volumes, unless the caller does."""
    if request.axes is not None:
        return request.axes
    count = len(shape)
    if request.channel_axis is None:
        while count > len(AXES) and shape[count - 1] == 1:
            count -= 1
        if 2 <= count <= len(AXES):
            return AXES[:count]
    elif 3 <= count <= len(AXES) + 1 and -count <= request.channel_axis < count:
        channel = request.channel_axis % count
        return AXES[:channel] + "C" + AXES[channel : count - 1]
    raise PictureError(
        f"a NIfTI must have 2 to 4 dimensions, x, y, z and volumes, besides channels: this has shape {shape}; "
        "if it can be filtered, name each dimension with --axes (axes=), as XYZNC for vectors in a fifth"
    )


def _check_kind(header: Any, dtype: np.dtype) -> None:
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        name = header.get_value_label("datatype")
        raise PictureError(
            f"a NIfTI must hold real numbers of up to 64 bits: this holds {name}; "
            "save the parts, the magnitude or the colours apart, each as a volume"
        )


def _check_size(shape: tuple[int, ...], end: int, size: int, zipped: bool, request: Request) -> None:
    """Refuse what would fill the memory or is not there, by the header and before it is unpacked."""
    request.check_size(shape[0], math.prod(shape[1:2]))
    if min(shape) < 1:
        raise PictureError(f"a picture must have pixels: its header says {times(shape)}")
    if zipped:
        request.check_claim(end, size, DEFLATE)
    if not zipped and end > size:
        raise PictureError(f"the file is cut short: its pixels end at byte {end:,}, the file at {size:,}")


def _spacing(zooms: tuple[float, ...], axes: str) -> tuple[float, ...] | None:
    """Return the voxel's sides along space, where they are lengths."""
    sides = tuple(side for side, axis in zip(zooms, axes.upper(), strict=False) if axis in "XYZ")
    return sides if all(0 < side < math.inf for side in sides) else None


def unit_of(header: Any) -> str | None:
    """Return the unit of length that a header names."""
    try:
        return UNITS.get(header.get_xyzt_units()[0])
    except KeyError:  # a code that there is not
        return None


def origin_of(image: Any, dtype: np.dtype, slope: float = 1.0, inter: float = 0.0) -> Origin:
    """Return what stands before the pixels where an image of nibabel is written as one file, stored in this type."""
    nibabel = FORMAT.library()
    kind = nibabel.Nifti2Image if isinstance(image, nibabel.Nifti2Pair) else nibabel.Nifti1Image
    header = kind(np.broadcast_to(np.zeros((), dtype), image.shape), image.affine, image.header).header
    header.set_data_dtype(dtype)
    header.set_slope_inter(slope, inter)
    return Origin(dtype.newbyteorder(header.endianness), slope, inter, head=_begun(header))


def _begun(header: Any) -> bytes:
    """Return a header of one file, and what comes after it up to the pixels."""
    header["magic"], header["vox_offset"] = header.single_magic, 0  # it then makes room for what is between
    block = io.BytesIO()
    header.write_to(block)
    return block.getvalue().ljust(int(header["vox_offset"]), b"\0")


def _new(picture: Picture) -> tuple[np.ndarray, Origin]:
    """Return x, y, z and volumes, and a header of unknown orientation, for a picture from elsewhere."""
    nibabel = FORMAT.library()
    axes, pixels = picture.dimensions, picture.pixels
    if axes == "YX":
        pixels = exif.upright(pixels, exif.orientation(picture.exif))
    order = [axis for axis in "XYZTN" if axis in axes]
    pixels = pixels.transpose([axes.index(axis) for axis in order])
    if len(order) > 2 and "Z" not in order:
        pixels = np.expand_dims(pixels, 2)
    kind = nibabel.Nifti1Header if max(pixels.shape) < 2**15 else nibabel.Nifti2Header
    header = kind()
    dtype = pixels.dtype.newbyteorder("=")
    header.set_data_dtype(dtype)
    header.set_data_shape(pixels.shape)
    if picture.spacing is not None:
        sides = dict(zip((axis for axis in axes if axis in "XYZ"), picture.spacing, strict=True))
        unit = picture.unit if picture.unit is None or picture.unit in UNITS.values() else "mm"
        scale = 1.0 if picture.unit is None or unit is None else LENGTHS[picture.unit] / LENGTHS[unit]
        header.set_zooms([sides[axis] * scale if axis in sides else 1.0 for axis in "XYZT"[: pixels.ndim]])
        header.set_xyzt_units({value: key for key, value in UNITS.items()}.get(unit or "", 0))
    return pixels, Origin(dtype, head=_begun(header))
