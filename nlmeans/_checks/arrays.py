"""What images and results must be."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from .._axes import Layout
from .values import called, integer, several, short

if TYPE_CHECKING:
    from .._typing import Lazy

DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float16", "float32", "float64")
_REMEDY = {
    "b": "a mask is not an image: convert it with image.astype('uint8')",
    "c": "filter image.real and image.imag, or its magnitude",
    "u": "convert it with image.astype('float64') or 'uint32'",
    "i": "convert it with image.astype('float64') or 'int32'",
    "f": "convert it with image.astype('float64')",
}


class DenoisingError(ArithmeticError):
    """A result that cannot be right: a fault of this library, not of the image."""


def result(averages: np.ndarray, method: str = "nlm") -> None:
    """Refuse a result that is not finite, before it becomes whole numbers: the last guard of every method."""
    if not (np.isfinite(averages.min()) and np.isfinite(averages.max())):
        raise DenoisingError(
            f"a finite image must have a finite result; {np.count_nonzero(~np.isfinite(averages))} of {averages.size} "
            f"values are not: a fault of method {method!r}, please report it with the image; another method= or "
            "quality= may do"
        )


def image(array: Any, *, lazy: bool = False) -> np.ndarray:
    """Return an array of at least two dimensions whose dtype can be filtered; a lazy one if allowed."""
    if type(array) is not np.ndarray:
        if is_dask(array) and not lazy:
            raise TypeError(
                "the image must be in memory here; got a dask array: denoise() and plan() take one, plan(image).sigma "
                "is its estimated noise, image.compute() loads it"
            )
        lost = [name for name in ("unit", "units", "dims") if getattr(array, name, None) is not None]
        if lost or own_mask(array) is not None:
            raise TypeError(
                f"the image must be a plain array here; got {called(array)}, whose {[*lost, 'mask'][0]} would be lost: "
                "nlmeans.denoise, plan, estimate_sigma and estimate_noise know of it"
            )
        array = array if is_dask(array) else plain(array)
    dtype(array.dtype)
    shape(array.shape)
    return array


def plain(value: Any) -> np.ndarray:
    """Return a value as an array, or say what to do with it."""
    if isinstance(value, str | bytes | os.PathLike):
        raise TypeError(
            "the image must be an array: nlmeans.io.read(path).pixels, or the command nlmeans, takes files; "
            f"got {value if isinstance(value, os.PathLike) else value[:60]!r}"
        )
    try:
        array = np.asarray(value)
    except ValueError:
        if not isinstance(value, Sequence):
            raise
        sizes = " and ".join(map(str, dict.fromkeys(np.shape(part) for part in value)))
        raise ValueError(f"images of one size make a stack: take one call for each size; got {sizes}") from None
    if array.dtype == object:
        raise TypeError(
            "the image must be an array of numbers, such as numpy.stack(frames) with axes='TYX' for what gives a "
            f"video's frames; got {called(value)}"
        )
    return array


def shape(sides: tuple[int, ...]) -> None:
    """Refuse fewer than two dimensions, and no pixels."""
    if len(sides) < 2:
        raise ValueError(f"the image must have at least 2 dimensions; got {len(sides)}, shape {sides}")
    if 0 in sides:
        raise ValueError(f"the image must have pixels; got shape {sides}")


def dtype(own: np.dtype) -> None:
    """Refuse pixels of a dtype that cannot be filtered."""
    if own.newbyteorder("=").name not in DTYPES:
        remedy = _REMEDY.get(own.kind, "it does not hold numbers")
        raise TypeError(f"the image's dtype must be one of {', '.join(DTYPES)}; got {own}: {remedy}")


def is_dask(value: object) -> TypeGuard[Lazy]:
    """Whether this is a dask array; dask need not be there."""
    return hasattr(value, "chunks") and any(own.__module__.partition(".")[0] == "dask" for own in type(value).__mro__)


def result_type(value: Any, own: np.dtype) -> np.dtype:
    """Return the dtype of the result: the image's, float32 or float64."""
    if value is None:
        return own
    try:
        dtype = np.dtype(value)
    except TypeError:
        raise TypeError(f"dtype must be the image's, float32 or float64; got {short(value)}") from None
    if dtype != own and dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise ValueError(f"dtype must be the image's, {own}, or float32 or float64; got {dtype}")
    return dtype


def fits(dtype: np.dtype, array: np.ndarray) -> None:
    """Refuse a dtype of results that cannot hold the image's numbers."""
    if dtype == np.float32 and array.dtype == np.float64:
        most = max(-np.fmin.reduce(array, axis=None), np.fmax.reduce(array, axis=None))
        if np.finfo(np.float32).max < most < np.inf:
            raise ValueError(f"dtype must hold the image's numbers, up to {most:g}; got float32: take float64")


def own_mask(value: Any) -> Any:
    """Return an array's own mask; a table has a method of that name."""
    mask = getattr(value, "mask", None)
    return None if callable(mask) else mask


def unmasked(value: Any, name: str) -> np.ndarray:
    """Return an array, or refuse one whose own mask would be lost."""
    if np.any(own_mask(value)):
        raise TypeError(f"{name} must have a value at each pixel; got {called(value)} with some of them masked")
    return np.asarray(value)


def saturation(dtype: np.dtype) -> tuple[float, float] | None:
    """Return the values at which a dtype of integers clips."""
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
    names = axis_names(axes)
    if len(names) != array.ndim:
        raise ValueError(f"axes must name each of the image's {array.ndim} dimensions; got {names!r}")
    return Layout(names)


def axis_names(axes: Any) -> str:
    """Return the names of axes in capitals."""
    if not isinstance(axes, str):
        raise TypeError(f"axes must be a string such as 'YX', 'YXC' or 'ZYX'; got {short(axes)}")
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
    if {"N", "T", "Z"} <= set(axes):
        raise ValueError(
            f"axes can hold two of N, T and Z; got {axes!r}: make one axis N of those along which images are separate"
        )
    return axes


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


def pixel(value: Any, array: np.ndarray, layout: Layout) -> tuple[int, int, int]:
    """Return a pixel's (z, y, x)."""
    axes = layout.axes.replace("C", "")
    sides = [n for axis, n in zip(layout.axes, array.shape, strict=True) if axis != "C"]
    numbers = [integer(v, "at") for v in several(value)]
    inside = len(numbers) == len(sides) and all(-n <= v < n for v, n in zip(numbers, sides, strict=True))
    if not inside:
        raise ValueError(
            f"at must be a pixel along {', '.join(axes)} of an image of {tuple(sides)}; got {short(value)}"
        )
    place = {axis: v % n for axis, v, n in zip(axes, numbers, sides, strict=True)}
    return place[layout.space[0]] if len(layout.space) > 2 else 0, place["Y"], place["X"]


def output(out: Any, array: np.ndarray, dtype: np.dtype) -> np.ndarray | None:
    """Return the array for the result, of the image's shape and this dtype, or refuse it."""
    if out is None:
        return None
    if not isinstance(out, np.ndarray) or out.shape != array.shape or out.dtype != dtype:
        got = f"shape {out.shape}, dtype {out.dtype}" if isinstance(out, np.ndarray) else repr(type(out))
        rule = f"out must be an array of shape {array.shape} and dtype {dtype} (dtype= chooses another)"
        raise ValueError(f"{rule}; got {got}")
    if not out.flags.writeable:
        raise ValueError("out must be writable; got a read-only array")
    if np.may_share_memory(out, array):
        raise ValueError("out must not share memory with the image: the input is never written")
    return out
