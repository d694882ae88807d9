"""PSNR and SSIM of denoising, classical, learned and the peers', by set and σ."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .. import peers
from ..harness.published import Published, Table, table
from ..harness.sets import PHANTOMS, SAMPLES, SIGMAS, QualityCase
from ..harness.suite import Suite
from ..harness.timing import mean
from ..harness.words import WORDS
from ..peers.own import QUALITIES, UNTRAINED
from ..peers.plain import Plain

SETS = ("Set12", "BSD68", "Kodak24")
VARIANTS = ("nlmeans-balanced-estimated", "learned-estimated", "nlmeans-fast-sure", "nlmeans-balanced-sure")
KNOWN = ("noisy", *QUALITIES, *VARIANTS, *peers.entering(Plain, "quality"))
GREY = ("camera", "brick", "Set12", "BSD68")
"""Where filters of grey pictures take part, too."""
VOLUMES = ("noisy", *UNTRAINED, *peers.entering(Plain, "volumes"))
SMALL_VOLUMES = (*VOLUMES, *peers.entering(Plain, "small volumes"))
"""Where methods take part that take minutes on others."""


def known(source: str, sigma: float, folder: Path | None = None) -> QualityCase:
    """Return the case of a source with standard noise."""
    name = f"{source}-{sigma:g}"
    methods = {"phantom": VOLUMES, "small-phantom": SMALL_VOLUMES}.get(source, KNOWN)
    if source in GREY:
        methods += peers.entering(Plain, "grey")
    return QualityCase(
        name, "pictures", methods, each_thread_count=False, source=source, sigma=float(sigma), folder=folder
    )


def quality(folder: Path | None, sigmas: Sequence[float] | None) -> tuple[QualityCase, ...]:
    """Return the cases of ``python -m benchmarks quality``."""
    levels = sigmas or SIGMAS
    if folder is not None:
        return tuple(known(source, sigma, folder) for source in SETS for sigma in levels)
    volumes = tuple(known(source, sigma) for source in PHANTOMS for sigma in sigmas or (15,))
    return (*(known(source, sigma) for source in SAMPLES for sigma in levels), *volumes)


SUITE = Suite("quality", __doc__, quality, peers.methods(Plain), place=1, rounds=3, sets=SETS, noisy=True)


def standard_sets(published: Published) -> list[str]:
    """Return the mean PSNR of every method on the standard sets."""
    by_case = {
        name: {method["name"]: method["measures"] for method in case["methods"]}
        for name, case in published.lasting("quality").items()
    }

    def cell(method: str, source: str) -> str:
        values = [by_case.get(f"{source}-{sigma}", {}).get(method) for sigma in SIGMAS]
        return " / ".join("–" if value is None else f"{mean(value['psnr']):.2f}" for value in values)

    measured = {name for methods in by_case.values() for name in methods}
    rows = [
        [words, *(cell(method, source) for source in SETS)] for method, words in WORDS.items() if method in measured
    ]
    return table(["", "Set12", "BSD68", "Kodak24, colour"], rows)


TABLES: dict[str, Table] = {"quality": standard_sets}
