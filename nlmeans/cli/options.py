"""The flags that commands share, and what they become as arguments of the library."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import numpy as np
import typer

from .. import _checks, formats
from .._axes import Layout
from ..formats.zarrs import named as named_zarr
from ..noise.text import parse
from ..pairwise.spec import Aggregation, Centre
from ..plan.defaults import Quality
from .console import FORESEEN, reason


def _floats(text: str, rule: str) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        raise typer.BadParameter(f"must be {rule}; got {text!r}") from None
    if not all(math.isfinite(number) for number in numbers):
        raise typer.BadParameter(f"must be finite; got {text!r}")
    return numbers


def _integers(text: str, rule: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise typer.BadParameter(f"must be {rule}; got {text!r}") from None


def _sigma(text: str) -> Any:
    try:
        numbers = _floats(text, "a number, one a channel such as 9.5,8,11, or a file that exists")
    except typer.BadParameter:
        if Path(text).is_file() or named_zarr(Path(text)):
            return Path(text)
        raise
    if min(numbers) < 0:
        raise typer.BadParameter(f"must be at least 0; got {text!r}")
    return numbers[0] if len(numbers) == 1 else numbers


def _noise(text: str) -> Any:
    try:
        return parse(text)
    except (TypeError, ValueError) as error:
        raise typer.BadParameter(str(error)) from None


def _axes(text: str) -> str:
    try:
        _checks.layout(np.empty((1,) * len(text)), text, None)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return text


def _strength(text: str) -> Any:
    if text == "sure":
        return text
    numbers = _floats(text, "a number, or sure")
    if len(numbers) > 1 or numbers[0] <= 0:
        raise typer.BadParameter(f"must be one number above 0; got {text!r}")
    return numbers[0]


def _radii(text: str, others: str = "") -> Any:
    radii = _integers(text, f"a whole number, or one an axis, such as 3 or 1,3,3{others}")
    if min(radii) < 0:
        raise typer.BadParameter(f"is a radius and must be at least 0; got {text!r}")
    return radii[0] if len(radii) == 1 else radii


def _search(text: str) -> Any:
    return text if text == "image" else _radii(text, ", or image")


def _spacing(text: str) -> list[float]:
    numbers = _floats(text, "one number for each axis of space, such as 3,1,1")
    if min(numbers) <= 0:
        raise typer.BadParameter(f"must be above 0; got {text!r}")
    return numbers


def size(text: str) -> float:
    """Return a number of bytes."""
    found = re.fullmatch(r"(\d+\.?\d*) *([kmgt]?)i?b?", text.strip().lower())
    if found is None:
        raise typer.BadParameter(f"must be a number of bytes, such as 500M or 2G; got {text!r}")
    return float(found[1]) * 1024.0 ** ("", "k", "m", "g", "t").index(found[2])


def place(text: str) -> tuple[int, ...]:
    """Return the indices of a pixel."""
    return tuple(_integers(text, "a pixel's row and column, such as 120,80, after its slice in a volume"))


def method_name(text: str) -> str:
    """Return the name of a method that there is."""
    if text != "nlm":
        from ..methods.registry import names  # looks through all installed packages

        if text not in names():
            raise typer.BadParameter(f"must be one of {', '.join(names())}; got {text!r}")
    return text


def _file(text: str) -> Path:
    if not (Path(text).is_file() or named_zarr(Path(text))):
        raise typer.BadParameter(f"must be a file that exists; got {text!r}")
    return Path(text)


Sigma = Annotated[
    Any,
    typer.Option(
        parser=_sigma,
        metavar="NUMBER[,...]|FILE",
        help="Standard deviation of the noise in the units of the pixels (0 to 255, to 65535, ...): one number, "
        "one a channel, or a file of the picture's shape with one a pixel. Estimated by default.",
    ),
]


@dataclass(frozen=True)
class Reading:
    """Flags about how files are read."""

    axes: Annotated[
        Any,
        typer.Option(
            parser=_axes,
            metavar="LETTERS",
            help="What the dimensions are, where files don't say so: Y, X, C channels, Z depth, T time, N separate "
            "images; for instance ZYX.",
        ),
    ] = None
    channel_axis: Annotated[
        int | None,
        typer.Option(metavar="INDEX", help="Short for --axes: the dimension of the channels; the others are space."),
    ] = None
    max_pixels: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="INT",
            help="A picture of more pixels is taken for a decompression bomb; as are more bytes or larger chunks from "
            "a file that holds next to nothing.",
        ),
    ] = formats.MAX_PIXELS

    def __post_init__(self) -> None:
        if self.axes is not None and self.channel_axis is not None:
            raise typer.BadParameter("is short for --axes: give one of them", param_hint="--channel-axis")

    def read(self, path: Path, *, bilevel: bool = False) -> formats.Picture:
        """Read a picture."""
        return formats.read(
            path, axes=self.axes, channel_axis=self.channel_axis, max_pixels=self.max_pixels, bilevel=bilevel
        )

    def given(self) -> dict[str, Any]:
        """Return arguments of `nlmeans.large`, which reads by regions."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}


@dataclass(frozen=True)
class Filtering:
    """Flags about the filter: the options that `nlmeans.denoise`, `plan` and `weight_map` share, by their names."""

    sigma: Sigma = None
    noise: Annotated[
        Any,
        typer.Option(
            parser=_noise,
            metavar="MODEL",
            help="gaussian (the default), poisson (photon counts: cameras, microscopes), rician (MRI), or auto, which "
            "decides. Numbers are in the units of the pixels, as in gaussian:sigma=5, rician:sigma=4,coils=8 or "
            "poisson:gain=2.5,offset=10,sigma=3; without them they are estimated.",
        ),
    ] = None
    quality: Annotated[
        Quality | None,
        typer.Option(
            help="fast is one pass, balanced (the default) lets a Wiener step follow, best makes two passes and takes "
            "two to four times as long. Method ridge takes more and larger groups for each."
        ),
    ] = None
    strength: Annotated[
        Any,
        typer.Option(
            parser=_strength,
            metavar="NUMBER|sure",
            help="h/sigma: larger smooths more. Chosen from the noise by default; with sure for this very picture, by "
            "Stein's estimate of the error.",
        ),
    ] = None
    patch_radius: Annotated[
        Any,
        typer.Option(
            parser=_radii,
            metavar="INT[,...]",
            help="Half-width in pixels of the patches compared: one, or one for each of Z (or T), Y, X. Chosen from "
            "the noise by default.",
        ),
    ] = None
    search_radius: Annotated[
        Any,
        typer.Option(
            parser=_search,
            metavar="INT[,...]|image",
            help="Half-width in pixels of the window averaged: likewise; or image, for all of it.",
        ),
    ] = None
    spacing: Annotated[
        Any,
        typer.Option(
            parser=_spacing,
            metavar="NUMBER[,...]",
            help="Distance of pixels along Z (or T), Y, X in any unit: default radii shrink along coarse axes. By "
            "default what a NIfTI, OME-TIFF, ImageJ or OME-Zarr file says.",
        ),
    ] = None
    nodata: Annotated[
        float | None,
        typer.Option(
            metavar="VALUE",
            help="The value that stands for no data: such pixels stay as they are and count for no other. By default "
            "what a GeoTIFF or Zarr file declares.",
        ),
    ] = None
    padding: Annotated[
        bool | None,
        typer.Option(
            help="Leave large areas of one exact value at an end of the range as they are, the default, or not."
        ),
    ] = None
    outliers: Annotated[
        Literal["keep", "fill"] | None,
        typer.Option(
            help="Single pixels that stand out from all around them: keep them, or fill them as missing ones."
        ),
    ] = None
    mask: Annotated[
        Any,
        typer.Option(
            parser=_file, metavar="FILE", help="A picture of the same shape: only pixels where it is not 0 count."
        ),
    ] = None
    guide: Annotated[
        Any,
        typer.Option(
            parser=_file,
            metavar="FILE",
            help="A picture, aligned and in the same units, whose patches are compared instead of the noisy ones.",
        ),
    ] = None
    guide_sigma: Annotated[
        float | None,
        typer.Option(
            min=0, metavar="NUMBER", help="Standard deviation of the guide's own noise, in its units; 0 by default."
        ),
    ] = None
    bias: Annotated[
        bool | None,
        typer.Option(help="Take the noise's own share off the distance of patches (the default), or leave it in."),
    ] = None
    centre: Annotated[
        Centre | None, typer.Option(help="Weight of the pixel itself: the largest of the others (the default), 1 or 0.")
    ] = None
    aggregation: Annotated[
        Aggregation | None,
        typer.Option(help="Average pixels, or patches and then their overlaps. By default as --quality has it."),
    ] = None
    passes: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=2,
            metavar="1|2",
            help="How often to average, the second time with weights from the first result. By default as --quality "
            "has it.",
        ),
    ] = None
    wiener: Annotated[
        bool | None, typer.Option(help="Let a Wiener step follow each pass. By default as --quality has it.")
    ] = None

    def __post_init__(self) -> None:
        if self.sigma is not None and self.noise is not None:
            raise typer.BadParameter("is short for --noise gaussian: give one of them", param_hint="--sigma")
        if self.guide_sigma and self.guide is None:
            raise typer.BadParameter("comes with a --guide", param_hint="--guide-sigma")

    def files(self, reading: Reading) -> dict[str, formats.Picture]:
        """Read the files that flags name, once for all pictures.

        Raises
        ------
        typer.BadParameter
            If one cannot be read.
        """
        found = {}
        for name in ("sigma", "mask", "guide"):
            path = getattr(self, name)
            if isinstance(path, Path):
                try:
                    found[name] = reading.read(path, bilevel=name == "mask")
                except FORESEEN as error:
                    raise typer.BadParameter(f"{path}: {reason(error, path)}", param_hint=f"--{name}") from None
        return found

    @property
    def in_zarr(self) -> bool:
        """Whether a file that a flag names can only be read by regions."""
        return any(isinstance(path, Path) and named_zarr(path) for path in (self.sigma, self.mask, self.guide))

    def given(self) -> dict[str, Any]:
        """Return arguments of the library as they were given: files by their names."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    def options(self, picture: formats.Picture, files: dict[str, formats.Picture]) -> dict[str, Any]:
        """Return arguments of the library for a picture.

        Raises
        ------
        ValueError
            If a file does not fit the picture.
        """
        given = self.given()
        fitted = {name: _fitted(name, given[name], file, picture) for name, file in files.items()}
        spacing = _spacing_of(picture) if self.spacing is None else self.spacing
        nodata = picture.nodata if self.nodata is None else self.nodata
        axes = {"axes": picture.axes, "channel_axis": picture.channel_axis}
        return given | axes | fitted | {"spacing": spacing, "nodata": nodata}


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
    if picture.spacing is None or "T" in axes or len(axes) != picture.pixels.ndim:
        return None
    sides = dict(zip((axis for axis in axes if axis in "XYZ"), picture.spacing, strict=True))
    equal = max(sides.values()) <= 1.001 * min(sides.values())
    return None if equal else tuple(sides[axis] for axis in "ZYX" if axis in sides)


def with_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command a flag for each field of its parameters of the classes `Filtering` and `Reading`.

    The command is called with the objects; Typer sees the flags, since it reads ``__signature__``.
    """
    signature = inspect.signature(command, eval_str=True)
    groups: dict[str, Any] = {}
    flags: list[inspect.Parameter] = []
    for parameter in signature.parameters.values():
        if parameter.annotation not in (Filtering, Reading):
            flags.append(parameter.replace(kind=parameter.KEYWORD_ONLY))
            continue
        groups[parameter.name] = kind = parameter.annotation
        hints = get_type_hints(kind, include_extras=True)
        flags += [
            inspect.Parameter(field.name, parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name])
            for field in dataclasses.fields(kind)
        ]

    @functools.wraps(command)
    def run(**given: Any) -> None:
        objects = {
            name: kind(**{field.name: given.pop(field.name) for field in dataclasses.fields(kind)})
            for name, kind in groups.items()
        }
        command(**given, **objects)

    run.__signature__ = signature.replace(parameters=flags)  # type: ignore[attr-defined]
    return run
