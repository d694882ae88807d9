"""The pairwise-weighting core: a pixel becomes an average of other pixels, each weighted by how alike they are.

`PairwiseSpec` says what is computed, `naive` defines it in plain NumPy, and two functions compute it fast: of features
that the image has by itself, or of query, key and value apart.

>>> import numpy as np
>>> from nlmeans.pairwise import PairwiseSpec, pairwise_average
>>> noisy = np.random.default_rng(0).normal(100, 10, (1, 1, 32, 32)).astype(np.float32)
>>> spec = PairwiseSpec(patch_radius=(0, 1, 1), search_radius=(0, 5, 5), scale=1 / (9 * 8**2), bias=2 * 9 * 10**2)
>>> clean = pairwise_average(noisy, noisy, spec)
>>> bool(clean.std() < 0.3 * noisy.std())
True
"""

# The specification needs Python alone; NumPy, Numba and the rest come with the first name that is used.
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
