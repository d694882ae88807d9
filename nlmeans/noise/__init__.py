"""Noise: its models, and their estimation from one image.

These modules need NumPy alone.
"""

from .calibration import calibrate, read_calibration
from .camera import Camera
from .estimate import NoiseEstimate, estimate_planes
from .image import estimate_noise, estimate_sigma
from .models import Gaussian, PoissonGaussian, Rician

__all__ = [
    "Camera",
    "Gaussian",
    "NoiseEstimate",
    "PoissonGaussian",
    "Rician",
    "calibrate",
    "estimate_noise",
    "estimate_planes",
    "estimate_sigma",
    "read_calibration",
]
