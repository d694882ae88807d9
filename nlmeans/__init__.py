"""Non-local means for NumPy arrays: fast, exact, from a one-line call.

>>> import numpy as np, nlmeans
>>> noisy = np.random.default_rng(0).normal(100, 10, (64, 64))
>>> nlmeans.denoise(noisy).shape
(64, 64)
"""

import lazy_loader

from . import plan  # the package first: its name is then the function's
from ._version import __version__ as __version__
from .denoise import denoise as denoise
from .denoise import plan as plan  # noqa: F811

# All other names, and where they come from, stand in __init__.pyi: what they need is imported when they are used.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
MODULES = ("compat", "convert", "datasets", "extend", "io", "large", "noise", "pairwise", "tiled")
__all__ = sorted({*__all__}.difference(MODULES))  # what `import *` brings: no `io` in the place of Python's own
