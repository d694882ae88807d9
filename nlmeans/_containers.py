"""Containers: images that are more than their pixels, opened before the work and closed after it.

Nothing is imported for that: a container is recognised by its attributes, so that astropy, xarray, pandas, Pillow and
torch need not be installed.
"""

from __future__ import annotations

import copy
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import _checks

NAMES: Mapping[str, str] = {
    name: letter
    for letter, names in {
        "T": "t time times frame frames",
        "Z": "z depth slice slices plane planes lev level altitude height_level",
        "C": "c channel channels band bands colour color rgb wavelength",
        "Y": "y lat latitude row rows line lines northing projection_y_coordinate nlat rlat",
        "X": "x lon longitude col cols column columns sample_x easting projection_x_coordinate nlon rlon",
        "N": "n image images sample samples batch realization member",
    }.items()
    for name in names.split()
}
"""Names of dimensions, in small letters, and the axes they stand for."""
ATTRIBUTES = ("uncertainty", "mask", "wcs", "meta", "unit", "psf", "flags")
"""Attributes of astropy's images besides the pixels; their constructors take arguments of the same names."""
COLOURS = {"L": "YX", "RGB": "YXC", "I": "YX", "F": "YX", "I;16": "YX", "I;16L": "YX", "I;16B": "YX"}
"""Pillow's modes whose numbers can be averaged, and their axes."""


@dataclass(frozen=True, eq=False)
class Container:
    """An opened container.

    Attributes
    ----------
    pixels : ndarray or lazy array
        Its pixels.
    close : callable
        Returns a container of the same kind with a result of the pixels' shape.
    mask : ndarray of bool, or None
        True where a pixel counts, in the pixels' shape.
    axes : str, tuple of str, or None
        Names of the axes as `denoise` takes them; the dimensions' own names if not all are known.
    unit : Unit or None
        The unit of the pixels.
    """

    pixels: Any
    close: Callable[[Any], Any]
    mask: np.ndarray | None = None
    axes: str | tuple[str, ...] | None = None
    unit: Unit | None = None

    def check(self, pixels: Any) -> None:
        """Refuse a container that cannot be closed, before the work."""
        try:
            self.close(pixels)
        except Exception as error:  # of whatever class refuses the pixels
            raise TypeError(f"a result must fit into the image's class; its array would do: {error}") from None

    def arguments(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return arguments for the pixels from those for the container.

        Raises
        ------
        TypeError, ValueError
            For dimensions of unknown names, two masks, and numbers in units other than the image's.
        """
        options = dict(given)
        if options.get("axes") is None and options.get("channel_axis") is None and self.axes is not None:
            if not isinstance(self.axes, str):
                raise ValueError(
                    f"axes must be named where the image's dimensions have names of their own; got {self.axes}: "
                    "say what they are, as in axes='NYX'"
                )
            options["axes"] = self.axes
        if self.mask is not None:
            if options.get("mask") is not None:
                raise ValueError("give mask, or an image that has one of its own, not both: join them to one before")
            options["mask"] = self._mask(options.get("axes"), options.get("channel_axis"))
        if options.get("dtype") is not None:
            self.check(np.empty(self.pixels.shape, _checks.result_type(options["dtype"], self.pixels.dtype)))
        for name in ("sigma", "guide", "guide_sigma"):
            if options.get(name) is not None:
                options[name] = self._number(options[name], name)
        return options

    def _mask(self, axes: Any, channel_axis: Any) -> np.ndarray | None:
        """Return the mask without channels: a pixel missing in one is missing in all."""
        assert self.mask is not None
        channel = _checks.layout(self.pixels, axes, channel_axis).channel_axis
        counts: np.ndarray = self.mask if channel is None else np.all(self.mask, axis=channel)
        return None if counts.all() else counts

    def _number(self, value: Any, name: str) -> Any:
        """Return a value in the unit of the pixels."""
        unit = unit_of(value)
        if unit is None:
            return value
        if self.unit is None:
            raise TypeError(f"{name} must be in the image's units, and the image has none; got {_checks.short(value)}")
        try:
            return unit.of(value, self.unit.name)
        except Exception as error:  # each package has its own error for units that do not convert
            raise ValueError(f"{name} must be in the image's units, {self.unit.name}; got {error}") from None

    def around(self, result: Any) -> Any:
        """Return a result, alone or the first of several, in the container."""
        return (self.close(result[0]), *result[1:]) if isinstance(result, tuple) else self.close(result)


@dataclass(frozen=True)
class Unit:
    """A unit, and the function that converts a value to another."""

    name: Any
    of: Callable[[Any, Any], Any]


def opened(image: Any) -> Container | None:
    """Open a container; None for an array, and for what becomes one without a loss.

    Raises
    ------
    TypeError, ValueError
        For a container that cannot be closed or is no image: the message says what to do instead.
    """
    if type(image) is np.ndarray or isinstance(image, int | float | list | tuple | str | bytes):
        _check_list(image)
        return None
    for opener in (_masked, _quantity, _named, _table, _astronomical, _picture, _tensor, _lazy):
        container = opener(image)
        if container is not None:
            return container
    return None


def taken(image: Any, arguments: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return the pixels of an image and the arguments for them, where no result goes back into a container."""
    container = opened(image)
    return (image, dict(arguments)) if container is None else (container.pixels, container.arguments(arguments))


def within(inner: Any, close: Callable[[Any], Any], **facts: Any) -> Container:
    """Return the container of an ``inner`` image, which may be a container itself.

    Raises
    ------
    TypeError
        If it cannot be closed.
    """
    own = opened(inner)
    if own is not None:
        given = {name: value for name, value in facts.items() if value is not None}
        facts = {"mask": own.mask, "axes": own.axes, "unit": own.unit} | given
        container = Container(own.pixels, lambda result: close(own.close(result)), **facts)
    else:
        container = Container(inner if _checks.is_dask(inner) else np.asarray(inner), close, **facts)
    container.check(container.pixels)
    return container


def _check_list(images: Any) -> None:
    """Refuse a list of containers: their attributes would be lost."""
    for image in images if isinstance(images, list | tuple) else ():
        if not isinstance(image, list | tuple | np.generic) and opened(image) is not None:
            raise TypeError(f"a list must hold arrays; got one of {_checks.called(image)}: take one call for each")


def _masked(image: Any) -> Container | None:
    """Of NumPy's masked arrays, and astropy's Masked."""
    if not isinstance(image, np.ndarray) or not hasattr(image, "mask"):
        return None
    if "numpy.ma" in sys.modules and isinstance(image, np.ma.MaskedArray):  # naming it would import it
        mask = np.ma.getmask(image)

        def close(result: Any) -> Any:
            own = mask if mask is np.ma.nomask else mask.copy()
            with np.errstate(over="ignore"):  # NumPy's own fill value of float16
                return np.ma.MaskedArray(result, mask=own, fill_value=image.fill_value, hard_mask=image.hardmask)

        inside = image.data if type(image.data) is np.ndarray else np.asarray(image.data)
        return within(inside, close, mask=None if mask is np.ma.nomask else ~mask)
    if not hasattr(image, "unmasked"):
        return None
    own: Any = type(image)
    return within(
        image.unmasked, lambda result: own.from_unmasked(result, image.mask.copy()), mask=~np.asarray(image.mask)
    )


def unit_of(value: Any) -> Unit | None:
    """Return the unit of a value that has one: astropy's, pint's or unyt's."""
    if isinstance(value, int | float | str | np.generic) or type(value) is np.ndarray:
        return None
    if hasattr(value, "magnitude") and hasattr(value, "units"):  # pint
        return Unit(value.units, lambda other, unit: other.to(unit).magnitude)
    if hasattr(value, "to_value") and hasattr(value, "unit" if hasattr(value, "unit") else "units"):
        return Unit(getattr(value, "unit", None) or value.units, lambda other, unit: other.to_value(unit))
    return None


def _quantity(image: Any) -> Container | None:
    unit = None if hasattr(image, "dims") else unit_of(image)
    if unit is None:
        return None
    inside = image.magnitude if hasattr(image, "magnitude") else unit.of(image, unit.name)
    return within(inside, lambda result: type(image)(result, unit.name), unit=unit)


def _named(image: Any) -> Container | None:
    """Of xarray: dimensions have names."""
    if hasattr(image, "data_vars"):
        raise TypeError("the image must be one array; got a Dataset, which holds several: pass dataset['name']")
    if not (hasattr(image, "dims") and hasattr(image, "attrs") and hasattr(image, "copy")):
        return None
    dims = tuple(map(str, image.dims))
    letters = [NAMES.get(name.lower(), "") for name in dims]
    axes: str | tuple[str, ...] | None = "".join(letters) if all(letters) and len(set(letters)) == len(dims) else dims
    if dims == tuple(f"dim_{k}" for k in range(len(dims))):  # xarray's own, for an array without names
        axes = None
    return within(image.data, lambda result: image.copy(data=result), axes=axes)


def _astronomical(image: Any) -> Container | None:
    """Of astropy's NDData and CCDData, and others whose mask is True where a pixel does not count."""
    if isinstance(image, np.ndarray) or not hasattr(image, "mask"):
        return None
    mask = None if _checks.own_mask(image) is None else ~np.asarray(image.mask, bool)
    if not isinstance(getattr(image, "data", None), np.ndarray):
        return Container(np.asarray(image), lambda result: result, _in_shape(mask, np.shape(np.asarray(image))))
    makers = [parent.__dict__["__init__"] for parent in type(image).__mro__[:-1] if "__init__" in parent.__dict__]
    accepted = {name for maker in makers for name in inspect.signature(maker).parameters}
    kept = [name for name in ATTRIBUTES if getattr(image, name, None) is not None]
    if lost := sorted(set(kept) - accepted):
        raise TypeError(f"a result must fit into {_checks.called(image)}; it would lose its {lost[0]}: pass its data")

    def close(result: Any) -> Any:
        return type(image)(result, **{name: copy.copy(getattr(image, name)) for name in kept})

    named = getattr(image, "unit", None)
    unit = None if named is None else Unit(named, lambda other, unit: other.to_value(unit))
    return within(image.data, close, mask=_in_shape(mask, image.data.shape), unit=unit)


def _in_shape(mask: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray | None:
    if mask is not None and mask.shape not in ((), shape):
        raise ValueError(f"an image's own mask must have its shape, {shape}; got {mask.shape}")
    return None if mask is None else np.broadcast_to(mask, shape)


def _picture(image: Any) -> Container | None:
    """Of Pillow."""
    mode = getattr(image, "mode", None)
    if not (isinstance(mode, str) and hasattr(image, "getbbox") and hasattr(image, "convert")):
        return None
    if mode not in COLOURS:
        other = "L" if mode in ("1", "LA", "La") else "RGB"
        why = {"P": "indices of colours", "PA": "indices of colours", "1": "black and white alone"}
        raise TypeError(
            f"the picture's mode must be one of {', '.join(COLOURS)}; got {mode}"
            f"{f', {why[mode]}' if mode in why else ''}: image.convert({other!r})"
        )

    def close(result: Any) -> Any:
        picture = sys.modules["PIL.Image"].fromarray(np.asarray(result))
        picture.info = dict(image.info)
        return picture

    return within(np.asarray(image), close, axes=COLOURS[mode])


def _tensor(image: Any) -> Container | None:
    """Of torch."""
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(image, torch.Tensor):
        return None
    if image.requires_grad:
        raise TypeError(
            "the image must be no part of a graph: pass image.detach(); nonlocal_block has modules with gradients"
        )
    if image.device.type != "cpu" or image.layout != torch.strided:
        raise TypeError(f"the image must be dense and in this machine's memory; got {image.device}, {image.layout}: "
                        "pass image.cpu()")  # fmt: skip
    if image.dtype == torch.bfloat16:
        raise TypeError("the image's dtype must be one that NumPy has; got torch.bfloat16: pass image.float()")
    return within(image.numpy(), lambda result: torch.from_numpy(np.ascontiguousarray(result)))


def _table(image: Any) -> Container | None:
    """Of pandas."""
    if not (hasattr(image, "to_numpy") and hasattr(image, "columns") and hasattr(image, "index")):
        return None

    def close(result: Any) -> Any:
        table = type(image)(result, index=image.index, columns=image.columns)
        table.attrs = dict(getattr(image, "attrs", {}))
        return table

    return within(image.to_numpy(), close)


def _lazy(image: Any) -> Container | None:
    """Of containers of dask arrays."""
    graph = getattr(image, "__dask_graph__", None)
    if _checks.is_dask(image) or not (callable(graph) and hasattr(image, "chunks") and graph() is not None):
        return None
    if not _checks.is_dask(getattr(image, "data", None)):
        raise TypeError(
            f"a lazy image must be a dask array, or hold one as its data; got {_checks.called(image)}: compute it, or "
            "pass its dask array"
        )
    return within(image.data, lambda result: result)
