"""Patches that show the noise in a channel, and what they hold: all that is fitted is fitted to these."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..pixels.crops import crops, cut, placed
from ..pixels.outliers import Outliers
from ..pixels.squares import all_in, around
from ..pixels.still import still_in

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Flags = NDArray[np.bool_]
    Indices = NDArray[np.intp]
    Limits = tuple[float, float] | None

PATCH: Final = 8  # also JPEG's block, which lets a patch coincide with one
# Tuned, see `estimate`. Bands, by the sum of a coefficient's two frequencies 0 to 7. What lies below is shading, not
# texture: with it in the texture band the error at σ = 5 is half as large again.
TEXTURE_BAND: Final = range(4, 9)
NOISE_BAND: Final = range(9, 15)
# Bounds on time and memory. Every patch of a 400 x 400 picture; of larger ones an even sample. An image of more pixels
# than so many tiles of this side hold, in so many slices, is judged by that many; with more than four channels,
# their number divides patches and tiles.
PATCH_BUDGET: Final = 160_000
SLICE_BUDGET: Final = 16
TILES, SIDE, LEAST_TILES = 64, 64, 8
# Where fewer pixels of the sample count, it is taken from the box around those that do.
LEAST_KNOWN: Final = 1 << 15
CHUNK: Final = 4096
MODERATE: Final = (1e-30, 1e30)  # largest pixels whose squares, and squares of these, are numbers still
# A patch counts where at most this share of the pixels up to MARGIN around it is clipped.
CLIPPED_SHARE: Final = 0.005
MARGIN: Final = 8
# Steps from tile to tile, as shares of the ways: in two dimensions the most even ones, after the golden section.
EVEN: Final = (0.7548776662466927, 0.5698402909980532)


@dataclass(frozen=True, eq=False)
class Patches:
    """Patches that show noise.

    Attributes
    ----------
    z, y, x : ndarray
        Where each begins.
    mean : ndarray
        In the image's units.
    texture, noise : ndarray
        Energy in the texture band, and coefficients in the noise band, in units of ``scale``.
    scale : float
    clipped : float
        Share of clipped pixels in them and around.
    """

    z: Indices
    y: Indices
    x: Indices
    mean: Array
    texture: Array
    noise: Array
    scale: float
    clipped: float

    def __len__(self) -> int:
        return len(self.mean)


@dataclass(frozen=True, eq=False)
class Channel:
    """What the noise in one channel is judged by.

    Attributes
    ----------
    volume : ndarray, shape (Z, Y, X)
        Pixels in floating-point numbers.
    known : ndarray of bool, shape (Z, Y, X)
        Where they are not missing.
    values : ndarray
        Those, in float64.
    low, high : float
        Where values were cut off; infinite if nowhere.
    budget : int
        How many patches are taken.
    """

    volume: Array
    known: Flags
    values: Array
    low: float
    high: float
    budget: int

    @classmethod
    def of(cls, volume: Array, known: Flags, saturation: Limits, budget: int) -> Channel:
        """Examine a volume (Z, Y, X), whose values at or beyond ``saturation`` are taken as clipped."""
        values = volume[known].astype(np.float64)
        varied = values.size > 0 and values.min() < values.max()
        low, high = clip_levels(values, saturation) if varied else (-math.inf, math.inf)
        return cls(volume, known, values, low, high, budget)

    @property
    def constant(self) -> bool:
        """Whether all of it is one value."""
        return self.values.size == 0 or float(self.values.min()) == float(self.values.max())

    @cached_property
    def unit(self) -> tuple[Array, float, float]:
        """The pixels near 0 and within ±1, where float32 is exact enough for any range and offset; centre and scale."""
        centre = float(np.median(self.values[spread(self.values.size, CHUNK)]))
        scale = float(self.values.max() - self.values.min())
        unit = np.zeros(self.volume.shape, np.float32)
        unit[self.known] = (self.values - centre) / scale
        return unit, centre, scale

    @cached_property
    def patches(self) -> Patches:
        """Its patches; those close to many clipped pixels are left out."""
        return self.apart_from((self.volume <= self.low) | (self.volume >= self.high))

    def apart_from(self, clipped: Flags) -> Patches:
        """Return its patches but those close to many of the pixels that are marked."""
        unit, centre, scale = self.unit
        usable, share = usable_in(unit, self.known, clipped & self.known)
        if not usable.any():
            none, nowhere = np.zeros(0), np.zeros(0, np.intp)
            return Patches(nowhere, nowhere, nowhere, none, none, none, scale, 0.0)
        z, y, x = (index[spread(len(index), self.budget)] for index in np.nonzero(usable))
        mean, texture, noise = _bands(unit, z, y, x)
        return Patches(z, y, x, scale * mean + centre, texture, noise, scale, float(share[usable].mean()))


@dataclass(frozen=True, eq=False)
class Evidence:
    """What the noise of an image is judged by: all of a small one, evenly spread parts of a larger one.

    Attributes
    ----------
    planes : ndarray, shape (C, Z, Y, X)
        In float64 and in units of ``factor``; slices are pooled.
    known : ndarray of bool, shape (Z, Y, X), or None
        Where a pixel counts, if it is finite.
    saturation : tuple of float, or None
        Where the image's type clips. Pixels at or beyond are taken as clipped, and so are those at an extreme that is
        heaped as only clipping heaps; but zeros of counts (`sparse`) are not.
    outliers : Outliers or None
        What stands out, in the image's units; it does not count. Nor do areas of one exact value amid others that vary
        (`still_in`), where there is no noise.

    Examples
    --------
    >>> import numpy as np
    >>> from nlmeans.extend import Evidence
    >>> from nlmeans.noise import Gaussian
    >>> noisy = np.random.default_rng(0).normal(100, 10, (1, 1, 128, 128))
    >>> round(Gaussian().fit(Evidence.of(noisy, None)).sigma[0])
    10
    """

    planes: Array
    known: Flags | None
    saturation: Limits
    factor: float = 1.0
    outliers: Outliers | None = None

    @classmethod
    def of(cls, planes: Array, known: Flags | None, saturation: Limits = None) -> Evidence:
        """Examine planes (C, Z, Y, X) of floating-point numbers, or at a sample of them that `crops` chose."""
        sample, there = _view(*_sampled(planes, known))
        if known is not None and there is not None and not there.all() and np.count_nonzero(there) < LEAST_KNOWN:
            sample, there = _view(*_sampled(*_around(planes, known)))
        sample = _varying(sample.astype(np.float64), there, saturation)
        stray = Outliers.of(sample if there is None else np.where(there, sample, np.nan))
        if stray is not None:
            sample = np.where(stray.counting(sample, None), sample, np.nan)
        largest = float(np.abs(sample).max(initial=0.0, where=np.isfinite(sample)))
        if largest == 0 or MODERATE[0] < largest < MODERATE[1]:
            return cls(sample, there, saturation, outliers=stray)
        exponent = math.frexp(largest)[1] - 1
        return cls(np.ldexp(sample, -exponent), there, saturation, math.ldexp(1.0, exponent), stray)

    @cached_property
    def channels(self) -> list[Channel]:
        """Each channel by itself."""
        budget = PATCH_BUDGET // max(len(self.planes) // 4, 1)
        finite = np.isfinite(self.planes)
        there = finite if self.known is None else finite & self.known
        return [Channel.of(*one, self.saturation, budget) for one in zip(self.planes, there, strict=True)]


def _sampled(planes: Array, known: Flags | None) -> tuple[Array, Flags | None]:
    """Return the sample that a large image would be judged by (`nlmeans.methods.sample`)."""
    tiles = crops(planes.shape[1:], len(planes))
    if len(tiles) == 1:
        return planes, known
    return cut(planes[None], tiles), None if known is None else cut(known[None, None], tiles)[0]


def _varying(planes: Array, known: Flags | None, saturation: Limits) -> Array:
    """Return planes with NaN in still areas, if any patch is left; those at an end of the range are clipped."""
    low, high = (-math.inf, math.inf) if saturation is None else saturation
    for c, plane in enumerate(planes):
        there = np.isfinite(plane) if known is None else np.isfinite(plane) & known
        if not (area := still_in(plane, there)).any():
            continue
        values = plane[there]
        area &= (plane > max(low, values.min())) & (plane < min(high, values.max()))
        if all_in(there & ~area, PATCH, PATCH).any():
            planes[c][area] = np.nan
    return planes


def _around(planes: Array, known: Flags) -> tuple[Array, Flags]:
    """Return the least box that holds all pixels that count; where JPEG's blocks lie stays."""
    ends = [np.flatnonzero(known.any(axis=others))[[0, -1]].tolist() for others in ((1, 2), (0, 2), (0, 1))]
    box = (
        tuple(
            slice(first - first % step, last + 1) for (first, last), step in zip(ends, (1, PATCH, PATCH), strict=True)
        )
        if known.any()
        else ()
    )
    return planes[:, *box], known[box]


def _view(planes: Array, mask: Flags | None) -> tuple[Array, Flags | None]:
    """Return evenly spread parts of planes (C, Z, Y, X), and of the mask, on top of each other; small ones as they are.

    Not to be sampled again: parts are as many as slices never are.
    """
    slices = spread(planes.shape[1], SLICE_BUDGET)
    # A slice that repeats another shows nothing new, and what is taken from one could not be measured in the other.
    slices = np.array(list({planes[:, k].tobytes(): k for k in slices[::-1]}.values())[::-1])
    if len(slices) < planes.shape[1]:
        planes, mask = planes[:, slices], None if mask is None else mask[slices]
    count = max(TILES // max(len(planes) // 4, 1), LEAST_TILES)
    depth, rows, columns = planes.shape[1:]
    if depth * rows * columns <= count * SIDE**2:
        return planes, mask
    height = min(rows, SIDE)
    width = min(columns, SIDE**2 // height)
    height = min(rows, SIDE**2 // width)
    shares = [(k / count, *((0.5 + k * step) % 1 for step in EVEN)) for k in range(count)]
    tiles = [placed(share, (depth, rows, columns), (1, height, width)) for share in shares]
    cuts = [(slice(*tile.z), slice(*tile.y), slice(*tile.x)) for tile in tiles]
    return (
        np.concatenate([planes[:, *place] for place in cuts], axis=1),
        None if mask is None else np.concatenate([mask[place] for place in cuts]),
    )


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


def usable_in(volume: Array, known: Flags, clipped: Flags) -> tuple[Flags, Array]:
    """Return which patches (by their first pixel) show noise, and the share of clipped pixels around each."""
    shape = (len(volume), *(max(n - PATCH + 1, 0) for n in volume.shape[1:]))
    if 0 in shape:
        return np.zeros(shape, bool), np.zeros(shape)
    # A patch that is constant along an axis is border or graphics, or quantisation has swallowed its noise. A patch
    # that touches it holds less noise than it should.
    down, across = volume[:, 1:] == volume[:, :-1], volume[:, :, 1:] == volume[:, :, :-1]
    still = all_in(down, PATCH - 1, PATCH) | all_in(across, PATCH, PATCH - 1)
    usable = all_in(known, PATCH, PATCH) & all_in(around(~still, PATCH), PATCH, PATCH)
    if not (clipped.any() and usable.any()):
        return usable, np.zeros(shape)
    share = share_in(clipped)
    # Leaving out just the patches that hold a clipped pixel would keep those whose noise is small by chance. Where
    # clipping is everywhere, the least clipped tenth of the picture has to do.
    usable &= share <= max(CLIPPED_SHARE, np.quantile(share[usable], 0.1))
    return usable, share


def share_in(flags: Flags) -> Array:
    """Return the share of flags set in each patch along the last two axes, and the margin around it."""
    sides = flags.shape[-2:]
    total = np.zeros((*flags.shape[:-2], sides[0] + 1, sides[1] + 1), np.int64)
    np.cumsum(np.cumsum(flags, -2, np.int64), -1, out=total[..., 1:, 1:])
    first = [np.maximum(np.arange(n - PATCH + 1) - MARGIN, 0) for n in sides]
    last = [np.minimum(np.arange(n - PATCH + 1) + PATCH + MARGIN, n) for n in sides]
    low, high = (total[..., rows, :] for rows in (first[0], last[0]))
    count = high[..., last[1]] - high[..., first[1]] - low[..., last[1]] + low[..., first[1]]
    return count / np.outer(last[0] - first[0], last[1] - first[1])


@cache
def cosines(size: int) -> Array:
    """Return the orthonormal cosine transform as a matrix, one function a row."""
    k = np.arange(size)
    return np.cos(math.pi / size * np.outer(k, k + 0.5)) * np.sqrt(np.where(k == 0, 1, 2) / size)[:, None]


@cache
def _basis() -> tuple[Array, int]:
    """Return the constant, then the cosine functions of the two bands, as columns; and how many are texture's."""
    rows, k = cosines(PATCH), np.arange(PATCH)
    basis, frequency = np.kron(rows, rows).astype(np.float32), np.add.outer(k, k).ravel()
    texture, noise = basis[np.isin(frequency, TEXTURE_BAND)], basis[np.isin(frequency, NOISE_BAND)]
    return np.concatenate([basis[:1] / PATCH, texture, noise]).T, len(texture)


def _bands(volume: Array, z: Indices, y: Indices, x: Indices) -> tuple[Array, Array, Array]:
    """Return each patch's mean, its energy in the texture band and its coefficients in the noise band."""
    first = np.ravel_multi_index((z, y, x), volume.shape)
    inside = np.add.outer(np.arange(PATCH) * volume.shape[2], np.arange(PATCH)).ravel()
    basis, textures = _basis()
    pixels = volume.ravel()
    mean, texture = np.empty((2, len(first)), np.float32)
    noise = np.empty((len(first), basis.shape[1] - 1 - textures), np.float32)
    for start in range(0, len(first), CHUNK):  # a chunk stays in the cache
        part = slice(start, start + CHUNK)
        coefficients = pixels[first[part, None] + inside] @ basis
        mean[part] = coefficients[:, 0]
        texture[part] = np.square(coefficients[:, 1 : textures + 1]).sum(1)
        noise[part] = coefficients[:, textures + 1 :]
    return mean, texture, noise
