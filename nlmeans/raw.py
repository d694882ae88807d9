"""Camera RAW, denoised before it is developed.

>>> from nlmeans import raw
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

from . import formats
from .denoise import denoise
from .noise.sensor import Sensor

if TYPE_CHECKING:
    from ._typing import Sigma
    from .plan.options import Arguments
    from .plan.report import Report

__all__ = ["develop"]

PLACED = ("axes", "channel_axis", "nodata", "out", "dtype")
"""Arguments of `nlmeans.denoise` that a mosaic has no use for."""


@overload
def develop(
    source: str | os.PathLike[str],
    sigma: Sigma = None,
    *,
    max_pixels: int | None = None,
    full_output: Literal[False] = False,
    **options: Unpack[Arguments],
) -> formats.Picture: ...
@overload
def develop(
    source: str | os.PathLike[str],
    sigma: Sigma = None,
    *,
    max_pixels: int | None = None,
    full_output: Literal[True],
    **options: Unpack[Arguments],
) -> tuple[formats.Picture, Report]: ...
def develop(
    source: str | os.PathLike[str],
    sigma: Sigma = None,
    *,
    max_pixels: int | None = None,
    full_output: bool = False,
    **options: Unpack[Arguments],
) -> formats.Picture | tuple[formats.Picture, Report]:
    """Denoise camera RAW and develop it, as ``nlmeans denoise photo.dng out.tif`` does.

    The four planes of the mosaic are denoised together, as the sensor read them: there the noise is white, that of
    counted photons, and neither cut off at black nor bent by a tone curve. One gain and one read noise are fitted to
    all of them. Then LibRaw develops the mosaic: AHD demosaicking, the camera's white balance, sRGB; neither brightened
    nor sharpened, and upright.

    Parameters
    ----------
    source : path
        A file of a camera with a mosaic of 2 × 2 colours: DNG, CR2, CR3, NEF, ARW, RAF, ORF, RW2, PEF and others.
    sigma : float or sequence of float, optional
        As for `nlmeans.denoise`, in the sensor's own steps; a sequence has one for each of the four planes, in the
        order in which they lie in the mosaic.
    max_pixels : int, optional
        As for `nlmeans.io.read`.
    full_output : bool, default False
        Return a `Report` too, whose plan has the fitted noise.
    **options
        As for `nlmeans.denoise`, without axes, channel_axis, nodata, out, dtype. A mask, a guide and a map of σ have
        the shape of a plane.

    Returns
    -------
    Picture
        16-bit colours (Y, X, C), and what the camera said, to be written by `nlmeans.io.write`.
    Report
        If ``full_output``: what was done.

    Raises
    ------
    PictureError
        If rawpy is not installed, or the file is damaged, cut short, or has no mosaic of 2 × 2 colours: X-Trans, linear
        DNG, Foveon, one colour.
    OSError
        If there is no such file, or it may not be read.
    TypeError, ValueError
        As `nlmeans.denoise`.

    See Also
    --------
    nlmeans.io.read : the planes alone; with other pixels, `nlmeans.io.write` develops them.

    Notes
    -----
    Saturated pixels stay saturated. They take part in averages as they read, which moves what is close to white less
    than leaving them out does, and are left out where the noise is fitted. A pixel below black keeps its sign until
    LibRaw begins. LibRaw has threads of its own.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from nlmeans import io, raw
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "photo.dng"
    >>> size = path.write_bytes(bytes(1000))
    >>> try:
    ...     io.write("photo.tif", raw.develop(path, method="ridge"))
    ... except io.PictureError as reason:
    ...     print(reason)
    camera RAW must be of a kind that LibRaw knows: this is not, or it is damaged
    """
    picture = formats.read(source, max_pixels=max_pixels)
    if picture.white is None:
        raise formats.PictureError(f"{source} must be camera RAW, which is developed: it is a picture already")
    unknown = [name for name in PLACED if options.get(name) is not None]
    if unknown:
        raise TypeError(f"camera RAW has planes and a file of its own, without {', '.join(unknown)}: leave out")
    given: Any = {"axes": picture.axes} | dict(options)
    if sigma is None and given.get("noise") is None:
        given["noise"] = Sensor(picture.white)
    pixels, report = denoise(picture.pixels, sigma, full_output=True, **given)
    developed = picture.native.developed(picture.with_pixels(pixels))
    return (developed, report) if full_output else developed
