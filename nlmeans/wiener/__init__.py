"""The Wiener step: what an average of pixels left of the noise, taken out window by window in the cosine domain.

>>> import numpy as np
>>> from nlmeans.wiener import wiener
>>> noisy = np.random.default_rng(0).normal(100, 10, (1, 1, 32, 32)).astype(np.float32)
>>> pilot = np.full_like(noisy, 100)
>>> bool(wiener(noisy, pilot, noise=100.0).std() < 2)
True
"""

# Numba comes with the first name that is used.
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import naive
    from .run import wiener, window_sides

__all__ = ["naive", "wiener", "window_sides"]


def __getattr__(name: str) -> Any:
    if name == "naive":
        return import_module(".naive", __name__)
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(".run", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
