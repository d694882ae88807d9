"""What others denoise magnetic resonance images with, also of Rician noise: ``python -m benchmarks volumes``."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .away import Away
from .volumes import METHODS

AWAY: dict[str, Away] = {method.name: method for method in METHODS}


def dipy_means(noisy: np.ndarray, sigma: float | None, rician: bool) -> np.ndarray:
    """Denoise by DIPY's classic non-local means on one thread; σ is DIPY's estimate where it is not given."""
    from dipy.denoise.nlmeans import nlmeans
    from dipy.denoise.noise_estimate import estimate_sigma

    level = estimate_sigma(noisy, N=int(rician)) if sigma is None else sigma
    result: np.ndarray = nlmeans(
        noisy, level, patch_radius=1, block_radius=5, rician=rician, num_threads=1, method="classic"
    )
    return result


def mppca(noisy: np.ndarray, sigma: float | None, rician: bool) -> np.ndarray:
    """Denoise a series by DIPY's MPPCA; from magnitudes the share that noise of σ has in their mean is taken."""
    from dipy.denoise.localpca import mppca

    result: np.ndarray = mppca(noisy, patch_radius=2)
    if rician and sigma is not None:
        result = np.sqrt(np.maximum(np.square(result, dtype=np.float64) - sigma**2, 0))
    return result


def ants(rician: bool) -> Away:
    """Return ANTs' non-local means for a kind of noise."""
    method = AWAY["ants-nlm"]
    options = {**method.filter.options, "noise_model": "Rician" if rician else "Gaussian"}
    return replace(method, filter=replace(method.filter, options=options))
