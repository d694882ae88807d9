"""denoise(): the learned denoiser for NumPy arrays, called as `nlmeans.denoise` is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack, overload

import nlmeans

from .method import Learned
from .plan import LearnedReport

__all__ = ["LearnedReport", "denoise"]

if TYPE_CHECKING:
    from nlmeans.extend import (
        Alone,
        Array,
        Companion,
        DType,
        Event,
        Full,
        ImageLike,
        ImageT,
        NoiseModel,
        Progress,
        Rows,
        Sigma,
    )

    class Given(TypedDict, total=False):
        """What `denoise` takes, but for what decides over the type of its result."""

        noise: NoiseModel | Literal["auto"] | None
        quality: Literal["fast", "balanced", "best"] | None
        axes: str | None
        channel_axis: int | None
        mask: Companion | None
        fill: bool | None
        nodata: float | None
        padding: bool | None
        outliers: Literal["keep", "fill"] | None
        threads: int | None
        device: str | None
        progress: bool | Progress | None
        cancel: Event | None


@overload
def denoise(
    image: ImageT, sigma: Sigma = None, *, dtype: None = None, full_output: Alone = None, **options: Unpack[Given]
) -> ImageT: ...
@overload
def denoise(
    image: ImageT, sigma: Sigma = None, *, dtype: None = None, full_output: Full, **options: Unpack[Given]
) -> tuple[ImageT, LearnedReport]: ...
@overload
def denoise(
    image: Array | Rows,
    sigma: Sigma = None,
    *,
    dtype: DType = None,
    full_output: Alone = None,
    **options: Unpack[Given],
) -> Array: ...
@overload
def denoise(
    image: Array | Rows,
    sigma: Sigma = None,
    *,
    dtype: DType = None,
    full_output: Full,
    **options: Unpack[Given],
) -> tuple[Array, LearnedReport]: ...
@overload
def denoise(
    image: ImageT, sigma: Sigma = None, *, dtype: DType, full_output: Alone = None, **options: Unpack[Given]
) -> ImageT: ...
@overload
def denoise(
    image: ImageT, sigma: Sigma = None, *, dtype: DType, full_output: Full, **options: Unpack[Given]
) -> tuple[ImageT, LearnedReport]: ...
@overload
def denoise(
    image: ImageT | Rows,
    sigma: Sigma = None,
    *,
    dtype: DType = None,
    full_output: bool | Full | None,
    **options: Unpack[Given],
) -> ImageT | Array | tuple[ImageT | Array, LearnedReport]: ...
def denoise(
    image: ImageLike,
    sigma: Sigma = None,
    *,
    noise: NoiseModel | Literal["auto"] | None = None,
    quality: Literal["fast", "balanced", "best"] | None = None,
    axes: str | None = None,
    channel_axis: int | None = None,
    mask: Companion | None = None,
    fill: bool | None = None,
    nodata: float | None = None,
    padding: bool | None = None,
    outliers: Literal["keep", "fill"] | None = None,
    threads: int | None = None,
    device: str | None = None,
    progress: bool | Progress | None = None,
    cancel: Event | None = None,
    dtype: DType = None,
    full_output: bool | Literal["maps"] | None = None,
) -> ImageLike | tuple[ImageLike, LearnedReport]:
    """Remove noise from an image by a trained network with a non-local stage at its heart (`NonLocalDenoiser`).

    In the qualities "balanced" and "best" its result is mixed, pixel by pixel, with that of method "ridge", which knows
    the picture itself better where that repeats itself.

    Parameters
    ----------
    image : array_like
        A grey or multichannel image, a volume, a video or a stack of separate images, of the types that
        `nlmeans.denoise` takes. Volumes and videos are denoised plane by plane. NaN and infinite pixels count as
        missing. It is never written.
    sigma : float, sequence of float or ndarray, optional
        Standard deviation of the noise in the image's units: one for all channels, one a channel, or a map. Estimated
        from the image by default.
    noise : Gaussian, PoissonGaussian, Rician or "auto", optional
        A model of `nlmeans.noise`; what is not Gaussian is made so by a transform.
    quality : {"fast", "balanced", "best"}, optional
        "balanced" by default. "fast" is a small network by itself, in about a sixth of the time, and a third in colour.
        "best" averages over the eight turned and mirrored positions of a grey image, 0.05 to 0.08 dB better in seven
        times the time, and over four turned ones of colours.
    axes : str, optional
        The array's axes, as for `nlmeans.denoise`.
    channel_axis : int, optional
        The axis of colours or other channels. Three channels are taken for colours, red, green and blue in this order,
        and denoised together: their mean, and guided by it two differences. Any other number, or three of which one has
        more than four times another's σ, are denoised one by one. Channels that share their noise are turned so that
        they do not, and then denoised one by one, unless they share little, as in photographs that a camera processed.
        Equal channels, such as grey stored as colour, are denoised once: the result is that of one of them, bit for
        bit. A constant channel stays as it is. For three channels that are no colours the order matters a little, since
        the networks learned from photographs: stack such images along N.
    mask : array_like of bool, optional
        True where a pixel counts, in the image's shape without channels. Others are missing: non-local means fills them
        first, so that they contribute to no other, and no noise is estimated from them.
    fill : bool, optional
        By default missing pixels come back filled, but for those that have no valid neighbour; False leaves them as
        they are, bit for bit.
    nodata, padding, outliers : optional
        Which pixels are no part of the picture, as for `nlmeans.denoise`.
    threads : int, optional
        Threads to use; by default the CPUs that this process may use.
    device : str, optional
        "cpu", "cuda", "mps" or "auto"; the CPU by default. It is the networks': "ridge" runs on the CPU.
    progress : bool or callable, optional
        True shows a bar on standard error; a function is called as ``progress(done, total)``, and stops the work if
        it raises.
    cancel : threading.Event, optional
        Once it is set, the work stops within a second or two, the time of a layer, and raises `nlmeans.Cancelled`.
    dtype : data-type, optional
        Type of the result: the image's by default, or float32 or float64.
    full_output : bool or "maps", optional
        Return a `LearnedReport` too; with "maps" it holds a map of how far the result may be off (`nlmeans.Maps`),
        which takes as long again.

    Returns
    -------
    ndarray
        Shape of the image, and its dtype unless ``dtype`` is given; integers are rounded, and all numbers clipped to
        the type's range.
    LearnedReport
        If ``full_output``.

    Raises
    ------
    TypeError, ValueError
        As `nlmeans.denoise`; also for a checkpoint that was changed.
    FileNotFoundError
        If the checkpoint is missing.
    nlmeans.Cancelled
        If ``cancel`` was set.

    Notes
    -----
    Any scale will do: planes are mapped to that of the training pictures by the range of their 8×8 medians, and back.
    For floats, denoise(a·x + b, a·σ) is a·denoise(x, σ) + b up to rounding, for a > 0, but that of nearly equal patches
    "ridge" may choose another. Noise below 1/255 of that
    range is weaker than the network was trained for: it gets this σ, and its change is reduced in proportion to σ², so
    that it never does more harm than the noise.

    Time is proportional to the pixels; memory is that of a few copies of the image and of one tile's features. Calls
    from several threads wait for each other, since the number of torch's threads is the process's. A process that was
    forked has one thread: OpenMP's do not survive.

    Examples
    --------
    >>> import numpy as np
    >>> from nonlocal_block import denoise
    >>> noisy = np.random.default_rng(0).normal(100, 10, (64, 64)).astype("float32")
    >>> clean = denoise(noisy, sigma=10)
    >>> bool(clean.std() < 0.3 * noisy.std())
    True
    """
    anything: Any = image  # the overloads say what comes back
    result: Any = nlmeans.denoise(
        anything, sigma, method=Learned("cpu" if device is None else device), noise=noise, quality=quality, axes=axes,
        channel_axis=channel_axis, mask=mask, fill=fill, nodata=nodata, padding=padding, outliers=outliers,
        threads=threads, progress=progress, cancel=cancel, dtype=dtype, full_output=full_output,
    )  # fmt: skip
    return result
