"""An image that is more than its pixels."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _checks


@dataclass(frozen=True, eq=False)
class Container:
    """An opened container.

    Attributes
    ----------
    pixels : ndarray or lazy array
        Its pixels.
    close : callable
        Returns a container of the same kind with a result of the pixels' shape.
    mask : array of bool, or None
        True where a pixel counts, in the pixels' shape; lazy where they are.
    axes : str, tuple of str, or None
        Names of the axes as `denoise` takes them; the dimensions' own names if not all are known.
    unit : Unit or None
        The unit of the pixels.
    spacing : tuple of float, or None
        Distances of pixels along Z, Y and X, as far as there are such axes.
    sigma : ndarray or None
        The standard deviation of each pixel's noise, in the pixels' shape and unit.

    Examples
    --------
    >>> import numpy as np
    >>> from nlmeans.extend import Container
    >>> class Frame:
    ...     def __init__(self, counts, exposure):
    ...         self.counts, self.exposure = counts, exposure
    >>> frame = Frame(np.zeros((9, 9)), 0.5)
    >>> container = Container(frame.counts, lambda result: Frame(result, frame.exposure), axes="YX")
    >>> container.close(frame.counts).exposure
    0.5
    """

    pixels: Any
    close: Callable[[Any], Any]
    mask: np.ndarray | None = None
    axes: str | tuple[str, ...] | None = None
    unit: Unit | None = None
    spacing: tuple[float, ...] | None = None
    sigma: np.ndarray | None = None

    def check(self, pixels: Any) -> None:
        """Refuse a container that cannot be closed, before the work."""
        try:
            self.close(pixels)
        except Exception as error:  # of whatever class refuses the pixels
            raise TypeError(f"a result must fit into the image's class; its array would do: {error}") from None

    def arguments(self, given: Mapping[str, Any], honoured: Collection[str] = ()) -> dict[str, Any]:
        """Return arguments for the pixels from those for the container; its spacing where that is ``honoured``.

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
        if self.spacing is not None and "spacing" in honoured and options.get("spacing") is None:
            options["spacing"] = self.spacing
        if self.sigma is not None and "sigma" in options and options["sigma"] is None and options.get("noise") is None:
            return options | {"sigma": self.sigma}
        for name in ("sigma", "guide", "guide_sigma"):
            if options.get(name) is not None:
                options[name] = self._number(options[name], name)
        return options

    def _mask(self, axes: Any, channel_axis: Any) -> np.ndarray | None:
        """Return the mask without channels: a pixel missing in one is missing in all."""
        assert self.mask is not None
        channel = _checks.layout(self.pixels, axes, channel_axis).channel_axis
        counts: Any = self.mask if channel is None else self.mask.all(axis=channel)
        return None if not _checks.is_dask(counts) and counts.all() else counts

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


def unit_of(value: Any) -> Unit | None:
    """Return the unit of a value that has one: astropy's, pint's or unyt's."""
    if isinstance(value, int | float | str | np.generic) or type(value) is np.ndarray:
        return None
    if hasattr(value, "magnitude") and hasattr(value, "units"):  # pint
        return Unit(value.units, lambda other, unit: other.to(unit).magnitude)
    if hasattr(value, "to_value") and hasattr(value, "unit" if hasattr(value, "unit") else "units"):
        return Unit(getattr(value, "unit", None) or value.units, lambda other, unit: other.to_value(unit))
    return None
