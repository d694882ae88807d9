"""Estimation of the noise in an image from the image alone.

Patches are rotated into the orthonormal cosine basis, where white noise stays white and the bands are independent.
The patches with the least energy in the middle frequencies are the least textured ones. Their high frequencies
hold noise and the little texture that is left, and texture lives in few directions: the variance in the quietest
principal directions is the noise's. Patches are chosen by one band and measured in another, so the choice cannot
favour patches whose noise happens to be small; directions are found in one half of the patches and measured in the
other, so they cannot fit the noise either.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from .. import _checks
from ..layout import Layout

__all__ = ["NoiseEstimate", "estimate_planes", "estimate_sigma"]

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Flags = NDArray[np.bool_]
    Indices = NDArray[np.intp]

# Values marked "tuned" were chosen by the error at σ = 2 to 50 on 80 photographs of BSD's training set and 50 crops
# of them; none is critical.

NORMAL_QUARTILE: Final = 0.6744897501960817  # of a standard normal variable
PATCH: Final = 8  # also JPEG's block, which lets a patch coincide with one
# Tuned. Bands, by the sum of a coefficient's two frequencies 0 to 7. What lies below is shading, not texture: with it
# in the texture band the error at σ = 5 is half as large again.
TEXTURE_BAND: Final = range(4, 9)
NOISE_BAND: Final = range(9, 15)
# Tuned. How many of the quietest directions are averaged. Few avoid texture, many scatter less.
DIRECTIONS: Final = (2, 4, 8, 16)
# Tuned. Sizes of the sets of flattest patches: the first, the growth to the next, the last as a share of all. Small
# sets find the flat corner of a textured picture, large ones scatter less.
FIRST_SET: Final = 300
GROWTH: Final = 2
LAST_SET: Final = 0.25
# Tuned. Standard errors to add to an estimate before the least is taken; less follows lucky small sets.
CAUTION: Final = 4.0
# Patches are compared across pieces of the picture this wide, more than a patch, so that the halves overlap little.
PIECE: Final = 16
# Bounds on time and memory. Every patch of a 400 x 400 picture; from larger ones an even sample.
PATCH_BUDGET: Final = 160_000
SLICE_BUDGET: Final = 16
CHUNK: Final = 4096
# A patch counts where at most this share of the pixels up to MARGIN around it is clipped.
CLIPPED_SHARE: Final = 0.005
MARGIN: Final = 8
# The greatest values that white noise of σ >= 5 reached on those photographs are 0.22 and 0.01; the least that
# noise blurred by half a pixel reaches is 0.33, that JPEG of quality 90 leaves of noise of σ = 3 to 25 is 0.06.
CORRELATED: Final = 0.27
BLOCKED: Final = 0.03


@dataclass(frozen=True)
class NoiseEstimate:
    """Noise found in an image, one number a channel.

    Attributes
    ----------
    sigma : tuple of float
        Standard deviation in the image's units. Where the noise is correlated, that of its weakest frequencies only.
    correlated : bool
        Whether the noise is not white: resampled, demosaicked, smoothed or compressed by JPEG.
    correlation : tuple of float
        How much weaker than the average the quietest of the high frequencies are: 0 for white noise, towards 1 for
        blurred noise.
    blocking : tuple of float
        Excess share of coefficients near 0 in one of the 64 positions of a grid of 8 x 8 blocks: at most 0 but for
        chance without a grid, towards 1 where JPEG removed most of them.
    """

    sigma: tuple[float, ...]
    correlated: bool
    correlation: tuple[float, ...] = ()
    blocking: tuple[float, ...] = ()


def estimate_planes(
    planes: Array, mask: Flags | None, *, saturation: tuple[float, float] | None = None
) -> NoiseEstimate:
    """Estimate the noise in planes (C, Z, Y, X) of floating-point numbers; slices of a volume are pooled.

    ``mask`` (Z, Y, X) is True where a pixel counts. Pixels at or beyond ``saturation`` are taken as clipped, and so
    are those at an extreme that is heaped as only clipping heaps.
    """
    found = [_channel(volume, mask, saturation) for volume in planes]
    sigma, correlation, blocking = (tuple(numbers) for numbers in zip(*found, strict=True))
    return NoiseEstimate(sigma, max(correlation) > CORRELATED or max(blocking) > BLOCKED, correlation, blocking)


def _channel(volume: Array, mask: Flags | None, saturation: tuple[float, float] | None) -> tuple[float, float, float]:
    """Return sigma, correlation and blocking of a volume (Z, Y, X)."""
    slices = spread(len(volume), SLICE_BUDGET)
    volume = volume[slices]
    known = np.isfinite(volume) if mask is None else np.isfinite(volume) & mask[slices]
    values = volume[known].astype(np.float64)
    if values.size == 0 or values.min() == values.max():
        return 0.0, 0.0, 0.0
    low, high = clip_levels(values, saturation)
    clipped = known & ((volume <= low) | (volume >= high))
    # Near 0 and within ±1, float32 is exact enough for any range and offset, and its squares stay finite.
    centre, scale = np.median(values[spread(values.size, CHUNK)]), np.ptp(values)
    unit = np.zeros(volume.shape, np.float32)
    unit[known] = (values - centre) / scale
    found = [usable_in(*plane) for plane in zip(unit, known, clipped, strict=True)]
    usable, share = (np.stack(parts) for parts in zip(*found, strict=True))
    if not usable.any():
        return float(scale) * _from_differences(unit, known), 0.0, 0.0
    sigma, correlation, blocking = _from_patches(unit, usable)
    return float(scale) * sigma / _censored(float(share[usable].mean())), correlation, blocking


def spread(count: int, most: int) -> Indices:
    """Return at most ``most`` indices below ``count``, evenly spread but in step with no grid."""
    return np.linspace(0, count - 1, min(count, most)).astype(np.intp)


def clip_levels(values: Array, saturation: tuple[float, float] | None) -> tuple[float, float]:
    """Return the levels at which values were cut off."""
    low, high = (-math.inf, math.inf) if saturation is None else saturation
    least, greatest = float(values.min()), float(values.max())
    if _heaped(values, least, float(values[values > least].min())):
        low = max(low, least)
    if _heaped(values, greatest, float(values[values < greatest].max())):
        high = min(high, greatest)
    return low, high


def _heaped(values: Array, end: float, neighbour: float) -> bool:
    """Whether values heap up at the end of their range, where the tail of a distribution thins out."""
    levels = float(np.ptp(values)) / abs(end - neighbour)
    count, usual = int(np.count_nonzero(values == end)), int(np.count_nonzero(values == neighbour))
    return levels > PATCH and count > max(PATCH, usual)


def usable_in(plane: Array, known: Flags, clipped: Flags) -> tuple[Flags, Array]:
    """Return which patches (by their first pixel) can tell of noise, and the share of clipped pixels around each."""
    shape = tuple(max(n - PATCH + 1, 0) for n in plane.shape)
    if 0 in shape:
        return np.zeros(shape, bool), np.zeros(shape)
    # A patch that is constant along an axis is border or graphics, or quantisation has swallowed its noise. A patch
    # that touches it holds less noise than it should.
    still = all_in(plane[1:] == plane[:-1], PATCH - 1, PATCH) | all_in(plane[:, 1:] == plane[:, :-1], PATCH, PATCH - 1)
    usable = all_in(known, PATCH, PATCH) & all_in(_all_around(~still), PATCH, PATCH)
    if not (clipped.any() and usable.any()):
        return usable, np.zeros(shape)
    share = share_in(clipped)
    # Leaving out just the patches that hold a clipped pixel would keep those whose noise is small by chance. Where
    # clipping is everywhere, the least clipped tenth of the picture has to do.
    usable &= share <= max(CLIPPED_SHARE, np.quantile(share[usable], 0.1))
    return usable, share


def all_in(flags: Flags, height: int, width: int) -> Flags:
    """Whether all flags of each window are set."""
    for axis, size in enumerate((height, width)):
        flags, done = np.moveaxis(flags, axis, 0), 1
        while done < size:  # windows double
            step = min(done, size - done)
            flags, done = flags[step:] & flags[:-step], done + step
        flags = np.moveaxis(flags, 0, axis)
    return flags


def _all_around(patches: Flags) -> Flags:
    """Whether all patches that hold a pixel are set, for each pixel."""
    return all_in(np.pad(patches, PATCH - 1, constant_values=True), PATCH, PATCH)


def share_in(flags: Flags) -> Array:
    """Return the share of flags set in each patch and the margin around it."""
    total = np.pad(flags.astype(np.int64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    first = [np.maximum(np.arange(n - PATCH + 1) - MARGIN, 0) for n in flags.shape]
    last = [np.minimum(np.arange(n - PATCH + 1) + PATCH + MARGIN, n) for n in flags.shape]
    corners = [total[np.ix_(rows, columns)] for rows in (first[0], last[0]) for columns in (first[1], last[1])]
    count = corners[3] - corners[2] - corners[1] + corners[0]
    return count / np.outer(last[0] - first[0], last[1] - first[1])


def _censored(share: float) -> float:
    """Return the standard deviation left of a standard normal variable whose upper ``share`` was clipped."""
    share = min(share, 0.5)
    if share == 0:
        return 1.0
    from statistics import NormalDist  # slow to import, and seldom needed

    normal = NormalDist()
    level = normal.inv_cdf(1 - share)
    mean = share * level - normal.pdf(level)
    return math.sqrt(1 - share - level * normal.pdf(level) + share * level**2 - mean**2)


@cache
def cosines(size: int) -> Array:
    """Return the orthonormal cosine transform as a matrix, one function a row."""
    k = np.arange(size)
    return np.cos(math.pi / size * np.outer(k, k + 0.5)) * np.sqrt(np.where(k == 0, 1, 2) / size)[:, None]


@cache
def _basis() -> tuple[Array, Array]:
    """Return the cosine functions of the two bands, as columns."""
    rows, k = cosines(PATCH), np.arange(PATCH)
    basis, frequency = np.kron(rows, rows).astype(np.float32), np.add.outer(k, k).ravel()
    return basis[np.isin(frequency, TEXTURE_BAND)].T, basis[np.isin(frequency, NOISE_BAND)].T


def _from_patches(volume: Array, usable: Flags) -> tuple[float, float, float]:
    z, y, x = (index[spread(len(index), PATCH_BUDGET)] for index in np.nonzero(usable))
    texture, noise = _bands(volume, z, y, x)
    flattest = np.argsort(texture)[: max(FIRST_SET, int(LAST_SET * len(texture)))]
    z, y, x, noise = z[flattest], y[flattest], x[flattest], noise[flattest]
    sigma, correlation = _quietest(noise, z, y, x)
    return sigma, correlation, _blocking(noise, sigma, y, x)


def _bands(volume: Array, z: Indices, y: Indices, x: Indices) -> tuple[Array, Array]:
    """Return each patch's energy in the texture band and its coefficients in the noise band."""
    first = np.ravel_multi_index((z, y, x), volume.shape)
    inside = np.add.outer(np.arange(PATCH) * volume.shape[2], np.arange(PATCH)).ravel()
    texture_basis, noise_basis = _basis()
    both, pixels = np.hstack([texture_basis, noise_basis]), volume.ravel()
    texture = np.empty(len(first), np.float32)
    noise = np.empty((len(first), noise_basis.shape[1]), np.float32)
    for start in range(0, len(first), CHUNK):  # a chunk stays in the cache
        part = slice(start, start + CHUNK)
        coefficients = pixels[first[part, None] + inside] @ both
        texture[part] = np.square(coefficients[:, : texture_basis.shape[1]]).sum(1)
        noise[part] = coefficients[:, texture_basis.shape[1] :]
    return texture, noise


def _quietest(noise: Array, z: Indices, y: Indices, x: Indices) -> tuple[float, float]:
    """Return sigma and correlation from patches in order of texture."""
    half = (z + y // PIECE + x // PIECE) % 2
    # Overlapping patches share their noise: a block of 8 x 8 counts once, however many patches begin in it. With
    # that the standard error of sigma is 1 / sqrt(2·blocks·directions) within a fifth, as simulated white noise shows.
    block = np.stack([z, y // PATCH, x // PATCH])
    new = np.zeros(len(noise), bool)
    new[np.unique(np.ravel_multi_index(block, block.max(1) + 1), return_index=True)[1]] = True
    blocks = np.cumsum(new)
    sizes = [min(FIRST_SET, len(noise))]
    while sizes[-1] < len(noise):
        sizes.append(min(GROWTH * sizes[-1], len(noise)))
    moments, counts = np.zeros((2, noise.shape[1], noise.shape[1])), np.zeros(2)
    least, sigma, correlation = math.inf, 0.0, 0.0
    for start, stop in itertools.pairwise([0, *sizes]):
        for side in (0, 1):
            part = noise[start:stop][half[start:stop] == side].astype(np.float64)
            moments[side] += part.T @ part
            counts[side] += len(part)
        variances = _variances(moments, counts)
        for count in DIRECTIONS:
            found = math.sqrt(variances[count - 1])
            bound = found * (1 + CAUTION / math.sqrt(2 * blocks[stop - 1] * count))
            if bound < least:
                least, sigma = bound, found
                correlation = 1 - variances[3] / variances[-1] if found else 0.0
    return sigma, float(correlation)


def _variances(moments: Array, counts: Array) -> Array:
    """Return the mean variance in the 1, 2, 3 … quietest directions."""
    size = moments.shape[1]
    if not counts.all():
        return np.full(size, np.trace(moments.sum(0)) / (size * counts.sum()))
    total = np.zeros(size)
    for found, measured in ((0, 1), (1, 0)):
        directions = np.linalg.eigh(moments[found])[1]
        total += np.einsum("ij,ij->j", directions, moments[measured] @ directions)
    return np.cumsum(total) / (np.arange(1, size + 1) * counts.sum())


def _blocking(noise: Array, sigma: float, y: Indices, x: Indices) -> float:
    """Return how many more coefficients than usual are near 0 in the patches that lie on one grid of blocks."""
    near = (np.abs(noise) < 0.1 * sigma).mean(1)
    phase = y % PATCH * PATCH + x % PATCH
    count = np.bincount(phase)
    share = np.bincount(phase, near)[count > 0] / count[count > 0]
    usual = float(np.median(share))
    chance = 4 * np.sqrt(usual * (1 - usual) / (noise.shape[1] * count[count > 0]))
    return float((share - usual - chance).max())


def _from_differences(volume: Array, known: Flags) -> float:
    """Return sigma where no patch can be had: from the median of second differences, or of first ones."""
    for order, gain in ((2, math.sqrt(6)), (1, math.sqrt(2))):
        found = []
        for axis in (1, 2):
            whole = known
            for _ in range(order):
                last = whole.shape[axis] - 1
                whole = np.take(whole, range(1, last + 1), axis) & np.take(whole, range(last), axis)
            found.append(np.abs(np.diff(volume, order, axis)[whole]))
        differences = np.concatenate(found)
        if differences.size:
            return float(np.median(differences)) / (gain * NORMAL_QUARTILE)
    return 0.0


def estimate_sigma(image: Any, *, axes: str | None = None, channel_axis: int | None = None, mask: Any = None) -> Any:
    """Estimate the standard deviation of additive white Gaussian noise from the image alone.

    Parameters
    ----------
    image : array_like
        As for `denoise`; slices of a volume and separate images are pooled. NaN and infinity are left out.
    axes : str, optional
        Names of the axes, as for `denoise`.
    channel_axis : int, optional
        The axis of colours or other channels; short for ``axes``.
    mask : array_like of bool, optional
        True where a pixel counts; of the image's shape, without the channels.

    Returns
    -------
    float or ndarray
        In the image's units; one value a channel where there are channels. 0 for a constant image.

    Raises
    ------
    TypeError, ValueError
        As for `denoise`, and for a mask of another shape or type.

    Notes
    -----
    Parts without any variation and clipped parts tell nothing of the noise and are left out. Time grows with the
    pixels up to about 400 × 400, from where on an even sample is looked at.

    References
    ----------
    After the observation that weak textures leave the quietest principal directions of patches to the noise:
    X. Liu, M. Tanaka, M. Okutomi, "Single-Image Noise Level Estimation for Blind Denoising", IEEE TIP 2013,
    doi:10.1109/TIP.2013.2283400; S. Pyatykh, J. Hesser, L. Zheng, IEEE TIP 2013, doi:10.1109/TIP.2012.2221728.

    Examples
    --------
    >>> import numpy as np, nlmeans
    >>> noisy = np.random.default_rng(0).normal(100, 10, (128, 128))
    >>> round(nlmeans.estimate_sigma(noisy))
    10
    """
    array = _checks.image(image)
    layout = _checks.layout(array, axes, channel_axis)
    known = _checks.known(array, mask, layout)
    _checks.limits(array, known)
    limits = _checks.saturation(array.dtype)
    planes, there = pooled(layout.planes(array)), _anywhere(known, layout)
    real = planes if planes.dtype in (np.float32, np.float64) else planes.astype(np.float64)
    sigma = estimate_planes(real, there, saturation=limits).sigma
    return sigma[0] if layout.channel_axis is None else np.array(sigma)


def _anywhere(known: Flags | None, layout: Layout) -> Flags | None:
    """Return where any channel of pooled planes is known."""
    return None if known is None else np.logical_or.reduce(pooled(layout.planes(known)))


def pooled(planes: Array) -> Array:
    """Return planes (N, C, Z, Y, X) as (C, N·Z, Y, X)."""
    moved = np.moveaxis(planes, 0, 1)
    return moved.reshape(moved.shape[0], -1, *moved.shape[3:])
