"""Groups of similar patches, each replaced by the linear combinations of them that are expected to err least.

>>> import numpy as np
>>> from nlmeans.groups import GroupSpec, group_step
>>> noisy = np.random.default_rng(0).normal(10, 1, (1, 1, 32, 32)).astype(np.float32)  # in units of the noise
>>> spec = GroupSpec(patch=(1, 6, 6), size=16, stride=(1, 3, 3), search_radius=(0, 6, 6))
>>> bool(group_step(noisy, noisy, None, spec).std() < 0.5)
True
"""

# Numba comes with the first name that needs it.
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
