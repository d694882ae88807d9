"""Non-local blocks for PyTorch, computed by the pairwise-weighting core of `nlmeans`, and a denoiser around one.

>>> import torch, nonlocal_block
>>> block = nonlocal_block.NonLocalBlock2d(16)
>>> block(torch.ones(1, 16, 8, 8)).shape
torch.Size([1, 16, 8, 8])
"""

from importlib.util import find_spec

import lazy_loader

if find_spec("torch") is None:
    raise ModuleNotFoundError(
        "nonlocal_block needs PyTorch, which is not installed: pip install 'nlmeans[learned]'", name="torch"
    )

# PyTorch takes seconds to import: it comes with the first name that is used.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
