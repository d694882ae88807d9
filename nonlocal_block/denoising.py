"""denoise(): the learned denoiser for NumPy arrays, called as `nlmeans.denoise` is."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nlmeans import _checks as checks
from nlmeans._progress import Progress, bar, part, stoppable
from nlmeans.options import Options
from nlmeans.plan import table
from nlmeans.prepare import as_float

from . import weights
from ._device import chosen_device
from .denoiser import MULTIPLE, NonLocalDenoiser

NAMES = {1: "denoiser-grey", 3: "denoiser-colour"}
"""The weights that come with the package, by channels."""
TILE, MARGIN = 1024, 88
"""Side of a tile in pixels, and what is added around it and thrown away: multiples of 8, the network's grid."""
LARGEST = 75 / 255
"""The largest σ that the network was trained on, black to white being 1."""
ROOM = 1.25
"""Photographs seldom reach from black to white: as wide as this, training pictures lose nothing (0.02 dB at 1)."""
UNEQUAL = 4.0
"""Colours are denoised together while their σ differ by no more than this factor: the network knows of one σ."""
CORRELATED = "the noise is spatially correlated, which the learned method was not trained on: method='nlm' measures it"

_lock = threading.RLock()  # a progress function may denoise, too


@dataclass(frozen=True)
class LearnedReport:
    """What `denoise` did.

    Attributes
    ----------
    axes : str
        The names of the image's axes.
    noise : str
        The noise model with its numbers, of the first image where there are several.
    sigma : tuple of float
        Standard deviation of the noise, one a channel: in the image's units, or 1 where a transform made it so.
    estimated : bool
        Whether the noise was estimated from the image.
    weights : tuple of str
        The weights that were used, with the beginning of their SHA-256.
    device : str
        Where the network ran.
    threads : int
        Threads that it had.
    seconds : float
        Wall time of the whole call.
    notes : tuple of str
        What a user should know.
    """

    axes: str
    noise: str
    sigma: tuple[float, ...]
    estimated: bool
    weights: tuple[str, ...]
    device: str
    threads: int
    seconds: float
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        rows = [
            ("method", f"learned, {', '.join(self.weights) or 'nothing to do'}"),
            ("axes", self.axes),
            ("noise", f"{self.noise}{' (estimated)' if self.estimated else ''}"),
            *[("note", note) for note in self.notes],
            ("device", self.device),
            ("threads", str(self.threads)),
            ("seconds", f"{self.seconds:.3g}"),
        ]
        return table(rows)


def denoise(
    image: Any,
    sigma: Any = None,
    *,
    noise: Any = None,
    axes: str | None = None,
    channel_axis: int | None = None,
    threads: int | None = None,
    device: str | None = None,
    progress: bool | Progress | None = None,
    cancel: Any = None,
    full_output: bool = False,
) -> Any:
    """Remove noise from an image by a trained network with a non-local stage at its heart (`NonLocalDenoiser`).

    Parameters
    ----------
    image : array_like
        A grey or multichannel image, a volume, a video or a stack of separate images, of the types that
        `nlmeans.denoise` takes. Volumes and videos are denoised plane by plane. It is never written.
    sigma : float, sequence of float or ndarray, optional
        Standard deviation of the noise in the image's units: one for all channels, one a channel, or a map. Estimated
        from the image by default.
    noise : Gaussian, PoissonGaussian, Rician or "auto", optional
        A model of `nlmeans.noise`; what is not Gaussian is made so by a transform.
    axes : str, optional
        The array's axes, as for `nlmeans.denoise`.
    channel_axis : int, optional
        The axis of colours or other channels. Three channels are taken for colours and denoised together; any other
        number, or three of which one has more than four times another's σ, one by one.
    threads : int, optional
        Threads to use; by default the CPUs that this process may use.
    device : str, optional
        "cpu", "cuda", "mps" or "auto"; the CPU by default.
    progress : bool or callable, optional
        True shows a bar on standard error; a function is called as ``progress(done, total)``, and stops the work if
        it raises.
    cancel : threading.Event, optional
        Once it is set, the work stops within a tile's time and raises `nlmeans.Cancelled`.
    full_output : bool, default False
        Return a `LearnedReport` too.

    Returns
    -------
    ndarray
        Shape and dtype of the image; integers are rounded and clipped to the type's range.
    LearnedReport
        If ``full_output``.

    Raises
    ------
    TypeError, ValueError
        As `nlmeans.denoise`; also for missing pixels (NaN, infinite), which this method cannot fill, and for weights
        that are missing or not as they were shipped.
    FileNotFoundError
        If weights are missing.
    nlmeans.Cancelled
        If ``cancel`` was set.

    Notes
    -----
    Any scale will do: planes are mapped to that of the training pictures by the range of their 8×8 means, and back.
    For floats, denoise(a·x + b, a·σ) is a·denoise(x, σ) + b up to rounding, for a > 0. Time is proportional to the
    pixels; memory is that of a few copies of the image and of one tile's features. Calls from several threads wait for
    each other: the number of torch's threads is the process's.

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
    options = Options.check(array, sigma=sigma, noise=noise, axes=axes, channel_axis=channel_axis)
    if options.known is not None:
        raise ValueError(
            f"the learned method needs every pixel; got {int((~options.known[:, 0]).sum())} that are NaN or infinite: "
            "method='nlm' fills them"
        )
    workers = checks.threads(threads) or _available()
    place = chosen_device("cpu" if device is None else device)
    event, asked = checks.cancel(cancel), checks.progress(progress)
    limits = checks.saturation(array.dtype)
    settings = []
    sources = options.layout.planes(array)
    results = np.empty(sources.shape, array.dtype)
    with bar(asked) as shown, _threads(workers):
        tell = stoppable(shown, event)
        for k, source in enumerate(sources):
            planes = as_float(source)
            setting = options.setting(planes, k, limits)
            settings.append(setting)
            results[k] = _image(source, planes, setting, place, part(tell, k, len(sources)))
    result = np.ascontiguousarray(options.layout.array(results))
    if not full_output:
        return result
    first = settings[0]
    used = sorted({len(group) for setting in settings for group in _groups(setting.sigma)})
    notes = list(dict.fromkeys(note for setting in settings for note in setting.notes))
    if any(setting.bands is not None for setting in settings):
        notes.append(CORRELATED)
    report = LearnedReport(
        axes=options.layout.axes, noise=first.text, sigma=first.sigma, estimated=first.estimated,
        weights=tuple(f"{NAMES[channels]} {_loaded(channels)[1]}" for channels in used),
        device=str(place), threads=workers, seconds=time.perf_counter() - start, notes=tuple(notes),
    )  # fmt: skip
    return result, report


def denoise_method(image: Any, noise: Any, **options: Any) -> tuple[np.ndarray, LearnedReport]:
    """Denoise for ``nlmeans.denoise(method="learned")``; options are those of `denoise`."""
    unknown = sorted(set(options) - {"axes", "channel_axis", "threads", "device", "progress", "cancel"})
    if unknown:
        raise TypeError(f"method 'learned' has no option {', '.join(unknown)}")
    result: tuple[np.ndarray, LearnedReport] = denoise(image, noise=noise, full_output=True, **options)
    return result


def load_denoiser(
    channels: int = 1, path: str | os.PathLike[str] | None = None
) -> tuple[NonLocalDenoiser, dict[str, Any]]:
    """Return a trained network, ready to use as ``denoiser(x, sigma)``, and the notes that came with it.

    Parameters
    ----------
    channels : {1, 3}
        For grey images, or for colour.
    path : path, optional
        A file of `nonlocal_block.train denoiser`; by default the one that comes with the package.

    Raises
    ------
    FileNotFoundError, ValueError
        If the file is missing, corrupt, changed since it was shipped, of a newer format, or holds something else.
    """
    if channels not in NAMES:
        raise ValueError(f"channels must be 1 or 3; got {channels!r}")
    kind = "NonLocalDenoiser"
    arguments, state, notes = weights.shipped(NAMES[channels], kind) if path is None else weights.load(path, kind)
    path = path or NAMES[channels]
    try:
        network = NonLocalDenoiser(**arguments)
        network.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    except (RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"{path} does not fit {kind}({arguments}): {error}") from error
    if network.channels != channels:
        raise ValueError(f"{path} must be for images of {channels} channels; got {network.channels}")
    return network.eval(), notes


def tiled(
    network: Callable[[Tensor, Tensor], Tensor], x: Tensor, sigma: Tensor, progress: Progress | None = None
) -> Tensor:
    """Return ``network(x, sigma)`` for one image (1, C, H, W) of any size, tile by tile, in a tile's memory.

    Parameters
    ----------
    network : callable
        Such as a `NonLocalDenoiser`.
    x : Tensor, shape (1, C, H, W)
        The image, on the device that the network takes.
    sigma : Tensor, shape (1, 1, H, W) or (1, 1, 1, 1)
        The noise.
    progress : callable, optional
        Is called as ``progress(done, total)`` after every tile.
    """
    height, width = x.shape[2:]
    out = torch.empty_like(x)
    tiles = [(y, z) for y in _starts(height) for z in _starts(width)]
    for k, ((top, bottom), (left, right)) in enumerate(tiles):
        rows, columns = (slice(max(a - MARGIN, 0), b + MARGIN) for a, b in ((top, bottom), (left, right)))
        level = sigma if sigma.shape[2:] == (1, 1) else sigma[:, :, rows, columns]
        view = x[:, :, rows, columns]
        found = network(view, level.expand(1, 1, *view.shape[2:]))
        y, z = top - rows.start, left - columns.start
        out[:, :, top:bottom, left:right] = found[:, :, y : y + bottom - top, z : z + right - left]
        if progress is not None:
            progress(k + 1, len(tiles))
    return out


def _starts(side: int) -> list[tuple[int, int]]:
    """Return where tiles begin, and where they have ended: evenly, on the network's grid."""
    count = -(-side // TILE)
    length = -(-side // (count * MULTIPLE)) * MULTIPLE
    return [(start, min(start + length, side)) for start in range(0, side, length)]


def _image(
    source: np.ndarray, planes: np.ndarray, setting: Any, device: torch.device, progress: Progress | None
) -> np.ndarray:
    """Denoise one image, planes (C, Z, Y, X)."""
    groups = _groups(setting.sigma)
    if not groups:
        if progress is not None:
            progress(1, 1)
        return source
    if setting.stabiliser is not None:
        planes = setting.stabiliser.forward(planes)
    clean = planes.copy()  # channels without noise stay as they are
    work = [(group, z) for group in groups for z in range(planes.shape[1])]
    for k, (group, z) in enumerate(work):
        chosen = list(group)
        relief = None if setting.variance is None else setting.variance[0, z]
        clean[chosen, z] = _plane(
            planes[chosen, z], [setting.sigma[c] for c in group], relief, device, part(progress, k, len(work))
        )
    if setting.still is not None:
        clean = np.where(setting.still, planes, clean)
    if setting.stabiliser is not None:
        clean = setting.stabiliser.inverse(clean)
    if source.dtype.kind != "f":
        info = np.iinfo(source.dtype)
        np.clip(np.rint(clean, out=clean), info.min, info.max, out=clean)
    return clean.astype(source.dtype, copy=False)


def _plane(
    plane: np.ndarray, sigma: list[float], relief: np.ndarray | None, device: torch.device, progress: Progress | None
) -> np.ndarray:
    """Denoise a plane (1 or 3, Y, X); ``relief`` is each pixel's variance in units of the mean one."""
    level = float(np.mean(sigma))
    # Channels of unequal noise are brought to the mean one, and back: the network knows of one.
    factors = np.array([level / own for own in sigma], plane.dtype)[:, None, None]
    even = plane * factors
    # Of a map, nearly all is to lie in the range that was trained; a few wild values must not make the rest vanish.
    middle, span = reach(even, level if relief is None else level * float(np.quantile(relief, 0.99)) ** 0.5)
    x = torch.from_numpy(np.ascontiguousarray((even - middle) / span + 0.5, np.float32))[None]
    noise = torch.full((1, 1, 1, 1), level / span)
    if relief is not None:
        noise = noise * torch.from_numpy(np.sqrt(relief, dtype=np.float32))[None, None]
    network = _loaded(len(plane))[0].to(device)
    with torch.inference_mode():
        found = tiled(lambda a, b: network(a.to(device), b.to(device)).cpu(), x, noise, progress)
    clean: np.ndarray = ((found[0].numpy().astype(plane.dtype) - 0.5) * span + middle) / factors
    return clean


def reach(plane: np.ndarray, sigma: float) -> tuple[float, float]:
    """Return the middle of a plane's grey levels, and what is to be black to white: `ROOM` times their range, or 3.4 σ.

    Means of 8×8 pixels hold little noise, and one hot pixel hardly moves them.
    """
    height, width = plane.shape[1:]
    rows, columns = (np.arange(0, max(side - side % 8, 1), 8) for side in (height, width))
    part = plane[:, : max(height - height % 8, min(height, 8)), : max(width - width % 8, min(width, 8))]
    means = np.add.reduceat(np.add.reduceat(part.astype(np.float64), rows, 1), columns, 2)
    means /= (part.shape[1] / len(rows)) * (part.shape[2] / len(columns))
    low, high = float(means.min()), float(means.max())
    return (low + high) / 2, max(ROOM * (high - low), sigma / LARGEST)


def _groups(sigma: Sequence[float]) -> list[range]:
    """Return the channels that are denoised together; those without noise are in none."""
    if len(sigma) == 3 and 0 < max(sigma) <= UNEQUAL * min(sigma):
        return [range(3)]
    return [range(c, c + 1) for c, own in enumerate(sigma) if own > 0]


@lru_cache(maxsize=2)
def _loaded(channels: int) -> tuple[NonLocalDenoiser, str]:
    """Return the network that comes with the package, and the beginning of its SHA-256."""
    return load_denoiser(channels)[0], weights.digest(NAMES[channels])[:8]


def _available() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Give torch so many threads for a while; one caller at a time, since they are the process's."""
    with _lock:
        before = torch.get_num_threads()
        torch.set_num_threads(count)
        try:
            yield
        finally:
            torch.set_num_threads(before)
