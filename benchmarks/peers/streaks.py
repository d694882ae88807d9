"""What others remove stripes with: bm3dornl, which needs Python 3.12, in the interpreter that is named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .away import OTHERS, Answered, Away, Filter

SETUP = (
    "python3.12 -m venv peers && peers/bin/pip install bm3dornl==0.12.1 threadpoolctl && "
    f"export {OTHERS}=$PWD/peers/bin/python"
)


@dataclass(frozen=True)
class Streaks(Filter):
    """A filter of columns that is given σ of the noise besides."""

    def call(self, case: Any, image: np.ndarray, sigma: float, threads: int) -> Answered:  # type: ignore[override]
        """Return the call."""
        return Answered(self.function, sigma, dict(self.options), image.astype(np.float32), np.asarray)


def removed(source: np.ndarray, sigma: float) -> np.ndarray:
    """Remove stripes and noise. Its values lie between 0 and 1, as its defaults for other numbers assume."""
    from bm3dornl import bm3d_ring_artifact_removal

    low, high = float(source.min()), float(source.max())
    result = bm3d_ring_artifact_removal((source - low) / (high - low), mode="streak", sigma_random=sigma / (high - low))
    return np.asarray(result * (high - low) + low)


def streaks() -> Away:
    """Return bm3dornl."""
    filters = Streaks("bm3dornl", "bm3dornl", "bm3dornl", "float32", function=removed)
    return Away("bm3dornl", "bm3dornl", "bm3dornl", "float32", filter=filters, setup=SETUP)
