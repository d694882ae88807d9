"""What formats of one still picture share: from samples as a file holds them to a picture, and back."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from . import exif
from .picture import Picture, PictureError, Request, check_plain, colours, full_range

ANIMATED = "this one is animated; save its frames as a TIFF stack or an NPY array (ImageMagick, imageio), axes TYXC"

BITS = {255: 8, 1023: 10, 4095: 12}
"""Bits a sample of codecs that were made for videos, by the value of white."""


class Xmp(NamedTuple):
    """A file's metadata in XMP, which some formats keep."""

    xmp: bytes


def xmp(picture: Picture) -> bytes:
    """Return the XMP that a picture came with, if it did."""
    found: bytes = getattr(picture.native, "xmp", b"")
    return found


def still(request: Request, samples: np.ndarray, count: int | None = None, **said: Any) -> Picture:
    """Return the picture of samples of shape (height, width, samples): 1 or 3 colours, and opacity after them."""
    count = count or (1 if samples.shape[-1] < 3 else 3)
    axes = "YX" if count == 1 else "YXC"
    pixels = samples[..., 0] if count == 1 else samples[..., :count]
    alpha = samples[..., count:].copy() if samples.shape[-1] > count else None
    named = request.axes or (None if request.names_axes else axes)
    return Picture(np.ascontiguousarray(pixels), named, request.channel_axis, alpha, **said)


def check_still(picture: Picture, name: str, dtypes: tuple[str, ...], most: int, *, alphas: int = 1) -> None:
    """Refuse what a format cannot hold of one grey or RGB picture, with so many pixels a side and alphas at most."""
    check_plain(picture, name, dtypes)
    count = 0 if picture.alpha is None else picture.alpha.shape[-1]
    if count and not alphas:
        raise PictureError(f"a {name} has no alpha: this picture has; write a PNG or TIFF instead")
    if count > alphas:
        raise PictureError(f"a {name} holds one alpha: this picture has {count}; write a TIFF instead")
    if max(picture.pixels.shape) > most:
        raise PictureError(f"a {name} has at most {most} pixels a side: this picture has shape {picture.pixels.shape}")


def check_bits(picture: Picture, name: str) -> None:
    """Refuse samples of more than 12 bits."""
    if picture.pixels.dtype == np.uint16 and (picture.maxval or 65535) > max(BITS):
        raise PictureError(f"{name} holds 8, 10 or 12 bits a sample: these are more; write a JPEG XL, PNG or TIFF")


def samples_of_bits(picture: Picture) -> tuple[np.ndarray, int]:
    """Return samples spread over the range of 8, 10 or 12 bits, and how many these are."""
    most = 255
    if picture.pixels.dtype == np.uint16:
        most = next(most for most in BITS if most >= max(picture.maxval or 0, 1023))
    return samples(full_range(picture, most) if most > 255 else full_range(picture)), BITS[most]


def samples(picture: Picture, *, turned: bool = False) -> np.ndarray:
    """Return colours and opacity as (height, width, samples); ``turned`` upright, where no orientation can be said."""
    array = colours(picture)
    if picture.alpha is not None:
        array = np.concatenate((array, picture.alpha), axis=-1)
    return np.ascontiguousarray(exif.upright(array, exif.orientation(picture.exif)) if turned else array)


def unpacked(image: Any, request: Request) -> np.ndarray:
    """Return the samples of an image of Pillow, whose size has been checked; palette colours are looked up."""
    if image.mode == "1":
        if not request.bilevel:
            raise PictureError(f"pixels must have shades: this {image.format} has 1 bit a pixel, black or white")
        image = image.convert("L")
    if image.mode == "P" or "transparency" in image.info:
        opaque = not image.has_transparency_data
        grey = image.mode == "L"
        image = image.convert(("L" if grey else "RGB") if opaque else "LA" if grey else "RGBA")
    if image.mode not in ("L", "LA", "RGB", "RGBA"):
        raise PictureError(f"a {image.format} must be grey or RGB: this one is {image.mode}; convert it to RGB first")
    return np.atleast_3d(np.asarray(image))


def packed(array: np.ndarray) -> Any:
    """Return samples of 8 bits as an image of Pillow."""
    from PIL import Image

    return Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array)
