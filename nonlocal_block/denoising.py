"""denoise(): the learned denoiser for NumPy arrays, called as `nlmeans.denoise` is."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from nlmeans import _checks as checks
from nlmeans._progress import Progress, bar, part, stoppable
from nlmeans.methods.recipe import Recipe
from nlmeans.methods.region import SHADES
from nlmeans.noise.models import CORRELATED
from nlmeans.pairwise.tiles import available_cpus
from nlmeans.plan.options import Options
from nlmeans.plan.plan import table

from . import _checks as own_checks
from . import weights
from ._device import chosen_device
from ._image import Image
from .network import NAMES

TURNS = {"balanced": 1, "best": 8}
"""Positions of the image that the results are averaged over."""
TAKEN = {
    *(
        "axes",
        "channel_axis",
        "mask",
        "fill",
        "nodata",
        "padding",
        "outliers",
        "quality",
        "threads",
        "progress",
        "cancel",
        "dtype",
    )
}
"""Options of `nlmeans.denoise` that the method has."""
UNTRAINED = (
    "the noise is spatially correlated (JPEG, demosaicking), which the learned method was not trained on: "
    "method='nlm' measures its power in each frequency"
)


@dataclass(frozen=True)
class ImageNoise:
    """The noise that was taken from one image.

    Attributes
    ----------
    noise : str
        The model with its numbers.
    sigma : tuple of float
        Standard deviation, one a channel: in the image's units, or 1 where a transform made it so.
    estimated : bool
        Whether a number was estimated from the image.
    notes : tuple of str
        What a user should know.
    """

    noise: str
    sigma: tuple[float, ...]
    estimated: bool
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, recipe: Recipe) -> ImageNoise:
        """Return what a recipe says, without its maps."""
        notes = tuple(UNTRAINED if note == CORRELATED else note for note in recipe.plan.notes)
        return cls(recipe.noise.text, recipe.noise.channels, recipe.noise.estimated, notes)


@dataclass(frozen=True)
class LearnedReport:
    """What `denoise` did.

    Attributes
    ----------
    axes : str
        The names of the image's axes.
    images : tuple of ImageNoise
        The noise of each image (one, unless there is an axis N).
    weights : tuple of str
        The weights that were used, with the beginning of their SHA-256.
    device : str
        Where the network ran.
    threads : int
        Threads that it had.
    seconds : float
        Wall time of the whole call.
    missing : int
        Pixels that were masked, NaN or infinite.
    unfilled : int
        Those of them that had no valid neighbour and kept their value.
    kept : int
        Pixels that are no part of the picture, and were left as they are: no data, padding, and what is out of range.
    quality : str
        As it was asked for.
    """

    axes: str
    images: tuple[ImageNoise, ...]
    weights: tuple[str, ...]
    device: str
    threads: int
    seconds: float
    missing: int = 0
    unfilled: int = 0
    kept: int = 0
    quality: str = "balanced"

    @property
    def noise(self) -> str:
        """The noise model with its numbers, of the first image where there are several."""
        return self.images[0].noise

    @property
    def sigma(self) -> tuple[float, ...]:
        """The first image's σ, one a channel."""
        return self.images[0].sigma

    @property
    def estimated(self) -> bool:
        """Whether the noise of the first image was estimated from it."""
        return self.images[0].estimated

    @property
    def correlated(self) -> bool:
        """Whether spatially correlated noise was noticed in any image."""
        return UNTRAINED in self.notes

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know, of all images."""
        return tuple(dict.fromkeys(note for image in self.images for note in image.notes))

    def __str__(self) -> str:
        rows = [
            ("method", f"learned, {', '.join(self.weights) or 'nothing to do'}"),
            ("quality", self.quality),
            ("axes", self.axes),
            ("noise", f"{self.noise}{' (estimated)' if self.estimated else ''}"),
            *[("note", note) for note in self.notes],
            ("device", self.device),
        ]
        if len(self.images) > 1:
            rows.append(("images", f"{len(self.images)} (above: the first one's noise)"))
        if self.missing:
            rows.append(("missing pixels", f"{self.missing}, of which {self.unfilled} had no valid neighbour"))
        if self.kept:
            rows.append(("no part of the picture", f"{self.kept} pixels, left as they are"))
        return table([*rows, ("threads", str(self.threads)), ("seconds", f"{self.seconds:.3g}")])


def denoise(
    image: Any,
    sigma: Any = None,
    *,
    noise: Any = None,
    quality: str | None = None,
    axes: str | None = None,
    channel_axis: int | None = None,
    mask: Any = None,
    fill: bool | None = None,
    nodata: float | None = None,
    padding: bool | None = None,
    outliers: str | None = None,
    threads: int | None = None,
    device: str | None = None,
    progress: bool | Progress | None = None,
    cancel: Any = None,
    dtype: Any = None,
    full_output: bool | None = None,
) -> Any:
    """Remove noise from an image by a trained network with a non-local stage at its heart (`NonLocalDenoiser`).

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
    quality : {"balanced", "best"}, optional
        "balanced" by default. "best" averages over the eight turned and mirrored positions of the image: 0.05 to
        0.08 dB, for eight times the time.
    axes : str, optional
        The array's axes, as for `nlmeans.denoise`.
    channel_axis : int, optional
        The axis of colours or other channels. Three channels are taken for colours, red, green and blue in this order,
        and denoised together; any other number, or three of which one has more than four times another's σ, one by one.
        Channels that share their noise, such as grey stored as colour, are turned so that they do not, and then
        denoised one by one. A channel that is constant stays as it is. For three channels that are no colours the
        order matters, since the network learned from photographs: stack such images along N.
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
        "cpu", "cuda", "mps" or "auto"; the CPU by default.
    progress : bool or callable, optional
        True shows a bar on standard error; a function is called as ``progress(done, total)``, and stops the work if
        it raises.
    cancel : threading.Event, optional
        Once it is set, the work stops within a second or two, the time of a layer, and raises `nlmeans.Cancelled`.
    dtype : data-type, optional
        Type of the result: the image's by default, or float32 or float64.
    full_output : bool, optional
        Return a `LearnedReport` too.

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
        As `nlmeans.denoise`; also for weights that are not as they were shipped.
    FileNotFoundError
        If weights are missing.
    nlmeans.Cancelled
        If ``cancel`` was set.

    Notes
    -----
    Any scale will do: planes are mapped to that of the training pictures by the range of their 8×8 medians, and back.
    For floats, denoise(a·x + b, a·σ) is a·denoise(x, σ) + b up to rounding, for a > 0. Noise below 1/255 of that
    range is weaker than what the network was trained for: it is told of as much, and the change that it makes shrinks
    with σ², so that it never does more harm than the noise.

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
    start = time.perf_counter()
    array = checks.image(image)
    options = Options.check(
        array, sigma=sigma, noise=noise, axes=axes, channel_axis=channel_axis, mask=mask, nodata=nodata,
        padding=padding, outliers=outliers, quality="fast",
    )  # fmt: skip
    keep, kind = checks.flag(fill, "fill") is False, checks.result_type(dtype, array.dtype)
    checks.fits(kind, array)
    workers = 1 if _forked else checks.threads(threads) or available_cpus()
    place = chosen_device("cpu" if device is None else device)
    event, asked = checks.cancel(cancel), checks.progress(progress)
    wants_report = checks.flag(full_output, "full_output")
    turns = TURNS[own_checks.one_of(quality or "balanced", "quality", tuple(TURNS))]
    alive = stoppable(None, event)
    images, used, counts = [], set(), np.zeros(3, int)
    sources = options.layout.planes(array)
    results = np.empty(sources.shape, kind)
    with bar(asked) as shown:
        tell = stoppable(shown, event)
        for k, source in enumerate(sources):
            if alive is not None:
                alive(k, len(sources))
            image = Image.of(source, options, k)
            images.append(ImageNoise.of(image.recipe))
            used |= {len(group) for group in image.groups}
            filled = image.filled(workers, alive)
            with _threads(workers, alive):
                clean = image.denoised(filled, place, part(tell, k, len(sources)), turns)
            results[k], moved, *numbers = image.stored(clean, source, keep, kind)
            counts += numbers
            if moved:
                images[k] = replace(images[k], notes=(*images[k].notes, SHADES))
    result = np.ascontiguousarray(options.layout.array(results))
    if not wants_report:
        return result
    report = LearnedReport(
        axes=options.layout.axes, images=tuple(images), device=str(place), threads=workers,
        quality=quality or "balanced",
        **dict(zip(("missing", "unfilled", "kept"), counts.tolist(), strict=True)),
        weights=tuple(f"{NAMES[channels]} {weights.digest(NAMES[channels])[:8]}" for channels in sorted(used)),
        seconds=time.perf_counter() - start,
    )  # fmt: skip
    return result, report


def denoise_method(image: Any, noise: Any, **options: Any) -> tuple[np.ndarray, LearnedReport]:
    """Denoise for ``nlmeans.denoise(method="learned")``; options are those of `denoise`."""
    unknown = sorted(set(options) - TAKEN)
    if unknown:
        raise TypeError(f"method 'learned' has no option {', '.join(unknown)}")
    result: tuple[np.ndarray, LearnedReport] = denoise(image, noise=noise, full_output=True, **options)
    return result


_lock = threading.RLock()  # a progress function may denoise, too
_forked = False


def _after_fork() -> None:
    """Take note: another thread may have held the lock, and no thread of OpenMP's has survived."""
    global _lock, _forked
    _lock, _forked = threading.RLock(), True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@contextmanager
def _threads(count: int, alive: Progress | None) -> Iterator[None]:
    """Give torch so many threads for a while; one caller at a time, since they are the process's."""
    while not _lock.acquire(timeout=0.1):
        if alive is not None:
            alive(0, 1)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(count)
        yield
    finally:
        torch.set_num_threads(before)
        _lock.release()
