"""denoise(): check, plan, run."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import _checks, _containers
from ._axes import Layout
from ._progress import Progress, bar, part, shares_of, stoppable
from .methods.recipe import prepare
from .pairwise.spec import Aggregation, Centre
from .plan.defaults import Quality
from .plan.options import OWN, WORK, Options
from .plan.plan import Plan, table

logger = logging.getLogger("nlmeans")

PATIENCE = 10.0
"""Seconds of expected work from which a notice is logged."""


@dataclass(frozen=True)
class Maps:
    """Where the image was averaged, and how much: the last pass's weights w, at every pixel.

    Attributes
    ----------
    effective : ndarray
        (Σ w)² / Σ w²: how many equally weighted pixels would average as much noise away; in the image's shape without
        channels.
    residual : ndarray
        σ · sqrt(Σ w²) / Σ w: a lower bound of the noise that is left, as a standard deviation in the image's shape and
        units (of a stabilised image, in units of its noise). It is what independent weights would leave in a pixelwise
        average; but weights follow the noise that they are to average away, and a Wiener step keeps more than this of
        what looks like signal. Over repeated noise the result varied by 1.3 to 1.7 times as much on an even image, and
        by 1.1 to 3 times as much, in the mean square, on textured ones: no factor would be right for both.
    """

    effective: np.ndarray
    residual: np.ndarray


@dataclass(frozen=True)
class Report:
    """What `denoise` did.

    Attributes
    ----------
    plans : tuple of Plan
        The parameters, one plan for each separate image (one, unless there is an axis N).
    seconds : float
        Wall time of the whole call.
    threads : int
        Threads that were used at most.
    missing : int
        Pixels that were masked, NaN or infinite.
    unfilled : int
        Those of them that had no valid neighbour and kept their value.
    kept : int
        Pixels that are no part of the picture, and were left as they are: no data, padding, and what is out of range.
    maps : Maps or None
        With ``full_output="maps"``.
    """

    plans: tuple[Plan, ...]
    seconds: float
    threads: int
    missing: int = 0
    unfilled: int = 0
    kept: int = 0
    maps: Maps | None = None

    @property
    def plan(self) -> Plan:
        """The plan, of the first image where there are several."""
        return self.plans[0]

    @property
    def sigma(self) -> tuple[float, ...]:
        """The first plan's σ, one a channel."""
        return self.plan.sigma

    @property
    def correlated(self) -> bool:
        """Whether spatially correlated noise was noticed in any image."""
        return any(plan.correlated for plan in self.plans)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know, of all images."""
        return tuple(dict.fromkeys(note for plan in self.plans for note in plan.notes))

    def __str__(self) -> str:
        rows = self.plan.rows()
        if len(self.plans) > 1:
            rows.append(("images", f"{len(self.plans)} (above: the first one's plan)"))
        if self.missing:
            rows.append(("missing pixels", f"{self.missing}, of which {self.unfilled} had no valid neighbour"))
        if self.kept:
            rows.append(("no part of the picture", f"{self.kept} pixels, left as they are"))
        return table([*rows, ("threads", str(self.threads)), ("seconds", f"{self.seconds:.3g}")])


def denoise(
    image: Any,
    sigma: Any = None,
    *,
    method: str | None = None,
    quality: Quality | None = None,
    noise: Any = None,
    axes: str | None = None,
    channel_axis: int | None = None,
    mask: Any = None,
    fill: bool | None = None,
    guide: Any = None,
    guide_sigma: float | None = None,
    strength: float | str | None = None,
    patch_radius: Any = None,
    search_radius: Any = None,
    spacing: Any = None,
    bias: bool | None = None,
    centre: Centre | None = None,
    aggregation: Aggregation | None = None,
    passes: int | None = None,
    wiener: bool | None = None,
    nodata: float | None = None,
    padding: bool | None = None,
    outliers: str | None = None,
    threads: int | None = None,
    progress: bool | Progress | None = None,
    cancel: Any = None,
    out: np.ndarray | None = None,
    dtype: Any = None,
    full_output: bool | str | None = None,
) -> Any:
    """Remove noise from an image by non-local means.

    Every pixel becomes a weighted average of the pixels in a window around it, and the weight says how alike their
    surroundings are: for patches P of the two pixels that differ by d² in the mean square,
    w = exp(−max(d² − 2σ², 0) / h²) with h = strength · σ.

    Parameters
    ----------
    image : array_like
        A grey or multichannel image, a volume, a video or a stack of separate images; int8, int16, int32, their
        unsigned counterparts, float16, float32 or float64. NaN and infinite pixels count as missing. It is never
        written. A dask array is denoised lazily, chunk by chunk, and so is the result (`nlmeans.tiled.denoise`). What
        a container knows is used: the mask of a masked array and of astropy's NDData, CCDData and Masked, the unit of
        a Quantity, the names of the dimensions of an xarray.DataArray (time, lat, lon, band, ...), the colours of a
        PIL image; a pandas.DataFrame and a torch tensor in memory are taken too.
    sigma : float, sequence of float or ndarray, optional
        Standard deviation of the noise in the image's units: one for all channels, one a channel, one for each of
        separate images (axis N), or a map in the image's shape (with its channels or without; one map serves all
        images, and all times, and a side of 1 all along it). Estimated from the image by default (`estimate_sigma`).
        0 returns a copy.
    method : str, default "nlm"
        "nlm", non-local means. "ridge" lets two steps follow in which groups of similar patches are replaced by linear
        combinations of them, with the weights of least expected error: of BM3D's class, in five to ten times the time
        of "nlm"; options that say how to average are then errors. "learned", a trained network
        (`nonlocal_block.denoise`, needs the extra ``learned``); or a method that another package brings (entry points
        of the group ``nlmeans.methods``).
    quality : {"fast", "balanced", "best"}, default "balanced"
        "fast" is one pass of non-local means. "balanced" lets a Wiener step follow, which shrinks what is left of the
        noise by the picture that the pass has found, in a third to half of the pass's time. "best" averages once more,
        patches this time, with weights from that picture. Method "ridge" at each quality takes more groups than at the
        one before, larger ones and from wider windows, and is led by averages of the next quality.
    noise : Gaussian, PoissonGaussian, Rician or "auto", optional
        A model of `nlmeans.noise`; ``sigma=s`` is short for ``Gaussian(s)``. Poisson-Gaussian noise (photon counts,
        cameras, microscopes) and Rician noise (magnitude MRI) are made Gaussian by a transform, and its exact unbiased
        inverse follows; method "ridge" takes each group's own variance of Poisson-Gaussian noise instead. "auto"
        decides between the three and fits their numbers.
    axes : str, optional
        The array's axes: ``"YX"``, ``"YXC"``, ``"ZYX"``, ``"TYX"``, ``"NYX"`` for separate images, and so on. By
        default all axes but ``channel_axis`` are space.
    channel_axis : int, optional
        The axis of colours or other channels; short for ``axes``. An array whose first or last axis is short needs
        this or ``axes``: a colour photograph must not be taken for a thin volume.
    mask : array_like of bool, optional
        True where a pixel counts, in the image's shape without channels; that of one image serves all, and all
        times. Others are missing: they contribute to no pixel.
    fill : bool, default True
        Give missing pixels the average of valid ones around them; False leaves them as they are.
    guide : array_like, optional
        An image whose patches are compared in place of the noisy ones, aligned with the image and in its units, so
        that h = strength · σ fits it; of its shape, with channels or without, or of one of separate images.
    guide_sigma : float, default 0
        Standard deviation of the guide's own noise.
    strength : float or "sure", optional
        h/σ of the first pass: larger smooths more; a second pass keeps its proportion. Rule of thumb: 0.4 to 0.8; by
        default chosen by `plan` from the noise. "sure" chooses it for this image, by Stein's unbiased risk estimate;
        the noise must be Gaussian, unclipped and its σ right.
    patch_radius, search_radius : int or sequence of int, optional
        Half-widths in pixels of the patches that are compared and of the window that is averaged, for all spatial
        axes or one each, in all passes. By default chosen by `plan`. A search radius beyond the image is capped to
        it; ``"image"`` lets every pixel average every other, in time that grows with the square of the pixels.
    spacing : sequence of float, optional
        Distance of pixels along each spatial axis, in any unit: default radii shrink along coarse axes.
    bias : bool, default True
        Take 2σ², the distance that noise alone makes, from d²; False gives the plain exp(−d²/h²).
    centre : {"max", "one", "zero"}, optional
        Weight of the pixel itself: the largest of the others (default), 1, or 0.
    aggregation : {"pixel", "patch"}, optional
        Average pixels, or patches, whose averages overlap and are averaged in turn; for all passes.
    passes : {1, 2}, optional
        How often to average; the second time with weights from the first result.
    wiener : bool, optional
        Whether a Wiener step follows each pass. By default as ``quality`` has it.
    nodata : float, optional
        A value that stands for no data, such as -9999: its pixels contribute to no one and stay as they are.
    padding : bool, optional
        By default large areas of one exact value at an end of the range, such as borders, what lies outside of a
        scanner's circle, a background set to 0, or a clipped sky, are taken for padding: they stay as they are, and
        out of the averages of their neighbours; a note says so. Where no other pixel comes near that value, so do
        single pixels of it. False denoises them like all else.
    outliers : {"keep", "fill"}, optional
        Single pixels that stand out from all around them by more than 10 σ (hot and dead ones, salt and pepper):
        "fill" takes them as missing. By default, and with "keep", they stay about as they are, and do not count where
        the noise is estimated; a note says how many there are.
    threads : int, optional
        Threads to use; by default the CPUs that this process may use. The result does not depend on it. (Where the
        noise is estimated, NumPy's BLAS has threads of its own.)
    progress : bool or callable, optional
        True shows a bar on standard error; a function is called as ``progress(done, total)``, and stops the work if
        it raises.
    cancel : threading.Event, optional
        Once it is set, from any thread, the work stops within a second and raises `Cancelled`; it may take longer
        where a kernel is being compiled, once for each kind of input.
    out : ndarray, optional
        Where to write the result: its shape and dtype, no memory shared with the image. Written at the very end.
    dtype : data-type, optional
        Type of the result: the image's by default, or float32 or float64, which keep the shades between whole numbers
        that the average of few counts has.
    full_output : bool or "maps", default False
        Return a `Report` too; with "maps" it holds maps of how much was averaged.

    Returns
    -------
    ndarray
        Shape of the image, and its dtype unless ``dtype`` is given; integers are rounded and clipped to the type's
        range. For an image in a container, that container again, with all that it says besides its pixels.
    Report
        If ``full_output``: what was done, printable as a small table.

    Raises
    ------
    TypeError
        For a dtype or an argument of a type that cannot be meant.
    ValueError
        For a value that breaks a rule: the message states both.
    Cancelled
        If ``cancel`` was set.

    See Also
    --------
    plan : the parameters that would be chosen, without the work.
    weight_map : the weights of one pixel.
    estimate_sigma, nlmeans.noise.estimate_noise : the noise alone.

    Notes
    -----
    Time is proportional to pixels · window · channels; the patch costs nothing extra within a plane. Computed in
    float32, in float64 for float64 and 32-bit integers. A weight below 2⁻³² counts as none. Missing pixels and maps of
    σ take about three times as long.

    Method "ridge" takes, for each of its groups (by default one on every 36th pixel) and each channel, about
    size² · (2 · pixels + size) multiplications: a million for the usual 80 patches of 7 × 7. It computes in float32,
    and in float64, which takes longer, where a channel's range is more than 256 σ. Volumes and videos are taken by
    patches within a slice or a frame, which reach over to its neighbours. Missing pixels are filled by averages first.
    Where photons are fewer than half a one a pixel, averages are all that is done, with a note.

    References
    ----------
    A. Buades, B. Coll, J.-M. Morel, "A non-local algorithm for image denoising", CVPR 2005,
    doi:10.1109/CVPR.2005.38; "Non-Local Means Denoising", IPOL 2011, doi:10.5201/ipol.2011.bcm_nlm (bias, centre,
    patches). The Wiener step is the empirical Wiener filter of sliding cosine windows, as in G. Yu, G. Sapiro,
    "DCT Image Denoising", IPOL 2011, doi:10.5201/ipol.2011.ys-dct, with the average in place of a threshold.

    Examples
    --------
    >>> import numpy as np, nlmeans
    >>> noisy = np.random.default_rng(0).normal(100, 10, (64, 64)).astype("float32")
    >>> clean = nlmeans.denoise(noisy, sigma=10)
    >>> bool(clean.std() < 0.3 * noisy.std())
    True
    """
    options = dict(
        quality=quality, axes=axes, channel_axis=channel_axis, mask=mask, fill=fill, guide=guide,
        guide_sigma=guide_sigma, strength=strength, patch_radius=patch_radius, search_radius=search_radius,
        spacing=spacing, bias=bias, centre=centre, aggregation=aggregation, passes=passes, wiener=wiener,
        nodata=nodata, padding=padding, outliers=outliers, threads=threads, progress=progress, cancel=cancel, out=out,
        dtype=dtype,
    )  # fmt: skip
    method = "nlm" if method is None else method
    wants_maps, full_output = _checks.report(full_output)
    if wants_maps and method != "nlm":
        raise ValueError(f"full_output='maps' is for method='nlm'; for {method!r} it must be True or False")
    container = _containers.opened(image)
    if container is not None:
        options = container.arguments(options | {"sigma": sigma})
        options |= {"full_output": "maps" if wants_maps else full_output}
        return container.around(denoise(container.pixels, method=method, noise=noise, **options))
    if _checks.is_dask(image):
        from .large import lazy

        return lazy.denoise(image, sigma, method=method, noise=noise, full_output=full_output, **options)
    if method not in OWN:
        from .methods.registry import call

        result, report = call(method, image, sigma, noise, options)
        return (result, report) if full_output else result

    from .methods.region import Outcome, Piece, estimate  # brings Numba, which `import nlmeans` does not
    from .pairwise.tiles import available_cpus

    start = time.perf_counter()
    array = _checks.image(image)
    options = {name: value for name, value in options.items() if name not in WORK}
    parsed = Options.check(array, method=method, sigma=sigma, noise=noise, **options)
    keep, kind = _checks.flag(fill, "fill") is False, _checks.result_type(dtype, array.dtype)
    _checks.fits(kind, array)
    workers = _checks.threads(threads) or available_cpus()
    target = _checks.output(out, array, kind)
    asked = _checks.progress(progress)
    event = _checks.cancel(cancel)

    sources = parsed.layout.planes(array)
    found: list[Outcome] = []
    alive = stoppable(None, event)
    with bar(asked) as shown:
        tell = stoppable(shown, event)
        for k, source in enumerate(sources):
            told, tuning = part(tell, k, len(sources)), None
            if parsed.strength == "sure":
                tuning, told = shares_of(told, (1, 2))
            measured, planes, recipe = prepare(source, parsed, k, progress=tuning)
            if alive is not None:
                alive(k, len(sources))
            if recipe.plan.seconds / workers > PATIENCE:
                logger.info("about %.0f s of work on %d threads", recipe.plan.seconds / workers, workers)
            piece = Piece(source, guide=None if parsed.guide is None else parsed.guide[k])
            here = (measured, planes)
            done = estimate(piece, recipe, here, keep=keep, maps=wants_maps, threads=workers, progress=told, dtype=kind)
            found.append(done)
            del measured, planes, here
    results = [one.pixels for one in found]
    stack = results[0][None] if len(results) == 1 else np.stack(results).astype(kind, copy=False)  # of its byte order
    result = parsed.layout.array(stack)
    if target is None:
        result = np.ascontiguousarray(result)
    else:
        target[...] = result
        result = target
    if not full_output:
        return result
    report = Report(
        tuple(one.plan for one in found), time.perf_counter() - start, workers,
        sum(one.missing for one in found), sum(one.unfilled for one in found), sum(one.kept for one in found),
        _joined([one.maps for one in found], parsed.layout),
    )  # fmt: skip
    return result, report


def _joined(maps: Any, layout: Layout) -> Maps | None:
    """Return the maps of all images in the image's own axes."""
    if maps[0] is None:
        return None
    effective, residual = (np.stack(planes) for planes in zip(*maps, strict=True))
    return Maps(Layout(layout.axes.replace("C", "")).array(effective[:, None]), layout.array(residual))
