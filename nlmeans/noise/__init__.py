"""Noise: its models, and their estimation from one image.

These modules need NumPy alone.
"""

from .estimate import NoiseEstimate, estimate_planes, estimate_sigma
from .fit import estimate_noise
from .models import Gaussian, PoissonGaussian, Rician

__all__ = [
    "Gaussian",
    "NoiseEstimate",
    "PoissonGaussian",
    "Rician",
    "estimate_noise",
    "estimate_planes",
    "estimate_sigma",
]
