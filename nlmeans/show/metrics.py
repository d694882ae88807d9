"""PSNR and SSIM of a picture against the one without noise."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

WINDOW = 11
"""Side of SSIM's Gaussian window in pixels."""


@dataclass(frozen=True)
class Metrics:
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


def measure(pixels: np.ndarray, clean: np.ndarray, axes: str = "YXC") -> Metrics:
    """Return PSNR, and SSIM with its paper's Gaussian window, of volumes and stacks slice by slice.

    Parameters
    ----------
    pixels, clean : ndarray
        Two pictures of one shape and dtype. The peak is that of the dtype; for floats it is the range of ``clean``.
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
        return Metrics(psnr, float("nan"))
    slices = [
        structural_similarity(
            clean[place], pixels[place], data_range=peak, channel_axis=-1 if "C" in axes else None,
            gaussian_weights=True, use_sample_covariance=False,
        )
        for place in product(*map(range, clean.shape[:last]))
    ]  # fmt: skip
    return Metrics(psnr, float(np.mean(slices)))
