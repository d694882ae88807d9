"""Non-local means for NumPy arrays: fast, exact, from a one-line call.

>>> import numpy as np, nlmeans
>>> noisy = np.random.default_rng(0).normal(100, 10, (64, 64))
>>> nlmeans.denoise(noisy).shape
(64, 64)
"""

import lazy_loader

from ._version import __version__ as __version__
from .denoise import denoise as denoise  # these need NumPy alone; `plan` must come before the package of that name
from .denoise import plan as plan

# All other names, and where they come from, stand in __init__.pyi: what they need is imported when they are used.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
