"""A file, or the files of one series in a folder, as a picture that knows how to become files again."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...picture import Picture, PictureError, Request, times
from . import FORMAT, begins, files_in
from .geometry import Arrangement, arranged, in_time, planes_of
from .reading import header, load, quietly, sides
from .values import Grid, decode, working

logger = logging.getLogger("nlmeans")


@dataclass(frozen=True)
class Image:
    """A file without its pixels: its name, what it says, and how it stores values."""

    name: str
    dataset: Any = field(repr=False)
    grid: Grid


@dataclass(frozen=True, eq=False)
class Series:
    """What a picture was made of.

    Attributes
    ----------
    images : tuple of Image
        The files.
    order : ndarray of int
        Which of all their frames is which plane of the picture.
    shape, dtype : tuple of int, numpy.dtype
        The picture's.
    missing : tuple of ndarray of bool or None
        Where each frame has no data; None where it has everywhere.
    kept : tuple of ndarray
        What is stored in those that have not.
    folder : bool
        Whether the files are those of a folder.
    """

    images: tuple[Image, ...] = field(repr=False)
    order: np.ndarray = field(repr=False)
    shape: tuple[int, ...]
    dtype: np.dtype
    missing: tuple[np.ndarray | None, ...] = field(repr=False)
    kept: tuple[np.ndarray, ...] = field(repr=False)
    folder: bool

    @property
    def folders(self) -> Any:
        """The format that writes this as a folder; None where it is one file."""
        return FORMAT if self.folder else None


def read(request: Request) -> Picture:
    """Read a file, or the series of a folder that is asked for."""
    folder = request.path.is_dir()
    paths = _chosen(request) if folder else [request.path]
    if not folder:
        request.chosen([""])
    loaded = [load(path, request) for path in paths]
    with quietly():
        images = [
            Image(path.name, said, Grid.of(said, stored)) for path, (said, stored) in zip(paths, loaded, strict=True)
        ]
        planes = [plane for said, stored in loaded for plane in planes_of(said, len(stored))]
        arrangement = arranged(planes, len(paths) == 1 and in_time(loaded[0][0]), request)
    return _picture(images, [stored for _, stored in loaded], arrangement, request, folder)


def _picture(
    images: list[Image], stored: list[np.ndarray], arrangement: Arrangement, request: Request, folder: bool
) -> Picture:
    dtype = working(stored, [image.grid for image in images])
    frames = [
        (frame, image.grid, k) for part, image in zip(stored, images, strict=True) for k, frame in enumerate(part)
    ]
    masks = [grid.padded(frame) for frame, grid, _ in frames]
    kept = [frame[mask] for (frame, _, _), mask in zip(frames, masks, strict=True) if mask is not None]
    nodata, order = None, arrangement.order
    pixels = np.empty((order.size, *frames[0][0].shape), dtype)
    for place, source in enumerate(order.ravel()):
        frame, grid, k = frames[source]
        pixels[place] = decode(frame, grid.slopes[k], grid.inters[k], dtype)
        if (mask := masks[source]) is not None:
            nodata = float(pixels[place][mask][0]) if nodata is None else nodata
            pixels[place][mask] = nodata
    axes = arrangement.axes if request.names_axes else arrangement.axes + "C" * (pixels.ndim == 4)
    pixels = pixels.reshape(*order.shape, *pixels.shape[1:])
    native = Series(tuple(images), order.ravel(), pixels.shape, dtype, tuple(masks), tuple(kept), folder)
    unit = None if arrangement.spacing is None else "mm"
    return Picture(
        pixels, axes or None, request.channel_axis, icc=_profile(images[0].dataset), spacing=arrangement.spacing,
        unit=unit, nodata=nodata, native=native,
    )  # fmt: skip


def _profile(dataset: Any) -> bytes | None:
    said = dataset.get("ICCProfile")
    return bytes(said) if isinstance(said, bytes) and said else None


def _chosen(request: Request) -> list[Path]:
    """Return the files of the series of a folder that is asked for, or of the only one."""
    series: dict[str, list[tuple[Path, Any]]] = {}
    others = 0
    for file in files_in(request.path):
        said = header(file) if begins(file) else {}
        if "Rows" not in said or "Columns" not in said:
            others += 1
            continue
        with quietly():
            series.setdefault(str(said.get("SeriesInstanceUID")), []).append((file, said))
    if others:
        logger.warning("%d files of the folder hold no image: they are left out", others)
    if not series:
        raise PictureError("a folder of DICOM must hold images: there are none")
    with quietly():
        found = sorted(series.values(), key=lambda files: int(files[0][1].get("SeriesNumber") or 0))
        names = [f"{files[0][1].get('Modality') or 'series'} {files[0][1].get('SeriesNumber') or 0}" for files in found]
        which = request.chosen(names)
        if which is None and len(found) > 1:
            listed = ", ".join(
                f"{k}: {name} ({len(files)} files)" for k, (name, files) in enumerate(zip(names, found, strict=True))
            )
            raise PictureError(f"a folder of DICOM must hold one series, or --series (series=) say which: {listed}")
        files = found[which or 0]
        _check_same(files)
    return [file for file, _ in files]


def _check_same(files: list[tuple[Path, Any]]) -> None:
    """Refuse files that make no one picture."""
    sizes = {(*sides(said)[1:], int(said.get("SamplesPerPixel") or 1)) for _, said in files}
    if len(sizes) > 1:
        listed = ", ".join(sorted(times(size) for size in sizes))
        raise PictureError(f"the images of a series must have one size: these have {listed} (rows, columns, samples)")
    names = [str(said.get("SOPInstanceUID")) for _, said in files]
    if len(set(names)) < len(names):
        raise PictureError(
            f"the files of a series must be of different images: {len(names)} files are of {len(set(names))}"
        )
