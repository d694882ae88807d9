"""Images that are computed piece by piece: the public name of what `nlmeans.large.lazy` does with dask arrays.

>>> from nlmeans import tiled
"""

from .large.lazy import denoise, plan

__all__ = ["denoise", "plan"]
