"""The pairwise-weighting core: a pixel becomes an average of other pixels, each weighted by how alike they are.

`PairwiseSpec` says what is computed, `naive` defines it in plain NumPy, and two functions compute it fast: of features
that the image has by itself, or of query, key and value apart.

>>> import numpy as np
>>> from nlmeans.pairwise import PairwiseSpec, pairwise_average
>>> noisy = np.random.default_rng(0).normal(100, 10, (1, 1, 32, 32)).astype(np.float32)
>>> spec = PairwiseSpec(patch_radius=(0, 1, 1), search_radius=(0, 5, 5), scale=1 / (9 * 8**2), bias=2 * 9 * 10**2)
>>> clean = pairwise_average(noisy, noisy, spec)
>>> bool(clean.std() < 0.3 * noisy.std())
True
"""

# The specification needs Python alone; NumPy, Numba and the rest come with the first name that is used.
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .spec import (
    ROWS,
    VANISH,
    Aggregation,
    Centre,
    Normalise,
    PairwiseSpec,
    Radii,
    Score,
    Weight,
)

if TYPE_CHECKING:
    from . import naive
    from .apart import Averages, attend, attend_adjoint
    from .risk import pairwise_risk
    from .run import pairwise_average
    from .tiles import Tile
    from .weights import pixel_weights

__all__ = [
    "ROWS",
    "VANISH",
    "Aggregation",
    "Averages",
    "Centre",
    "Normalise",
    "PairwiseSpec",
    "Radii",
    "Score",
    "Tile",
    "Weight",
    "attend",
    "attend_adjoint",
    "naive",
    "pairwise_average",
    "pairwise_risk",
    "pixel_weights",
]
_HOMES = {
    "Averages": "apart",
    "Tile": "tiles",
    "attend": "apart",
    "attend_adjoint": "apart",
    "pairwise_average": "run",
    "pairwise_risk": "risk",
    "pixel_weights": "weights",
}


def __getattr__(name: str) -> Any:
    if name == "naive":
        return import_module(".naive", __name__)
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
