"""For loops and for noise without a model: ``python -m benchmarks loops --data DIR --out FILE``.

What a call of `nlmeans.Denoiser` takes beside one of `nlmeans.denoise`, whose answer must be the same to the bit, in
turns on one thread, in processor seconds; and what `nlmeans.plan` takes of it, which decides by the pixels each time.
Then what strengths of the table, by "sure" and by "j-invariant" make of real noise that is not told: two crops of each
micrograph of FMD, with ``noise="auto"``, and the middle of every fourth photograph of PolyU.
"""

from __future__ import annotations

import argparse
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from skimage.data import camera

import nlmeans

from ..harness import environment
from ..harness.files import write_json
from ..harness.metrics import clipped_psnr
from ..harness.pairs import middle, pairs
from ..harness.published import Published, Row, Table, named, seconds
from ..harness.sets import read, with_noise
from ..harness.timing import interleave

SIGMA = 15.0
SIDES = (128, 512)
METHODS = {
    '`quality="fast"`': ("nlm", "fast"),
    "the default": ("nlm", "balanced"),
    '`method="ridge", quality="fast"`': ("ridge", "fast"),
}
ROUNDS = 15
CORNERS, CROP = ((100, 100), (250, 250)), 160
"""Where crops of micrographs begin, and their sides."""
EVERY, PHOTOGRAPH = 4, 128
STRENGTHS: tuple[Any, ...] = (None, "sure", "j-invariant")
QUALITIES: tuple[Any, ...] = ("fast", "balanced")

Pairs = Iterator[tuple[np.ndarray, np.ndarray]]


def taken(call: Callable[[], np.ndarray], image: np.ndarray) -> float:
    """Return the memory that a call takes beside its result, in images."""
    tracemalloc.start()
    start = tracemalloc.get_traced_memory()[0]
    result = call()
    peak = tracemalloc.get_traced_memory()[1] - start - result.nbytes
    tracemalloc.stop()
    return round(peak / image.nbytes, 2)


def calls(side: int, name: str, rounds: int) -> dict[str, Any]:
    """Return what both calls take on a picture."""
    method, quality = METHODS[name]
    noisy = with_noise(middle(camera(), side), SIGMA, 1000)[0]
    both: dict[str, Callable[[], Any]] = {
        "denoise": partial(nlmeans.denoise, noisy, SIGMA, method=method, quality=quality, threads=1),
        "denoiser": partial(nlmeans.Denoiser(method, quality, threads=1), noisy, SIGMA),  # type: ignore[arg-type]
    }
    answer = both["denoise"]()

    def fault(which: str, result: Any) -> str | None:
        return None if np.array_equal(result, answer) else "must be the answer of denoise"

    interleave(both, 1, fault)
    timings = interleave(both, rounds, fault)
    if timings.faults:
        raise ValueError(f"Denoiser: {timings.faults}")
    deciding = partial(nlmeans.plan, noisy, SIGMA, method=method, quality=quality)
    plans = interleave({"plan": deciding}, rounds, lambda which, plan: None).readings["plan"]
    return {"side": side, "method": name, "plan": min(reading.cpu_seconds for reading in plans)} | {
        which: {
            "peak": taken(call, noisy), "seconds": min(timings.seconds(which)),
            "cpu_seconds": min(reading.cpu_seconds for reading in timings.readings[which]),
        }
        for which, call in both.items()
    }  # fmt: skip


def micrographs(data: Path) -> Pairs:
    """Yield crops of FMD's micrographs, noisy and clean."""
    for files in pairs(data / "FMD"):
        noisy, clean = (pixels if pixels.ndim == 2 else pixels[..., 0] for pixels in (read(f, None) for f in files))
        for y, x in CORNERS:
            cut = slice(y, y + CROP), slice(x, x + CROP)
            yield noisy[cut], clean[cut].astype(np.float64)


def photographs(data: Path) -> Pairs:
    """Yield the middle of PolyU's photographs, noisy and clean."""
    for files in pairs(data / "PolyU")[::EVERY]:
        noisy, clean = (middle(read(f, True), PHOTOGRAPH) for f in files)
        yield noisy, clean.astype(np.float64)


def strengths(pictures: Pairs, **given: Any) -> list[dict[str, Any]]:
    """Return dB of each picture by quality and how the strength is chosen; None where that is refused."""
    rows = []
    for noisy, clean in pictures:
        row: dict[str, Any] = {"noisy": clipped_psnr(noisy, clean)}
        for quality in QUALITIES:
            for strength in STRENGTHS:
                try:
                    result, report = nlmeans.denoise(
                        noisy, quality=quality, strength=strength, full_output=True, **given
                    )
                except ValueError:  # "sure" wants Gaussian noise
                    row[f"{quality}, {strength}"] = None
                    continue
                row[f"{quality}, {strength}"] = round(clipped_psnr(result, clean), 3)
                row["kept"] = any(note.code.startswith("j-invariant") for note in report.plan.notes)
        rows.append(row)
    return rows


def mean(values: list[float | None]) -> str:
    """Return a mean in dB."""
    return "refused" if None in values else f"{np.mean([v for v in values if v is not None]):.2f}"


def strength_rows(published: Published) -> list[Row]:
    """Return dB by how the strength is chosen, the mean over pictures."""
    rows = []
    for name, pictures in published.study("loops")["strengths"].items():
        for quality in QUALITIES:
            by = {s: [row[f"{quality}, {s}"] for row in pictures] for s in STRENGTHS}
            gains = np.subtract(by["j-invariant"], by[None])
            rows.append({
                "σ not told": f"{name}, {len(pictures)} crops, `\"{quality}\"`",
                "noisy": mean([row["noisy"] for row in pictures]), "the table's": mean(by[None]),
                '`"sure"`': mean(by["sure"]), '`"j-invariant"`': mean(by["j-invariant"]),
                "its gain, least and most": f"{gains.min():+.2f} to {gains.max():+.2f}",
                "kept the table's": f"{sum(row['kept'] for row in pictures)} of {len(pictures)}",
            })  # fmt: skip
    return rows


def call_rows(published: Published) -> list[Row]:
    """Return what a call takes in a loop."""
    rows = []
    for each in published.study("loops")["calls"]:
        row = {"one thread, σ given": f"{each['method']}, {each['side']}²"}
        for which, title in (("denoise", "`denoise`"), ("denoiser", "`Denoiser`")):
            row[title] = seconds(each[which]["cpu_seconds"])
        row["of it, deciding"] = seconds(each["plan"])
        row["memory beside the result, in images"] = f"{each['denoise']['peak']:.2f} → {each['denoiser']['peak']:.2f}"
        rows.append(row)
    return rows


TABLES: dict[str, Table] = {
    "loop-calls": lambda published: named(call_rows(published)),
    "strengths": lambda published: named(strength_rows(published)),
}


def main(arguments: list[str] | None = None) -> int:
    """Measure both and write the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks loops", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds FMD and PolyU")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often each call is timed; the shortest counts")
    parser.add_argument("--sides", type=int, nargs="+", default=SIDES, help="of the pictures that calls are timed on")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    options = parser.parse_args(arguments)
    record: dict[str, Any] = environment.describe() | {"calls": []}
    for name in METHODS:
        for side in options.sides:
            record["calls"].append(calls(side, name, options.rounds))
            print(record["calls"][-1], flush=True)
    record["strengths"] = {
        "FMD": strengths(micrographs(options.data), noise="auto"),
        "PolyU": strengths(photographs(options.data), channel_axis=-1),
    }
    for name, rows in record["strengths"].items():
        print(*(f"{name} {row}" for row in rows), sep="\n", flush=True)
    write_json(options.out, record)
    return 0
