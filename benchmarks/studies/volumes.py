"""Volumes beside BM4D, DIPY, ANTs, scikit-image: ``python -m benchmarks volumes --data DIR --brain FILE --out FILE``.

Gaussian noise on the phantom and on brains; Rician noise on the phantom with nothing around it, σ given and not told;
a diffusion series that is made up. Each method has one thread, but for ANTs' drop-in, which takes those that there are;
the tables have seconds of the processor. A method first denoises the middle of a volume, which must come out finite and
whole; a timed answer must gain some dB, too, else there is a reason and no figures. BM4D and ANTs run in the
interpreter that ``NLMEANS_PEERS`` names.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

import nlmeans
from nlmeans import io
from nlmeans.compat.ants import denoise_image
from nlmeans.noise import Gaussian, Rician

from .. import peers
from ..harness import environment, files
from ..harness.magnetic import diffusion, magnitudes, on_black
from ..harness.methods import Denoiser
from ..harness.metrics import psnr
from ..harness.phantom import phantom
from ..harness.pictures import PictureCase
from ..harness.published import Published, Row, Table, named
from ..harness.sets import TRAINING, with_noise
from ..harness.timing import describe, interleave
from ..peers.magnetic import AWAY, ants, dipy_means, mppca
from ..peers.plain import Plain

SIGMA, SERIES_SIGMAS = 12.75, (10.0, 20.0)
SIDE, BLACK_SIDES, SERIES_SIDES = 64, (40, 64), (12, 28, 28)
MIDDLE = 24
"""Most voxels along each side of what is denoised first."""
GAIN = 1.0
"""What the PSNR of a timed answer must have gained, in dB."""
OURS: dict[str, dict[str, Any]] = {
    '`quality="balanced"`, the default': {}, '`quality="best"`': {"quality": "best"},
    '`method="ridge", quality="fast"`': {"method": "ridge", "quality": "fast"}, '`method="ridge"`': {"method": "ridge"},
    '`method="ridge", quality="best"`': {"method": "ridge", "quality": "best"},
}  # fmt: skip
DROP_IN = "`compat.ants.denoise_image`, σ estimated"
BM4D, ANTS, SKIMAGE = "BM4D's package", "ANTs' `denoise_image`, σ estimated", "scikit-image's non-local means"
DIPY, MPPCA = "DIPY's non-local means, classic", "DIPY's MPPCA"
GIVEN, UNTOLD = "σ given", "σ not told"

Calls = dict[str, Callable[[], Any]]


@dataclass(frozen=True)
class Scene:
    """A volume or a series, and its noise.

    Attributes
    ----------
    table, column : str
        Where its figures stand.
    clean, noisy : ndarray
        Without noise and with.
    sigma : float
        The noise.
    told : bool
        Whether methods are given σ.
    rician : bool
        Whether its noise is Rician, else Gaussian.
    spacing : tuple of float or None
        Sides of a voxel.
    peak : float
        White.
    """

    table: str
    column: str
    clean: np.ndarray
    noisy: np.ndarray
    sigma: float = SIGMA
    told: bool = True
    rician: bool = False
    spacing: tuple[float, ...] | None = None
    peak: float = 255.0

    def middle(self) -> np.ndarray:
        """Return the middle of what is noisy."""
        starts = [max(side - MIDDLE, 0) // 2 for side in self.noisy.shape[:3]]
        return self.noisy[tuple(slice(start, start + MIDDLE) for start in starts)].copy()

    def calls(self, noisy: np.ndarray) -> Calls:
        """Return the calls to measure."""
        level = self.sigma if self.told else None
        model = (Rician if self.rician else Gaussian)(level)
        theirs = (noisy, level, self.rician)
        ours = partial(nlmeans.denoise, noisy, noise=model, threads=1)
        if self.table == "series":
            return {
                '`method="ridge", axes="ZYXC"`': partial(ours, axes="ZYXC", method="ridge"),
                'each volume by itself, `axes="ZYXN"`': partial(ours, axes="ZYXN", method="ridge"),
                **dipy(MPPCA, mppca, *theirs),
            }
        calls: Calls = {name: partial(ours, axes="ZYX", spacing=self.spacing, **given) for name, given in OURS.items()}
        kind = "Rician" if self.rician else "Gaussian"
        if self.table == "volumes" or not self.told:
            calls[DROP_IN] = partial(denoise_image, noisy, noise_model=kind)
            calls |= others({ANTS: ants(self.rician)}, noisy, self.sigma)
        if self.table == "volumes":
            calls |= others({BM4D: AWAY["bm4d"], SKIMAGE: peers.methods(Plain)["skimage-nlm"]}, noisy, self.sigma)
        return calls | dipy(DIPY, dipy_means, *theirs)


def dipy(name: str, function: Callable[..., Any], *given: Any) -> Calls:
    """Return a call of DIPY's, where it is installed."""
    return {name: partial(function, *given)} if find_spec("dipy") else {}


def others(methods: Mapping[str, Denoiser], noisy: np.ndarray, sigma: float) -> Calls:
    """Return the calls of methods of the suites."""
    case = PictureCase("volume", "call", (), source="phantom", shape=noisy.shape, sigma=sigma)
    return {name: method.call(case, noisy, sigma, 1) for name, method in methods.items() if method.missing() is None}


def scenes(data: Path | None, brain: Path | None) -> Iterator[Scene]:
    """Yield all that is measured."""
    for name, clean, spacing in volumes(data, brain):
        yield Scene("volumes", name, clean, with_noise(clean, SIGMA, 1000)[0], spacing=spacing)
    for side in BLACK_SIDES:
        clean = on_black(side)
        noisy = magnitudes(clean, SIGMA, 3)
        for told in (True, False):
            yield Scene("rician", f"{side}³, {GIVEN if told else UNTOLD}", clean, noisy, told=told, rician=True)
    for rician in (False, True):
        for seed, sigma in enumerate(SERIES_SIGMAS):
            clean = diffusion(seed, SERIES_SIDES)
            noisy = magnitudes(clean, sigma, 3) if rician else with_noise(clean, sigma, 1000)[0]
            name = f"{'Rician' if rician else 'Gaussian'}, σ = {sigma:g}"
            yield Scene("series", name, clean, noisy, sigma, rician=rician, peak=float(clean.max()))


def volumes(data: Path | None, brain: Path | None) -> Iterator[tuple[str, np.ndarray, tuple[float, ...] | None]]:
    """Yield names of volumes, their voxels from 0 to 255, and a voxel's sides where they differ."""
    yield f"phantom {SIDE}³", phantom(SIDE), None
    if brain is not None:
        yield f"brain {SIDE}³", voxels(brain), None
    if data is not None:
        yield "T1, thick slices", voxels(data / TRAINING["volume"] / "BRAINIX_T1.nii.gz"), (12.8, 1.0, 1.0)


def voxels(path: Path) -> np.ndarray:
    """Return the middle of a NIfTI file, the last axis first."""
    volume = io.read(path).pixels.T.astype(np.float32)
    cut = tuple(slice(max(side - SIDE, 0) // 2, max(side - SIDE, 0) // 2 + SIDE) for side in volume.shape)
    return np.ascontiguousarray(volume[cut]) * np.float32(255 / volume.max())


def fault(answer: Any, shape: tuple[int, ...]) -> str | None:
    """Say what is wrong with an answer, or None."""
    right = np.shape(answer) == shape and bool(np.isfinite(answer).all())
    return None if right else f"the answer must be finite and of shape {shape}"


def warmed(call: Callable[[], Any], shape: tuple[int, ...]) -> str | None:
    """Make a first call, which may compile, and say what is wrong with its answer, or None."""
    try:
        return fault(call(), shape)
    except Exception as error:  # another library raises what it likes
        return describe(error)


def measure(scene: Scene, rounds: int, only: str = "") -> Iterator[dict[str, Any]]:
    """Yield the record of each method whose name holds ``only``."""
    part = scene.middle()
    first = {name: warmed(call, part.shape) for name, call in scene.calls(part).items() if only in name}
    before, psnrs = psnr(scene.noisy, scene.clean, scene.peak), dict[str, float]()

    def judged(name: str, answer: Any) -> str | None:
        if said := fault(answer, scene.clean.shape):
            return said
        psnrs[name] = psnr(answer, scene.clean, scene.peak)
        gain = psnrs[name] - before
        return None if gain >= GAIN else f"the answer must gain {GAIN:g} dB; got {gain:.2f}"

    calls = {name: call for name, call in scene.calls(scene.noisy).items() if name in first and first[name] is None}
    timings = interleave(calls, rounds, judged)
    for name, reason in first.items():
        row = {"table": scene.table, "column": scene.column, "method": name}
        if reason := reason or timings.faults.get(name):
            yield row | {"status": "failed", "reason": reason}
            continue
        readings = timings.readings[name]
        yield row | {
            "status": "measured", "psnr": round(psnrs[name], 3),
            "seconds": round(min(reading.seconds for reading in readings), 3),
            "cpu_seconds": round(min(reading.cpu_seconds for reading in readings), 3),
        }  # fmt: skip


def rows(published: Published, name: str) -> list[Row]:
    """Return dB and processor seconds of each method, a column for each scene."""
    results = [row for row in published.study("volumes")["results"] if row["table"] == name]
    columns, table = dict.fromkeys(row["column"] for row in results), dict[str, Row]()
    for row in results:
        line = table.setdefault(row["method"], {"one thread": row["method"], **dict.fromkeys(columns, "–")})
        if row["status"] == "measured":
            line[row["column"]] = f"{row['psnr']:.2f} dB, {row['cpu_seconds']:.2g} s"
        else:
            line[row["column"]] = f"failed: {row['reason']}"
    return list(table.values())


TABLES: dict[str, Table] = {
    name: lambda published, name=name: named(rows(published, name))  # type: ignore[misc]
    for name in ("volumes", "rician", "series")
}


def main(arguments: list[str] | None = None) -> int:
    """Measure all volumes and write the figures; 1 where an answer was at fault."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks volumes", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder that holds MRI, for a volume of thick slices")
    parser.add_argument(
        "--brain", type=Path, help="NIfTI file of a brain; nilearn's wheel has the template MNI ICBM 152"
    )
    parser.add_argument("--rounds", type=int, default=1, help="how often each is timed; the shortest time counts")
    parser.add_argument("--scenes", default="", help="scenes whose names hold this")
    parser.add_argument("--methods", default="", help="methods whose names hold this")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    options = parser.parse_args(arguments)
    away = {name: AWAY[name] for name in ("bm4d", "ants-nlm")}
    missing = {name: reason for name, method in away.items() if (reason := method.missing())}
    for name, reason in missing.items():
        print(f"without {name}: {reason}: {away[name].install}")
    record: dict[str, Any] = environment.describe() | {
        "peers": {name: method.version() for name, method in away.items() if name not in missing}, "results": []
    }  # fmt: skip
    for scene in scenes(options.data, options.brain):
        if options.scenes not in f"{scene.table}: {scene.column}":
            continue
        for row in measure(scene, options.rounds, options.methods):
            record["results"].append(row)
            print(*row.values(), flush=True)
        files.write_json(options.out, record)
    return int(any(row["status"] == "failed" for row in record["results"]))
