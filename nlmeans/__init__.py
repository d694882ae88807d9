"""Non-local means for NumPy arrays: fast, exact, from a one-line call.

>>> import numpy as np, nlmeans
>>> noisy = np.random.default_rng(0).normal(100, 10, (64, 64))
>>> nlmeans.denoise(noisy).shape
(64, 64)
"""

# These modules need NumPy alone: Numba is imported by the first call that computes.
from ._progress import Cancelled
from .denoise import Maps, Report, denoise
from .looking import weight_map
from .noise import estimate_noise, estimate_sigma
from .plan import Pass, Plan
from .prepare import plan

__all__ = [
    "Cancelled",
    "Maps",
    "Pass",
    "Plan",
    "Report",
    "__version__",
    "denoise",
    "estimate_noise",
    "estimate_sigma",
    "plan",
    "weight_map",
]
__version__ = "0.1.0"
