"""Runs the core for query, key and value apart: forward and adjoint of every row of the table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..simd.jit import named
from ..simd.sizes import BYTES, MANTISSA, lanes
from . import kernels_types_apart as kernels
from .kernels_types import Places
from .layout import Buffers, segments
from .spec import PairwiseSpec
from .tiles import Tile, available_cpus, mirror, mirrored, pulse, run_tasks, whole

meet_tile = named("nlmeans.pairwise.kernels_apart", "meet_tile")

GROUP = 12
"""Partners whose scores are kept at once; a multiple of the four that are scored together."""
BLOCK = 48
"""Keys that are spread over all lanes at once, when every key is met."""
ROW = 64
"""Vectors in a row of queries, when every key is met."""
TILE_BYTES = 8 << 20
"""What the far side of a tile may take: it should stay near the second-level cache."""

KINDS = {"gaussian": kernels.GAUSSIAN, "exp": kernels.EXP, "linear": kernels.LINEAR, "relu": kernels.RELU}


@dataclass(frozen=True)
class Averages:
    """The output of the forward pass, and what the adjoint needs from it.

    Attributes
    ----------
    output : ndarray, shape (C, Z, Y, X)
        The averages.
    normaliser : ndarray, shape (1, Z, Y, X)
        C_i.
    top : ndarray, shape (1, Z, Y, X)
        The largest weight; for the weight exp, the largest score.
    own : ndarray, shape (1, Z, Y, X)
        The pixel's own weight.

    Examples
    --------
    >>> import numpy as np
    >>> from nlmeans.pairwise import PairwiseSpec, attend
    >>> x = np.arange(5.0).reshape(1, 1, 1, 5)
    >>> averages = attend(x, x, x, PairwiseSpec((0, 0, 0), (0, 0, 1), 1.0, centre="one"))
    >>> averages.normaliser.round(2).ravel().tolist()
    [1.37, 1.74, 1.74, 1.74, 1.37]
    """

    output: np.ndarray
    normaliser: np.ndarray
    top: np.ndarray
    own: np.ndarray


def attend(
    query: np.ndarray, key: np.ndarray, value: np.ndarray, spec: PairwiseSpec, *, threads: int | None = None
) -> Averages:
    """Average the values around each pixel of the query by the likeness of the keys there: every row of the table.

    Parameters
    ----------
    query : ndarray, shape (E, Z, Y, X)
        Embedding of the pixels that are computed; float32 or float64.
    key : ndarray, shape (E, Z', Y', X')
        Embedding of the pixels that are averaged. Its sides may differ where ``spec.search_radius`` is None.
    value : ndarray, shape (C, Z', Y', X')
        What is averaged.
    spec : PairwiseSpec
        What to compute, pixel by pixel; radii beyond the image are capped to it.
    threads : int, optional
        Threads to run on; by default the CPUs that this process may use. The result is the same, bit for bit.

    Returns
    -------
    Averages
        The output (C, Z, Y, X) and what `attend_adjoint` needs.

    Notes
    -----
    Time grows with pixels · partners · (patch · E + C). Memory: linear in the pixels; no map of pairs is made. Nothing
    is checked but the spec, by itself: that query and key share a grid for a window is up to the caller.

    By X. Wang, R. Girshick, A. Gupta, K. He, "Non-local Neural Networks", CVPR 2018, arXiv:1711.07971.

    Examples
    --------
    >>> import numpy as np
    >>> from nlmeans.pairwise import PairwiseSpec, attend
    >>> x = np.arange(5.0).reshape(1, 1, 1, 5)
    >>> row = dict(score="dot", weight="linear", normalise="count", centre="one")
    >>> attend(x, x, x, PairwiseSpec((0, 0, 0), None, 1.0, **row)).output.ravel().tolist()
    [0.0, 6.0, 12.0, 18.0, 24.0]
    """
    work = _Work(query, key, value, spec, threads)
    sums = work.run(kernels.FORWARD, (work.query,), (work.key, value), len(value) + 2)
    numerator, total, top = sums[:-2], sums[-2:-1], sums[-1:]
    if spec.normalise == "count":
        normaliser = work.partners()
        return Averages(_divide(numerator, normaliser), normaliser, top, np.zeros_like(top))
    own = np.zeros_like(total)
    if spec.weight == "gaussian" and work.same_grid:
        own = {"max": top, "one": np.ones_like(total), "zero": own}[spec.centre]
        own = np.where(total + own == 0, 1, own).astype(total.dtype)
        numerator = numerator + own * value
    return Averages(_divide(numerator, total + own), total + own, top, own)


def attend_adjoint(
    query: np.ndarray,
    key: np.ndarray,
    value: np.ndarray,
    spec: PairwiseSpec,
    averages: Averages,
    gradient: np.ndarray,
    *,
    threads: int | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float, float]:
    """Carry the gradient of a loss from the output of `attend` back to its inputs.

    Parameters
    ----------
    query, key, value, spec, threads
        As for `attend`.
    averages : Averages
        What `attend` returned for them.
    gradient : ndarray, shape (C, Z, Y, X)
        Of the loss with respect to the output.

    Returns
    -------
    d_query, d_key, d_value : ndarray
        Of the inputs' shapes.
    d_scale, d_bias : float
        With respect to the spec's numbers.

    Notes
    -----
    Gathers only: every pixel collects its own gradient from its partners, so nothing depends on the threads. About
    four times the work of the forward pass. Tested by finite differences in float64.

    Examples
    --------
    >>> import numpy as np
    >>> from nlmeans.pairwise import PairwiseSpec, attend, attend_adjoint
    >>> x = np.arange(5.0).reshape(1, 1, 1, 5)
    >>> spec = PairwiseSpec((0, 0, 0), None, 1.0, score="dot", weight="linear", normalise="count", centre="one")
    >>> d_value = attend_adjoint(x, x, x, spec, attend(x, x, x, spec), np.ones_like(x))[2]
    >>> d_value.round(9).ravel().tolist()
    [0.0, 2.0, 4.0, 6.0, 8.0]
    """
    work = _Work(query, key, value, spec, threads)
    dtype = value.dtype
    gradient = np.ascontiguousarray(gradient, dtype)
    share = _divide(np.ones_like(averages.normaliser), averages.normaliser)
    mean = np.zeros_like(share)
    own_gain = np.zeros_like(share)
    if spec.normalise == "sum":
        mean = (gradient * averages.output).sum(0, keepdims=True, dtype=dtype)
    if spec.centre == "max" and work.same_grid:
        own_gain = (gradient * value).sum(0, keepdims=True, dtype=dtype) - mean
    stats = np.concatenate([share, mean, averages.top, own_gain])

    embedding = len(work.query)
    near = work.run(
        kernels.QUERY_SIDE, (work.query, gradient, stats), (work.key, value), embedding + 2
    )  # fmt: skip
    far = work.run(
        kernels.KEY_SIDE, (work.key, value), (work.query, gradient, stats), embedding + len(value) + 2
    )  # fmt: skip
    d_value = far[embedding:-2]
    if work.same_grid:
        d_value = d_value + averages.own * share * gradient
    d_query, d_key = near[:embedding] * spec.scale, far[:embedding] * spec.scale
    if spec.score == "distance":
        d_query = 2 * (work.query * near[-2] * spec.scale - d_query)
        d_key = 2 * (work.key * far[-2] * spec.scale - d_key)
    slopes, moments = (float(plane.sum(dtype=np.float64)) for plane in near[-2:])
    d_bias = -spec.scale * slopes if spec.weight == "gaussian" else 0.0
    return (
        work.fold(d_query.astype(dtype, copy=False), 0, query),
        work.fold(d_key.astype(dtype, copy=False), 1, key),
        d_value.astype(dtype, copy=False),
        moments / work.factor,
        d_bias,
    )


def _divide(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Divide; 0 where there was no partner at all."""
    return np.divide(a, b, out=np.zeros_like(a), where=b != 0)


class _Work:
    """One call's constants, and the tiles of its passes."""

    def __init__(
        self, query: np.ndarray, key: np.ndarray, value: np.ndarray, spec: PairwiseSpec, threads: int | None
    ) -> None:
        if spec.soft or spec.lowest:
            raise ValueError(
                f"soft must be False and lowest 0 for query, key and value apart; got {spec.soft!r} and {spec.lowest:g}"
            )
        self.dtype = value.dtype
        self.lanes = lanes(self.dtype)
        self.same_grid = query.shape[1:] == key.shape[1:]
        self.domain = spec.search_radius is None
        self.threads = threads or available_cpus()
        radii = spec.search_radius or (0, 0, 0)
        z, y, x = (min(r, side - 1) for r, side in zip(radii, query.shape[1:], strict=True))
        self.spec = replace(spec, search_radius=None if self.domain else (z, y, x))
        self.radii = (z, y, x)
        self.alone = self.same_grid and (spec.weight == "gaussian" or spec.centre == "zero")
        self.query, self.key = self.embed(query, 0), self.embed(key, 1)
        binary = spec.weight in ("gaussian", "exp")
        self.factor = spec.scale * (math.log2(math.e) if binary else 1.0)

    def embed(self, image: np.ndarray, side: int) -> np.ndarray:
        """Unfold patches into channels; a_i + b_j becomes the dot product of (a_i, 1) and (1, b_j)."""
        if self.spec.patch_size > 1:
            z, y, x = image.shape[1:]
            source = np.arange(z * y * x).reshape(z, y, x)[self.patch_sources(image)]
            image = image.reshape(len(image), -1)[:, source].reshape(-1, z, y, x)
        if self.spec.score == "sum":
            total = image.sum(0, keepdims=True, dtype=self.dtype)
            image = np.concatenate([total, np.ones_like(total)][:: -1 if side else 1])
        return np.ascontiguousarray(image)

    def patch_sources(self, image: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return the (z, y, x) that each patch pixel of each pixel reads, broadcast to (patch, Z, Y, X)."""
        sides, radii = image.shape[1:], self.spec.patch_radius
        offsets = np.indices([2 * r + 1 for r in radii]).reshape(3, -1)
        places = []
        for axis, (side, radius) in enumerate(zip(sides, radii, strict=True)):
            table = mirror(-radius, side + radius, side)
            shape = [-1 if k == axis + 1 else 1 for k in range(4)]
            places.append(table[offsets[axis][:, None, None, None] + np.arange(side).reshape(shape)])
        return tuple(places)

    def fold(self, gradient: np.ndarray, side: int, image: np.ndarray) -> np.ndarray:
        """Carry a gradient back through `embed`."""
        if self.spec.score == "sum":
            own = gradient[1:] if side else gradient[:1]
            gradient = np.repeat(own, len(image) * self.spec.patch_size, axis=0)
        if self.spec.patch_size == 1:
            return gradient
        z, y, x = image.shape[1:]
        places = np.arange(z * y * x).reshape(z, y, x)[self.patch_sources(image)].ravel()
        rows = gradient.reshape(len(image), -1)
        folded = [np.bincount(places, row, minlength=z * y * x) for row in rows]
        return np.stack(folded).reshape(image.shape).astype(self.dtype)

    def partners(self) -> np.ndarray:
        """Return how many partners each pixel has."""
        counts = np.ones((1, *self.query.shape[1:]), self.dtype)
        if self.domain:
            counts *= math.prod(self.key.shape[1:])
        else:
            for axis, (side, radius) in enumerate(zip(self.query.shape[1:], self.radii, strict=True)):
                k = np.arange(side)
                here = np.minimum(k + radius, side - 1) - np.maximum(k - radius, 0) + 1
                counts *= here.astype(self.dtype).reshape([-1 if a == axis + 1 else 1 for a in range(4)])
        return counts - self.dtype.type(self.alone)

    def run(self, mode: int, near: Sequence[np.ndarray], far: Sequence[np.ndarray], planes: int) -> np.ndarray:
        """Let every near pixel meet its partners; return the sums, (planes, Z, Y, X) of the near side."""
        sides = near[0].shape[1:]
        near, far = ([np.ascontiguousarray(a, self.dtype) for a in side] for side in (near, far))
        if self.domain:
            near, far = ([a.reshape(len(a), 1, 1, -1) for a in side] for side in (near, far))
        nothing = np.empty((0, 1, 1, 1), self.dtype)
        near, far = (tuple([*side, nothing][:3]) for side in (near, far))
        out = np.empty((planes, *near[0].shape[1:]), self.dtype)
        task = _Pass(self, mode, near, far, out)
        window = far[0][0].size if self.domain else math.prod(2 * r + 1 for r in self.radii)
        run_tasks(task, task.tiles(), self.threads, None, terms=window * sum(a.size for a in near))
        return out.reshape(planes, *sides)


class _Pass:
    """The tiles of one pass: forward, or one side of the adjoint."""

    def __init__(
        self, work: _Work, mode: int, near: tuple[np.ndarray, ...], far: tuple[np.ndarray, ...], out: np.ndarray
    ) -> None:
        self.work, self.near, self.far, self.out = work, near, far, out
        self.far_channels = sum(len(a) for a in far)
        self.near_channels = sum(len(a) for a in near)
        spec, factor = work.spec, work.factor
        outcast = {"gaussian": 1e30, "exp": -1e30}.get(spec.weight, 0)
        numbers = map(work.dtype.type, (factor, spec.bias * factor, 0, 1e30, 1, outcast))
        self.rule = kernels.Rule(mode, KINDS[spec.weight], _power(spec, work.dtype), *numbers)
        ones = np.ones(max(self.near_channels, self.far_channels))
        self.window = kernels.Window(work.radii, work.domain, work.alone, GROUP, BLOCK, ones)
        self.buffers = Buffers()

    def tiles(self) -> list[Tile]:
        """Cut the near side into tiles, by its shape only."""
        _, height, width = sides = self.near[0].shape[1:]
        if self.work.domain:
            return whole(sides).cut((1, 1, ROW * self.work.lanes))
        rz, ry, rx = self.work.radii
        row = (math.ceil(width / self.work.lanes) + 2 * rx) * BYTES * self.far_channels * (2 * rz + 1)
        return whole(sides).cut((1, max(1, min(height, ry + 8, TILE_BYTES // row - 2 * ry)), width))

    def __call__(self, tile: Tile) -> None:
        """Compute one tile."""
        work, domain, dtype = self.work, self.work.domain, self.work.dtype
        (z0, z1), (y0, y1), (x0, x1) = tile
        rz, ry, rx = work.radii
        count = math.ceil((x1 - x0) / work.lanes)
        count = min(count, ROW) if domain else count
        position = segments(x0, count, 0, 0, dtype)
        near = Places(np.arange(z0, z1), np.arange(y0, y1), mirrored(position, self.near[0].shape[3]))
        position = position if domain else segments(x0, count, rx, rx, dtype)
        depth, height, width = self.far[0].shape[1:]
        far = Places(mirror(z0 - rz, z1 + rz, depth), mirror(y0 - ry, y1 + ry, height), mirrored(position, width))
        vectors = near.planes.size * near.rows.size * count
        partners = BLOCK if domain else far.planes.size * far.rows.size * len(position)
        needed = (
            self.near_channels * vectors,
            self.far_channels * partners + 3,  # scores are taken four partners at a time
            BLOCK if domain else len(position),
            GROUP * count,
            GROUP * count,
            count,
            len(self.out) * count,
        )
        scratch = kernels.Scratch(*self.buffers.of([(n, dtype) for n in needed]))
        if not domain:
            scratch.real[:] = ((position >= 0) & (position < width)).ravel()
        meet_tile(self.rule, self.window, self.near, self.far, tile, near, far, scratch, self.out, pulse())


def _power(spec: PairwiseSpec, dtype: np.dtype) -> kernels.Power:
    """Return how `kernels_apart.exp2_minus` counts.

    A gaussian weight ends at the spec's ``vanish``; an exponential one, relative to the largest, far below the type's
    precision.
    """
    mantissa = MANTISSA[dtype]
    ends = round(-math.log2(spec.vanish)) if spec.weight == "gaussian" or dtype.itemsize == 4 else 60
    places = mantissa - 6
    real, whole_number = dtype.type, np.dtype(f"i{dtype.itemsize}").type
    end = (ends << places) + 1
    return kernels.Power(
        real(2.0**mantissa), real(2.0**mantissa + end), real(2.0**places),
        whole_number(mantissa - places), whole_number(end),
    )  # fmt: skip
