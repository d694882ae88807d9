"""denoise(): from a file to a file, block by block, and on from where an earlier run stopped."""

from __future__ import annotations

import math
import time
from contextlib import ExitStack, closing
from dataclasses import asdict, replace
from functools import partial
from hashlib import sha256
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Unpack, get_args, get_type_hints

import numpy as np

from .. import _checks
from .._notes import Note
from .._progress import Cancelled, Progress, bar, stoppable
from .._version import __version__
from ..formats.arrays import ArrayInfo, Source
from ..formats.inside import split
from ..formats.picture import PictureError, series_of
from ..formats.table import to_write
from ..methods import registry
from ..methods.method import Method
from ..methods.part import SHADES
from ..methods.recipe import Recipe
from ..methods.sample import evidence_of, maps_of, recipe_of
from ..pairwise.tiles import available_cpus
from ..plan.defaults import DEFAULTS_VERSION
from ..plan.options import Options
from ..plan.plan import Plan
from ..plan.report import Report
from . import files
from .apart import Apart
from .blocks import Sizes
from .inputs import Axes, Inputs, Watch
from .output import Output
from .residual import Residual
from .task import COUNTED
from .work import Resources, carry_out
from .workers import Cluster

if TYPE_CHECKING:
    from .._typing import Companion, DType, Event, FilePath, Sigma
    from ..noise.model import NoiseModel
    from ..noise.patches import Evidence
    from ..plan.options import MethodTuning

    class FileArguments(MethodTuning, total=False):
        """What `sampled` takes besides."""

        mask: Companion | FilePath | None
        guide: Companion | FilePath | None
        noise: NoiseModel | Literal["auto"] | None
        nodata: float | None
        max_pixels: int | None
        series: int | str | None


FORM = 3
"""Of the record of an output: raised when what stands in it changes, so that no unfinished one is misread."""


def denoise(
    source: FilePath,
    target: FilePath,
    sigma: Sigma | FilePath = None,
    *,
    axes: str | None = None,
    channel_axis: int | None = None,
    mask: Companion | FilePath | None = None,
    guide: Companion | FilePath | None = None,
    noise: NoiseModel | Literal["auto"] | None = None,
    fill: bool | None = None,
    dtype: DType = None,
    nodata: float | None = None,
    max_pixels: int | None = None,
    series: int | str | None = None,
    residual: FilePath | None = None,
    others: Literal["copy", "link"] | None = None,
    crf: int | None = None,
    max_memory: float | None = None,
    scheduler: str | None = None,
    threads: int | None = None,
    overwrite: bool | None = None,
    progress: bool | Progress | None = None,
    cancel: Event | None = None,
    sizes: Sizes | None = None,
    **options: Unpack[MethodTuning],
) -> Report:
    """Denoise a file into another, block by block: in little memory, on this machine or on a cluster.

    Parameters
    ----------
    source : path
        A Zarr array, an OME-Zarr image (``image.zarr``, or ``store.zarr/name`` for what is in a store), a TIFF or an
        NPY file, or a video.
    target : path
        A Zarr store, TIFF or NPY file, or of a video a video, as the name ends. It has the source's shape and type,
        unless ``dtype`` is given; from Zarr to Zarr all metadata, chunks, shards and codecs are kept and coarser levels
        are made anew, from TIFF to TIFF and from video to video what the file says besides its pixels; of a video luma
        and chroma are denoised apart, each at its own resolution, and the frames take room on disk unpacked until the
        end. Until all is done it is called ``target.part``, with ``target.part.manifest`` beside;
        what has such a name and is none of a run's is left alone and refused.
    sigma, mask, guide : optional
        As for `nlmeans.denoise`, or paths of files of the source's shape, with channels or (mask: always) without, or
        of the shape of one of separate images; a mask is 0 where a pixel does not count.
    axes, channel_axis, noise, fill, dtype, **options
        As for `nlmeans.denoise`; ``axes`` and ``spacing`` are by default the file's.
    nodata : float, optional
        The value that stands for "no data here", by default what the source declares: such pixels come back as they
        are, and have no say in others.
    max_pixels : int, optional
        As for `nlmeans.io.read`: what a file may claim beyond what it holds. It does not bound what is really there.
    series : int or str, optional
        Which of several images in the source, as for `nlmeans.io.read`.
    residual : path, optional
        A file for what was taken away, in the source's axes: source − result, in a type that has a sign.
    others : "copy" or "link", optional
        What else is in a Zarr store, such as labels and other images: copied, or linked to by names that lead from the
        new store to the old one. Left out by default.
    crf : int, optional
        Of a video: the rate factor of its encoder, by default one that takes away much less than the noise that is
        left; larger means smaller files.
    max_memory : float, optional
        Bytes that this process shall take at most; by default half of the machine's. On a cluster: that a thread of a
        worker may take for a block; by default six tenths of the worker's memory over its threads.
    scheduler : str, optional
        Address of a dask scheduler whose workers do the work; they must see the files under the same names.
    threads : int, optional
        Threads to use here; by default the CPUs that this process may use.
    overwrite : bool, default False
        Replace an output that exists.
    progress, cancel
        As for `nlmeans.denoise`; progress counts blocks. On a cluster, blocks that were begun are ended.
    sizes : Sizes, optional
        Of blocks; the default suits the machines of today.

    Returns
    -------
    Report
        With one plan for each separate image.

    Raises
    ------
    TypeError, ValueError
        As `nlmeans.denoise`, and if ``max_memory`` does not suffice; `nlmeans.io.PictureError` for a file that cannot
        be read or written so, an unfinished output that was begun otherwise, or an input that changes under way, of
        which nothing is kept.
    OSError
        For files that are not there, or may not be written.
    Unfinished
        If something went wrong half-way, such as a disk that is full, a chunk that is damaged, or a scheduler that went
        away.

    Notes
    -----
    The noise and all parameters are decided once, from a sample (`nlmeans.tiled.denoise`), and what comes out is what
    the whole image would have become, up to rounding. Blocks are made of whole chunks (shards, where there are). When a
    run is killed, at whichever operation, the same call does only what is missing: the manifest says which blocks are
    done and of what the output is made. Another input, other parameters or another version of this library is refused.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from nlmeans import large
    >>> place = tempfile.mkdtemp()
    >>> noisy = np.random.default_rng(0).normal(100, 10, (300, 200)).astype("float32")
    >>> np.save(f"{place}/noisy.npy", noisy)
    >>> report = large.denoise(f"{place}/noisy.npy", f"{place}/clean.npy", sigma=10)
    >>> bool(np.load(f"{place}/clean.npy").std() < 3)
    True
    """
    start, path, held = time.perf_counter(), Path(target).resolve(), files.most_memory()  # a link is followed
    others = None if others is None else _checks.choice(others, "others", ("copy", "link"))
    keep, cpus = _checks.flag(fill, "fill") is False, _checks.threads(threads) or available_cpus()
    replacing = bool(_checks.flag(overwrite, "overwrite"))
    shown_to, event = _checks.progress(progress), _checks.cancel(cancel)
    memory = None if max_memory is None else _checks.real(max_memory, "max_memory")
    if memory is not None and memory <= 0:
        raise ValueError(f"max_memory is in bytes and must be above 0; got {memory:g}")

    def stop(*_: Any) -> None:
        if event is not None and event.is_set():
            raise Cancelled("stopped by the cancel event; the same call goes on from there")

    def check(over: bool = replacing) -> None:
        files.check_target(fmt, path, (source, mask, guide, sigma), over)

    stop()
    fmt = to_write(path, "create")
    path = fmt.file(path)
    beside = None if residual is None else Path(residual).resolve()
    if crf is not None and "crf" not in fmt.write_options:
        raise PictureError(f"crf is for videos; got {target}")
    if beside is not None and not fmt.exact:
        raise PictureError(f"a residual must be of what is written exactly, which a {fmt.name} is not; got {residual}")
    if beside is not None:
        files.check_target(to_write(beside, "create"), beside, (source, mask, guide, sigma), replacing)
        if split(beside)[0] in (path, split(Path(source).resolve())[0]):
            raise PictureError(f"the residual must be a file of its own; got {residual}")
    check(over=True)  # what is there may be what a run made that was killed before it could tidy up
    with Output(path) as output, ExitStack() as stack:
        if not output.delivered:
            check()
        method = registry.method_of(options.pop("method", None))
        companions = {"mask": mask, "guide": guide}
        of, given = _opened(
            source, axes, channel_axis, companions, sigma, noise, max_pixels, series, method,
            {**options, "nodata": nodata},
        )  # fmt: skip
        again: dict[str, Any] = {"noise": noise, "fill": fill, "nodata": nodata, "max_pixels": max_pixels}
        again |= {"max_memory": max_memory, "scheduler": scheduler, "threads": threads, "cancel": cancel}
        again |= {**options, "method": method}
        apart = Apart(of.image, partial(denoise, sigma=sigma, sizes=sizes, **again))
        apart.check(fmt, [*of.companions, *([] if axes is None and channel_axis is None else ["axes"])])
        kind = _checks.result_type(dtype, of.image.info.dtype)
        watch = Watch(of)
        identity: dict[str, Any] = {"nlmeans": __version__, "form": FORM, "defaults": DEFAULTS_VERSION}
        identity |= {"fill": not keep, "axes": of.axes.names, "dtype": kind.name} | watch.identity
        identity |= {"series": series_of(series), "others": others, "crf": crf}
        identity |= {"asked": {name: _text(value) for name, value in given.items()} | {"method": _named(method)}}
        plans, counts = _done_in_place(output, identity, method)
        used = cpus
        if counts is None:
            sample, layout = sha256(), of.axes.layout
            decided = [recipe_of(of.parts(sample), k, layout, method, **given) for k in range(of.count)]
            recipes = [recipe for recipe, _ in decided]
            plans = tuple(recipe.plan for recipe in recipes)
            identity |= {"sample": sample.hexdigest(), "plans": [_lasting(plan) for plan in plans]}
            counts = output.done_before(identity, check)
        if counts is None:
            cluster = None if scheduler is None else stack.enter_context(closing(Cluster(scheduler)))
            shown = stack.enter_context(bar(shown_to))
            by = Resources(cpus, cluster, memory, held, sizes or Sizes(), stoppable(shown, event), stop, check)
            missing = "mask" in of.companions or any(lost for _, lost in decided)
            destination = files.Destination.of(fmt, of.image, of.axes.names, kind, others)
            destination = replace(destination, options={} if crf is None else {"crf": crf})

            def ending(finished: Path, result: Source | None) -> None:
                if beside is not None:
                    kind = to_write(beside, "create")
                    Residual(kind, beside, of.image, of.axes.names).write(result or files.open_source(finished), stop)

            counts = carry_out(watch, output, recipes, identity, destination, missing, keep, by, apart.make, ending)
            used = cpus if cluster is None else cluster.threads
    if 2 * sum("shades" in count for count in counts) > len(counts):
        plans = tuple(replace(plan, notes=(*plan.notes, SHADES)) for plan in plans)
    lost, unfilled, kept = (sum(count.get(name, 0) for count in counts) + apart.count(name) for name in COUNTED)
    plans += tuple(plan for report in apart.reports for plan in report.plans)
    return method.report(plans, time.perf_counter() - start, used, lost, unfilled, kept)


def sampled(
    source: FilePath,
    sigma: Sigma | FilePath = None,
    *,
    axes: str | None = None,
    channel_axis: int | None = None,
    **options: Unpack[FileArguments],
) -> Recipe:
    """Return how a file would be denoised, from a sample of it; of separate images, the first one.

    Parameters
    ----------
    source, sigma, axes, channel_axis, **options
        As for `denoise`, but for the options about the work.

    Returns
    -------
    Recipe
        With attributes ``plan``, which prints as a small table, and ``noise``, whose ``model`` has the numbers.

    Raises
    ------
    TypeError, ValueError, OSError
        As `denoise`.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from nlmeans import large
    >>> place = tempfile.mkdtemp()
    >>> np.save(f"{place}/noisy.npy", np.random.default_rng(0).normal(100, 10, (300, 200)))
    >>> recipe = large.sampled(f"{place}/noisy.npy", sigma=10, search_radius=5)
    >>> recipe.plan.search_radius, recipe.noise.model
    ((5, 5), Gaussian(sigma=10.0))
    """
    given: dict[str, Any] = {**options}
    companions = {name: given.pop(name, None) for name in ("mask", "guide")}
    noise, max_pixels, series = (given.pop(name, None) for name in ("noise", "max_pixels", "series"))
    method = registry.method_of(given.pop("method", None))
    of, given = _opened(source, axes, channel_axis, companions, sigma, noise, max_pixels, series, method, given)
    return recipe_of(of.parts(sha256()), 0, of.axes.layout, method, **given)[0]


def evidence_in(
    source: FilePath,
    *,
    axes: str | None = None,
    channel_axis: int | None = None,
    max_pixels: int | None = None,
    series: int | str | None = None,
) -> Evidence:
    """Return what the noise of a file is judged by: a sample of it, of all its images."""
    of, options = _opened(source, axes, channel_axis, {}, None, None, max_pixels, series, None, {})
    return evidence_of(of.parts(sha256()), of.count, options.get("nodata"))


def _opened(
    source: Any,
    axes: str | None,
    channel_axis: int | None,
    companions: dict[str, Any],
    sigma: Any,
    noise: Any,
    max_pixels: int | None,
    series: int | str | None,
    method: Method | None,
    options: dict[str, Any],
) -> tuple[Inputs, dict[str, Any]]:
    """Open all files; return them, and the options that are no files, with the spacing that the image's names."""
    maps, given = maps_of(sigma, noise), {name: value for name, value in options.items() if value is not None}
    Options.check_names(given)
    if method is not None:
        registry.check(method, given | {"guide": companions.get("guide")}, whole=False)
    image = files.open_source(source, max_pixels, series=series)
    _checks.dtype(image.info.dtype)
    _checks.shape(image.info.shape)
    named = image.info.axes if axes is None and channel_axis is None else axes
    if named is None and channel_axis is None and image.advice is not None and image.info.ndim > 2:
        raise PictureError(f"a stack must say what its axes are, or else you must: {image.advice}")
    axes_of = _axes(image.info, named, channel_axis, from_file=axes is None)
    companions, sigma = companions | maps, None if "sigma" in maps else sigma
    given_files = {name: other for name, other in companions.items() if other is not None}
    opened = {name: files.open_source(of, max_pixels, bilevel=name == "mask") for name, of in given_files.items()}
    inputs = Inputs(image, axes_of, opened)
    inputs.check()
    spacing = _spacing(inputs) if method is None or "spacing" in method.options else None
    declared = {} if image.info.nodata is None else {"nodata": image.info.nodata}
    return inputs, {"sigma": sigma, "noise": noise, "spacing": spacing} | declared | given


def _axes(info: ArrayInfo, names: str | None, channel_axis: int | None, from_file: bool) -> Axes:
    """Return the axes; if the file names them, without T and Z where they have length 1."""
    if names is None or not from_file:
        return Axes(_checks.layout(info, names, channel_axis).axes)
    kept = "".join("_" if axis in "TZ" and side == 1 else axis for axis, side in zip(names, info.shape, strict=True))
    shape = tuple(side for axis, side in zip(kept, info.shape, strict=True) if axis != "_")
    _checks.layout(ArrayInfo(shape, info.dtype, None, None, shape), kept.replace("_", ""), None)
    return Axes(kept)


def _spacing(of: Inputs) -> tuple[float, ...] | None:
    """Return the sides of a pixel that the file names, where they differ."""
    info, space = of.image.info, of.axes.layout.space
    if info.spacing is None or info.axes is None or "T" in space:
        return None
    named = dict(zip((axis for axis in "ZYX" if axis in info.axes), info.spacing, strict=True))
    sides = tuple(named[axis] for axis in space if axis in named)
    return None if len(sides) != len(space) or max(sides) <= 1.001 * min(sides) else sides


def _done_in_place(
    output: Output, identity: dict[str, Any], method: Method
) -> tuple[tuple[Plan, ...], list[dict[str, int]] | None]:
    """Return plans and counts of a run that was killed after its output took the place of its input; None if none.

    What it was made of is gone, and cannot be asked once more: what the caller says is compared, and the rest believed.
    """
    manifest, made, path = output.manifest, output.manifest.identity, str(output.names.output)
    if made is None or not output.delivered or identity["source"].get("path") != path:
        return (), None
    if made["source"].get("path") != path or manifest.differences(identity | {"source": made["source"]}):
        return (), None
    plans, counts = tuple(_revived(method.plan, plan) for plan in made["plans"]), list(manifest.done.values())
    output.tidy()
    return plans, counts


def _named(method: Method) -> str:
    """Return a method's name, its class, and the attributes that it has of its own."""
    return f"{method.name} ({type(method).__module__}.{type(method).__qualname__}, {vars(method)})"


def _text(value: Any) -> str:
    """Return an option as text, the same for numbers that are equal."""
    return repr(float(value) if isinstance(value, Real) and not isinstance(value, bool) else value)


def _lasting(plan: Plan) -> dict[str, Any]:
    """Return a plan's numbers, to as many digits as last, without what depends on how fast a machine is."""

    def rounded(value: Any) -> Any:
        if isinstance(value, np.generic | np.ndarray):  # of another package's method
            value = value.tolist()
        if isinstance(value, dict):
            return {key: rounded(other) for key, other in value.items()}
        if isinstance(value, list | tuple):
            return [rounded(other) for other in value]
        if isinstance(value, Note):
            return {"code": value.code, "text": value.text}
        if isinstance(value, float):
            return None if math.isnan(value) else float(f"{value:.5g}")  # NaN is not even itself
        return value

    numbers: dict[str, Any] = rounded(asdict(replace(plan, seconds=0.0)))
    return numbers


def _revived(kind: Any, value: Any) -> Any:
    """Return a record of a kind from what JSON made of it."""
    kinds = [inner for inner in get_args(kind) if inner not in (type(None), ...)]
    if isinstance(value, list):
        return tuple(_revived(kinds[0] if kinds else Any, inner) for inner in value)
    if not isinstance(value, dict):
        return value
    record: Any = kinds[0] if kinds else kind
    hints = get_type_hints(record)
    return record(**{name: _revived(hints[name], inner) for name, inner in value.items()})
