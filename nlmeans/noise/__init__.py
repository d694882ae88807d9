"""Noise: its models, and their estimation from one image.

These modules need NumPy alone.
"""

from .calibration import calibrate, read_calibration
from .camera import Camera
from .estimate import NoiseEstimate, estimate_planes
from .image import estimate_noise, estimate_sigma
from .models import Gaussian, PoissonGaussian, Rician
from .profile import NoiseProfile, noise_profile
from .scale import NoiseAtScale

__all__ = [
    "Camera",
    "Gaussian",
    "NoiseAtScale",
    "NoiseEstimate",
    "NoiseProfile",
    "PoissonGaussian",
    "Rician",
    "calibrate",
    "estimate_noise",
    "estimate_planes",
    "estimate_sigma",
    "noise_profile",
    "read_calibration",
]
