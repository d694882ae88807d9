"""Picture files: PNG, JPEG, TIFF, NPY and NIfTI, read with all that they say besides the pixels, and written back.

Importing this is cheap: Pillow, tifffile and nibabel are imported when a file needs them.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from pathlib import Path

from . import nifti
from .atomic import check_target, replacing
from .picture import Picture, PictureError, Request

__all__ = [
    "FORMATS",
    "MAX_PIXELS",
    "Picture",
    "PictureError",
    "check",
    "check_target",
    "ending",
    "format_of",
    "read",
    "recognise",
    "replacing",
    "write",
]

#: File name endings and the module that reads and writes such files.
FORMATS = {
    ".png": "png",
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".jpe": "jpeg",
    ".jfif": "jpeg",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".npy": "npy",
    ".nii": "nifti",
    ".nii.gz": "nifti",
}

#: Larger pictures are refused unless `read` is told otherwise. The largest cameras have about 150 million pixels.
MAX_PIXELS = 2**28

_RAW = (
    *(".3fr", ".ari", ".arw", ".bay", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".iiq", ".k25", ".kdc"),
    *(".mef", ".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw"),
    ".x3f",
)
_RAW_MAGIC = (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"IIU\0")
_HEIF = {".heic", ".heif", ".hif", ".avif"}
_RAW_ADVICE = (
    "camera RAW cannot be read: develop it first (darktable, RawTherapee, Lightroom or your camera's software), "
    "without denoising, to a 16-bit TIFF"
)
_HEIF_ADVICE = (
    "HEIC, HEIF and AVIF cannot be read: convert it to PNG or TIFF first (heif-convert, ImageMagick, Preview or Photos)"
)
_KNOWN = "PNG, JPEG, TIFF, NPY and NIfTI files can be read and written"


def ending(path: str | os.PathLike[str]) -> str:
    """Return the end of a file name that says its format, in small letters: ``.png``, but ``.nii.gz``."""
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    return "".join(suffixes[-2:] if suffixes[-2:] == [".nii", ".gz"] else suffixes[-1:])


def format_of(path: str | os.PathLike[str]) -> str:
    """Return the format that a file name stands for.

    Raises
    ------
    PictureError
        If files with such a name cannot be written.
    """
    suffix = ending(path)
    try:
        return FORMATS[suffix]
    except KeyError:
        raise PictureError(f"{_KNOWN}: the name ends in {suffix or 'nothing'}, not in {', '.join(FORMATS)}") from None


def read(
    path: str | os.PathLike[str],
    *,
    axes: str | None = None,
    channel_axis: int | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Picture:
    """Read a picture, by its content and not by its name.

    Parameters
    ----------
    path : path
        A PNG, JPEG, TIFF, NPY or NIfTI file.
    axes, channel_axis : optional
        What the file's dimensions are, for files that don't say so or say it wrongly; as `nlmeans.denoise` takes them.
    max_pixels : int, optional
        More pixels in a plane than this are taken for a decompression bomb.

    Returns
    -------
    Picture
        Pixels as they are stored: neither scaled, nor rotated, nor converted to another colour space. Those of a
        NIfTI are in real units.

    Raises
    ------
    PictureError
        If the file is damaged, not a picture, or one of a kind that cannot be filtered.
    OSError
        If there is no such file, or it may not be read.
    """
    path = Path(path)
    request = Request(path, axes, channel_axis, max_pixels)
    reader = importlib.import_module(f"nlmeans.io.{recognise(path)}")
    try:
        picture: Picture = reader.read(request)
    except (PictureError, MemoryError):
        raise
    except Exception as error:  # decoders meet damaged files with exceptions of every kind
        raise PictureError(f"the file is damaged or cut short: {error}") from error
    return picture


def check(path: str | os.PathLike[str], picture: Picture, *, overwrite: bool = False) -> None:
    """Raise what `write` would raise for such a file and such a picture: before long work rather than after it.

    Parameters
    ----------
    path, picture, overwrite
        As for `write`; the pixels' values don't matter.

    Raises
    ------
    PictureError, OSError
        As `write`.
    """
    path = Path(path)
    name = format_of(path)
    importlib.import_module(f"nlmeans.io.{name}").check(_ordered(picture, name))
    check_target(path, overwrite)


def write(
    path: str | os.PathLike[str],
    picture: Picture,
    *,
    overwrite: bool = False,
    jpeg_quality: int | None = None,
    placing: Callable[[Path], object] | None = None,
) -> None:
    """Write a picture in the format that the name stands for: whole, or not at all.

    Parameters
    ----------
    path : path
        Where to. A link is followed.
    picture : Picture
        What `read` returned, or made from an array. What its file said is kept as far as the format can hold it.
    overwrite : bool, default False
        Replace a file that exists.
    jpeg_quality : int, optional
        1 to 100. By default a JPEG gets the quantisation and the subsampling that it was read with; a picture from
        another format gets quality 95 without subsampling.
    placing : callable, optional
        Called with the name that the finished file still has, before it gets the one that is asked for.

    Raises
    ------
    PictureError
        If the format cannot hold such a picture, or its name is of none that can be written.
    FileExistsError
        If there is such a file and ``overwrite`` is not set.
    OSError
        If the file cannot be written.
    """
    path = Path(path)
    name = format_of(path)
    writer = importlib.import_module(f"nlmeans.io.{name}")
    option = ending(path) == ".nii.gz" if name == "nifti" else jpeg_quality
    with replacing(path, overwrite=overwrite) as part:
        writer.write(part, _ordered(picture, name), option)
        if placing is not None:
            placing(part)


def _ordered(picture: Picture, name: str) -> Picture:
    """Return the picture as a format takes it: other formats than NIfTI have Y before X."""
    return picture.in_rows() if isinstance(picture.native, nifti.Origin) and name != "nifti" else picture


def recognise(path: Path) -> str:
    """Return the name of the module that reads the file; refuse others with advice."""
    with path.open("rb") as file:
        head = file.read(352)
    suffix = path.suffix.lower()
    brand = head[8:12] if head[4:8] == b"ftyp" else b""
    if suffix in _RAW or brand == b"crx " or head[8:10] == b"CR" or head.startswith(_RAW_MAGIC):
        raise PictureError(_RAW_ADVICE)
    if suffix in _HEIF or brand:
        raise PictureError(_HEIF_ADVICE)
    if not head:
        raise PictureError("a picture must have content: the file is empty")
    if nifti.recognises(head):
        return "nifti"
    for magic, name in (
        (b"\x89PNG\r\n\x1a\n", "png"),
        (b"\xff\xd8\xff", "jpeg"),
        (b"II*\0", "tiff"),
        (b"MM\0*", "tiff"),
        (b"II+\0", "tiff"),
        (b"MM\0+", "tiff"),
        (b"\x93NUMPY", "npy"),
    ):
        if head.startswith(magic):
            return name
    raise PictureError(f"{_KNOWN}: this begins with {head[:8]!r}, like none of them")
