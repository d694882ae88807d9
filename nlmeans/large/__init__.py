"""Files larger than memory: Zarr, TIFF and NPY, denoised block by block, on this machine or on a cluster.

>>> from nlmeans import large
"""

# Numba comes with the first name that is used: reading a file's header does not need it.
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
