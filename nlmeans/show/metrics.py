"""How close a picture is to the one without noise."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

WINDOW = 11
"""Pixels along each side that SSIM's Gaussian window needs."""


@dataclass(frozen=True)
class Score:
    """How close a picture is to the one without noise.

    Attributes
    ----------
    psnr : float
        Peak signal-to-noise ratio in dB; infinite where the two are equal.
    ssim : float
        Structural similarity; NaN where a side is shorter than its window.
    """

    psnr: float
    ssim: float


def score(pixels: np.ndarray, clean: np.ndarray, axes: str = "YXC") -> Score:
    """Return PSNR and SSIM (Gaussian window, as in the paper that defines it), of volumes and stacks slice by slice.

    Parameters
    ----------
    pixels, clean : ndarray
        Two pictures of one shape and type. The peak is that of the type; for floats it is the range of ``clean``.
    axes : str, default "YXC"
        The names of their axes: Y and X, and C last if there is one.
    """
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    if clean.dtype.kind == "f":
        peak = float(np.ptp(clean)) or 1.0
    else:
        info = np.iinfo(clean.dtype)
        peak = float(int(info.max) - int(info.min))
    with np.errstate(divide="ignore"):  # equal pictures
        psnr = float(peak_signal_noise_ratio(clean, pixels, data_range=peak))
    last = axes.index("Y")
    if min(clean.shape[last : last + 2]) < WINDOW:
        return Score(psnr, float("nan"))
    found = [
        structural_similarity(
            clean[place], pixels[place], data_range=peak, channel_axis=-1 if "C" in axes else None,
            gaussian_weights=True, use_sample_covariance=False,
        )
        for place in product(*map(range, clean.shape[:last]))
    ]  # fmt: skip
    return Score(psnr, float(np.mean(found)))
