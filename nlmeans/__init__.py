"""Non-local means for NumPy arrays: fast, exact, from a one-line call.

>>> import numpy as np, nlmeans
>>> noisy = np.random.default_rng(0).normal(100, 10, (64, 64))
>>> nlmeans.denoise(noisy).shape
(64, 64)
"""

# These modules need NumPy alone: Numba is imported by the first call that computes.
from .denoise import Report, denoise
from .noise import estimate_sigma
from .plan import Plan, plan

__all__ = ["Plan", "Report", "__version__", "denoise", "estimate_sigma", "plan"]
__version__ = "0.1.0"
