"""Images that are computed block by block: the public name of what `nlmeans.large.lazy` does with dask arrays.

>>> from nlmeans import tiled
"""

from .large.lazy import denoise, plan

__all__ = ["denoise", "plan"]
