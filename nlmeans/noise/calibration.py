"""A camera's calibration: from its images, or from the frames that these are made of."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _checks
from .photons import PoissonGaussian

if TYPE_CHECKING:
    from .._typing import Array, FilePath

__all__ = ["calibrate", "read_calibration"]


def read_calibration(
    offset: Array | float | FilePath,
    variance: Array | float | FilePath,
    gain: Array | float | FilePath,
    *,
    excess: float = 1.0,
) -> PoissonGaussian:
    """Return the noise of a camera from its calibration images, as makers of sCMOS cameras and their programs give.

    Parameters
    ----------
    offset : ndarray, float or path
        The mean of dark frames, in the image's units: an array, a file that `nlmeans.io.read` reads, or one number for
        all pixels.
    variance : ndarray, float or path
        The variance of dark frames, in the image's units squared, at least 0.
    gain : ndarray, float or path
        Image units a photoelectron, above 0.
    excess : float, default 1
        As of `PoissonGaussian`.

    Returns
    -------
    PoissonGaussian
        With the root of the variance as σ.

    Raises
    ------
    TypeError, ValueError
        For maps of different shapes, and as `PoissonGaussian`.
    OSError
        For a file that cannot be read.

    See Also
    --------
    calibrate : from the frames.

    Examples
    --------
    >>> import numpy as np
    >>> from nlmeans.noise import read_calibration
    >>> read_calibration(np.full((64, 64), 100.0), np.full((64, 64), 4.0), 2.2)
    PoissonGaussian(gain=2.2, offset=<map of 64 x 64, 100 to 100>, sigma=<map of 64 x 64, 2 to 2>)
    """
    given = {"offset": _pixels(offset), "variance": _pixels(variance), "gain": _pixels(gain)}
    shapes = {name: value.shape for name, value in given.items() if value.ndim}
    if len(set(shapes.values())) > 1:
        raise ValueError(f"maps of one camera must have one shape; got {_listed(shapes)}")
    least = float(np.min(given["variance"]))
    if not least >= 0:  # nor NaN
        raise ValueError(f"variance must be at least 0 everywhere; got {least:g}")
    numbers = {"gain": given["gain"], "offset": given["offset"], "sigma": np.sqrt(given["variance"])}
    maps = {name: value if value.ndim else value.item() for name, value in numbers.items()}
    return PoissonGaussian(**maps, excess=excess)


def calibrate(darks: Array, *flats: Array, excess: float = 1.0) -> PoissonGaussian:
    """Calibrate a camera pixel by pixel, from frames without light and evenly lit ones.

    Parameters
    ----------
    darks : ndarray, shape (N, Y, X)
        Frames without light, at least two, the more the better.
    *flats : ndarray, shape (N, Y, X)
        Frames in constant light, at least two; several such series may have light of different strengths.
    excess : float, default 1
        As of `PoissonGaussian`.

    Returns
    -------
    PoissonGaussian
        Offset and σ are mean and standard deviation of the dark frames. The gain is the slope of variance over mean,
        over the excess, by the least squares that all series allow. Where it is not above 0, since a pixel does not
        answer to light, it is the median of all, and σ is the light of the brightest series, so that others stand in.

    Raises
    ------
    TypeError, ValueError
        For fewer frames or other shapes, and flats that are not brighter than the dark.

    Notes
    -----
    From N frames a pixel's variance is known to sqrt(2 / N) of it: a gain within 5 % takes 800. With fewer, give
    ``read_calibration(offset, variance, gain)`` the camera's one gain.

    References
    ----------
    F. Huang et al., "Video-rate nanoscopy using sCMOS camera-specific single-molecule localization algorithms", Nature
    Methods 2013, doi:10.1038/nmeth.2488.

    Examples
    --------
    >>> import numpy as np
    >>> from nlmeans.noise import calibrate
    >>> rng = np.random.default_rng(0)
    >>> darks = 100 + rng.normal(0, 2, (400, 16, 16))
    >>> flats = 100 + 2.2 * rng.poisson(500, (400, 16, 16)) + rng.normal(0, 2, (400, 16, 16))
    >>> camera = calibrate(darks, flats)
    >>> [round(float(value.mean()), 1) for value in (camera.gain, camera.offset, camera.sigma)]
    [2.2, 100.0, 2.0]
    """
    if not flats:
        raise ValueError("there must be a series of evenly lit frames; got none")
    series = [_frames(darks, "darks"), *(_frames(flat, f"flats, series {k + 1},") for k, flat in enumerate(flats))]
    shapes = {f"series {k}": frames.shape[1:] for k, frames in enumerate(series)}
    if len(set(shapes.values())) > 1:
        raise ValueError(f"frames of one camera must have one shape; got {_listed(shapes)}")
    (offset, dark), *lit = (
        (frames.mean(axis=0, dtype=np.float64), frames.var(axis=0, ddof=1, dtype=np.float64)) for frames in series
    )
    light = [mean - offset for mean, _ in lit]
    for k, extra in enumerate(light):
        if not np.median(extra) > 0:
            raise ValueError(
                f"each series of flats must be brighter than the dark; got {np.median(extra):g} more in series {k + 1}"
            )
    # The error of a variance goes with the variance itself.
    trust = [1 / np.square(np.maximum(variance, np.median(variance) / 10)) for _, variance in lit]
    rows = list(zip(light, (variance - dark for _, variance in lit), trust, strict=True))
    slope = sum(w * x * y for x, y, w in rows) / np.maximum(sum(w * x * x for x, _, w in rows), np.finfo(float).tiny)
    answers = slope > 0
    if not answers.any():
        raise ValueError("flats must have more variance than the dark somewhere; got none")
    gain = np.where(answers, slope, np.median(slope[answers])) / excess
    brightest = max(float(np.median(extra)) for extra in light)
    return PoissonGaussian(gain, offset, np.where(answers, np.sqrt(dark), brightest), excess)


def _pixels(value: Any) -> np.ndarray:
    """Return an array of float64, of an array, a file or a number."""
    if isinstance(value, str | os.PathLike):
        from .. import formats

        value = formats.read(Path(value)).pixels
    array = _checks.unmasked(value, "a calibration image")
    if array.dtype.kind not in "fiu" or array.ndim == 1:
        raise TypeError(
            f"a calibration image must hold a real number a pixel; got dtype {array.dtype}, shape {array.shape}"
        )
    return array.astype(np.float64)


def _frames(value: Any, name: str) -> np.ndarray:
    array = _checks.unmasked(value, name)
    if array.dtype.kind not in "fiu" or array.ndim != 3 or len(array) < 2:
        raise ValueError(f"{name} must be at least two frames (N, Y, X); got dtype {array.dtype}, shape {array.shape}")
    return array


def _listed(shapes: dict[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} of {shape}" for name, shape in shapes.items())
