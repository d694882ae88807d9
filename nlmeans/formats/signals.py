"""What RosettaSciIO reads has in common: signals with calibrated axes, in the files of electron microscopes."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from .._version import __version__
from .arrays import Source
from .picture import LENGTHS, Picture, PictureError, Request, quoted
from .readers import Arrangement, Computed, NamedSource, OnlyRead, one_of, titled

ENERGIES = ("ev", "kev", "mev")
TIMES = ("s", "ms", "µs", "us", "ns", "min", "h")
UNITS = {"A": "Å", "Angstrom": "Å", "um": "µm", "μm": "µm", "micron": "µm"}
"""Other names of units."""


@dataclass(frozen=True)
class Signal:
    """What a file says of a signal besides its pixels, as RosettaSciIO has it, and how its axes are arranged."""

    said: Mapping[str, Any]
    arrangement: Arrangement

    def typed(self, dtype: np.dtype) -> Signal:
        """Return the same: it says nothing of the pixels' type."""
        return self


class Signals(OnlyRead):
    """A kind of file that a module of RosettaSciIO reads.

    What is measured at each place, as energies are, are channels; a diffraction pattern at each place, or anything
    else along an axis that is neither time nor depth, is a separate image.
    """

    needs, extra = "rsciio", "electron"
    has_series = True
    loses = "written as TIFF or MRC: all but axes and a pixel's size; written as HSpy: thumbnails, plots and spectra"
    instead = (".ome.tif", ".ome.zarr", ".mrc", ".hspy")
    reader: ClassVar[str]
    options: ClassVar[tuple[tuple[str, Any], ...]] = ()

    def library(self) -> Any:
        """Return the module that reads such files."""
        super().library()
        try:
            return import_module(f"{self.needs}.{self.reader}")
        except ImportError as error:
            raise PictureError(f"{self.name} files need {quoted(error.name)}: install it with pip") from None

    def read(self, request: Request) -> Picture:
        """Read all of a signal."""
        try:
            return super().read(request)
        finally:
            _data.cache_clear()  # some of them hold their files open
            _signals.cache_clear()

    def open(self, request: Request) -> Source:
        """Read what a file says of its signals, and choose one with two sides."""
        key = (request.path, request.path.stat().st_mtime_ns, self.library().__name__, self.options)
        signals = [signal for signal in _signals(*key) if _names(signal["axes"]) is not None]
        number = one_of(request, [_title(signal) for signal in signals], f"a file of {self.name}")
        signal = signals[number]
        names, data = _names(signal["axes"]), signal["data"]
        if names is None or len(names) != data.ndim:
            raise PictureError(
                f"the file is damaged: it says {len(signal['axes'])} axes of an array of shape {data.shape}"
            )
        arrangement = Arrangement(names, tuple(map(int, data.shape)))
        of = dict(zip(names, signal["axes"], strict=True))
        sides = {axis: (abs(float(of[axis].get("scale", 0))), _unit(of[axis])) for axis in "ZYX" if axis in of}
        said = {key: value for key, value in signal.items() if key not in ("data", "post_process", "mapping")}
        return NamedSource.of(
            request, arrangement, data.dtype, _data, (*key[2:], number), chunks=(1,) * data.ndim, sides=sides,
            native=Signal(said, arrangement),
        )  # fmt: skip


@lru_cache(maxsize=4)
def _signals(path: Path, modified: int, module: str, options: tuple[tuple[str, Any], ...]) -> list[dict[str, Any]]:
    """Return the signals of a file, with arrays that are read when they are asked for."""
    try:
        found: list[dict[str, Any]] = import_module(module).file_reader(str(path), lazy=True, **dict(options))
    except MemoryError:
        raise PictureError("the file is damaged: it says more than memory holds") from None
    return found


@lru_cache(maxsize=4)
def _data(path: Path, modified: int, which: tuple[str, tuple[tuple[str, Any], ...], int]) -> Computed:
    """Return the array of a signal."""
    module, options, number = which
    signals = [signal for signal in _signals(path, modified, module, options) if _names(signal["axes"]) is not None]
    return Computed(signals[number]["data"])


def _title(signal: Mapping[str, Any]) -> str:
    return titled(signal["metadata"].get("General", {}).get("title"))


def _names(axes: list[dict[str, Any]]) -> tuple[str, ...] | None:
    """Return one name for each axis of a signal, those of ours where they are known; None for what is no picture."""
    own = [k for k, axis in enumerate(axes) if not axis["navigate"]]
    places = [k for k, axis in enumerate(axes) if axis["navigate"]]
    spectral = len(own) == 1 and len(places) > 1
    rows = places[-2:] if spectral else own[-2:] if len(own) > 1 else []
    if not rows:
        return None
    names: list[str] = []
    for k, axis in enumerate(axes):
        kind = dict(zip(rows, "YX", strict=True)).get(k) or ("C" if spectral and k in own else _kind(axis))
        names.append(kind if kind and kind not in names else f"{axis.get('name')}{k}")
    return tuple(names)


def _kind(axis: Mapping[str, Any]) -> str | None:
    """Return which of our axes besides Y and X one is."""
    name, unit = str(axis.get("name") or "").lower(), _unit(axis)
    if unit.lower() in ENERGIES or name in ("c", "channel", "wavelength"):
        return "C"
    if unit in TIMES or name in ("t", "time"):
        return "T"
    return "Z" if name in ("z", "depth", "height") and unit in LENGTHS else None


def _unit(axis: Mapping[str, Any]) -> str:
    unit = axis.get("units")
    return UNITS.get(unit, unit) if isinstance(unit, str) else ""


def new_signal(picture: Picture) -> dict[str, Any]:
    """Return a signal as RosettaSciIO writes it: as it was read, or with axes that are made of a picture's own."""
    if isinstance(picture.native, Signal):
        said, pixels = copy.deepcopy(dict(picture.native.said)), picture.native.arrangement.back(picture.pixels)
    else:
        said, pixels = _new(picture)
    attributes = said.pop("attributes", {"ragged": False}) | {"_lazy": False}
    package = {"package": said.pop("package", "nlmeans"), "package_version": said.pop("package_version", __version__)}
    said["metadata"].setdefault("General", {}).setdefault("title", "")
    return said | {
        "data": pixels, "attributes": attributes, "package_info": package, "tmp_parameters": {},
        "learning_results": attributes.pop("learning_results", {}), "models": said.get("models", {}),
    }  # fmt: skip


def _new(picture: Picture) -> tuple[dict[str, Any], np.ndarray]:
    """Return what is said of a picture's axes, and its pixels: those that are compared go last."""
    axes, pixels = picture.dimensions, picture.pixels
    order = sorted(range(len(axes)), key=lambda k: "NTCZYX".index(axes[k]))
    sides = dict(zip((axis for axis in axes if axis in "XYZ"), picture.spacing or (), strict=False))
    said = [
        {
            "name": axes[k].lower(), "size": pixels.shape[k], "index_in_array": place, "offset": 0.0,
            "scale": float(sides.get(axes[k], 1)), "units": (picture.unit or "") if axes[k] in sides else "",
            "navigate": axes[k] not in "YX",
        }
        for place, k in enumerate(order)
    ]  # fmt: skip
    general = {"General": {"title": ""}, "Signal": {"signal_type": ""}}
    return {"axes": said, "metadata": general, "original_metadata": {}}, pixels.transpose(order)
