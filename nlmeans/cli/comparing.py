"""From a picture to a page that lays what each method makes of it over the noise and the truth."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import nlmeans

from .. import formats
from ..formats import exif
from ..methods.registry import method_of, names
from ..show import page
from ..show.metrics import Score, score
from .console import in_flags
from .options import Filtering

WAYS: dict[str, dict[str, Any]] = {
    "Fast": {"quality": "fast"},
    "Balanced": {"quality": "balanced"},
    "Best": {"quality": "best"},
    "Ridge": {"method": "ridge"},
    "Learned": {"method": "learned"},
}
"""What is compared: arguments of `nlmeans.denoise` by the name on the page."""
CORNER = {"N": 1, "T": 6, "Z": 6, "Y": 48, "X": 48, "C": None}
"""Pixels along each axis of what is denoised first, so that compiling is not timed."""
TAILS = (0.1, 99.9)
"""Percentiles that are shown as black and white, where the type does not say what those are."""

Bar = Callable[[str], AbstractContextManager[Any]]


@dataclass(frozen=True)
class Result:
    """What a method made of the picture: its pixels (axes in rows), its time, and how close it is where that is known.

    The noisy picture has no ``seconds``.
    """

    name: str
    pixels: np.ndarray
    seconds: float | None = None
    score: Score | None = None

    @property
    def figures(self) -> list[str]:
        """What is said of it in a line."""
        found = []
        if self.score is not None:
            found.append(f"{self.score.psnr:.2f} dB")
            if not math.isnan(self.score.ssim):
                found.append(f"SSIM {self.score.ssim:.3f}")
        if self.seconds is not None:
            found.append(f"{self.seconds:.2f} s" if self.seconds >= 1 else f"{self.seconds * 1000:.0f} ms")
        return found


@dataclass(frozen=True)
class Comparison:
    """A page, a line about it, and what a user should know."""

    page: str
    summary: str
    notes: tuple[str, ...]


def compared(
    name: str,
    picture: formats.Picture,
    asked: Filtering,
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
    options = asked.options(picture, files)
    chosen = nlmeans.plan(picture.pixels, **options)  # refuses what cannot be denoised
    rows = picture.in_rows()
    truth = None if reference is None else _fitting(reference, rows)
    results, notes, workers = _results(picture, asked, options, chosen, threads, bar)
    if truth is not None:
        results = [replace(one, score=score(one.pixels, truth, rows.dimensions)) for one in results]

    show, told = _showing(rows, rows.pixels if truth is None else truth)
    # Lines break between figures, not within one.
    told_of = [" · ".join(figure.replace(" ", "\N{NO-BREAK SPACE}") for figure in one.figures) for one in results]
    shots = [page.Shot(one.name, show(one.pixels), note) for one, note in zip(results, told_of, strict=True)]
    clean = None if truth is None else page.Shot("Reference", show(truth), "what the others are compared with")
    size = " × ".join(str(side) for axis, side in zip(rows.dimensions, rows.pixels.shape, strict=True) if axis != "C")
    scene = page.Scene(f"{name}, {size} pixels", shots[0], tuple(shots[1:]), clean)
    names_of = {"Ridge": "linear combinations of patches", "Learned": "a trained network"}
    *others, last = ["non-local means", *(names_of[one.name] for one in results if one.name in names_of)]
    what = f"{', '.join(others)} and {last} make" if others else f"{last} makes"
    sentences = [
        f"What {what} of {name}.",
        f"Noise: Gaussian, sigma {' '.join(f'{s:.4g}' for s in chosen.sigma)} "
        f"({'estimated from the picture' if chosen.estimated else 'as given'}).",
        "PSNR and SSIM say how close a picture is to the reference: more is closer."
        if truth is not None
        else "Without a reference (--reference) no figure says which of them is closest to the truth.",
        f"Times are of one run on {workers} thread{'s' * (workers != 1)}, after a short one that compiles"
        f"{', and include the estimate of the noise' if chosen.estimated else ''}.",
        *told,
        *notes,
    ]
    text = page.page([scene], f"{name}, denoised", sentences, [_row(one) for one in results])
    summary = ", ".join(f"{one.name.lower()} {one.figures[0]}" for one in results if one.figures)
    return Comparison(text, summary, notes)


def _results(
    picture: formats.Picture,
    asked: Filtering,
    options: dict[str, Any],
    chosen: nlmeans.Plan,
    threads: int | None,
    bar: Bar,
) -> tuple[list[Result], tuple[str, ...], int]:
    """Return the noisy picture and what each way made of it, notes, and how many threads there were."""
    found, notes, workers = [Result("Noisy", picture.in_rows().pixels)], [], 1
    for name, way in WAYS.items():
        given = options | {"quality": "balanced", "threads": threads, "full_output": True} | way
        if "method" in way:
            if way["method"] not in names():
                notes.append(f"{name} is left out: it is not installed: pip install 'nlmeans[learned]'")
                continue
            if "spacing" not in method_of(way["method"]).options:
                given["spacing"] = asked.spacing  # not that of the file
        try:
            _warm(picture, given, chosen)
            with bar(name) as progress:
                start = time.perf_counter()
                pixels, report = nlmeans.denoise(picture.pixels, progress=progress, **given)
                seconds = time.perf_counter() - start
        except (ImportError, ValueError, TypeError) as error:
            if "method" not in way:
                raise
            notes.append(f"{name} is left out: {error}")
            continue
        notes += [in_flags(note) for note in getattr(report, "notes", ())]
        workers = max(workers, getattr(report, "threads", 1))
        found.append(Result(name, picture.with_pixels(pixels).in_rows().pixels, seconds))
    return found, tuple(dict.fromkeys(notes)), workers


def _warm(picture: formats.Picture, given: dict[str, Any], chosen: nlmeans.Plan) -> None:
    """Denoise a corner of the picture."""
    axes, sigma = picture.dimensions, given["sigma"]
    if sigma is None:
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
    axes, told = rows.dimensions, []
    slices = {axis: side // 2 for axis, side in zip(axes, rows.pixels.shape, strict=True) if axis in "NTZ"}
    if slices:
        where = ", ".join(f"{axis} {k} of {rows.pixels.shape[axes.index(axis)]}" for axis, k in slices.items())
        told.append(f"Shown is the slice in the middle ({where}, counted from 0); denoised and judged was the whole.")
    mixed = "C" in axes and rows.pixels.shape[-1] not in (1, 3)
    if mixed:
        told.append(f"Shown is the mean of the {rows.pixels.shape[-1]} channels.")
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
        told.append(
            f"Pixels are {rows.pixels.dtype}, shown in 8 bits: black is {low:.6g}, white {high:.6g}, the range of "
            "nearly all pixels, for all pictures alike. Figures are of the pixels themselves."
        )

    def show(pixels: np.ndarray) -> np.ndarray:
        values = np.nan_to_num((plain(pixels).astype(float) - low) * (255 / (high - low)), nan=0, posinf=255, neginf=0)
        return np.clip(np.rint(values), 0, 255).astype(np.uint8)

    return show, told


def _row(result: Result) -> dict[str, Any]:
    row: dict[str, Any] = {"method": result.name}
    if result.score is not None:
        row |= {"dB": result.score.psnr, "SSIM": None if math.isnan(result.score.ssim) else result.score.ssim}
    return row | {"seconds": result.seconds}
