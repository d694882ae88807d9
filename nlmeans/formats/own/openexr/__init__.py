"""OpenEXR, by its own library: one layer of several by its name, half and float; all else in a file stays as it is."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ... import exif
from ...format import Format
from ...picture import Picture, PictureError, Request, check_plain, colours, naming, quoted
from . import headers
from .layers import Layer, layers

logger = logging.getLogger("nlmeans")

DTYPES = ("float16", "float32", "uint32")
LOSSY = ("PXR24_COMPRESSION", "B44_COMPRESSION", "B44A_COMPRESSION", "DWAA_COMPRESSION", "DWAB_COMPRESSION")
BY_WRITER = ("channels", "chunkCount", "version")
"""What the library says anew."""


@dataclass(frozen=True)
class Native:
    """All parts of a file, each with what it says and its channels; and which of them the pixels are, in what types."""

    parts: tuple[tuple[dict[str, Any], dict[str, np.ndarray]], ...]
    layer: Layer
    dtypes: tuple[np.dtype, ...]

    def typed(self, dtype: np.dtype) -> Native:
        """Return the same file with pixels of another type."""
        return replace(self, dtypes=(np.dtype(dtype),) * len(self.dtypes))


class OpenExr(Format):
    """One layer of a file, grey, colours or vectors, in floats of 16 or 32 bits, with or without alpha."""

    name, endings, magic = "OpenEXR", (".exr",), (headers.MAGIC,)
    needs, extra = "OpenEXR", "exr"
    has_series = True
    loses = (
        "levels but one; compression with loss, which becomes ZIP; deep pixels and luminance with chroma are refused"
    )

    def read(self, request: Request) -> Picture:
        """Read the picture that a viewer shows, or the layer that is asked for."""
        library = self.library()
        parts = headers.read(request.path)
        size = request.path.stat().st_size
        for part in parts:
            request.check_size(*part.sides)
            request.check_claim(part.size, size, None)
        found = layers(parts)
        layer = found[_chosen(found, request)]
        with library.File(str(request.path), separate_channels=True) as file:
            if len(file.parts) != len(parts):
                raise PictureError(f"the file is damaged: {len(file.parts)} of its {len(parts)} parts can be read")
            kept = tuple(
                (dict(part.header), {name: np.array(each.pixels) for name, each in part.channels.items()})
                for part in file.parts
            )
        planes = [kept[layer.part][1][name] for name in layer.channels]
        pixels = planes[0] if len(planes) == 1 else np.stack(planes, axis=-1)
        return Picture(
            pixels, request.axes or (None if request.names_axes else "YX" if len(planes) == 1 else "YXC"),
            request.channel_axis, kept[layer.part][1][layer.alpha][..., None] if layer.alpha else None,
            channels=None if layer.coloured or len(planes) == 1 else layer.channels,
            native=Native(kept, layer, tuple(plane.dtype for plane in planes)),
        )  # fmt: skip

    def check(self, picture: Picture) -> None:
        """Refuse what an OpenEXR cannot hold."""
        self.library()
        types = picture.native.dtypes if isinstance(picture.native, Native) else (picture.pixels.dtype,)
        if other := [str(dtype) for dtype in types if dtype.name not in DTYPES]:
            raise PictureError(
                f"an OpenEXR holds {', '.join(DTYPES)} pixels: these are {other[0]}; write a TIFF or NPY instead"
            )
        if not isinstance(picture.native, Native):
            _names(picture)

    def write(self, part: Path, picture: Picture, path: Path, **options: Any) -> None:
        """Write all parts of the file that was read with new pixels in one layer, or a new file of one."""
        self.check(picture)
        library, native = self.library(), picture.native
        if not isinstance(native, Native):
            library.File({"compression": library.ZIP_COMPRESSION}, _new(picture)).write(str(part))
            return
        made = []
        for index, (header, channels) in enumerate(native.parts):
            planes = dict(channels)
            if index == native.layer.part:
                planes |= _planes(picture, native)
            made.append(library.Part(_said(library, header, path), planes))
        library.File(made).write(str(part))


FORMAT = OpenExr()


def _chosen(found: list[Layer], request: Request) -> int:
    """Return the number of the layer to read."""
    number = request.chosen([layer.name for layer in found])
    if number is None and len(found) > 1 and not found[0].is_main:
        names = ", ".join(layer.name for layer in found)
        raise PictureError(f"one of several layers must be named with --series (series=): {quoted(names)}")
    return number or 0


def _planes(picture: Picture, native: Native) -> dict[str, np.ndarray]:
    """Return the pixels by the names of their channels, in memory of their own: a view is written scrambled."""
    pixels = np.atleast_3d(picture.pixels) if len(native.dtypes) == 1 else _last(picture)
    return {
        name: _narrowed(pixels[..., k], dtype)
        for k, (name, dtype) in enumerate(zip(native.layer.channels, native.dtypes, strict=True))
    }


def _last(picture: Picture) -> np.ndarray:
    """Return the pixels with their channels as the last axis."""
    return np.moveaxis(picture.pixels, picture.dimensions.index("C"), -1)


def _narrowed(plane: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return a plane of a type, in which no number becomes infinite that was not."""
    if dtype == np.float16 and plane.dtype != dtype:
        most = np.finfo(np.float16).max
        plane = np.where(np.isfinite(plane), np.clip(plane, -most, most), plane)
    return np.ascontiguousarray(plane, dtype)


def _said(library: Any, header: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return what a part says, as it is written: what its compression would lose stays, and it has one level."""
    said = {name: value for name, value in header.items() if name not in BY_WRITER}
    if said.get("compression") in [getattr(library, name, None) for name in LOSSY]:
        logger.warning("%s: its compression loses something each time; it is written without loss, as ZIP", path)
        said["compression"] = library.ZIP_COMPRESSION
    tiles = said.get("tiles")
    if tiles is not None and tiles.mode != library.ONE_LEVEL:
        logger.warning("%s: only the finest of its levels is written", path)
        said["tiles"] = library.TileDescription()
        said["tiles"].xSize, said["tiles"].ySize = tiles.xSize, tiles.ySize
        said["tiles"].mode = library.ONE_LEVEL
    return said


def _names(picture: Picture) -> list[str]:
    """Return names of channels for a picture from elsewhere."""
    axes, shape = picture.dimensions, picture.pixels.shape
    if axes in ("YXC", "CYX") and (named := naming(picture.channels, axes, shape)):
        return list(named)
    check_plain(picture, "OpenEXR", DTYPES)
    count = picture.alpha.shape[-1] if picture.alpha is not None else 0
    if count > 1:
        raise PictureError(f"an OpenEXR gets one alpha: this picture has {count}; write a TIFF instead")
    return ["R", "G", "B"] if colours(picture).shape[-1] == 3 else ["Y"]


def _new(picture: Picture) -> dict[str, np.ndarray]:
    """Return the channels of a file for a picture from elsewhere; upright, since it cannot say otherwise."""
    names, code = _names(picture), exif.orientation(picture.exif)
    pixels = _last(picture) if "C" in picture.dimensions else picture.pixels[..., None]
    planes = {name: exif.upright(pixels[..., k], code) for k, name in enumerate(names)}
    if picture.alpha is not None:
        planes["A"] = exif.upright(picture.alpha[..., 0], code)
    return planes
