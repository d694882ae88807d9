"""What a picture file holds, and what goes wrong with files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np


class PictureError(ValueError):
    """A file that cannot be read or written; the message states the rule, then what was found."""


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
        Sides of a pixel along those of X, Y and Z that ``axes`` names, in its order and the file's unit of length
        (NIfTI: nearly always mm); None where the file does not say them so.
    native : object
        What only the file's own format can hold; a writer of another format ignores it.
    """

    pixels: np.ndarray
    axes: str | None = None
    channel_axis: int | None = None
    alpha: np.ndarray | None = None
    icc: bytes | None = None
    exif: bytes | None = None
    dpi: tuple[float, float] | None = None
    spacing: tuple[float, ...] | None = None
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
        return replace(self, pixels=np.broadcast_to(np.zeros((), dtype), self.pixels.shape), native=native)

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
    """Which file to read, and the options of `read`."""

    path: Path
    axes: str | None
    channel_axis: int | None
    max_pixels: int

    @property
    def names_axes(self) -> bool:
        """Whether the caller says what the dimensions are."""
        return self.axes is not None or self.channel_axis is not None

    def check_size(self, width: int, height: int) -> None:
        """Refuse a picture that would fill the memory, by its header and before it is unpacked."""
        if width < 1 or height < 1:
            raise PictureError(f"a picture must have pixels: its header says {width}×{height}")
        if width * height > self.max_pixels:
            raise PictureError(
                f"a picture of more than {self.max_pixels:,} pixels is taken for a decompression bomb: its header says "
                f"{width}×{height}; if you trust it, allow more with --max-pixels (max_pixels=)"
            )


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


def colours(picture: Picture) -> np.ndarray:
    """Return the pixels of a plain picture as (height, width, 1 or 3)."""
    axes = picture.dimensions
    return np.moveaxis(picture.pixels, axes.index("C"), -1) if "C" in axes else picture.pixels[..., None]
