"""The weights of one output pixel, in plain NumPy: for looking inside, and for checking the kernels by eye."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np

from . import naive
from .spec import PairwiseSpec

Box = tuple[slice, ...]


def pixel_weights(
    features: np.ndarray,
    spec: PairwiseSpec,
    at: Sequence[int],
    *,
    valid: np.ndarray | None = None,
    variance: np.ndarray | None = None,
) -> np.ndarray:
    """Return the weights with which one output pixel was averaged.

    Parameters
    ----------
    features : ndarray, shape (F, Z, Y, X)
        What patches are compared by, in units of the noise.
    spec : PairwiseSpec
        What was computed, with a gaussian weight; either aggregation.
    at : sequence of 3 int
        The output pixel (z, y, x).
    valid : ndarray of bool, shape (Z, Y, X), optional
        False where a pixel is missing. It is averaged with no pixel and counts in no score: a score is the mean
        over the places that count in both patches, times the patch's size. Two patches without such a place have
        weight 0. Patchwise, a patch's weights are divided by the sum over all pixels, and those of the output pixel
        by what lies on valid ones.
    variance : ndarray, shape (Z, Y, X), optional
        Variance of the features' noise, above 0: a pair's score is divided by the mean of its two patches' variances.

    Returns
    -------
    ndarray of float64, shape (Z, Y, X)
        They sum to 1: the output is ``(weights * values).sum()``. Where nothing is like a missing pixel, they
        are equal on the valid pixels of its window; where there are none of these, 1 for the pixel itself.

    Raises
    ------
    ValueError
        If the weight is not gaussian, or the pixel lies outside.

    Notes
    -----
    Pixelwise, the work is window × patch, patchwise window × patch². By A. Buades, B. Coll, J.-M. Morel, *A review of
    image denoising algorithms, with a new one*, 2005, doi:10.1137/040616024.

    Examples
    --------
    >>> import numpy as np
    >>> from nlmeans.pairwise import PairwiseSpec, pixel_weights
    >>> steps = np.array([0.0, 0, 9, 9, 0]).reshape(1, 1, 1, 5)
    >>> pixel_weights(steps, PairwiseSpec((0, 0, 0), (0, 0, 4), 1.0), (0, 0, 1)).round(2).ravel()
    array([0.33, 0.33, 0.  , 0.  , 0.33])
    """
    sides = features.shape[1:]
    if spec.weight != "gaussian":
        raise ValueError(f"weights are shown of a spec with a gaussian weight; got {spec.weight!r}")
    if len(at) != 3 or not all(0 <= place < side for place, side in zip(at, sides, strict=True)):
        raise ValueError(f"the pixel must be a (z, y, x) within an image of {sides}; got {tuple(at)}")
    around = _Surroundings(features, spec, at, valid, variance)
    window = around.outside(around.box(around.window, around.at))
    output = np.zeros(sides)
    if spec.aggregation == "pixel":
        output[window] = around.weigh(around.at)
    else:
        _add_patches(output, around)
    if valid is not None:
        output = np.where(valid, output, 0.0)
        if not output.any():
            output[window] = valid[window]
        if not output.any():
            output[tuple(at)] = 1.0
    return output / output.sum()


class _Surroundings:
    """The part of the image that one output pixel depends on, and a border as wide as a patch's half around it.

    Places are (z, y, x) in that part without the border; the border is mirrored where the image ends.
    """

    def __init__(
        self,
        features: np.ndarray,
        spec: PairwiseSpec,
        at: Sequence[int],
        valid: np.ndarray | None,
        variance: np.ndarray | None,
    ) -> None:
        sides, self.spec = features.shape[1:], spec
        self.window = sides if spec.search_radius is None else spec.search_radius
        reach = [w + r * (spec.aggregation == "patch") for w, r in zip(self.window, spec.patch_radius, strict=True)]
        self.low = tuple(max(place - n, 0) for place, n in zip(at, reach, strict=True))
        high = [min(place + n + 1, side) for place, n, side in zip(at, reach, sides, strict=True)]
        self.at = tuple(place - low for place, low in zip(at, self.low, strict=True))
        self.sides = tuple(b - a for a, b in zip(self.low, high, strict=True))
        #: For each axis, the image's pixels that the part and its border read.
        self.pixels = tuple(
            np.pad(np.arange(side), radius, mode="reflect")[a : b + 2 * radius]
            for side, radius, a, b in zip(sides, spec.patch_radius, self.low, high, strict=True)
        )
        read = np.ix_(*self.pixels)
        self.valid = None if valid is None else valid[read]
        self.features = np.moveaxis(features, 0, -1)[read].astype(np.float64)  # the features of a pixel last
        if self.valid is not None:
            self.features[~self.valid] = 0.0  # not NaN, say
        self.variance = None if variance is None else self._patch_mean(variance[read].astype(np.float64))

    def box(self, radii: Sequence[int], place: Sequence[int]) -> Box:
        """Return the real pixels within ``radii`` of a place."""
        return tuple(
            slice(max(p - r, 0), min(p + r + 1, side)) for p, r, side in zip(place, radii, self.sides, strict=True)
        )

    def outside(self, box: Box) -> Box:
        """Return the same box of the whole image."""
        return tuple(slice(low + b.start, low + b.stop) for low, b in zip(self.low, box, strict=True))

    def weigh(self, place: Sequence[int]) -> np.ndarray:
        """Return the weights of a patch with those of its window; their sum is 1, or 0 for a missing pixel."""
        box = self.box(self.window, place)
        itself = tuple(p - b.start for p, b in zip(place, box, strict=True))
        f = naive.weights(self._scores(place, box), self.spec)
        f[itself] = 0.0
        missing = False
        if self.valid is not None and self.spec.aggregation == "pixel":
            there = self.valid[_moved(box, self.spec.patch_radius)]
            f, missing = np.where(there, f, 0.0), not there[itself]
        if not missing:
            f[itself] = naive.own_weight(f, self.spec)
            f[itself] = f[itself] if f.any() else 1.0
        return f / (f.sum() or 1.0)

    def _scores(self, place: Sequence[int], box: Box) -> np.ndarray:
        """Return the scores of the patch at a place with those of a box; infinity where no place counts in both."""
        scores = np.zeros([b.stop - b.start for b in box])
        count = np.zeros(scores.shape, int)
        for offset in self._offsets():
            here, there = tuple(p + k for p, k in zip(place, offset, strict=True)), _moved(box, offset)
            step = self.features[there] - self.features[here]
            square = np.einsum("zyxf,zyxf->zyx", step, step)
            if self.valid is None:
                scores += square
            elif self.valid[here]:
                scores += np.where(self.valid[there], square, 0.0)
                count += self.valid[there]
        if self.valid is not None:
            scores = np.where(count, scores * self.spec.patch_size / np.maximum(count, 1), np.inf)
        if self.variance is not None:
            scores *= 2 / (self.variance[tuple(place)] + self.variance[box])
        return scores

    def _patch_mean(self, bordered: np.ndarray) -> np.ndarray:
        whole = tuple(slice(0, side) for side in self.sides)
        total = sum((bordered[_moved(whole, offset)] for offset in self._offsets()), np.zeros(self.sides))
        return total / self.spec.patch_size

    def _offsets(self) -> Iterator[tuple[int, ...]]:
        """Yield the places of a patch, counted from its first; with the border, that has the number of its centre."""
        return product(*(range(2 * radius + 1) for radius in self.spec.patch_radius))


def _moved(box: Box, offset: Sequence[int]) -> Box:
    """Return a box moved onwards."""
    return tuple(slice(b.start + k, b.stop + k) for b, k in zip(box, offset, strict=True))


def _add_patches(output: np.ndarray, around: _Surroundings) -> None:
    """Add the weights that each patch around the output pixel gives to the pixel's fellows in other patches.

    Those may lie in a patch's mirrored border, and then stand for the pixels that it reads.
    """
    radius = around.spec.patch_radius
    total = np.zeros([len(pixels) for pixels in around.pixels])
    for place in product(*(range(b.start, b.stop) for b in around.box(radius, around.at))):
        onwards = [r + own - p for r, own, p in zip(radius, around.at, place, strict=True)]
        total[_moved(around.box(around.window, place), onwards)] += around.weigh(place)
    np.add.at(output, np.ix_(*around.pixels), total)
