"""Picture files of many formats, read with all that they say besides the pixels, and written back.

`nlmeans formats` lists them. What can only be read, such as camera RAW and microscopes' files, is written as another.
Importing this is cheap: the formats and the libraries that they need are imported when a file needs them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from .._checks import called
from .atomic import check_target, replacing
from .format import Format
from .picture import Picture, PictureError, Request, quoted, series_of
from .table import to_read, to_write

__all__ = ["MAX_PIXELS", "Picture", "PictureError", "check", "check_target", "read", "replacing", "write"]

MAX_PIXELS = 2**28
"""Larger pictures are refused unless `read` has another limit. The largest cameras have about 150 million pixels."""


def read(
    path: str | os.PathLike[str],
    *,
    axes: str | None = None,
    channel_axis: int | None = None,
    max_pixels: int | None = None,
    bilevel: bool | None = None,
    series: int | str | None = None,
) -> Picture:
    """Read a picture, by its content and not by its name.

    Parameters
    ----------
    path : path
        A file, or a folder that is one picture, of the formats that `nlmeans formats` lists; of HDF5 perhaps with the
        name of a dataset, ``scan.h5::/entry/data``.
    axes, channel_axis : optional
        What the file's dimensions are, for files that don't say so or say it wrongly; as `nlmeans.denoise` takes them.
    max_pixels : int, optional
        More pixels in a plane than this are taken for a decompression bomb, `MAX_PIXELS` by default; as are more bytes
        from a file that claims more than `picture.MOST_SHRUNK` times its size, where its compression has no bound.
    bilevel : bool, optional
        Take pictures of 1 bit a pixel too, as 0 and 255: for masks. They are refused by default.
    series : int or str, optional
        Which of several images in a file: a number from 0, or a name, where the format has them.

    Returns
    -------
    Picture
        Pixels as they are stored: neither scaled, nor rotated, nor converted to another colour space. Where whole
        numbers stand for real ones (NIfTI, DICOM, FITS, HDF5), they are in real units, and of a TIFF where 0 is white
        they are turned round. Those of camera RAW are the four planes of its mosaic (C, Y, X), in the sensor's steps
        above black; written, they are developed.

    Raises
    ------
    PictureError
        If the file is damaged, not a picture, or one of a kind that cannot be filtered.
    OSError
        If there is no such file, or it may not be read.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from nlmeans import io
    >>> path = f"{tempfile.mkdtemp()}/picture.tif"
    >>> io.write(path, io.Picture(np.zeros((3, 30, 40), np.uint16), axes="ZYX", spacing=(2, 0.5, 0.5), unit="µm"))
    >>> picture = io.read(path)
    >>> picture.pixels.shape, picture.axes, picture.spacing, picture.unit
    ((3, 30, 40), 'ZYX', (2.0, 0.5, 0.5), 'µm')
    """
    path = Path(path)
    most = MAX_PIXELS if max_pixels is None else max_pixels
    request = Request(path, axes, channel_axis, most, bool(bilevel), series=series_of(series))
    fmt = to_read(path)
    fmt.check_series(request)
    try:
        return fmt.read(request)
    except (PictureError, MemoryError):
        raise
    except Exception as error:  # decoders meet damaged files with exceptions of every kind
        raise PictureError(f"the file is damaged or cut short: {quoted(error)}") from error


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

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from nlmeans import io
    >>> try:
    ...     io.check(f"{tempfile.mkdtemp()}/picture.png", io.Picture(np.zeros((30, 40), np.float32)))
    ... except io.PictureError as reason:
    ...     print(reason)
    a PNG holds uint8 or uint16 pixels: these are float32; write a TIFF or NPY instead
    """
    path = Path(path)
    fmt = to_write(path, "write", folders=_folders(picture))
    fmt.check(_ordered(_shown(picture, "blank"), fmt))
    fmt.check_target(path, overwrite)


def write(
    path: str | os.PathLike[str],
    picture: Picture,
    *,
    overwrite: bool = False,
    jpeg_quality: int | None = None,
    lossy: int | None = None,
    done: str | None = None,
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
    lossy : int, optional
        1 to 100: let WebP, JPEG XL, AVIF, HEIC, JPEG 2000 and compressed FITS lose what they may at this level, each on
        a scale of its own. For JPEG 2000 it is the PSNR in decibels, for FITS the part of the noise to which floats are
        rounded (16: a sixteenth); the others' encoders call it quality, and one number means another picture in each.
        By default they keep every pixel.
    done : str, optional
        What was done to the pixels, for formats that keep a record of it (DICOM).
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

    Examples
    --------
    >>> import tempfile, numpy as np, nlmeans
    >>> from nlmeans import io
    >>> path = f"{tempfile.mkdtemp()}/picture.png"
    >>> noisy = np.random.default_rng(0).normal(100, 10, (30, 40)).astype(np.uint8)
    >>> io.write(path, io.Picture(noisy))
    >>> picture = io.read(path)
    >>> io.write(path, picture.with_pixels(nlmeans.denoise(picture.pixels)), overwrite=True)
    """
    if not isinstance(picture, Picture):
        raise TypeError(f"picture must be a Picture, as read() returns or Picture(array); got {called(picture)}")
    if lossy is not None and not 1 <= lossy <= 100:
        raise ValueError(f"lossy must be 1 to 100; got {lossy}")
    path = Path(path)
    fmt = to_write(path, "write", folders=_folders(picture))
    options = {"jpeg_quality": jpeg_quality, "lossy": lossy, "done": done}
    given = {name: value for name, value in options.items() if name in fmt.write_options}
    with fmt.replacing(path, overwrite) as part:
        fmt.write(part, _ordered(_shown(picture, "developed"), fmt), path, **given)
        if placing is not None:
            placing(part)


def _shown(picture: Picture, how: str) -> Picture:
    """Return what is written for pixels that are no picture yet; any other picture as it is."""
    shown: Picture = getattr(picture.native, how, lambda same: same)(picture)
    return shown


def _folders(picture: Picture) -> Format | None:
    """Return the format of the folder that a picture was read from; None if it was a file."""
    fmt: Format | None = getattr(picture.native, "folders", None)
    return fmt


def _ordered(picture: Picture, fmt: Format) -> Picture:
    """Return the picture as a format takes it: with Y before X, unless both it and the picture's own have X first."""
    return picture.in_rows() if getattr(picture.native, "x_first", False) and not fmt.x_first else picture
