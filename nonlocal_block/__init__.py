"""Non-local blocks for PyTorch, computed by the pairwise-weighting core of `nlmeans`, and a denoiser around one.

>>> import torch, nonlocal_block
>>> block = nonlocal_block.NonLocalBlock2d(16)
>>> block(torch.ones(1, 16, 8, 8)).shape
torch.Size([1, 16, 8, 8])
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if find_spec("torch") is None:
    raise ModuleNotFoundError(
        "nonlocal_block needs PyTorch, which is not installed: pip install 'nlmeans[learned]'", name="torch"
    )

if TYPE_CHECKING:
    from .block import NonLocalBlock1d as NonLocalBlock1d
    from .block import NonLocalBlock2d as NonLocalBlock2d
    from .block import NonLocalBlock3d as NonLocalBlock3d
    from .classifier import NonLocalClassifier as NonLocalClassifier
    from .classifier import load_classifier as load_classifier
    from .denoiser import NonLocalDenoiser as NonLocalDenoiser
    from .denoiser import load_denoiser as load_denoiser
    from .denoising import denoise as denoise
    from .functional import explain as explain
    from .functional import pairwise_attention as pairwise_attention
    from .functional import pairwise_map as pairwise_map
    from .method import LearnedReport as LearnedReport
    from .nlm import NonLocalMeans2d as NonLocalMeans2d

# PyTorch takes seconds to import: it comes with the first name that is used.
_HOMES = {
    "LearnedReport": "method",
    "NonLocalBlock1d": "block",
    "NonLocalBlock2d": "block",
    "NonLocalBlock3d": "block",
    "NonLocalClassifier": "classifier",
    "NonLocalDenoiser": "denoiser",
    "NonLocalMeans2d": "nlm",
    "denoise": "denoising",
    "explain": "functional",
    "load_classifier": "classifier",
    "load_denoiser": "denoiser",
    "pairwise_attention": "functional",
    "pairwise_map": "functional",
}
_MODULES = ("backends", "block", "classifier", "denoiser", "denoising", "functional", "layouts", "nlm", "weights")
__all__ = sorted((*_HOMES, "layouts"))


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted((*globals(), *_HOMES, *_MODULES))
