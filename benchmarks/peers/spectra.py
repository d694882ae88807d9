"""BM3D's package where the noise's spectrum is given: with NumPy 2.4 that fails, so it has its own interpreter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .away import OTHERS, Answered, Away, Filter

SETUP = (
    "python3 -m venv peers && peers/bin/pip install bm3d==4.0.3 'numpy<2.3' threadpoolctl && "
    f"export {OTHERS}=$PWD/peers/bin/python"
)


@dataclass(frozen=True)
class Given:
    """What the peer is told of a picture besides its noise."""

    form: str = "grey"


@dataclass(frozen=True)
class Spectral(Filter):
    """BM3D by its default profile, on noise of a power spectrum."""

    def call(self, case: Any, image: np.ndarray, sigma: float, threads: int) -> Answered:  # type: ignore[override]
        """Return the call."""
        return Answered(self.function, sigma, {**self.options, "threads": threads}, image, np.asarray)


def block_matching(source: np.ndarray, sigma: float, psd: np.ndarray, threads: int) -> np.ndarray:
    """Denoise, where ``psd`` is the mean of ``abs(fft2(noise))**2 / noise.size``; theirs is without the division."""
    import bm3d

    profile = bm3d.BM3DProfile()
    profile.num_threads = threads
    result: np.ndarray = bm3d.bm3d(source, psd * psd.size, profile)
    return result


def bm3d_of(psd: np.ndarray) -> Away:
    """Return BM3D for noise of a spectrum."""
    spectral = Spectral("bm3d-spectrum", "bm3d", "bm3d", "float64", function=block_matching, options={"psd": psd})
    return Away("bm3d-spectrum", "bm3d", "bm3d", "float64", filter=spectral, setup=SETUP)
