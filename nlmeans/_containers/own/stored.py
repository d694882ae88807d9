"""Arrays that lie in a store or a file: Zarr's and HDF5's, read piece by piece when they are computed."""

from __future__ import annotations

from typing import Any

from ..container import Container
from ..table import of_module, within


def opened(image: Any) -> Container | None:
    """Open a stored array as a dask array, which the result is, too."""
    if not (of_module(image, "zarr", "h5py") and hasattr(image, "shape") and hasattr(image, "dtype")):
        return None
    try:
        import dask.array
    except ImportError:
        raise TypeError(
            "an array in a store is denoised by dask: install it with pip install 'nlmeans[scale]', or pass image[:]"
        ) from None
    chunks = getattr(image, "chunks", None) or "auto"
    # HDF5 is read by one thread at a time
    lazy = dask.array.from_array(image, chunks=chunks, lock=of_module(image, "h5py"))
    return within(lazy, lambda result: result)
