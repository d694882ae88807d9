"""What a picture file holds, and what goes wrong with files."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np


class PictureError(ValueError):
    """A file that cannot be read or written; the message states the rule, then the value.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from nlmeans import io
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "picture.png"
    >>> size = path.write_bytes(b"%PDF-1.7")
    >>> try:
    ...     io.read(path)
    ... except io.PictureError as reason:
    ...     print(str(reason).partition(": ")[2])
    this is PDF: take the picture out of it (pdfimages)
    """


#: Units of length that files name, and how many metres each is.
LENGTHS = {"pm": 1e-12, "Å": 1e-10, "nm": 1e-9, "µm": 1e-6, "mm": 1e-3, "cm": 1e-2, "m": 1.0, "in": 0.0254}
MOST_SHRUNK = 1100
"""How many times smaller than its pixels a file may be, if its compression has no bound, before it is doubted.

Deflate, which has one, gets at most 1032 to 1.
"""
QUOTED = 120
"""Characters of what a damaged file says that are worth repeating."""


@dataclass(frozen=True, eq=False)
class Picture:
    """The pixels of a file, and everything that is needed to write it back.

    Attributes
    ----------
    pixels : ndarray
        The image without its alpha. Palette colours are looked up: pixels are always intensities.
    axes : str or None
        Names of the dimensions as `nlmeans.denoise` takes them; None where the file leaves them open.
    channel_axis : int or None
        The short form for ``axes``, where the caller of `read` named it.
    alpha : ndarray or None
        Opacity and other samples that are no colours, along a last axis of their own; kept exactly as they are.
    icc : bytes or None
        The colour profile.
    exif : bytes or None
        Camera metadata as a TIFF structure. Pixels are as stored: an orientation in here is yet to be applied.
    dpi : tuple of float or None
        Horizontal and vertical resolution in pixels per inch.
    spacing : tuple of float or None
        Sides of a pixel along those of X, Y and Z that ``axes`` names, in its order and in ``unit``; None where the
        file does not say them so.
    unit : str or None
        The unit of ``spacing``, one of `LENGTHS`; None where the file does not say it.
    nodata : float or None
        The value that stands for "no data here", where the file declares one.
    channels : tuple of str or None
        Names of the channels along C, where the file says them.
    maxval : int or None
        The number that stands for white, where it is less than the largest that the pixels' type holds.
    white : float or None
        Of pixels that are counted photons, as one sensor read them: the value from which on they are saturated.
    native : object
        What only the file's own format can hold; a writer of another format ignores it. Of a folder that was read as
        one picture, its ``folders`` is the format that writes one. Where pixels are no picture
        yet, as those of camera RAW, its ``developed(picture)`` is what is written, and its ``blank(picture)`` is of
        that kind, and black.

    Examples
    --------
    >>> import numpy as np
    >>> from nlmeans.io import Picture
    >>> picture = Picture(np.zeros((3, 30, 40, 3), np.uint8), axes="TYXC", nodata=0)
    >>> picture.dimensions, int(picture.known.sum())
    ('TYXC', 0)
    >>> picture.with_pixels(picture.pixels + 1).known.shape
    (3, 30, 40)
    """

    pixels: np.ndarray
    axes: str | None = None
    channel_axis: int | None = None
    alpha: np.ndarray | None = None
    icc: bytes | None = None
    exif: bytes | None = None
    dpi: tuple[float, float] | None = None
    spacing: tuple[float, ...] | None = None
    unit: str | None = None
    nodata: float | None = None
    channels: tuple[str, ...] | None = None
    maxval: int | None = None
    white: float | None = None
    native: Any = None

    @property
    def dimensions(self) -> str:
        """Names of all dimensions, as `nlmeans.denoise` understands this picture."""
        if self.axes:
            return self.axes.upper()
        count = self.pixels.ndim
        if self.channel_axis is None:
            return "NTZYX"[-count:] if count > 3 else "ZYX"[-count:]
        space = "NTZYX"[-count + 1 :] if count > 4 else "ZYX"[-count + 1 :]
        channel = self.channel_axis % count
        return space[:channel] + "C" + space[channel:]

    @property
    def known(self) -> np.ndarray | None:
        """Where there is data in all channels; None where nothing is declared to be none."""
        if self.nodata is None:
            return None
        there, axes = self.pixels != self.nodata, self.dimensions
        return there.all(axis=axes.index("C")) if "C" in axes else there

    def in_rows(self) -> Picture:
        """Return the same picture with its axes in the order N, T, Z, Y, X, C."""
        axes = self.dimensions
        if len(axes) != self.pixels.ndim:
            return self  # the names are wrong, which `nlmeans.denoise` says
        order = sorted(range(len(axes)), key=lambda k: "NTZYXC".find(axes[k]))
        spacing = self.spacing
        if spacing is not None:
            sides = dict(zip((axis for axis in axes if axis in "XYZ"), spacing, strict=True))
            spacing = tuple(sides[axes[k]] for k in order if axes[k] in sides)
        pixels, names = self.pixels.transpose(order), "".join(axes[k] for k in order)
        return replace(self, pixels=pixels, axes=names, spacing=spacing)

    def with_alpha(self) -> np.ndarray:
        """Return the pixels with the alpha as their last channels."""
        if self.alpha is None:
            return self.pixels
        pixels = self.pixels if self.pixels.ndim == self.alpha.ndim else self.pixels[..., None]
        return np.concatenate((pixels, self.alpha), axis=-1)

    def typed(self, dtype: np.dtype) -> Picture:
        """Return a black picture of the same kind whose pixels, and those of a file made of it, are of another type."""
        native = self.native.typed(dtype) if hasattr(self.native, "typed") else self.native
        pixels, maxval = np.broadcast_to(np.zeros((), dtype), self.pixels.shape), self.maxval
        return replace(self, pixels=pixels, maxval=maxval if dtype == self.pixels.dtype else None, native=native)

    def with_pixels(self, pixels: np.ndarray) -> Picture:
        """Return the same picture with other pixels of the same shape and dtype."""
        if pixels.shape != self.pixels.shape or pixels.dtype != self.pixels.dtype:
            raise ValueError(
                f"pixels must have shape {self.pixels.shape} and dtype {self.pixels.dtype}; "
                f"got {pixels.shape}, {pixels.dtype}"
            )
        return replace(self, pixels=pixels)


@dataclass(frozen=True)
class Request:
    """Which file to read, and the options of `read`; or not ``whole``, which may be larger than memory."""

    path: Path
    axes: str | None
    channel_axis: int | None
    max_pixels: int
    bilevel: bool = False
    whole: bool = True
    series: str | None = None
    """Which of several images in the file: a number from 0, or a name; None where the caller does not say."""

    @property
    def names_axes(self) -> bool:
        """Whether the caller says what the dimensions are."""
        return self.axes is not None or self.channel_axis is not None

    def chosen(self, names: Sequence[str]) -> int | None:
        """Return the number of the image that is asked for among those of a file; None where the caller does not say.

        A name counts before a number, so that one that is made of digits can be asked for; images without have "".
        """
        said = self.series
        if said is None:
            return None
        if said and said in names:
            return names.index(said)
        if said.isascii() and said.isdigit() and int(said) < len(names):
            return int(said)
        listed = ", ".join(filter(None, dict.fromkeys(names)))
        last = f"a number from 0 to {len(names) - 1}" if len(names) > 1 else "0, the only one"
        raise PictureError(
            f"the series must be {last}{f', or a name ({quoted(listed)})' if listed else ''}; got {quoted(said)}"
        )

    def check_size(self, *sides: int) -> None:
        """Refuse a picture that would fill the memory, by its header and before it is unpacked."""
        if min(sides) < 1:
            raise PictureError(f"a picture must have pixels: its header says {times(sides)}")
        if self.whole and math.prod(sides) > self.max_pixels:
            raise PictureError(
                f"a picture of more than {self.max_pixels:,} pixels is taken for a decompression bomb: its header says "
                f"{times(sides)}; if you trust it, allow more with --max-pixels (max_pixels=)"
            )

    def check_claim(self, claimed: int, there: int, most: float | None) -> None:
        """Refuse a header that claims more bytes of pixels than those that are there can hold.

        ``most`` is how many bytes one byte can stand for; None where the compression, or leaving out what is empty,
        sets no bound: then a file may claim much for its size as long as it is no more than `read` takes anyway.
        """
        if most is not None and claimed > most * there:
            raise PictureError(
                f"the file is damaged or cut short: its header says {claimed:,} bytes of pixels, and the {there:,} "
                "that are there cannot hold them"
            )
        if most is None and claimed > max(self.max_pixels, MOST_SHRUNK * there):
            raise PictureError(
                f"a file is taken for a decompression bomb if it says that it unpacks to more than {MOST_SHRUNK} times "
                f"its size and {self.max_pixels:,} bytes: {claimed:,} bytes from {there:,}; if you trust it, allow "
                "more with --max-pixels (max_pixels=)"
            )


def series_of(given: int | str | None) -> str | None:
    """Return a number or name of an image in a file as `Request` has it."""
    if given is None or isinstance(given, str):
        return given
    if isinstance(given, bool) or not isinstance(given, int | np.integer):
        raise TypeError(f"series must be a number from 0 or a name; got {given!r}")
    return str(int(given))


def naming(channels: tuple[str, ...] | None, axes: str | None, shape: tuple[int, ...]) -> tuple[str, ...] | None:
    """Return names of channels if there is one for each along C, or one for all where there is no C; else None."""
    count = dict(zip(axes or "", shape, strict=False)).get("C", 1)
    return channels if channels is not None and len(channels) == count else None


def times(sides: Iterable[int]) -> str:
    """Return sides as people write them."""
    return "×".join(map(str, sides))


def quoted(said: object) -> str:
    """Return what a file or a decoder says in one line of bounded length."""
    text = " ".join(str(said).split()) or type(said).__name__
    return text if len(text) <= QUOTED else f"{text[:QUOTED]} …"


def declared(said: object, dtype: np.dtype) -> float | None:
    """Return the value that stands for "no data", as the pixels hold it; None where they can hold no such value."""
    try:
        value = float(str(said).strip(" \0").replace(",", "."))  # as it is written where commas divide
    except ValueError:
        return None
    if dtype.kind == "f":
        most = float(np.finfo(dtype).max)
        if most < abs(value) <= most * (1 + 1e-6):  # the largest number, rounded to the digits of a text
            return math.copysign(most, value)
        return float(dtype.type(value)) if not most < abs(value) < math.inf else None
    if dtype.kind not in "iu" or not value.is_integer():
        return None
    return value if np.iinfo(dtype).min <= value <= np.iinfo(dtype).max else None


def check_plain(picture: Picture, name: str, dtypes: tuple[str, ...]) -> None:
    """Refuse what a format of single pictures in the given dtypes cannot hold."""
    pixels, axes = picture.pixels, picture.dimensions
    if pixels.dtype.name not in dtypes:
        raise PictureError(
            f"a {name} holds {' or '.join(dtypes)} pixels: these are {pixels.dtype}; write a TIFF or NPY instead"
        )
    if axes != "YX" and (axes not in ("YXC", "CYX") or pixels.shape[axes.index("C")] not in (1, 3)):
        raise PictureError(
            f"a {name} holds one grey or RGB picture: this has shape {pixels.shape}, axes {axes}; "
            "write a TIFF or NPY instead"
        )


def full_range(picture: Picture, maxval: int | None = None) -> Picture:
    """Return a picture whose white is ``maxval``, or what its type holds at most; what is above white becomes it."""
    most = picture.maxval
    if most is None:
        return picture
    full = maxval or np.iinfo(picture.pixels.dtype).max

    def spread(array: np.ndarray) -> np.ndarray:
        return ((np.minimum(array, most).astype(np.uint32) * full + most // 2) // most).astype(array.dtype)

    alpha = None if picture.alpha is None else spread(picture.alpha)
    return replace(picture, pixels=spread(picture.pixels), alpha=alpha, maxval=maxval)


def colours(picture: Picture) -> np.ndarray:
    """Return the pixels of a plain picture as (height, width, 1 or 3)."""
    axes = picture.dimensions
    return np.moveaxis(picture.pixels, axes.index("C"), -1) if "C" in axes else picture.pixels[..., None]
