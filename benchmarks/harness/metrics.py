"""How close a picture is to the one without noise."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .cases import PEAK


def psnr(image: np.ndarray, clean: np.ndarray, peak: float = PEAK) -> float:
    """Return the peak signal-to-noise ratio in dB: infinite where the images are the same, NaN where one holds NaN."""
    error = np.subtract(image, clean, dtype=np.float64).ravel()
    power = float(error @ error) / error.size
    return math.inf if power == 0 else 10 * math.log10(peak**2 / power)


def clipped_psnr(image: np.ndarray, clean: np.ndarray, peak: float = PEAK) -> float:
    """Return the PSNR of an image that is clipped to the range of the clean one first, as when it is shown."""
    return psnr(np.clip(image, 0, peak), clean, peak)


def ssim(image: np.ndarray, clean: np.ndarray) -> float:
    """Return the structural similarity, with the Gaussian window of its paper; of a volume, the mean of its slices."""
    from skimage.metrics import structural_similarity

    if image.ndim == 3 and image.shape[-1] != 3:
        return float(np.mean([ssim(*pair) for pair in zip(image, clean, strict=True)]))
    options: dict[str, Any] = {"gaussian_weights": True, "use_sample_covariance": False, "data_range": PEAK}
    return float(structural_similarity(image, clean, channel_axis=-1 if image.ndim == 3 else None, **options))
