"""Dask arrays, denoised lazily block by block, with the halo of the plan."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from .. import _checks, _companions, _containers
from .._axes import Layout
from ..methods import registry
from ..methods.part import Pixels, denoised
from ..methods.recipe import Recipe
from ..methods.sample import Parts, maps_of, recipe_of
from ..pairwise.spec import Radii
from ..pairwise.tiles import Tile
from ..plan.options import Options
from ..plan.plan import Plan

if TYPE_CHECKING:
    from .._typing import Container, DType, ImageT, Sigma
    from ..plan.options import MapArguments

__all__ = ["denoise", "plan"]

PIXELS = {2: 1 << 22, 3: 1 << 24}
"""Values of a block, by the number of spatial axes: blocks then read a few per cent of a picture twice, and compute a
tenth of a volume twice."""
NOT_LAZY = ("progress", "cancel", "out", "full_output")
"""Options that only make sense where the work is done at once."""


def denoise(
    image: ImageT,
    sigma: Sigma = None,
    *,
    fill: bool | None = None,
    threads: int | None = None,
    dtype: DType = None,
    block: int | None = None,
    **options: Unpack[MapArguments],
) -> ImageT:
    """Denoise a dask array lazily; `nlmeans.denoise` calls this for one.

    Parameters
    ----------
    image : dask.array.Array
        As for `nlmeans.denoise`; in an xarray.DataArray too.
    sigma, fill, dtype, **options
        As for `nlmeans.denoise`; ``mask``, ``guide`` and a map of σ may be dask arrays too. Not for dask arrays are
        ``progress`` (dask has its own: `dask.diagnostics.ProgressBar`), ``cancel``, ``out``, ``full_output`` and
        methods that need the whole image.
    threads : int, optional
        Threads for each block; by default one, since dask runs blocks in parallel.
    block : int, optional
        About how many values a block has, at least 1; none is thinner than the halo. By default four million in a
        picture and 16 million in a volume.

    Returns
    -------
    dask.array.Array
        Shape and chunks of the image, and its dtype unless ``dtype`` is given.

    Raises
    ------
    TypeError, ValueError
        As `nlmeans.denoise`, and for ``search_radius="image"``, which needs the whole image.

    See Also
    --------
    nlmeans.tiled.plan : the chosen parameters.
    nlmeans.large.denoise : files.

    Notes
    -----
    The noise and all parameters are decided once, when this is called, from a sample: 16 evenly spread crops of 2¹⁷
    pixels, which are computed then; smaller images are computed whole. Each of separate images (axis N) is sampled.
    With the same recipe the result is that of the whole image, up to rounding, whatever the chunks: in holes of missing
    pixels wider than the search window only if the sample has missing pixels or there is a mask; and between two
    patches that are equally similar, method "ridge" chooses by rounding.

    Chunks are grouped into blocks, whose values need some tens of bytes of memory each while they are computed.

    Examples
    --------
    >>> import dask.array as da, nlmeans
    >>> noisy = da.random.default_rng(0).normal(100, 10, (300, 200), chunks=(100, 200))
    >>> clean = nlmeans.denoise(noisy, sigma=10)
    >>> clean.chunks == noisy.chunks, bool(clean.std().compute() < 3)
    (True, True)
    """
    import dask.array as da

    container = _containers.opened(image)
    if container is not None:
        given = {**options, "fill": fill, "threads": threads, "dtype": dtype, "sigma": sigma}
        inner: dict[str, Any] = container.arguments(given, _honoured(options))
        return container.around(denoise(container.pixels, block=block, **inner))
    keep = _checks.flag(fill, "fill") is False
    workers = _checks.threads(threads) or 1
    array: Any = _checks.image(image, lazy=True)
    dtype = _checks.result_type(dtype, array.dtype)
    parts, layout, recipes, missing = _decided(image, sigma, {**options})
    values = PIXELS[len(layout.space)] if block is None else _checks.integer(block, "block")
    if values < 1:
        raise ValueError(f"block must be at least 1; got {values}")
    how = missing, keep, workers, dtype, values
    planes = [_lazy(parts, index, recipe, *how) for index, recipe in enumerate(recipes)]
    result: Any = layout.array(da.concatenate(planes) if len(planes) > 1 else planes[0])
    return result.rechunk(array.chunks)


def _lazy(
    parts: dict[str, Any],
    index: int,
    recipe: Recipe,
    missing: bool,
    keep: bool,
    threads: int,
    dtype: np.dtype,
    values: int,
) -> Any:
    """Return one of separate images, denoised lazily, as planes (1, C, Z, Y, X) in blocks."""
    import dask.array as da

    reach = recipe.reach(missing)
    blocks = _blocks(parts["image"], reach, len(Layout(recipe.plan.axes).space), values)
    halo = [r if len(sizes) > 1 else 0 for r, sizes in zip(reach, blocks, strict=True)]
    cuts = {0: 1, 1: -1} | dict(zip((2, 3, 4), blocks, strict=True))
    arrays = [part[index : index + 1].rechunk(cuts) for part in parts.values()]
    return da.map_overlap(
        _block, *arrays, depth=[dict(zip((2, 3, 4), halo, strict=True))] * len(arrays), boundary="none", trim=False,
        allow_rechunk=False, align_arrays=False, dtype=dtype, meta=np.empty((0,) * 5, dtype),
        chunks=arrays[0].chunks, names=list(parts), recipe=recipe, starts=[_starts(sizes) for sizes in blocks],
        halo=halo, keep=keep, threads=threads, result_type=dtype,
    )  # fmt: skip


def plan(image: Container, sigma: Sigma = None, **options: Unpack[MapArguments]) -> Plan:
    """Return the plan by which `denoise` would denoise a dask array; of separate images, the first one's.

    Parameters
    ----------
    image, sigma, **options
        As for `denoise`.

    Returns
    -------
    Plan

    Raises
    ------
    TypeError, ValueError
        As `denoise`.

    Notes
    -----
    A sample of the image is computed.

    Examples
    --------
    >>> import dask.array as da
    >>> from nlmeans import tiled
    >>> noisy = da.random.default_rng(0).normal(100, 10, (300, 200), chunks=(100, 200))
    >>> tiled.plan(noisy, sigma=10, search_radius=5).search_radius
    (5, 5)
    """
    return _decided(image, sigma, {**options})[2][0].plan


def _honoured(options: Mapping[str, Any]) -> Collection[str]:
    """Return the options that the method takes."""
    return registry.method_of(options.get("method")).options


def _decided(image: Any, sigma: Any, options: dict[str, Any]) -> tuple[dict[str, Any], Layout, list[Recipe], bool]:
    """Return planes (N, C, Z, Y, X) by their names, the layout, each image's recipe, and whether pixels are missing."""
    image, options = _containers.taken(image, options | {"sigma": sigma}, _honoured(options))
    sigma = options.pop("sigma")
    given = {name: value for name, value in options.items() if value is not None}
    own = {name: given.pop(name, None) for name in ("axes", "channel_axis", "mask", "guide", "noise")}
    unknown = [name for name in NOT_LAZY if given.pop(name, False) is not False]
    if unknown:
        raise TypeError(f"a dask array is denoised lazily, without {', '.join(unknown)}: leave out")
    method = registry.method_of(given.pop("method", None))
    Options.check_names(given)
    registry.check(method, given, whole=False)
    array: Any = _checks.image(image, lazy=True)
    if not _checks.is_dask(image):
        raise TypeError(f"the image must be a dask array here; got {_checks.called(image)}: nlmeans.denoise takes it")
    if not isinstance(array._meta, np.ndarray) or hasattr(array._meta, "mask"):
        raise TypeError(f"the chunks must be plain NumPy arrays; got {_checks.called(array._meta)}")
    if any(math.isnan(side) for side in array.shape):
        raise ValueError(f"the array's shape must be known (compute_chunk_sizes() finds it); got {array.shape}")
    layout = _checks.layout(array, own["axes"], own["channel_axis"])
    maps = maps_of(sigma, own["noise"])
    companions = {"mask": own["mask"], "guide": own["guide"], **maps}
    planes = {"image": layout.planes(array)} | {
        name: _planes(part, name, array, layout) for name, part in companions.items() if part is not None
    }
    count, channels, *sides = planes["image"].shape
    parts = Parts.of((sides[0], sides[1], sides[2]), channels, count, {name: _reader(p) for name, p in planes.items()})
    given |= {"sigma": None if "sigma" in maps else sigma, "noise": own["noise"]}
    decided = [recipe_of(parts, k, layout, method, **given) for k in range(count)]
    return planes, layout, [recipe for recipe, _ in decided], "mask" in planes or any(lost for _, lost in decided)


def _planes(part: Any, name: str, image: Any, layout: Layout) -> Any:
    """Return a mask, a map of σ or a guide as planes (N, C or 1, Z, Y, X) in the image's chunks."""
    import dask.array as da

    values: Any = part if _checks.is_dask(part) else _checks.unmasked(part, name)
    if values.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold numbers; got dtype {values.dtype}")
    lazy = da.asarray(values)
    if name == "mask" and lazy.dtype != np.bool_:
        raise ValueError(f"mask must be boolean, True where a pixel counts; got {lazy.dtype}")
    of = Layout(layout.axes.replace("C", "")) if name == "mask" else layout
    sides = tuple(n for axis, n in zip(layout.axes, image.shape, strict=True) if axis in of.axes)
    names = of.fitting(name, lazy.shape, sides)
    if not names:
        plain = tuple(n for axis, n in zip(layout.axes, image.shape, strict=True) if axis != "C")
        raise ValueError(f"{name} must have the image's shape, {plain} without channels; got {lazy.shape}")
    whole = of.aligned(lazy, _companions.only(names, name, lazy.shape))
    lengths = zip(of.axes, whole.shape, sides, strict=True)
    spread = da.broadcast_to(whole, tuple(1 if axis == "C" and n == 1 else side for axis, n, side in lengths))
    chunks = zip(of.axes, spread.shape, strict=True)
    cut = dict(zip(layout.axes, image.chunks, strict=True))
    return of.planes(spread.rechunk(tuple((1,) if side == 1 else cut[axis] for axis, side in chunks)))


def _reader(planes: Any) -> Any:
    """Return a function that computes tiles of planes (N, C, Z, Y, X), all at once."""

    def read(index: int, tiles: Sequence[Tile]) -> list[np.ndarray]:
        import dask

        places = [(slice(*tile.z), slice(*tile.y), slice(*tile.x)) for tile in tiles]
        return list(dask.compute(*(planes[index][:, *place] for place in places)))

    return read


def _blocks(planes: Any, halo: Radii, space: int, values: int) -> list[tuple[int, ...]]:
    """Return the sides of blocks along z, y and x: groups of chunks, none thinner than the halo."""
    values, depth = values // planes.shape[1], planes.shape[2]
    deep = depth if space == 2 else min(depth, max(round((values / 4) ** (1 / 3)), halo[0], 1))
    side = max(math.isqrt(max(values // deep, 1)), 1)
    return [
        grouped(chunks, target, least)
        for chunks, target, least in zip(planes.chunks[2:], (deep, side, side), halo, strict=True)
    ]


def grouped(chunks: Sequence[int], target: int, least: int) -> tuple[int, ...]:
    """Return chunks joined until they are about as long as the target, and at least ``least``; long ones are cut.

    >>> grouped((64, 64, 64, 64, 10), 128, 20), grouped((1000,), 300, 20)
    ((128, 138), (334, 333, 333))
    """
    aim, blocks, open_ = max(target, least), [], 0
    for length in chunks:
        open_ += length
        if 4 * open_ >= 3 * aim and open_ >= least:
            count = max(min(round(open_ / aim), open_ // max(least, 1)), 1)
            blocks += [open_ // count + (k < open_ % count) for k in range(count)]
            open_ = 0
    if open_ and blocks and (2 * open_ < aim or open_ < least):
        blocks[-1] += open_
    elif open_:
        blocks.append(open_)
    return tuple(blocks)


def _starts(sizes: Sequence[int]) -> list[int]:
    return [0, *np.cumsum(sizes).tolist()]


def _block(
    *arrays: np.ndarray,
    names: list[str],
    recipe: Recipe,
    starts: list[list[int]],
    halo: Sequence[int],
    keep: bool,
    threads: int,
    result_type: np.dtype,
    block_id: tuple[int, ...] = (0,) * 5,
) -> np.ndarray:
    """Denoise one block, given with its halo; return it without."""
    inner = [(cuts[k], cuts[k + 1]) for cuts, k in zip(starts, block_id[2:], strict=True)]
    origin = [max(first - reach, 0) for (first, _), reach in zip(inner, halo, strict=True)]
    part = {name: array[0] for name, array in zip(names, arrays, strict=True)}
    core = Tile(*inner).moved(origin)
    (z, y, x), (depth, height, width) = origin, (cuts[-1] for cuts in starts)
    pixels = Pixels.of(part, core, (z, y, x), (depth, height, width))
    return denoised(pixels, recipe, keep=keep, threads=threads, dtype=result_type).pixels[None]
