"""The Wiener step: what an average of pixels left of the noise, taken out window by window in the cosine domain.

>>> import numpy as np
>>> from nlmeans.wiener import wiener
>>> noisy = np.random.default_rng(0).normal(100, 10, (1, 1, 32, 32)).astype(np.float32)
>>> pilot = np.full_like(noisy, 100)
>>> bool(wiener(noisy, pilot, noise=100.0).std() < 2)
True
"""

# Numba comes with the first name that is used.
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
