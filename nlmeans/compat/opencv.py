"""OpenCV's non-local means, with its names and arguments as of OpenCV 5.0.

>>> from nlmeans.compat.opencv import fastNlMeansDenoising, fastNlMeansDenoisingColored

Where OpenCV takes 8 bits, these take all dtypes of `nlmeans.denoise`, and return the same.

Not reproduced: mirrored pixels beyond the border as candidates (only real ones are averaged), distances rounded down
and weights in fixed point, Lab in 8 bits, alpha that becomes 255, a ``dst`` that does not fit and is left as it is
(here an error), and ``fastNlMeansDenoising(src, 30)``, where 30 is ``dst`` and h stays 3 (here an error). NORM_L1 is
not offered. NaN and infinite pixels are missing: they are filled from those around them, and count for no other.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec

import numpy as np

from .. import _checks
from .._defaults import or_default
from ..pairwise.spec import PairwiseSpec

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

P = ParamSpec("P")

__all__ = [
    "fastNlMeansDenoising",
    "fastNlMeansDenoisingColored",
    "fastNlMeansDenoisingColoredMulti",
    "fastNlMeansDenoisingMulti",
]

NORM_L2 = 4
"""OpenCV's number for squared differences."""
LEAST = 0.001
"""Weights below this are 0, as in OpenCV."""
TO_XYZ = np.array([[0.1805, 0.3576, 0.4124], [0.0722, 0.7152, 0.2126], [0.9505, 0.1192, 0.0193]])
"""CIE XYZ of linear blue, green and red with the primaries of IEC 61966-2-1 (sRGB); the white is D65."""
TO_LAB = np.array([[0.0, 116, 0], [500, -500, 0], [0, 200, -200]])
"""CIE L* + 16, a* and b* of the cube roots of X, Y and Z by the white's."""
BEND = 6 / 29
"""Cube root below which CIE Lab has a line instead of it."""


def _in_both_forms(function: Callable[P, np.ndarray]) -> Callable[P, np.ndarray]:
    """Let a sequence in the place of ``dst`` be h, and the next argument ``dst``: OpenCV's overload for a vector."""
    place = list(inspect.signature(function).parameters).index("dst")

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> np.ndarray:
        if len(args) > place and np.ndim(args[place]) == 1:
            after = args[place + 1 :] or (kwargs.pop("dst", None),)
            args = (*args[:place], after[0], args[place], *after[1:])
        return function(*args, **kwargs)

    return call


@_in_both_forms
@or_default
def fastNlMeansDenoising(
    src: ArrayLike,
    dst: np.ndarray | Sequence[float] | None = None,
    h: float | Sequence[float] | np.ndarray | None = 3,
    templateWindowSize: int = 7,
    searchWindowSize: int = 21,
    normType: int = NORM_L2,
) -> np.ndarray:
    """Denoise a picture as `cv2.fastNlMeansDenoising`.

    Parameters
    ----------
    src : array_like, shape (Y, X) or (Y, X, C)
        A picture of 1 to 4 channels.
    dst : ndarray, optional
        Array for the result, of the shape and dtype of ``src``, which it may be itself.
    h : float or sequence of float, default 3
        Strength in the picture's own units (grey levels): weights are exp(−D / (h²·C)), where D is the mean over the
        patch of the squared differences, summed over the C channels; below 0.001 they are 0. With 0 nothing changes,
        and a negative one counts as its absolute value, as for OpenCV. A sequence has one number, or one a channel:
        each channel is averaged with its own, by distances over all. As the second argument a sequence is h and the
        third is ``dst``: both of OpenCV's forms.
    templateWindowSize : int, default 7
        Width of the patches that are compared; an even one is made odd by adding 1.
    searchWindowSize : int, default 21
        Width of the search window, likewise.
    normType : int, default 4
        NORM_L2 is the only one.

    Returns
    -------
    ndarray
        ``dst``, or a new array of the shape and dtype of ``src``. Whole numbers are rounded and clipped.

    Raises
    ------
    TypeError, ValueError
        For a picture or a number that cannot be meant.

    Notes
    -----
    The module says where the result differs from OpenCV's: by less than a grey level in the mean, for an h about the
    noise's standard deviation. Time grows with pixels · window · channels, and with the different numbers in h.

    References
    ----------
    A. Buades, B. Coll, J.-M. Morel, "Non-Local Means Denoising", Image Processing On Line, 2011,
    doi:10.5201/ipol.2011.bcm_nlm.

    Examples
    --------
    >>> import numpy as np
    >>> noisy = np.random.default_rng(0).normal(128, 10, (64, 64)).astype(np.uint8)
    >>> bool(fastNlMeansDenoising(noisy, h=10).std() < 2)
    True
    """
    return _averaged([_picture(src, "src")], dst, h, normType, _radii(templateWindowSize, searchWindowSize))


@or_default
def fastNlMeansDenoisingColored(
    src: ArrayLike,
    dst: np.ndarray | None = None,
    h: float = 3,
    hColor: float = 3,
    templateWindowSize: int = 7,
    searchWindowSize: int = 21,
) -> np.ndarray:
    """Denoise a picture's lightness and colour separately, as `cv2.fastNlMeansDenoisingColored`.

    Parameters
    ----------
    src : array_like, shape (Y, X, 3) or (Y, X, 4)
        A picture in the order blue, green, red. A fourth channel is kept as it is.
    dst, templateWindowSize, searchWindowSize
        As for `fastNlMeansDenoising`.
    h : float, default 3
        Strength for the lightness, whose white is that of the dtype: 255 for uint8, the greatest number for other whole
        numbers, 1 for floats. With 0 it stays.
    hColor : float, default 3
        Strength for the colour, the a and b of CIE Lab, times white / 255. With 0 it stays.

    Returns
    -------
    ndarray
        As `fastNlMeansDenoising`.

    Raises
    ------
    TypeError, ValueError
        As `fastNlMeansDenoising`.

    Notes
    -----
    As in OpenCV, pixels count as linear light: no gamma is undone on the way to Lab. Lab is in floating point.

    References
    ----------
    CIE 15:2004, "Colorimetry", for Lab; IEC 61966-2-1:1999 for the primaries and the white.

    Examples
    --------
    >>> import numpy as np
    >>> noisy = np.random.default_rng(0).normal(128, 10, (64, 64, 3)).astype(np.uint8)
    >>> bool(fastNlMeansDenoisingColored(noisy, h=10, hColor=10).std() < 5)
    True
    """
    return _averaged_colours([_picture(src, "src")], dst, h, hColor, _radii(templateWindowSize, searchWindowSize))


@_in_both_forms
@or_default
def fastNlMeansDenoisingMulti(
    srcImgs: Sequence[ArrayLike] | np.ndarray,
    imgToDenoiseIndex: int,
    temporalWindowSize: int,
    dst: np.ndarray | Sequence[float] | None = None,
    h: float | Sequence[float] | np.ndarray | None = 3,
    templateWindowSize: int = 7,
    searchWindowSize: int = 21,
    normType: int = NORM_L2,
) -> np.ndarray:
    """Denoise a frame with the help of those before and after it, as `cv2.fastNlMeansDenoisingMulti`.

    Parameters
    ----------
    srcImgs : sequence of array_like
        Frames of one shape and type, each as ``src`` of `fastNlMeansDenoising`.
    imgToDenoiseIndex : int
        The frame, counted from 0.
    temporalWindowSize : int
        How many frames are searched, with as many before the frame as after it; odd.
    dst, h, normType
        As for `fastNlMeansDenoising`, but a sequence h is the fourth argument, with ``dst`` the fifth.
    templateWindowSize, searchWindowSize : int, default 7 and 21
        As for `fastNlMeansDenoising`, but odd.

    Returns
    -------
    ndarray
        The frame, as `fastNlMeansDenoising` returns it.

    Raises
    ------
    TypeError, ValueError
        As `fastNlMeansDenoising`, and for frames that are too few or differ in shape or type.

    Notes
    -----
    Patches lie within a frame. Time grows with the frames that are searched.

    References
    ----------
    A. Buades, B. Coll, J.-M. Morel, "Denoising image sequences does not require motion estimation", AVSS 2005,
    doi:10.1109/AVSS.2005.1577245.

    Examples
    --------
    >>> import numpy as np
    >>> frames = np.random.default_rng(0).normal(128, 10, (5, 64, 64)).astype(np.uint8)
    >>> fastNlMeansDenoisingMulti(frames, 2, 3, h=10).shape
    (64, 64)
    """
    frames = _frames(srcImgs, imgToDenoiseIndex, temporalWindowSize)
    return _averaged(frames, dst, h, normType, _radii(templateWindowSize, searchWindowSize, even=False))


@or_default
def fastNlMeansDenoisingColoredMulti(
    srcImgs: Sequence[ArrayLike] | np.ndarray,
    imgToDenoiseIndex: int,
    temporalWindowSize: int,
    dst: np.ndarray | None = None,
    h: float = 3,
    hColor: float = 3,
    templateWindowSize: int = 7,
    searchWindowSize: int = 21,
) -> np.ndarray:
    """Denoise a frame's lightness and colour separately, as `cv2.fastNlMeansDenoisingColoredMulti`.

    Parameters
    ----------
    srcImgs : sequence of array_like
        Frames of one shape and type, each as ``src`` of `fastNlMeansDenoisingColored`.
    imgToDenoiseIndex, temporalWindowSize, dst, templateWindowSize, searchWindowSize
        As for `fastNlMeansDenoisingMulti`.
    h, hColor : float, default 3
        As for `fastNlMeansDenoisingColored`.

    Returns
    -------
    ndarray
        As `fastNlMeansDenoisingMulti`, which raises the same errors.

    Examples
    --------
    >>> import numpy as np
    >>> frames = np.random.default_rng(0).normal(128, 10, (3, 64, 64, 3)).astype(np.uint8)
    >>> fastNlMeansDenoisingColoredMulti(frames, 1, 3, h=10, hColor=10).shape
    (64, 64, 3)
    """
    frames = _frames(srcImgs, imgToDenoiseIndex, temporalWindowSize)
    return _averaged_colours(frames, dst, h, hColor, _radii(templateWindowSize, searchWindowSize, even=False))


def _averaged(frames: list[np.ndarray], dst: Any, h: Any, norm: Any, radii: tuple[int, int]) -> np.ndarray:
    """Return the middle frame, averaged."""
    source = frames[len(frames) // 2]
    target = _target(dst, source)
    if norm != NORM_L2:
        raise ValueError(f"normType must be {NORM_L2} (NORM_L2: squared differences are weighed); got {norm!r}")
    channels = 1 if source.ndim == 2 else source.shape[2]
    given = list(h) if np.ndim(h) == 1 else [h]
    if len(given) not in (1, channels):
        raise ValueError(f"h must be one number, or one for each of the channels, here {channels}; got {h!r}")
    strengths = [_strength(each, "h") for each in given]
    return _write(target, _denoised(_planes(frames), strengths * (channels // len(given)), radii), source)


def _averaged_colours(frames: list[np.ndarray], dst: Any, h: Any, colour: Any, radii: tuple[int, int]) -> np.ndarray:
    """Return the middle frame, with lightness and colour averaged separately."""
    from ..noise.colour import mix

    source = frames[len(frames) // 2]
    if source.ndim != 3 or source.shape[2] < 3:
        raise ValueError(f"a colour picture must have 3 or 4 channels, on a third axis; got shape {source.shape}")
    target = _target(dst, source)
    strengths = [_strength(h, "h")], [_strength(colour, "hColor")] * 2
    _, white = _checks.saturation(source.dtype) or (0.0, 1.0)
    to_xyz = TO_XYZ / (white * TO_XYZ.sum(axis=1, keepdims=True))
    to_lab = TO_LAB * (white / np.array([[100], [255], [255]]))
    lab = mix(to_lab, _root(mix(to_xyz, _planes([frame[..., :3] for frame in frames]))))
    parts = [_denoised(part, each, radii) for part, each in zip((lab[:1], lab[1:]), strengths, strict=True)]
    planes = mix(np.linalg.inv(to_xyz), _power(mix(np.linalg.inv(to_lab), np.concatenate(parts))))
    return _write(target, planes, source)


def _denoised(planes: np.ndarray, strengths: Sequence[float], radii: tuple[int, int]) -> np.ndarray:
    """Return the middle frame (C, Y, X) of planes (C, T, Y, X), each channel averaged with its own strength."""
    from ..pairwise.run import pairwise_average
    from ..pairwise.tiles import Tile
    from .scale import factor_of, strength_of

    factor, top = factor_of(planes)
    planes = planes if factor == 1 else planes * planes.dtype.type(factor)
    _, frames, height, width = planes.shape
    middle, (patch, search) = frames // 2, radii
    out = planes[:, middle].copy()
    missing = not np.isfinite(planes).all()
    region = Tile((middle, middle + 1), (0, height), (0, width))
    for h in set(strengths) - {0.0}:
        own = [c for c, strength in enumerate(strengths) if strength == h]
        strength = strength_of(h * factor, top, planes.dtype)
        scale = 1 / (strength**2 * len(planes) * (2 * patch + 1) ** 2)
        spec = PairwiseSpec((0, patch, patch), (middle, search, search), scale, centre="one", vanish=LEAST)
        values = planes if len(own) == len(planes) else planes[own]
        out[own] = pairwise_average(planes, values, spec, missing=missing, region=region)[:, 0]
    return out if factor == 1 else out / out.dtype.type(factor)


def _root(light: np.ndarray) -> np.ndarray:
    light = np.maximum(light, -(np.finfo(light.dtype).max ** 0.3))  # far below black a cube must not overflow
    return np.where(light > BEND**3, np.cbrt(light), np.minimum(light, 1) / (3 * BEND**2) + 4 / 29)


def _power(root: np.ndarray) -> np.ndarray:
    return np.where(root > BEND, root**3, (root - 4 / 29) * (3 * BEND**2))


def _planes(frames: Sequence[np.ndarray]) -> np.ndarray:
    """Return frames as planes (C, T, Y, X); a pixel that is missing in a channel is NaN in all."""
    from ..pixels.missing import as_float

    planes = as_float(np.stack([np.moveaxis(np.atleast_3d(frame), -1, 0) for frame in frames], axis=1))
    known = np.isfinite(planes).all(axis=0)
    return planes if known.all() else np.where(known, planes, planes.dtype.type(np.nan))


def _write(target: np.ndarray, planes: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Write planes (C, Y, X) to the target, and the channels of the source that they lack."""
    pixels = np.moveaxis(planes, 0, -1)
    limits = _checks.saturation(source.dtype)
    if limits is not None:
        pixels = np.clip(np.rint(pixels), *limits)
    whole = np.atleast_3d(target)  # a view
    whole[..., len(planes) :] = np.atleast_3d(source)[..., len(planes) :]
    whole[..., : len(planes)] = pixels
    return target


def _picture(value: Any, name: str) -> np.ndarray:
    array = np.asarray(_checks.image(value))
    if not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] <= 4)):
        raise ValueError(f"{name} must have 2 dimensions, or 3 with 1 to 4 channels last; got shape {array.shape}")
    return array


def _frames(value: Any, index: Any, width: Any) -> list[np.ndarray]:
    """Return the frames to search; the one to denoise is their middle."""
    if not isinstance(value, Sequence | np.ndarray) or isinstance(value, str):
        raise TypeError(f"srcImgs must be a sequence of frames; got {type(value)}")
    frames = [_picture(frame, "each of srcImgs") for frame in value]
    layouts = sorted({f"{frame.dtype} {frame.shape}" for frame in frames})
    if len(layouts) != 1:
        raise ValueError(f"srcImgs must hold frames of one shape and dtype; got {', '.join(layouts) or 'none'}")
    middle = _checks.integer(index, "imgToDenoiseIndex")
    radius = _radius(width, "temporalWindowSize", even=False)
    if not 0 <= middle - radius <= middle + radius < len(frames):
        raise ValueError(
            f"imgToDenoiseIndex and temporalWindowSize must stay within srcImgs, frames 0 to {len(frames) - 1}; "
            f"got frames {middle - radius} to {middle + radius}"
        )
    return frames[middle - radius : middle + radius + 1]


def _target(dst: Any, source: np.ndarray) -> np.ndarray:
    """Return the array for the result."""
    if dst is None:
        return np.empty(source.shape, source.dtype)
    if isinstance(dst, int | float | np.number):
        raise TypeError(f"dst must be an array to write to; got {dst!r}: if that is the strength, write h={dst}")
    if not isinstance(dst, np.ndarray):
        raise TypeError(f"dst must be an array to write to; got {type(dst)}")
    if dst.shape != source.shape or dst.dtype != source.dtype:
        rule, got = (f"shape {array.shape} and dtype {array.dtype}" for array in (source, dst))
        raise ValueError(f"dst must have the picture's {rule}; got {got}")
    if not dst.flags.writeable:
        raise ValueError("dst must be writable; got a read-only array")
    return dst


def _strength(value: Any, name: str) -> float:
    return abs(_checks.real(value, name))


def _radii(template: Any, search: Any, even: bool = True) -> tuple[int, int]:
    """Return the radii of patch and search window."""
    return _radius(template, "templateWindowSize", even), _radius(search, "searchWindowSize", even)


def _radius(width: Any, name: str, even: bool) -> int:
    number = _checks.integer(width, name)
    if number < 1 or (number % 2 == 0 and not even):
        rule = "at least 1" if even else "odd, and at least 1"
        raise ValueError(f"{name} is a width and must be {rule}; got {number}")
    return number // 2
