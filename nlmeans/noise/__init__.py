"""Noise: its models, and their estimation from one image.

These modules need NumPy alone.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .estimate import NoiseEstimate as NoiseEstimate
    from .estimate import estimate_planes as estimate_planes
    from .image import estimate_noise as estimate_noise
    from .image import estimate_sigma as estimate_sigma
    from .models import Gaussian as Gaussian
    from .models import PoissonGaussian as PoissonGaussian
    from .models import Rician as Rician

HOMES = {
    "Gaussian": "models",
    "NoiseEstimate": "estimate",
    "PoissonGaussian": "models",
    "Rician": "models",
    "estimate_noise": "image",
    "estimate_planes": "estimate",
    "estimate_sigma": "image",
}
__all__ = list(HOMES)


def __getattr__(name: str) -> Any:  # a look for stripes does not need what estimates noise
    if name in HOMES:
        from importlib import import_module

        return getattr(import_module(f".{HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *HOMES})
