"""Flags that commands share, and what they become as arguments of the library for a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import typer

from .. import formats
from .._axes import Layout
from ..formats.table import by_store, series_in
from ..methods.registry import method_of
from ..noise.sensor import Sensor
from ..plan.options import OPTIONS, WORK
from .console import FORESEEN, reason, spelled
from .flags import Flags, parameter

MaxPixels = Annotated[
    int,
    typer.Option(
        min=1,
        metavar="INT",
        help="A picture of more pixels is taken for a decompression bomb; as are more bytes or larger chunks from a "
        "file that holds next to nothing.",
    ),
]


Series = Annotated[
    str | None,
    typer.Option(
        "--series",
        "--hdu",
        metavar="NUMBER|NAME",
        help="Which of several images in a file: a number from 0, or a name. The first, or the only one, by default.",
    ),
]


class Reading(Flags):
    """How files are read."""

    flags: ClassVar = {
        "axes": parameter("axes"),
        "channel_axis": parameter("channel_axis"),
        "max_pixels": parameter("max_pixels", MaxPixels, formats.MAX_PIXELS),
        "series": parameter("series", Series),
    }

    def read(self, path: Path) -> formats.Picture:
        """Read a picture."""
        return formats.read(path, **self.given)

    def beside(self, path: Path, *, bilevel: bool = False) -> formats.Picture:
        """Read what belongs to a picture, from a file that has series of its own: ``file.exr::albedo`` names one."""
        file, series = series_in(path)
        return formats.read(file, **self.given | {"series": series}, bilevel=bilevel)


class Filtering(Flags):
    """The options that `nlmeans.denoise`, `plan` and `weight_map` share."""

    flags: ClassVar = {name: parameter(name) for name in OPTIONS if name not in Reading.flags}

    def files(self, reading: Reading) -> dict[str, formats.Picture]:
        """Read the files that flags name, once for all pictures.

        Raises
        ------
        typer.BadParameter
            If one cannot be read.
        """
        pictures = {}
        for name, path in self.given.items():
            if isinstance(path, Path):
                try:
                    pictures[name] = reading.beside(path, bilevel=name == "mask")
                except FORESEEN as error:
                    raise typer.BadParameter(f"{path}: {reason(error, path)}", param_hint=spelled(name)) from None
        return pictures

    @property
    def in_store(self) -> bool:
        """Whether a file that a flag names can only be read by regions."""
        stores = [by_store(path) for path in self.given.values() if isinstance(path, Path)]
        return any(store is not None and not store.can("read") for store in stores)

    def options(
        self, picture: formats.Picture, files: dict[str, formats.Picture], method: str | None = None
    ) -> dict[str, Any]:
        """Return arguments of the library for a picture that is denoised by a method.

        Raises
        ------
        ValueError
            If a file does not fit the picture.
        """
        options = self.given | {"axes": picture.axes, "channel_axis": picture.channel_axis}
        options |= {name: _fitted(name, options[name], file, picture) for name, file in files.items()}
        if options["spacing"] is None and "spacing" in method_of(method).options:
            options["spacing"] = _spacing_of(picture)
        if options["nodata"] is None:
            options["nodata"] = picture.nodata
        if options["noise"] is None and options["sigma"] is None:
            options["noise"] = sensor_of(picture)
        return options


class Working(Flags):
    """Who does the work, and how."""

    flags: ClassVar = {name: parameter(name) for name, option in WORK.items() if option.help}


def sensor_of(picture: formats.Picture) -> Sensor | None:
    """Return the noise of camera RAW, to be fitted; None of any other picture."""
    return None if picture.white is None else Sensor(picture.white)


def _fitted(name: str, path: Path, file: formats.Picture, picture: formats.Picture) -> np.ndarray:
    """Return a file's pixels in the picture's order of axes, those of a mask as truth."""
    pixels = np.nan_to_num(file.pixels) != 0 if name == "mask" else file.pixels
    wanted, shape, axes = picture.dimensions, picture.pixels.shape, (file.axes or "").upper()
    if len(axes) == pixels.ndim:  # else the file does not say what its dimensions are
        if name == "mask" and "C" in axes:
            pixels, axes = np.any(pixels, axis=axes.index("C")), axes.replace("C", "")
        if set(axes) <= set(wanted):
            pixels = pixels.transpose([axes.index(axis) for axis in wanted if axis in axes])
    if len(wanted) != len(shape):
        return pixels
    of = wanted.replace("C", "") if name == "mask" else wanted
    sides = tuple(side for axis, side in zip(wanted, shape, strict=True) if axis in of)
    if not Layout(of).fitting(name, pixels.shape, sides):
        plain = tuple(side for axis, side in zip(wanted, shape, strict=True) if axis != "C")
        raise ValueError(
            f"--{name} must have the picture's shape, {plain} without channels; {path} has {file.pixels.shape}"
        )
    return pixels


def _spacing_of(picture: formats.Picture) -> tuple[float, ...] | None:
    """Return the sides of a pixel that the file names along Z, Y, X, where they differ."""
    axes = picture.dimensions
    if picture.spacing is None or "T" in Layout(axes).space or len(axes) != picture.pixels.ndim:
        return None
    sides = dict(zip((axis for axis in axes if axis in "XYZ"), picture.spacing, strict=True))
    equal = max(sides.values()) <= 1.001 * min(sides.values())
    return None if equal else tuple(sides[axis] for axis in "ZYX" if axis in sides)
