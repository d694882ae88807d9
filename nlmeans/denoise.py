"""denoise() and plan(): check, decide, run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

from . import _checks, _containers
from ._progress import part

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from ._progress import Progress
    from ._typing import (
        Alone,
        Array,
        Companion,
        DType,
        Event,
        Full,
        ImageLike,
        ImageT,
        Radius,
        Rows,
        Sigma,
        Strength,
        Window,
    )
    from .methods.method import AnyMethod
    from .noise.model import NoiseModel
    from .pairwise.spec import Aggregation, Centre
    from .plan.averaging import AveragingPlan
    from .plan.defaults import Quality
    from .plan.options import Arguments, PlanArguments
    from .plan.plan import Plan
    from .plan.report import Report

APART = ("image", "sigma", "method", "noise", "full_output")
"""Arguments of `denoise` that do not go on with the others."""


@overload
def denoise(
    image: ImageT, sigma: Sigma = None, *, dtype: None = None, full_output: Alone = None, **options: Unpack[Arguments]
) -> ImageT: ...
@overload
def denoise(
    image: ImageT, sigma: Sigma = None, *, dtype: None = None, full_output: Full, **options: Unpack[Arguments]
) -> tuple[ImageT, Report]: ...
@overload
def denoise(
    image: Array | Rows,
    sigma: Sigma = None,
    *,
    dtype: DType = None,
    full_output: Alone = None,
    **options: Unpack[Arguments],
) -> Array: ...
@overload
def denoise(
    image: Array | Rows, sigma: Sigma = None, *, dtype: DType = None, full_output: Full, **options: Unpack[Arguments]
) -> tuple[Array, Report]: ...
@overload
def denoise(
    image: ImageT, sigma: Sigma = None, *, dtype: DTypeLike, full_output: Alone = None, **options: Unpack[Arguments]
) -> ImageT: ...
@overload
def denoise(
    image: ImageT, sigma: Sigma = None, *, dtype: DTypeLike, full_output: Full, **options: Unpack[Arguments]
) -> tuple[ImageT, Report]: ...
@overload
def denoise(
    image: ImageT | Rows,
    sigma: Sigma = None,
    *,
    dtype: DType = None,
    full_output: bool | Full | None,
    **options: Unpack[Arguments],
) -> ImageT | Array | tuple[ImageT | Array, Report]: ...
def denoise(
    image: ImageLike,
    sigma: Sigma = None,
    *,
    method: AnyMethod | None = None,
    quality: Quality | None = None,
    noise: NoiseModel | Literal["auto"] | None = None,
    axes: str | None = None,
    channel_axis: int | None = None,
    mask: Companion | None = None,
    fill: bool | None = None,
    guide: Companion | None = None,
    guide_sigma: float | None = None,
    strength: Strength | None = None,
    patch_radius: Radius | None = None,
    search_radius: Window | None = None,
    spacing: Sequence[float] | None = None,
    bias: bool | None = None,
    centre: Centre | None = None,
    aggregation: Aggregation | None = None,
    passes: Literal[1, 2] | None = None,
    wiener: bool | None = None,
    motion: bool | None = None,
    nodata: float | None = None,
    padding: bool | None = None,
    outliers: Literal["keep", "fill"] | None = None,
    stripes: Literal["auto", "x", "y"] | None = None,
    threads: int | None = None,
    progress: bool | Progress | None = None,
    cancel: Event | None = None,
    out: Array | None = None,
    dtype: DTypeLike | None = None,
    full_output: bool | Literal["maps"] | None = None,
) -> ImageLike | tuple[ImageLike, Report]:
    """Remove noise from an image by non-local means.

    Every pixel becomes a weighted average of the pixels in a window around it. The weight measures how alike the
    patches around the two pixels are: where these differ by d² in the mean square, it is
    w = exp(−max(d² − 2σ², 0) / h²) with h = strength · σ.

    Parameters
    ----------
    image : array_like
        A grey or multichannel image, a volume, a video or a stack of separate images; int8, int16, int32, their
        unsigned counterparts, float16, float32 or float64. NaN and infinite pixels count as missing. The image is
        never modified. A dask array is denoised lazily, chunk by chunk (`nlmeans.tiled.denoise`). What a container
        knows is used: the mask of a masked array and of astropy's NDData, CCDData and Masked, the unit of a Quantity,
        the names of the dimensions of an xarray.DataArray (time, lat, lon, band, ...), the colours of a PIL image; a
        pandas.DataFrame and a torch tensor in memory are accepted too.
    sigma : float, sequence of float or ndarray, optional
        Standard deviation of the noise in the image's units: one for all channels, one for each channel, one for each
        separate image (axis N), or a map in the image's shape, with or without channels. One map serves all images
        and all times, and an axis of length 1 is repeated. Estimated from the image by default (`estimate_sigma`).
        0 returns a copy.
    method : str or Method, default "nlm"
        "nlm" is non-local means. "ridge" adds two steps that replace groups of similar patches by linear combinations
        of them, with the weights of least expected error: of BM3D's class, at five to ten times the time of "nlm";
        options about averaging are then errors. "learned" is a trained network (`nonlocal_block.denoise`; needs the
        extra ``learned``). Other packages may add names (entry points of the group ``nlmeans.methods``), and any
        `nlmeans.extend.Method` can be given as an object.
    quality : {"preview", "fast", "balanced", "best"}, default "balanced"
        "fast" is one pass of non-local means. "preview" is one in a window of 5 × 5 pixels, for sliders, video and
        thumbnails: less noise is removed, in a fraction of the time; method "nlm" alone has it. "balanced" adds a
        Wiener step, which removes more of the remaining noise with the first result as its pilot, in a third to half of
        the pass's time. "best" then averages once more, whole patches, with weights from that result; in grey images it
        keeps some of that result where this loses detail. Method "ridge" takes more and larger groups from wider
        windows with each quality, and its pilot is an average of the next better quality. Method "learned" takes a
        small network for "fast" and a large one, mixed with "ridge", for the others, and averages over turned and
        mirrored positions of the image for "best".
    noise : Gaussian, PoissonGaussian, Rician or "auto", optional
        A model of `nlmeans.noise`; ``sigma=s`` is short for ``Gaussian(s)``. Poisson-Gaussian noise (photon counts,
        cameras, microscopes) and Rician noise (magnitude MRI) are made Gaussian by a transform, whose exact unbiased
        inverse is applied to the result; method "ridge" uses the variance of Poisson-Gaussian noise in each group
        instead. "auto" chooses one of the three and fits its numbers. Any `nlmeans.extend.NoiseModel` will do. Where a
        camera's pixels differ in gain and offset, the result is that of one whose pixels all have the mean ones.
    axes : str, optional
        The array's axes: ``"YX"``, ``"YXC"``, ``"ZYX"``, ``"TYX"``, ``"NYX"`` for separate images, and so on. By
        default all axes but ``channel_axis`` are space. With T and Z, as in ``"TZCYX"``, pixels are averaged over Z,
        and each time is an image of its own; ``"TNCYX"`` averages over T instead.
    channel_axis : int, optional
        The axis of colours or other channels; short for ``axes``. An array whose first or last axis is short needs
        this or ``axes``: a colour photograph must not be mistaken for a thin volume.
    mask : array_like of bool, optional
        True where a pixel counts, in the image's shape without channels; the mask of one image serves all images and
        all times. Other pixels are missing: they contribute to no pixel.
    fill : bool, default True
        Replace missing pixels by averages of valid ones around them; False leaves them as they are.
    guide : array_like, optional
        An image whose patches are compared in place of the noisy ones: aligned with the image and in its units, so
        that h = strength · σ fits it. It has the image's shape, with or without channels, or that of one of separate
        images.
    guide_sigma : float, default 0
        Standard deviation of the guide's own noise.
    strength : float, "sure" or "j-invariant", optional
        h/σ of the first pass: larger values smooth more; that of a second pass changes in proportion. Rule of thumb:
        0.4 to 0.8; by default `plan` chooses it from the noise. "sure" chooses it for this image by Stein's unbiased
        risk estimate, for which the noise must be Gaussian, unclipped, and its σ right; "j-invariant" by how well
        hidden pixels are predicted from the others, for noise of any kind that pixels do not share.
    patch_radius, search_radius : int or sequence of int, optional
        Half-widths in pixels of the patches that are compared and of the window that is averaged, for all spatial
        axes or one each, in all passes. By default `plan` chooses them. A search radius beyond the image is capped to
        it; ``"image"`` averages every pixel with all others, in time that grows with the square of the pixels.
    spacing : sequence of float, optional
        Distance between pixels along each spatial axis, in any unit: default radii are smaller along coarse axes.
    bias : bool, default True
        Subtract 2σ², the distance that noise alone causes, from d²; False gives the plain exp(−d²/h²).
    centre : {"max", "one", "zero"}, optional
        Weight of the pixel itself: the largest of the others (default), 1, or 0.
    aggregation : {"pixel", "patch"}, optional
        Average single pixels, or whole patches, whose overlapping averages are averaged in turn; for all passes.
    passes : {1, 2}, optional
        How many times to average, the second time with weights from the first result.
    wiener : bool, optional
        Whether a Wiener step follows each pass; by default ``quality`` decides.
    motion : bool, optional
        Whether the windows of a video (axis T) follow what moves: tiles of 16 × 16 pixels are looked for in the
        neighbouring frames, up to 35 pixels away, and the windows there lie around what is found. By default where a
        sample of the frames shows motion; a video without is then denoised as with False.
    nodata : float, optional
        A value that stands for "no data", such as -9999: its pixels contribute to no other and stay as they are.
    padding : bool, optional
        By default, large areas of one exact value at an end of the range count as padding: borders, what lies outside a
        scanner's circle, a background set to 0, a clipped sky. They stay as they are and contribute to no other pixel;
        a note says so. Where no other pixel comes near that value, this holds for single pixels of it too. False
        denoises them like all others.
    outliers : {"keep", "fill"}, optional
        What to do with single pixels that differ from all around them by more than 10 σ (hot and dead pixels, salt
        and pepper): "fill" treats them as missing. By default, and with "keep", they stay about as they are, and do
        not count where the noise is estimated; a note says how many there are.
    stripes : {"auto", "x", "y"}, optional
        Remove stripes first: what whole lines that run along this axis are too bright by, "x" for rows and "y" for
        columns, as sensors that are read by lines or columns, line scanners and sinograms have them. "auto" removes
        those that the image shows, in rows, columns or both. Where no lines differ in all their parts alike, nothing
        changes. An offset is one of a whole line, in each channel; all slices or frames have the same if they show it,
        else each has its own. Offsets have mean 0. What a picture has alike along whole lines, such as a grating or a
        bar code, looks the same: not for such pictures.
    threads : int, optional
        How many threads to use; by default as many as this process may use CPUs. The result does not depend on it.
        (Where the noise is estimated, NumPy's BLAS has threads of its own.)
    progress : bool or callable, optional
        True shows a bar on standard error; a function is called as ``progress(done, total)``, and may stop the work by
        raising.
    cancel : threading.Event, optional
        Once it is set, from any thread, the work stops within a second and raises `Cancelled`; it may take longer
        where a kernel is being compiled, once for each kind of input.
    out : ndarray, optional
        Where to write the result: an array of its shape and dtype that shares no memory with the image. It is written
        at the very end.
    dtype : data-type, optional
        Type of the result: the image's by default, or float32 or float64, which keep the shades between whole numbers,
        as averages of few counts have them.
    full_output : bool or "maps", default False
        Return a `Report` too; with "maps" it holds maps (`Report.maps`) of how much was averaged, of the noise that is
        left, and of how far the result may be off, in twice to four times the time.

    Returns
    -------
    ndarray
        Of the image's shape, and of its dtype unless ``dtype`` is given; integers are rounded and clipped to the range
        of their type. An image in a container comes back in that container, with everything else that it holds. Images
        of different sizes, or in containers, may come in a list, and come back in one, with their reports in pairs.
    Report
        If ``full_output``: what was done, printable as a small table.

    Raises
    ------
    TypeError
        For a dtype that cannot be filtered, or an argument of the wrong type.
    ValueError
        For a value that breaks a rule: the message states the rule, then the value.
    Cancelled
        If ``cancel`` was set.

    See Also
    --------
    plan : the parameters that would be chosen, without denoising.
    weight_map : the weights of one pixel.
    estimate_sigma, estimate_noise : the noise alone.

    Notes
    -----
    Time is proportional to pixels · window · channels; within a plane it does not depend on the patch. Computation is
    in float32, in 16-bit whole numbers where they fit, and in float64 for float64 and 32-bit integers. Weights below
    2⁻¹² are taken to be 0, below 2⁻³² where a guide or an earlier pass leads. Missing pixels and maps of σ take about
    three times as long.

    Method "ridge" takes about size² · (2 · pixels + size) multiplications for each channel of a group: a million for
    the usual 80 patches of 7 × 7. By default there is one group for every 36 pixels. It computes in float32, and in
    float64, which takes longer, where a channel's range is more than 256 σ. In volumes and videos, patches lie within a
    slice or a frame, and groups reach into neighbouring ones. Missing pixels are first filled with averages. With fewer
    than half a photon a pixel, averages are all that is computed, and a note says so.

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
    options = {name: value for name, value in locals().items() if name not in APART}
    if _containers.several(image):
        return _each(image, {"sigma": sigma, "method": method, "noise": noise, "full_output": full_output} | options)
    wants_maps, full_output = _checks.report(full_output)
    container = _containers.opened(image)
    if container is not None:
        from .methods import registry

        options = container.arguments(options | {"sigma": sigma, "noise": noise}, registry.method_of(method).options)
        options |= {"full_output": "maps" if wants_maps else full_output}
        return container.around(denoise(container.pixels, method=method, **options))
    from .methods import arrays, registry  # what the work needs comes with the first call

    chosen = registry.method_of(method)
    options |= {"sigma": sigma, "noise": noise}
    if _checks.is_dask(image):
        from .large import lazy

        return lazy.denoise(image, method=chosen, **options | {"full_output": full_output})
    result, report = arrays.denoise(image, chosen, options, maps=wants_maps)
    return (result, report) if full_output else result


def _each(images: Any, options: dict[str, Any]) -> Any:
    """Denoise images that are no stack one after the other; return them in a list, with reports in pairs."""
    for name in ("mask", "guide", "out"):
        if options.get(name) is not None:
            raise ValueError(f"{name} is for one image or a stack of one size: take one call for each of {len(images)}")
    progress = options.pop("progress")
    steps = [part(progress, k, len(images)) if callable(progress) else progress for k in range(len(images))]
    return [denoise(image, progress=step, **options) for image, step in zip(images, steps, strict=True)]


@overload
def plan(
    image: ImageLike,
    sigma: Sigma = None,
    *,
    method: Literal["nlm", "ridge"] | None = None,
    **options: Unpack[PlanArguments],
) -> AveragingPlan: ...
@overload
def plan(
    image: ImageLike, sigma: Sigma = None, *, method: AnyMethod | None, **options: Unpack[PlanArguments]
) -> Plan: ...
def plan(
    image: ImageLike, sigma: Sigma = None, *, method: AnyMethod | None = None, **options: Unpack[PlanArguments]
) -> Plan:
    """Choose parameters as `denoise` would, without denoising.

    Parameters
    ----------
    image, sigma, method, **options
        As for `denoise`, without the options about the work itself (fill, threads, progress, cancel, out, dtype,
        full_output). A dask array is judged by a sample.

    Returns
    -------
    Plan
        What `denoise` would do; it prints as a small table. For separate images (axis N), that of the first one.

    Raises
    ------
    TypeError, ValueError
        As `denoise`.

    Examples
    --------
    >>> import numpy as np, nlmeans
    >>> noisy = np.random.default_rng(0).normal(100, 10, (64, 64))
    >>> nlmeans.plan(noisy, sigma=10, strength=0.5).strength
    0.5
    """
    from .methods import arrays, registry

    chosen = registry.method_of(method)
    pixels, given = _containers.taken(image, options | {"sigma": sigma}, chosen.options)
    if _checks.is_dask(pixels):
        from .large import lazy

        return lazy.plan(pixels, method=method, **given)
    return arrays.plan(pixels, chosen, given)
