"""The error of a result, noise that is left and detail that is lost: its standard deviation around each pixel.

Stein's estimate says without the truth how large errors are in the mean, for any method: the image is denoised once
more with a little more noise, and how much the result follows is what the residual does not show. Of single pixels it
says next to nothing. So it only scales a map of what errors go with: how much a pixel follows the noise, and how much
the result varies around it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from .._notes import Note
from .._progress import Progress
from ..plan.report import Maps
from .average import known_nearest
from .left import SEED, fresh

if TYPE_CHECKING:
    from ..noise.fitted import FittedNoise
    from .recipe import Recipe
    from .region import Region

PROBE = 0.1
"""Standard deviation of the added noise, in units of σ: with less, groups of patches jump, with more, errors grow."""
# Fitted to the errors of all methods on training pictures; in units of the noise.
FOLLOWS, VARIES = {5: 0.15, 17: 0.35}, {5: 0.22, 9: -0.10}
"""Powers of how much pixels follow the noise, and of the result's variance, in windows of these sides."""
FACTOR, FAINT = 0.79, 1e-3
"""What both are multiplied by, and what is added to them: below, nothing can be told apart."""
SPREAD = 0.3
"""How far off the factor is, relatively: what is believed where an image is too small to show it."""
PART, COLOURED, TAILS = 1.03, 1.06, 0.085
"""Errors have heavier tails than normal noise, the more so the smaller they are beside it. The map is their root mean
square, times this part, times the second where there are several channels, times this power of the mean square in units
of σ, so that intervals hold (see `Maps`)."""
LEAST = 0.25
"""Least estimate, in units of what is expected."""
NEAR = 3.0
"""Distance from black and white, in σ, up to which noise may be clipped."""
NODES = 1 << 12
UNKNOWN = Note(
    "error-unknown",
    "the error of processed photographs is not known: of the maps there is that of the noise that is left alone",
)
LOW = Note(
    "error-low", "the map of the error is too low, by about a fifth: the spectrum of the noise is estimated, not given"
)
TOO_SURE = Note("error-sigma", "the map of the error is what is usual: the image shows less noise than its model says")


@dataclass(frozen=True, eq=False)
class _Curve:
    """Results, in the units in which noise is normal, and back: the unbiased inverse of a stabiliser, as a table."""

    levels: np.ndarray
    values: np.ndarray | None

    @classmethod
    def of(cls, noise: FittedNoise, planes: np.ndarray) -> _Curve:
        """Return that of planes (C, Z, Y, X) of stabilised pixels."""
        levels = np.linspace(np.nanmin(planes) - 1, np.nanmax(planes) + 1, NODES)
        if noise.stabiliser is None:
            return cls(levels, None)
        return cls(levels, noise.stabiliser.inverse(np.tile(levels, (len(planes), 1, 1, 1)))[:, 0, 0])

    def stabilised(self, result: np.ndarray) -> np.ndarray:
        """Return the stabilised mean of a result (C, Z, Y, X)."""
        if self.values is None:
            return result
        return np.stack([np.interp(plane, own, self.levels) for plane, own in zip(result, self.values, strict=True)])

    def slope(self, planes: np.ndarray) -> np.ndarray:
        """Return how many of the image's units one of stabilised planes (C, Z, Y, X) is."""
        if self.values is None:
            return np.ones_like(planes)
        slopes = np.gradient(self.values, self.levels, axis=1)
        return np.stack([np.interp(plane, self.levels, own) for plane, own in zip(planes, slopes, strict=True)])


def errorless(measured: np.ndarray) -> Maps:
    """Return the maps of pixels (C, Z, Y, X) that stay as they are."""
    none = np.where(np.isfinite(measured), measured.dtype.type(0), measured.dtype.type(np.nan))
    return Maps(np.ones(measured.shape[1:], measured.dtype), np.zeros_like(measured), none)


def maps_of(
    region: Region,
    result: np.ndarray,
    own: tuple[np.ndarray, np.ndarray] | None,
    recipe: Recipe,
    limits: tuple[float, float] | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> tuple[Maps | None, tuple[Note, ...]]:
    """Return the maps of a whole image, in planes, and notes; ``own`` are those that the method has made.

    The others are as of `error`.
    """
    if recipe.coarser is not None or region.noise.model.processed:
        return None if own is None else Maps(*own), (UNKNOWN,)
    errors, notes = error(region, result, recipe, limits, threads, progress)
    if region.noise.bands is not None and region.noise.power is None:
        notes = (*notes, LOW)
    return Maps(error=errors) if own is None else Maps(*own, errors), notes


def error(
    region: Region,
    result: np.ndarray,
    recipe: Recipe,
    limits: tuple[float, float] | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> tuple[np.ndarray, tuple[Note, ...]]:
    """Return the standard deviation of the error of a whole image's ``result`` (C, Z, Y, X), NaN where pixels miss.

    Parameters
    ----------
    region : Region
        The whole image.
    result : ndarray, shape (C, Z, Y, X)
        What the method made of it, in the image's units.
    recipe : Recipe
        How.
    limits : tuple of 2 float, optional
        Black and white, at which noise is clipped.
    threads, progress
        As for `Method.run`.

    Returns
    -------
    ndarray, shape (C, Z, Y, X)
        The map of the error.
    tuple of Note
        What a user should know.

    Notes
    -----
    Takes one run of the method. Noise of channels that share it, and noise that is correlated, is drawn as it is.

    References
    ----------
    S. Ramani, T. Blu, M. Unser, "Monte-Carlo SURE: a black-box optimization of regularization parameters for general
    denoising algorithms", IEEE TIP 2008, doi:10.1109/TIP.2008.2001404.
    """
    noise, planes = region.noise, region.planes
    draw = fresh(planes.shape, noise, np.random.default_rng(SEED), signs=True)
    drawn, power = _channels(draw, noise), _power(noise, planes.shape)
    seen = region.measured if noise.stabiliser is None else noise.stabiliser.forward(region.measured)
    seen = seen.astype(np.float64)
    curve, known = _Curve.of(noise, seen), np.isfinite(seen)
    probed = replace(
        region, planes=planes + (PROBE * draw).astype(planes.dtype), maps=False, complete=False,
        measured=region.measured + (PROBE * drawn * curve.slope(seen)).astype(region.measured.dtype),
    )  # fmt: skip
    moved = recipe.method.run(probed, recipe, threads=threads, progress=progress).pixels
    first, second = (curve.stabilised(known_nearest(pixels).astype(np.float64)) for pixels in (result, moved))
    noisy = known & (power > 0)
    scale = np.where(noisy, power, 1)
    change = (second - first) / PROBE
    follows = np.square(change) / scale
    estimate = (np.square(seen - first) + 2 * drawn * change) / scale - 1
    expected = predictor(first, follows, scale, noisy)
    whole = noisy if limits is None else noisy & _inside(result, limits, np.sqrt(scale) * curve.slope(first))
    factor, notes = scaled(estimate[whole], expected[whole])
    squares = factor * expected
    mean = float(squares[noisy].mean()) if noisy.any() else 1.0
    part = PART * (COLOURED if len(result) > 1 else 1)
    errors = part * min(mean, 1) ** TAILS * np.sqrt(scale * squares) * curve.slope(first)
    return np.where(noisy, errors, np.where(known, 0.0, np.nan)).astype(result.dtype), notes


def predictor(result: np.ndarray, follows: np.ndarray, power: np.ndarray, noisy: np.ndarray) -> np.ndarray:
    """Return the mean squared errors that are expected, in units of the noise's ``power``.

    All are planes (C, Z, Y, X): ``follows`` is by how much a pixel followed added noise, squared, and ``noisy`` says
    where there is noise.
    """
    weights = {side: np.maximum(_means(noisy.astype(np.float64), side), 1e-9) for side in (5, 9, 17)}

    def around(values: np.ndarray, side: int) -> np.ndarray:
        return np.maximum(_means(np.where(noisy, values, 0), side), 0) / weights[side]

    expected = np.full(result.shape, FACTOR)
    means = [plane[flags].mean() if flags.any() else 0.0 for plane, flags in zip(result, noisy, strict=True)]
    centred = result - np.reshape(means, (-1, 1, 1, 1))
    for side, exponent in FOLLOWS.items():
        expected *= (around(follows, side) + FAINT) ** exponent
    for side, exponent in VARIES.items():
        variance = around(np.square(centred), side) - np.square(
            _means(np.where(noisy, centred, 0), side) / weights[side]
        )
        expected *= (np.maximum(variance, 0) / power + FAINT) ** exponent
    return expected


def scaled(estimate: np.ndarray, expected: np.ndarray) -> tuple[float, tuple[Note, ...]]:
    """Return the factor on what is ``expected`` of pixels by unbiased estimates of their squared errors.

    It is 1, off by `SPREAD`, before any pixel is seen.
    """
    if estimate.size < 2:
        return 1.0, ()
    mean = float(expected.mean())
    ratio = float(estimate.mean()) / mean
    unsure = float(estimate.var()) / (estimate.size * (mean * max(ratio, 1)) ** 2)
    factor = (ratio * SPREAD**2 + unsure) / (SPREAD**2 + unsure)
    return (factor, ()) if factor > LEAST else (1.0, (TOO_SURE,))


def _means(planes: np.ndarray, side: int) -> np.ndarray:
    from scipy.ndimage import uniform_filter

    result: np.ndarray = uniform_filter(planes, (1, 1, side, side), mode="nearest")
    return result


def _inside(result: np.ndarray, limits: tuple[float, float], deviation: np.ndarray) -> np.ndarray:
    """Return where noise is not clipped."""
    return (result > limits[0] + NEAR * deviation) & (result < limits[1] - NEAR * deviation)


def _channels(draw: np.ndarray, noise: FittedNoise) -> np.ndarray:
    """Return noise of planes in the channels of the image, still stabilised."""
    return draw if noise.turn is None else np.tensordot(noise.turn.back, draw, 1)


def _power(noise: FittedNoise, shape: tuple[int, ...]) -> np.ndarray:
    """Return the variance of the noise at each pixel of the channels, still stabilised."""
    each = np.square(noise.sigma).reshape(-1, 1, 1, 1) * (1.0 if noise.variance is None else noise.variance)
    if noise.turn is not None:
        each = np.tensordot(np.square(noise.turn.back), each, 1)
    power = np.broadcast_to(each, (len(each), *shape[1:]))
    return power if noise.still is None else np.where(noise.still, 0, power)
