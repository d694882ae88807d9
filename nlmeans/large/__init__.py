"""Files larger than memory: Zarr, TIFF and NPY, denoised block by block, on this machine or on a cluster.

>>> from nlmeans import large
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .run import denoise as denoise
    from .run import sampled as sampled
    from .work import Unfinished as Unfinished

__all__ = ["Unfinished", "denoise", "sampled"]
HOMES = {"denoise": "run", "sampled": "run", "Unfinished": "work"}


def __getattr__(name: str) -> Any:  # brings Numba, which a look at files does not need
    if name in HOMES:
        from importlib import import_module

        return getattr(import_module(f".{HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
