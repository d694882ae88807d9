"""PSNR and SSIM of the same on noise of cameras, microscopes and JPEG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import peers
from ..harness.sets import SAMPLES, QualityCase
from ..harness.suite import Suite
from ..peers.own import QUALITIES
from ..peers.plain import Plain

SETS = ("PolyU", "FMD", "Kodak24")
SIGMAS = (5, 10, 15, 25)
BLIND = ("noisy", *QUALITIES, *peers.entering(Plain, "quality"))


def unknown(source: str, folder: Path | None = None, **noise: Any) -> QualityCase:
    """Return the case of a source whose noise is not known."""
    jpeg = f"-{noise['sigma']:g}-jpeg{noise['jpeg']}" if "jpeg" in noise else ""
    blind: dict[str, Any] = {"known": False, "each_thread_count": False, "source": source, "folder": folder}
    return QualityCase(f"{source}{jpeg}", "pictures", BLIND, **{"sigma": None, **blind, **noise})


def real(folder: Path | None, sigmas: Sequence[float] | None) -> tuple[QualityCase, ...]:
    """Return the cases of ``python -m benchmarks real``; without a folder, what JPEG makes of noise."""
    if folder is None:
        return (*(unknown(source, sigma=10.0, jpeg=75) for source in SAMPLES), unknown("PolyU"), unknown("FMD"))
    compressed = (unknown("Kodak24", folder, sigma=float(sigma), jpeg=jpeg) for jpeg in (75, 90) for sigma in SIGMAS)
    return (unknown("PolyU", folder), unknown("FMD", folder, noise="auto"), *compressed)


SUITE = Suite("real", __doc__, real, peers.methods(Plain), place=2, rounds=3, sets=SETS)
