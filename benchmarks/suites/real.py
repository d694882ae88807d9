"""PSNR and SSIM of photographs, micrographs and JPEG files whose noise is not told, beside an earlier build."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import peers
from ..harness import overview
from ..harness.beside import MARK
from ..harness.pairs import PairsCase, holding
from ..harness.published import Published, Table
from ..harness.schema import Record
from ..harness.sets import SAMPLES, QualityCase
from ..harness.suite import Suite
from ..harness.words import WORDS
from ..peers.own import QUALITIES
from ..peers.plain import Plain

CAMERAS, MICROSCOPES, CLEAN = SETS = ("PolyU", "FMD", "Kodak24")
SIDE = 256
"""Of photographs the middle is taken."""
SIGMAS, JPEGS = (5, 10, 20), (75, 90, 95)
TUNED = ("nlmeans-fast-j-invariant", "nlmeans-balanced-j-invariant")
BLIND = ("noisy", *QUALITIES[:-1], *TUNED, *peers.entering(Plain, "quality"))
"""All but the learned method's average over eight positions, which knows no more of the noise than one."""
PHOTOGRAPHS = (*BLIND, *peers.entering(Plain, "photographs"))
BEFORE = "72b509c724ddef93027c7f4bdd11eaa21875dd9f"
"""The last commit that took all noise for white or equal everywhere."""
NAMES = WORDS | {"ridge-18": "ridge, σ = 18", "ridge-three-scales": "ridge at three scales, σ = 8, 5, 3"}
UNTOLD: dict[str, Any] = {"sigma": None, "known": False, "each_thread_count": False}


def unknown(source: str, folder: Path | None, sigma: float, jpeg: int) -> QualityCase:
    """Return the case of noise that went through JPEG files."""
    case: dict[str, Any] = {**UNTOLD, "sigma": float(sigma), "jpeg": jpeg, "source": source, "folder": folder}
    return QualityCase(f"{source}-{sigma:g}-jpeg{jpeg}", "pictures", BLIND, **case)


def taken(source: str, folder: Path | None, coloured: bool) -> PairsCase:
    """Return the case of a folder of pairs: of photographs the middle, of micrographs and others in grey all."""
    case: dict[str, Any] = {**UNTOLD, "source": source, "folder": folder, "coloured": coloured}
    case["noise"] = "auto" if source == MICROSCOPES else None
    return PairsCase(source, "pictures", PHOTOGRAPHS if coloured else BLIND, side=SIDE if coloured else None, **case)


def real(folder: Path | None, sigmas: Sequence[float] | None) -> tuple[QualityCase, ...]:
    """Return the cases of ``python -m benchmarks real``; without a folder, what JPEG makes of noise."""
    if folder is None:
        files = (unknown(source, None, 10, 75) for source in SAMPLES)
        return (*files, taken(CAMERAS, None, True), taken(MICROSCOPES, None, False))
    places = dict(holding(folder.resolve()))
    for name in (CAMERAS, MICROSCOPES):
        if (place := folder.resolve() / name).is_dir():
            places[place] = places.get(place, True) and name == CAMERAS
    order = sorted(places, key=lambda place: (place.name not in SETS, place.name == MICROSCOPES, place.name))
    pairs = (taken(place.name, place.parent, places[place]) for place in order)
    levels = [(sigma, jpeg) for sigma in SIGMAS for jpeg in JPEGS] if (folder / CLEAN).is_dir() else []
    return (*pairs, *(unknown(CLEAN, folder, *level) for level in levels))


def tables(result: Record) -> list[str]:
    """Return the tables of a result."""
    return overview.overview(result, NAMES)


SUITE = Suite(
    "real", __doc__, real, peers.methods(Plain), place=2, rounds=3, sets=SETS, pairs=True, beside=True, before=BEFORE,
    overview=tables,
)  # fmt: skip


def in_order(case: Record) -> Record:
    """Return a case with its methods as the suite has them, whenever each was measured."""
    ranks = {name: rank for rank, name in enumerate(PHOTOGRAPHS)}

    def place(method: Record) -> int:
        return ranks.get(method["name"].partition(MARK)[0], len(ranks))

    return {**case, "methods": sorted(case["methods"], key=place)}


def published(published: Published, source: str) -> list[str]:
    """Return the table of a set as it was committed."""
    cases = [in_order(case) for case in published.lasting("real").values() if case["parameters"]["source"] == source]
    if source == CLEAN:
        return overview.compressed(cases, NAMES)
    return (overview.photographs if source == CAMERAS else overview.each)(cases[0], NAMES)


TABLES: dict[str, Table] = {
    "real": lambda results: published(results, CAMERAS),
    "real-microscopes": lambda results: published(results, MICROSCOPES),
    "real-jpeg": lambda results: published(results, CLEAN),
}
