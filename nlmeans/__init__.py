"""Non-local means for NumPy arrays: fast, exact, from a one-line call.

>>> import numpy as np, nlmeans
>>> noisy = np.random.default_rng(0).normal(100, 10, (64, 64))
>>> nlmeans.denoise(noisy).shape
(64, 64)
"""

# These modules need NumPy alone: Numba, and what estimates noise, are imported by the first call that needs them.
from typing import TYPE_CHECKING, Any

from ._checks import DenoisingError
from ._progress import Cancelled
from .plan.averaging import AveragingPlan, Pass
from .plan.plan import Plan
from .plan.report import Maps, Report

from .denoise import denoise, plan, weight_map  # isort: skip  (the function `plan` takes the package's name)

__all__ = [
    "AveragingPlan",
    "Cancelled",
    "DenoisingError",
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


MODULES = ("convert", "io", "large", "noise", "tiled")


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in MODULES:
        return import_module(f".{name}", __name__)
    if name in ("estimate_noise", "estimate_sigma"):
        return getattr(import_module(".noise", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *MODULES})
