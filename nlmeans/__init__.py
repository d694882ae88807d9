"""Non-local means for NumPy arrays: fast, exact, from a one-line call.

>>> import numpy as np, nlmeans
>>> noisy = np.random.default_rng(0).normal(100, 10, (64, 64))
>>> nlmeans.denoise(noisy).shape
(64, 64)
"""

# These modules need NumPy alone: Numba, and what estimates noise, are imported by the first call that needs them.
from typing import TYPE_CHECKING, Any

from ._progress import Cancelled
from .denoise import Maps, Report, denoise
from .looking import weight_map
from .plan import Pass, Plan
from .prepare import plan

__all__ = [
    "Cancelled",
    "Maps",
    "Pass",
    "Plan",
    "Report",
    "__version__",
    "denoise",
    "estimate_noise",
    "estimate_sigma",
    "plan",
    "weight_map",
]
__version__ = "0.1.0"

if TYPE_CHECKING:
    from .noise import estimate_noise as estimate_noise
    from .noise import estimate_sigma as estimate_sigma


def __getattr__(name: str) -> Any:
    if name in ("estimate_noise", "estimate_sigma", "noise"):
        from importlib import import_module

        noise = import_module(".noise", __name__)
        return noise if name == "noise" else getattr(noise, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "noise"})
