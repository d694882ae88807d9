"""The one place that refuses bad arguments. Each check states the rule, then the value, and returns it normalised."""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from .layout import Layout

DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float16", "float32", "float64")
WHOLE = sys.maxsize
"""The search radius that takes in any image."""
_REMEDY = {
    "b": "a mask is not an image: convert it with image.astype('uint8')",
    "c": "filter image.real and image.imag, or its magnitude",
    "u": "convert it with image.astype('float64') or 'uint32'",
    "i": "convert it with image.astype('float64') or 'int32'",
    "f": "convert it with image.astype('float64')",
}


class DenoisingError(ArithmeticError):
    """A result that cannot be right: a fault of this library, not of the image, which has one."""


def result(averages: np.ndarray) -> None:
    """Refuse a result that is not finite, before it becomes whole numbers: the last guard of every method."""
    if not (np.isfinite(averages.min()) and np.isfinite(averages.max())):
        raise DenoisingError(
            f"a finite image must have a finite result; {np.count_nonzero(~np.isfinite(averages))} of {averages.size} "
            "values are not: a fault of nlmeans, please report it with the image; another method= or quality= may do"
        )


def image(array: Any, *, lazy: bool = False) -> np.ndarray:
    """Return an array of at least two dimensions with pixels of a type that can be filtered; a lazy one if allowed."""
    if "numpy.ma" in sys.modules and isinstance(array, np.ma.MaskedArray):  # naming it would import it
        raise TypeError("the image must be a plain array: a masked array's mask would be lost; pass its .data")
    if is_dask(array) and not lazy:
        raise TypeError(
            "the image must be in memory here; got a dask array: denoise() and plan() take one, plan(image).sigma is "
            "its estimated noise, image.compute() loads it"
        )
    if hasattr(array, "getpalette") and getattr(array, "mode", None) in ("P", "PA"):
        raise TypeError("the image must have shades: this one has indices of a palette; pass image.convert('RGB')")
    array = array if is_dask(array) else np.asarray(array)
    dtype(array.dtype)
    shape(array.shape)
    return array


def shape(sides: tuple[int, ...]) -> None:
    """Refuse what has fewer than two dimensions, or no pixels."""
    if len(sides) < 2:
        raise ValueError(f"the image must have at least 2 dimensions; got {len(sides)}, shape {sides}")
    if 0 in sides:
        raise ValueError(f"the image must have pixels; got shape {sides}")


def dtype(kind: np.dtype) -> None:
    """Refuse pixels of a type that cannot be filtered."""
    if kind.newbyteorder("=").name not in DTYPES:
        remedy = _REMEDY.get(kind.kind, "it does not hold numbers")
        raise TypeError(f"the image's dtype must be one of {', '.join(DTYPES)}; got {kind}: {remedy}")


def is_dask(value: Any) -> bool:
    """Whether this is a dask array; dask need not be there."""
    return type(value).__module__.partition(".")[0] == "dask" and hasattr(value, "chunks")


def limits(array: np.ndarray, known: np.ndarray | None) -> tuple[float, float]:
    """Return the least and the greatest pixel that counts."""
    if known is None:
        return float(array.min()), float(array.max())
    if not known.any():
        raise ValueError("at least one pixel must be valid; got an image that is masked, NaN or infinite everywhere")
    there = array[known]
    return float(there.min()), float(there.max())


def known(array: np.ndarray, mask: Any, layout: Layout) -> np.ndarray | None:
    """Return where the image has values, in the image's shape: inside the mask, finite; None where it has all."""
    channel = layout.channel_axis
    there = None
    if not (np.isfinite(array.min()) and np.isfinite(array.max())):  # NaN spreads to both
        there = np.isfinite(array)
    if mask is not None:
        given = _mask(mask, tuple(n for k, n in enumerate(array.shape) if k != channel))
        if not given.all():
            given = given if channel is None else np.broadcast_to(np.expand_dims(given, channel), array.shape)
            there = given if there is None else there & given
    return there


def _mask(value: Any, space: tuple[int, ...]) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype != np.bool_ or array.shape != space:
        raise ValueError(
            f"mask must be boolean, True where a pixel counts, of the image's shape without channels, {space}; "
            f"got {array.dtype}, shape {array.shape}"
        )
    return array


def saturation(dtype: np.dtype) -> tuple[float, float] | None:
    """Return the values at which an integer type clips."""
    if dtype.kind == "f":
        return None
    info = np.iinfo(dtype)
    return float(info.min), float(info.max)


def layout(array: Any, axes: str | None, channel_axis: int | None) -> Layout:
    """Name the array's axes."""
    if axes is not None and channel_axis is not None:
        raise ValueError(f"give axes or channel_axis, not both; got axes={axes!r} and channel_axis={channel_axis!r}")
    if axes is None:
        return Layout(_default_axes(array.shape, _channel(array, channel_axis)))
    if not isinstance(axes, str):
        raise TypeError(f"axes must be a string such as 'YX', 'YXC' or 'ZYX'; got {axes!r}")
    axes = axes.upper()
    unknown = sorted(set(axes) - set("NTZCYX"))
    if unknown:
        raise ValueError(
            "axes must be made of N (separate images), T (time), Z, C (channels), Y and X; "
            f"got {axes!r} with {', '.join(unknown)}"
        )
    if len(set(axes)) != len(axes):
        raise ValueError(f"axes must name each axis once; got {axes!r}")
    if not {"Y", "X"} <= set(axes):
        raise ValueError(f"axes must hold Y and X; got {axes!r}")
    if {"T", "Z"} <= set(axes):
        raise ValueError(
            f"axes can hold T or Z, not both; got {axes!r}: write N for the one along which images are separate"
        )
    if len(axes) != array.ndim:
        raise ValueError(f"axes must name each of the image's {array.ndim} dimensions; got {axes!r}")
    return Layout(axes)


def _channel(array: Any, channel_axis: int | None) -> int | None:
    if channel_axis is None:
        return None
    axis = integer(channel_axis, "channel_axis")
    if not -array.ndim <= axis < array.ndim:
        raise ValueError(
            f"channel_axis must be one of the image's dimensions, {-array.ndim} to {array.ndim - 1}; got {axis}"
        )
    if array.ndim < 3:
        raise ValueError(f"an image with a channel axis must have at least 3 dimensions; got shape {array.shape}")
    return axis % array.ndim


def _default_axes(shape: tuple[int, ...], channel: int | None) -> str:
    if channel is None and len(shape) == 3 and min(shape[0], shape[-1]) <= 4:
        ends = "last" if shape[-1] <= 4 else "first"
        axis, axes, other = (-1, "YXC", "ZYX") if ends == "last" else (0, "CYX", "ZYX")
        raise ValueError(
            f"an array whose {ends} axis is that short may be a colour image or a volume: say channel_axis={axis} "
            f"(or axes={axes!r}) for the one, axes={other!r} for the other; got shape {shape}"
        )
    space = len(shape) - (channel is not None)
    if space > 3:
        raise ValueError(
            f"an array of {len(shape)} dimensions needs names for its axes, as in axes='NYXC'; got shape {shape}"
        )
    axes = "ZYX"[3 - space :]
    return axes if channel is None else axes[:channel] + "C" + axes[channel:]


def integer(value: Any, name: str) -> int:
    """Return a whole number."""
    try:
        if isinstance(value, bool | np.bool_):
            raise TypeError
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be a whole number; got {value!r}") from None


def real(value: Any, name: str) -> float:
    """Return a finite number."""
    try:
        if isinstance(value, str | bool | np.bool_):
            raise TypeError
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number; got {value!r}") from None
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite; got {number}")
    return number


def like(value: np.ndarray, name: str, array: np.ndarray, layout: Layout) -> np.ndarray:
    """Return an array of the image's shape, with its channels or without, as planes (N, C or 1, Z, Y, X)."""
    channel = layout.channel_axis
    space = tuple(n for k, n in enumerate(array.shape) if k != channel)
    if value.shape == array.shape:
        return layout.planes(value)
    if value.shape == space:
        return Layout(layout.axes.replace("C", "")).planes(value)
    shapes = f"{array.shape}" if channel is None else f"{array.shape}, or without channels {space}"
    raise ValueError(f"{name} must have the image's shape {shapes}; got {value.shape}")


def guide(value: Any, array: np.ndarray, layout: Layout) -> np.ndarray | None:
    """Return the image that scores are taken from, as planes (N, C or 1, Z, Y, X)."""
    if value is None:
        return None
    given = np.asarray(value)
    if given.dtype.newbyteorder("=").name not in DTYPES:
        raise TypeError(f"the guide's dtype must be one of {', '.join(DTYPES)}; got {given.dtype}")
    return like(given, "guide", array, layout)


def pixel(value: Any, array: np.ndarray, layout: Layout) -> tuple[int, int, int]:
    """Return a pixel's (z, y, x)."""
    axes = layout.axes.replace("C", "")
    sides = [n for axis, n in zip(layout.axes, array.shape, strict=True) if axis != "C"]
    given = list(value) if isinstance(value, Sequence | np.ndarray) and not isinstance(value, str) else [value]
    numbers = [integer(v, "at") for v in given]
    inside = len(numbers) == len(sides) and all(-n <= v < n for v, n in zip(numbers, sides, strict=True))
    if not inside:
        raise ValueError(f"at must be a pixel along {', '.join(axes)} of an image of {tuple(sides)}; got {value!r}")
    place = {axis: v % n for axis, v, n in zip(axes, numbers, sides, strict=True)}
    return place.get("Z", place.get("T", 0)), place["Y"], place["X"]


def radii(value: Any, name: str, layout: Layout) -> tuple[int, ...] | None:
    """Return one radius a spatial axis; ``None`` stays."""
    if value is None:
        return None
    count = len(layout.space)
    if name == "search_radius" and isinstance(value, str):
        if value == "image":
            return (WHOLE,) * count
        raise ValueError(f"search_radius must be whole numbers, or 'image' for all of it; got {value!r}")
    given = list(value) if isinstance(value, Sequence | np.ndarray) and not isinstance(value, str) else [value] * count
    if len(given) != count:
        raise ValueError(
            f"{name} must be one whole number, or one for each of the axes {', '.join(layout.space)}; got {value!r}"
        )
    numbers = tuple(integer(v, name) for v in given)
    if min(numbers) < 0:
        raise ValueError(f"{name} is a radius (the width is 2·radius + 1) and must be at least 0; got {value!r}")
    return numbers


def strength(value: Any) -> Any:
    """Return the decay h/σ, or "sure"."""
    if value is None or (isinstance(value, str) and value == "sure"):
        return value
    number = real(value, "strength") if not isinstance(value, str) else None
    if number is None:
        raise TypeError(f"strength must be a number, or 'sure' to have it chosen; got {value!r}")
    if number <= 0:
        raise ValueError(f"strength is h/σ and must be above 0; got {number:g}")
    return number


def choice(value: Any, name: str, choices: tuple[Any, ...]) -> Any:
    """Return one of several values; ``None`` stays."""
    if value is None or (not isinstance(value, bool) and value in choices):
        return value
    raise ValueError(f"{name} must be {', '.join(map(repr, choices[:-1]))} or {choices[-1]!r}; got {value!r}")


def spacing(value: Any, layout: Layout) -> tuple[float, ...] | None:
    """Return the distance of pixels along each spatial axis."""
    if value is None:
        return None
    given = list(value) if isinstance(value, Sequence | np.ndarray) and not isinstance(value, str) else [value]
    numbers = tuple(real(v, "spacing") for v in given)
    if len(numbers) != len(layout.space) or min(numbers) <= 0:
        raise ValueError(
            f"spacing must be above 0, one number for each of the axes {', '.join(layout.space)}; got {value!r}"
        )
    return numbers


def nodata(value: Any) -> float | None:
    """Return a value that stands for no data."""
    if value is None:
        return None
    if isinstance(value, str | bool | np.bool_) or np.ndim(value):
        raise TypeError(f"nodata must be the one number that stands for no data; got {value!r}")
    return float(value)


def flag(value: Any, name: str) -> Any:
    """Return a truth value; ``None`` stays."""
    if value is None:
        return None
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False; got {value!r}")
    return bool(value)


def threads(value: Any) -> int | None:
    """Return how many threads to use."""
    if value is None:
        return None
    number = integer(value, "threads")
    if number < 1:
        raise ValueError(f"threads must be at least 1; got {number}")
    return number


def progress(value: Any) -> Any:
    """Return a flag or a function of (done, total)."""
    if value is None or isinstance(value, bool) or callable(value):
        return value
    raise TypeError(f"progress must be True, False or a function of (done, total); got {value!r}")


def cancel(value: Any) -> Any:
    """Return an event, such as `threading.Event`."""
    if value is None or callable(getattr(value, "is_set", None)):
        return value
    raise TypeError(f"cancel must be an event with is_set(), such as threading.Event(); got {value!r}")


def output(out: Any, array: np.ndarray) -> np.ndarray | None:
    """Return where the result goes: an array like the image, but not on top of it."""
    if out is None:
        return None
    if not isinstance(out, np.ndarray) or out.shape != array.shape or out.dtype != array.dtype:
        got = f"shape {out.shape}, dtype {out.dtype}" if isinstance(out, np.ndarray) else repr(type(out))
        raise ValueError(f"out must be an array of shape {array.shape} and dtype {array.dtype}; got {got}")
    if not out.flags.writeable:
        raise ValueError("out must be writable; got a read-only array")
    if np.may_share_memory(out, array):
        raise ValueError("out must not share memory with the image: the input is never written")
    return out
