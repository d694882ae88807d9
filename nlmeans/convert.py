"""Strengths of other programs in this library's terms, and back.

>>> import nlmeans.convert
>>> nlmeans.convert.from_opencv(15, sigma=25)["strength"]
0.6
>>> nlmeans.convert.to_ffmpeg(0.6, sigma=25)
10.5

A strength is h/σ here: weights are exp(−max(d² − 2σ², 0) / (strength · σ)²), where d² is the mean of the squared
differences of two patches over their pixels and channels. Others count h in grey levels, or sum the differences, or
compare patches that are smaller than they say, or take no noise off. For each program there are two functions:

- ``from_...`` takes the program's own arguments by their own names, with its own defaults, and returns arguments for
  `nlmeans.denoise` that describe the same filter: ``denoise(image, sigma=25, **from_opencv(15, sigma=25))``.
- ``to_...`` takes a strength and returns the program's number, inversely to ``["strength"]`` of the other. It takes the
  same arguments, of those that the number depends on.

``sigma`` is the standard deviation of the noise, in the units of the program's number: each function says which. Only
the article's k needs none. For programs that take no noise off any ``sigma`` gives the same filter, if
`nlmeans.denoise` gets it too. Sizes are widths of whole patches and windows unless they are said to be radii; an even
width is made odd by adding 1, as the programs do.

What cannot be said in arguments is not the same: how each program treats the border, from where on a weight is 0, and
how coarsely it computes.

Raises TypeError or ValueError for numbers that cannot be meant: the message states the rule and the value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypedDict

from . import _checks
from ._defaults import or_default

if TYPE_CHECKING:
    from .pairwise.spec import Aggregation, Centre

    class Filter(TypedDict):
        """Arguments of `nlmeans.denoise` that say which filter it is."""

        strength: float
        patch_radius: int | tuple[int, ...]
        search_radius: int | tuple[int, ...]
        bias: bool
        centre: Centre
        aggregation: Aggregation
        passes: Literal[1]
        wiener: bool
        motion: bool


__all__ = [
    "from_ffmpeg",
    "from_ipol",
    "from_knlmeanscl",
    "from_opencv",
    "from_skimage",
    "to_ffmpeg",
    "to_ipol",
    "to_knlmeanscl",
    "to_opencv",
    "to_skimage",
]

WIDEST = 1 << 20
"""The greatest width that is converted: no image is wider."""


@or_default
def from_skimage(
    h: float = 0.1,
    *,
    sigma: float,
    patch_size: int = 7,
    patch_distance: int = 11,
    fast_mode: bool = True,
    bias: bool = True,
    ndim: int = 2,
) -> Filter:
    """Return the arguments for what `skimage.restoration.denoise_nl_means` does.

    Parameters
    ----------
    h : float, default 0.1
        Its strength, in the units of ``sigma``.
    sigma : float
        Standard deviation of the noise.
    patch_size : int, default 7
        Width of the patches; above 1, with which scikit-image compares nothing.
    patch_distance : int, default 11
        Radius of the search window.
    fast_mode : bool, default True
        Its fast mode sums over patches one pixel narrower in each dimension, but divides by all pixels, so that the
        strength is more than h/σ. Its slow mode weighs pixels by a Gaussian, which counts about as many as even patches
        do that are two pixels narrower: those are taken.
    bias : bool, default True
        False if scikit-image was given no ``sigma``.
    ndim : int, default 2
        Dimensions of the image without channels.

    Returns
    -------
    dict
        Arguments for `nlmeans.denoise`.

    Examples
    --------
    >>> round(from_skimage(0.06, sigma=0.1)["strength"], 3)
    0.7
    """
    unit = _skimage(sigma, patch_size, fast_mode, ndim)
    patch = _radius(patch_size, "patch_size") - (not fast_mode)
    search = _whole(patch_distance, "patch_distance", 0)
    return _arguments(_above(h, "h") / unit, patch, search, bias=bool(_checks.flag(bias, "bias")))


@or_default
def to_skimage(strength: float, *, sigma: float, patch_size: int = 7, fast_mode: bool = True, ndim: int = 2) -> float:
    """Return scikit-image's h, in the units of ``sigma``.

    Parameters
    ----------
    strength : float
        h/σ, above 0.
    sigma, patch_size, fast_mode, ndim
        As for `from_skimage`.

    Returns
    -------
    float

    Examples
    --------
    >>> round(to_skimage(0.7, sigma=0.1), 3)
    0.06
    """
    return _above(strength, "strength") * _skimage(sigma, patch_size, fast_mode, ndim)


def _skimage(sigma: Any, patch_size: Any, fast_mode: Any, ndim: Any) -> float:
    """Return its h at strength 1, as the other functions of this form do for their programs."""
    noise, width, dimensions = _above(sigma, "sigma"), _width(patch_size, "patch_size", 2), _whole(ndim, "ndim", 2)
    return noise * (1 - 1 / width) ** (dimensions / 2) if _checks.flag(fast_mode, "fast_mode") else noise


@or_default
def from_opencv(h: float = 3, *, sigma: float, templateWindowSize: int = 7, searchWindowSize: int = 21) -> Filter:
    """Return the arguments for what `cv2.fastNlMeansDenoising` does, with squared differences.

    Parameters
    ----------
    h : float, default 3
        Its strength, in the units of ``sigma``: grey levels of the image.
    sigma : float
        Standard deviation of the noise. OpenCV takes none off.
    templateWindowSize, searchWindowSize : int, default 7 and 21
        Widths of patches and window.

    Returns
    -------
    dict
        Arguments for `nlmeans.denoise`.

    Examples
    --------
    >>> from_opencv(10, sigma=20)["strength"]
    0.5
    """
    patch, search = _radius(templateWindowSize, "templateWindowSize"), _radius(searchWindowSize, "searchWindowSize")
    return _arguments(_above(h, "h") / _above(sigma, "sigma"), patch, search)


@or_default
def to_opencv(strength: float, *, sigma: float) -> float:
    """Return OpenCV's h, in the units of ``sigma``.

    Parameters
    ----------
    strength : float
        h/σ, above 0.
    sigma : float
        Standard deviation of the noise, in grey levels of the image.

    Returns
    -------
    float

    Examples
    --------
    >>> to_opencv(0.5, sigma=20)
    10.0
    """
    return _above(strength, "strength") * _above(sigma, "sigma")


@or_default
def from_ffmpeg(s: float = 1.0, *, sigma: float, p: int = 7, r: int = 15) -> Filter:
    """Return the arguments for what FFmpeg's filter ``nlmeans`` does with each plane.

    Parameters
    ----------
    s : float, default 1.0
        Its strength: a tenth of the h that belongs to differences that are summed over the patch, not averaged. Hence
        it depends on ``p``.
    sigma : float
        Standard deviation of the noise, in levels of 255. FFmpeg takes none off.
    p : int, default 7
        Width of the patches.
    r : int, default 15
        Width of the search window.

    Returns
    -------
    dict
        Arguments for `nlmeans.denoise`.

    Examples
    --------
    >>> from_ffmpeg(7, sigma=20)["strength"]
    0.5
    """
    unit = _ffmpeg(sigma, p)
    return _arguments(_above(s, "s") / unit, _radius(p, "p", 0), _radius(r, "r", 0))


@or_default
def to_ffmpeg(strength: float, *, sigma: float, p: int = 7) -> float:
    """Return FFmpeg's s, which the filter takes from 1 to 30.

    Parameters
    ----------
    strength : float
        h/σ, above 0.
    sigma, p
        As for `from_ffmpeg`.

    Returns
    -------
    float

    Examples
    --------
    >>> to_ffmpeg(0.5, sigma=20)
    7.0
    """
    return _above(strength, "strength") * _ffmpeg(sigma, p)


def _ffmpeg(sigma: Any, p: Any) -> float:
    return _above(sigma, "sigma") * _width(p, "p", 0) / 10


@or_default
def from_knlmeanscl(h: float = 1.2, *, sigma: float, d: int = 1, a: int = 2, s: int = 4, wref: float = 1.0) -> Filter:
    """Return the arguments for what KNLMeansCL does with grey frames, by its exponential weights (``wmode`` 0).

    Parameters
    ----------
    h : float, default 1.2
        Its strength, in levels of 255 whatever the bit depth.
    sigma : float
        Standard deviation of the noise, in levels of 255. KNLMeansCL takes none off.
    d : int, default 1
        How many frames before and after are searched: for axes "TYX". With 0 the arguments are for pictures, or for
        axes "NYX".
    a : int, default 2
        Radius of the search window.
    s : int, default 4
        Radius of the patches.
    wref : {1.0, 0.0}
        Weight of the pixel itself, in units of the largest of the others.

    Returns
    -------
    dict
        Arguments for `nlmeans.denoise`.

    Examples
    --------
    >>> options = from_knlmeanscl(10, sigma=20)
    >>> options["strength"], options["patch_radius"], options["search_radius"], options["centre"]
    (0.5, (0, 4, 4), (1, 2, 2), 'max')
    """
    frames, search, patch = (_whole(value, name, 0) for value, name in ((d, "d"), (a, "a"), (s, "s")))
    strength = _above(h, "h") / _above(sigma, "sigma")
    centres: dict[float, Centre] = {1.0: "max", 0.0: "zero"}
    centre = centres.get(_checks.real(wref, "wref"))
    if centre is None:
        raise ValueError(f"wref must be 1 or 0: no other weight of the pixel itself can be had here; got {wref:g}")
    if frames:
        return _arguments(strength, (0, patch, patch), (frames, search, search), centre=centre)
    return _arguments(strength, patch, search, centre=centre)


@or_default
def to_knlmeanscl(strength: float, *, sigma: float) -> float:
    """Return KNLMeansCL's h, with ``sigma`` in levels of 255.

    Parameters
    ----------
    strength : float
        h/σ, above 0.
    sigma : float
        Standard deviation of the noise, in levels of 255.

    Returns
    -------
    float

    Examples
    --------
    >>> to_knlmeanscl(0.5, sigma=20)
    10.0
    """
    return _above(strength, "strength") * _above(sigma, "sigma")


@or_default
def from_ipol(k: float, *, patch: int, search: int) -> Filter:
    """Return the arguments for what Buades, Coll and Morel's program of 2011 does.

    Parameters
    ----------
    k : float
        The factor of h = k · σ in the article's tables, unit-free: the strength itself. It needs no ``sigma``.
    patch, search : int
        Widths of patches and window, from the same line of the tables.

    Returns
    -------
    dict
        Arguments for `nlmeans.denoise`.

    References
    ----------
    A. Buades, B. Coll, J.-M. Morel, "Non-Local Means Denoising", Image Processing On Line, 2011,
    doi:10.5201/ipol.2011.bcm_nlm.

    Examples
    --------
    >>> from_ipol(0.4, patch=5, search=21)["aggregation"]
    'patch'
    """
    patch_radius, search_radius = _radius(patch, "patch"), _radius(search, "search")
    return _arguments(_above(k, "k"), patch_radius, search_radius, bias=True, centre="max", aggregation="patch")


@or_default
def to_ipol(strength: float) -> float:
    """Return the k of the article's h = k · σ: the strength.

    Parameters
    ----------
    strength : float
        h/σ, above 0.

    Returns
    -------
    float

    Examples
    --------
    >>> to_ipol(0.4)
    0.4
    """
    return _above(strength, "strength")


def _arguments(
    strength: float,
    patch_radius: int | tuple[int, ...],
    search_radius: int | tuple[int, ...],
    *,
    bias: bool = False,
    centre: Centre = "one",
    aggregation: Aggregation = "pixel",
) -> Filter:
    """Return all arguments of `nlmeans.denoise` that determine the weights, so that no default does."""
    return {
        "strength": strength, "patch_radius": patch_radius, "search_radius": search_radius, "bias": bias,
        "centre": centre, "aggregation": aggregation, "passes": 1, "wiener": False, "motion": False,
    }  # fmt: skip


def _above(value: Any, name: str) -> float:
    number = _checks.real(value, name)
    if number <= 0:
        raise ValueError(f"{name} must be above 0; got {number:g}")
    return number


def _whole(value: Any, name: str, least: int) -> int:
    number = _checks.integer(value, name)
    if number < least:
        raise ValueError(f"{name} must be a whole number of at least {least}; got {_checks.short(number)}")
    if number > WIDEST:
        raise ValueError(f"{name} must be at most {WIDEST}; got {_checks.short(number)}")
    return number


def _radius(width: Any, name: str, least: int = 1) -> int:
    return _whole(width, name, least) // 2


def _width(width: Any, name: str, least: int = 1) -> int:
    return 2 * _radius(width, name, least) + 1
