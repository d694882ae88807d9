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
_REMEDY = {
    "b": "a mask is not an image: convert it with image.astype('uint8')",
    "c": "filter image.real and image.imag, or its magnitude",
    "u": "convert it with image.astype('float64') or 'uint32'",
    "i": "convert it with image.astype('float64') or 'int32'",
    "f": "convert it with image.astype('float64')",
}


def image(array: Any) -> np.ndarray:
    """Return an array of at least two dimensions with pixels of a type that can be filtered."""
    if "numpy.ma" in sys.modules and isinstance(array, np.ma.MaskedArray):  # naming it would import it
        raise TypeError("the image must be a plain array: a masked array's mask would be lost; pass its .data")
    array = np.asarray(array)
    if array.dtype.newbyteorder("=").name not in DTYPES:
        remedy = _REMEDY.get(array.dtype.kind, "it does not hold numbers")
        raise TypeError(f"the image's dtype must be one of {', '.join(DTYPES)}; got {array.dtype}: {remedy}")
    if array.ndim < 2:
        raise ValueError(f"the image must have at least 2 dimensions; got {array.ndim}, shape {array.shape}")
    if array.size == 0:
        raise ValueError(f"the image must have pixels; got shape {array.shape}")
    return array


def limits(array: np.ndarray) -> tuple[float, float]:
    """Return the least and the greatest pixel; refuse NaN and infinity."""
    low, high = float(array.min()), float(array.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        bad = int(array.size - np.isfinite(array).sum())
        raise ValueError(f"every pixel must be finite; got {bad} NaN or infinite: replace them before denoising")
    return low, high


def layout(array: np.ndarray, axes: str | None, channel_axis: int | None) -> Layout:
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


def _channel(array: np.ndarray, channel_axis: int | None) -> int | None:
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


def sigma(value: Any, channels: int, low: float, high: float) -> tuple[float, ...]:
    """Return one standard deviation a channel."""
    given = list(value) if isinstance(value, Sequence | np.ndarray) and np.ndim(value) else [value]
    if isinstance(value, str):
        given = [value]
    numbers = tuple(real(v, "sigma") for v in given)
    if len(numbers) not in (1, channels):
        raise ValueError(f"sigma must be one number, or one for each of {channels} channels; got {len(numbers)}")
    for number in numbers:
        if number < 0:
            raise ValueError(f"sigma must be at least 0; got {number:g}")
        if number > high - low > 0:
            raise ValueError(
                f"sigma is in the image's units and cannot exceed its range; got {number:g} for an image that spans "
                f"{low:g} to {high:g}. If sigma was meant for 0 to 255, scale it as the image was"
            )
    return numbers * (channels // len(numbers))


def radii(value: Any, name: str, layout: Layout) -> tuple[int, ...] | None:
    """Return one radius a spatial axis; ``None`` stays."""
    if value is None:
        return None
    count = len(layout.space)
    given = list(value) if isinstance(value, Sequence | np.ndarray) and not isinstance(value, str) else [value] * count
    if len(given) != count:
        raise ValueError(
            f"{name} must be one whole number, or one for each of the axes {', '.join(layout.space)}; got {value!r}"
        )
    numbers = tuple(integer(v, name) for v in given)
    if min(numbers) < 0:
        raise ValueError(f"{name} is a radius (the width is 2·radius + 1) and must be at least 0; got {value!r}")
    return numbers


def strength(value: Any) -> float | None:
    """Return the decay h/σ."""
    if value is None:
        return None
    number = real(value, "strength")
    if number <= 0:
        raise ValueError(f"strength is h/σ and must be above 0; got {number:g}")
    return number


def centre(value: Any) -> Any:
    """Return the rule for a pixel's own weight."""
    if value not in ("max", "one", "zero"):
        raise ValueError(f"centre must be 'max', 'one' or 'zero'; got {value!r}")
    return value


def flag(value: Any, name: str) -> bool:
    """Return a truth value."""
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


def mask(value: Any, shape: tuple[int, ...]) -> np.ndarray | None:
    """Return which pixels count."""
    if value is None:
        return None
    array = np.asarray(value)
    if array.dtype != np.bool_ or array.shape != shape:
        raise ValueError(
            f"mask must be boolean, True where a pixel counts, of shape {shape}; got {array.dtype}, shape {array.shape}"
        )
    return array
