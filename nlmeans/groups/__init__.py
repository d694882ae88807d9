"""Groups of similar patches, each replaced by the linear combinations of them that are expected to err least.

>>> import numpy as np
>>> from nlmeans.groups import GroupSpec, group_step
>>> noisy = np.random.default_rng(0).normal(10, 1, (1, 1, 32, 32)).astype(np.float32)  # in units of the noise
>>> spec = GroupSpec(patch=(1, 6, 6), size=16, stride=(1, 3, 3), search_radius=(0, 6, 6))
>>> bool(group_step(noisy, noisy, None, spec).std() < 0.5)
True
"""

# The specifications come with NumPy alone, the rest, Numba with it, with the first name that is used.
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .spec import GroupSpec, RidgeSpec

if TYPE_CHECKING:
    from . import naive
    from .run import Step, group_step

__all__ = ["GroupSpec", "RidgeSpec", "Step", "group_step", "naive"]


def __getattr__(name: str) -> Any:
    if name == "naive":
        return import_module(".naive", __name__)
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(".run", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
