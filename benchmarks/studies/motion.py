"""Video that moves, beside others' filters: ``python -m benchmarks motion --data DIR --out FILE``.

A clip of DAVIS and pans over pictures of Kodak24 with standard noise, σ known: by whole pixels, and at half the size by
halves of pixels. PSNR is that of all frames, of 8 bits' range; seconds are those of one call.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import nlmeans

from ..harness import files
from ..harness.methods import CannotRun
from ..harness.metrics import clipped_psnr
from ..harness.pictures import ClipCase
from ..harness.timing import timed
from ..peers.films import FILMS

SIGMAS = (10, 20, 40)
STEPS = ((5, 11), (-9, 2), (3, -17))
"""How far each pan goes from frame to frame, along y and x."""
OURS: dict[str, dict[str, Any]] = {
    "nlm, fast": {"quality": "fast"},
    "nlm": {},
    "nlm, best": {"quality": "best"},
    "ridge, fast": {"method": "ridge", "quality": "fast"},
    "ridge": {"method": "ridge"},
}
WAYS: dict[str, dict[str, Any]] = {
    "frame by frame": {"axes": "NYX"},
    "still windows": {"axes": "TYX", "motion": False},
    "followed": {"axes": "TYX"},
}


def grey(path: Path) -> np.ndarray:
    """Return a picture's luma."""
    picture = nlmeans.io.read(path)
    pixels = picture.pixels.astype(np.float32)
    return pixels @ np.array([0.299, 0.587, 0.114], np.float32) if pixels.ndim == 3 else pixels


def pan(picture: np.ndarray, step: tuple[int, int], frames: int, halved: bool) -> np.ndarray:
    """Return frames of a camera that goes over a picture."""
    paths = [(n - 1 if s < 0 else 0) * abs(s) for s, n in zip(step, (frames, frames), strict=True)]
    height, width = ((side - abs(s) * (frames - 1)) // 4 * 4 for side, s in zip(picture.shape, step, strict=True))
    cut = [
        picture[y : y + height, x : x + width]
        for y, x in ((paths[0] + step[0] * t, paths[1] + step[1] * t) for t in range(frames))
    ]
    clip = np.stack(cut)
    if not halved:
        return np.ascontiguousarray(clip[:, : height // 2, : width // 2])
    return (clip[:, ::2, ::2] + clip[:, 1::2, ::2] + clip[:, ::2, 1::2] + clip[:, 1::2, 1::2]) / 4


def clips(data: Path, frames: int) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the names of clips and their frames."""
    yield "DAVIS", np.stack([grey(path) for path in sorted((data / "DAVIS").glob("*.jpg"))[:frames]])
    pictures = sorted((data / "Kodak24").glob("*.png"))
    for halved in (False, True):
        for path, step in zip(pictures[4::8], STEPS, strict=False):
            name = f"pan of {path.stem} by {step}" + (" halves of pixels" if halved else "")
            yield name, pan(grey(path), step, min(frames, 8), halved)


def methods(noisy: np.ndarray, sigma: float, threads: int) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield the names of all that is measured, and the calls."""
    for name, own in OURS.items():
        for way, more in WAYS.items():
            yield f"{name}, {way}", partial(nlmeans.denoise, noisy, sigma, threads=threads, **own, **more)
    case = ClipCase("clip", "call", (), shape=noisy.shape[1:], frames=len(noisy), sigma=sigma)
    for film in FILMS:
        if film.missing() is None:
            try:
                yield film.name, film.call(case, noisy, sigma, threads)
            except CannotRun as error:
                print(f"{film.name}: {error}", flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Measure all clips and write the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks motion", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds DAVIS and Kodak24")
    parser.add_argument("--frames", type=int, default=24, help="most frames of a clip")
    parser.add_argument("--threads", type=int, default=2, help="threads of each")
    parser.add_argument("--sigmas", type=float, nargs="+", default=SIGMAS, help="standard deviations of the noise")
    parser.add_argument("--only", default="", help="clips whose names hold this")
    parser.add_argument("--without", nargs="*", default=(), help="methods whose names begin so")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    options = parser.parse_args(arguments)
    record = []
    for name, clean in clips(options.data, options.frames):
        for sigma in options.sigmas if options.only in name else ():
            noisy = (clean + np.random.default_rng(0).normal(0, sigma, clean.shape)).astype(np.float32)
            for method, call in methods(noisy, sigma, options.threads):
                if method.startswith(tuple(options.without)):
                    continue
                answer, reading = timed(call)
                psnr = clipped_psnr(answer, clean)
                row = {
                    "clip": name, "frames": len(clean), "sigma": sigma, "method": method,
                    "psnr": round(psnr, 3) if math.isfinite(psnr) else None,
                    "seconds": round(reading.seconds, 3), "cpu_seconds": round(reading.cpu_seconds, 3),
                }  # fmt: skip
                record.append(row)
                print(row, flush=True)
    about = {"nlmeans": nlmeans.__version__, "threads": options.threads, "peers": versions()}
    files.write_json(options.out, about | {"results": record})
    return 0


def versions() -> dict[str, str]:
    """Return the versions of the others' filters that there are."""
    return {film.name: film.version() for film in FILMS if film.missing() is None}
