"""From a picture to a page that lays what each method makes of it over the noise and the truth."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np

import nlmeans

from .. import formats
from ..formats import exif
from ..methods.registry import DEFAULT, method_names
from ..plan.options import OPTIONS
from ..show import page
from ..show.metrics import Metrics, measure
from .console import in_flags
from .options import Filtering

CORNER = {"N": 1, "T": 6, "Z": 6, "Y": 48, "X": 48, "C": None}
"""Pixels along each axis of what is denoised first, so that compiling is not timed."""
TAILS = (0.1, 99.9)
"""Percentiles that are shown as black and white, where the type does not say what those are."""

Bar = Callable[[str], AbstractContextManager[Any]]


@dataclass(frozen=True)
class Result:
    """The result of a method: its pixels (axes in rows), its time, and its metrics where a reference is known.

    The noisy picture has no ``method`` and no ``seconds``.
    """

    name: str
    pixels: np.ndarray
    method: str | None = None
    seconds: float | None = None
    metrics: Metrics | None = None

    @property
    def figures(self) -> list[str]:
        """The figures of its caption."""
        figures = []
        if self.metrics is not None:
            figures.append(f"{self.metrics.psnr:.2f} dB")
            if not math.isnan(self.metrics.ssim):
                figures.append(f"SSIM {self.metrics.ssim:.3f}")
        if self.seconds is not None:
            figures.append(f"{self.seconds:.2f} s" if self.seconds >= 1 else f"{self.seconds * 1000:.0f} ms")
        return figures


@dataclass(frozen=True)
class Comparison:
    """A page, a line about it, and what a user should know."""

    page: str
    summary: str
    notes: tuple[str, ...]


def compared(
    name: str,
    picture: formats.Picture,
    filtering: Filtering,
    files: dict[str, formats.Picture],
    *,
    reference: formats.Picture | None,
    threads: int | None,
    bar: Bar,
) -> Comparison:
    """Denoise a picture in each way and return the page; ``bar`` draws the progress of a named way.

    Raises
    ------
    ValueError
        If the reference does not fit the picture, or as the library does.
    """
    chosen = nlmeans.plan(picture.pixels, **filtering.options(picture, files))  # refuses what cannot be denoised
    rows = picture.in_rows()
    truth = None if reference is None else _fitting(reference, rows)
    results, notes, workers = _results(picture, filtering, files, chosen, threads, bar)
    if truth is not None:
        results = [replace(one, metrics=measure(one.pixels, truth, rows.dimensions)) for one in results]

    show, facts = _showing(rows, rows.pixels if truth is None else truth)
    # Lines break between figures, not within one.
    captions = [" · ".join(figure.replace(" ", "\N{NO-BREAK SPACE}") for figure in one.figures) for one in results]
    shots = [page.Shot(one.name, show(one.pixels), text) for one, text in zip(results, captions, strict=True)]
    clean = None if truth is None else page.Shot("Reference", show(truth), "what the others are compared with")
    size = " × ".join(str(side) for axis, side in zip(rows.dimensions, rows.pixels.shape, strict=True) if axis != "C")
    scene = page.Scene(f"{name}, {size} pixels", shots[0], tuple(shots[1:]), clean)
    *others, last = dict.fromkeys(one.method for one in results if one.method is not None)
    what = f"methods {', '.join(others)} and {last} make" if others else f"method {last} makes"
    sentences = [
        f"What the {what} of {name}.",
        f"Noise: {_noise(chosen)} ({'estimated from the picture' if chosen.estimated else 'as given'}).",
        "PSNR and SSIM say how close a picture is to the reference: more is closer."
        if truth is not None
        else "Without a reference (--reference) no figure says which of them is closest to the truth.",
        f"Times are of one run on {workers} thread{'s' * (workers != 1)}, after a short one that compiles"
        f"{', and include the estimate of the noise' if chosen.estimated else ''}.",
        *facts,
        *notes,
    ]
    text = page.page([scene], f"{name}, denoised", sentences, [_row(one) for one in results])
    summary = ", ".join(f"{one.name.lower()} {one.figures[0]}" for one in results if one.figures)
    return Comparison(text, summary, notes)


def _noise(chosen: nlmeans.Plan) -> str:
    return f"Gaussian, sigma {' '.join(f'{s:.4g}' for s in chosen.sigma)}" if chosen.plain else chosen.noise


def _results(
    picture: formats.Picture,
    filtering: Filtering,
    files: dict[str, formats.Picture],
    chosen: nlmeans.Plan,
    threads: int | None,
    bar: Bar,
) -> tuple[list[Result], tuple[str, ...], int]:
    """Return the noisy picture and what each way made of it, notes, and how many threads there were."""
    results, notes, workers = [Result("Noisy", picture.in_rows().pixels)], [], 1
    quality = OPTIONS["quality"]
    ways = [(choice, DEFAULT, choice) for choice in get_args(quality.kind)]
    ways += [(method, method, quality.default) for method in method_names() if method != DEFAULT]
    for title, method, choice in ways:
        given = {"method": method, "quality": choice, "threads": threads, "full_output": True}
        try:
            given = filtering.options(picture, files, method) | given
            _warm(picture, given, chosen)
            with bar(title) as progress:
                start = time.perf_counter()
                pixels, report = nlmeans.denoise(picture.pixels, progress=progress, **given)
                seconds = time.perf_counter() - start
        except (ImportError, ValueError, TypeError) as error:
            if method == DEFAULT:
                raise
            notes.append(f"{title.capitalize()} is left out: {error}")
            continue
        notes += [in_flags(note) for note in getattr(report, "notes", ())]
        workers = max(workers, getattr(report, "threads", 1))
        results.append(Result(title.capitalize(), picture.with_pixels(pixels).in_rows().pixels, method, seconds))
    return results, tuple(dict.fromkeys(notes)), workers


def _warm(picture: formats.Picture, given: dict[str, Any], chosen: nlmeans.Plan) -> None:
    """Denoise a corner of the picture."""
    axes, sigma = picture.dimensions, given["sigma"]
    if sigma is None and given["noise"] is None:
        sigma = list(chosen.sigma)
    elif isinstance(sigma, np.ndarray):
        sigma = _corner(sigma, axes if sigma.ndim == len(axes) else axes.replace("C", ""))
    with suppress(ValueError):  # a corner may have no valid pixel
        nlmeans.denoise(_corner(picture.pixels, axes), **given | {"sigma": sigma})


def _corner(array: np.ndarray, axes: str) -> np.ndarray:
    return array[tuple(slice(CORNER[axis]) for axis in axes)]


def _fitting(reference: formats.Picture, rows: formats.Picture) -> np.ndarray:
    """Return the reference's pixels, their axes in rows; refuse one that cannot be compared with the picture."""
    truth, pixels = reference.in_rows().pixels, rows.pixels
    floats = truth.dtype.kind == pixels.dtype.kind == "f"
    if truth.shape != pixels.shape or not (floats or truth.dtype == pixels.dtype):
        raise ValueError(
            f"--reference must have the picture's shape and type, {pixels.shape} and {pixels.dtype}; "
            f"got {truth.shape} and {truth.dtype}"
        )
    if not np.isfinite(truth).all():
        raise ValueError(f"--reference must be finite; got {np.count_nonzero(~np.isfinite(truth))} pixels that are not")
    return truth.astype(pixels.dtype, copy=False)


def _showing(rows: formats.Picture, base: np.ndarray) -> tuple[Callable[[np.ndarray], np.ndarray], list[str]]:
    """Return a function from pixels to an 8-bit picture, in one way for all, and sentences about it."""
    axes, facts = rows.dimensions, []
    slices = {axis: side // 2 for axis, side in zip(axes, rows.pixels.shape, strict=True) if axis in "NTZ"}
    if slices:
        where = ", ".join(f"{axis} {k} of {rows.pixels.shape[axes.index(axis)]}" for axis, k in slices.items())
        facts.append(f"Shown is the slice in the middle ({where}, counted from 0); denoised and judged was the whole.")
    mixed = "C" in axes and rows.pixels.shape[-1] not in (1, 3)
    if mixed:
        facts.append(f"Shown is the mean of the {rows.pixels.shape[-1]} channels.")
    turned = exif.orientation(rows.exif)

    def plain(pixels: np.ndarray) -> np.ndarray:
        view = pixels[tuple(slices.values())]
        if mixed:
            view = view.mean(axis=-1)
        elif "C" in axes and view.shape[-1] == 1:
            view = view[..., 0]
        return exif.upright(view, turned)

    low, high = 0.0, 255.0
    if rows.pixels.dtype != np.uint8:
        values = plain(base)
        values = values[np.isfinite(values)]
        low, high = (float(v) for v in np.percentile(values, TAILS)) if values.size else (0.0, 1.0)
        high = high if high > low else low + 1
        facts.append(
            f"Pixels are {rows.pixels.dtype}, shown in 8 bits: black is {low:.6g}, white {high:.6g}, the range of "
            "nearly all pixels, for all pictures alike. Figures are of the pixels themselves."
        )

    def show(pixels: np.ndarray) -> np.ndarray:
        values = np.nan_to_num((plain(pixels).astype(float) - low) * (255 / (high - low)), nan=0, posinf=255, neginf=0)
        return np.clip(np.rint(values), 0, 255).astype(np.uint8)

    return show, facts


def _row(result: Result) -> dict[str, Any]:
    row: dict[str, Any] = {"method": result.name}
    if result.metrics is not None:
        row |= {"dB": result.metrics.psnr, "SSIM": None if math.isnan(result.metrics.ssim) else result.metrics.ssim}
    return row | {"seconds": result.seconds}
