"""Non-local means for images, volumes, video and stacks: every pixel becomes an average of pixels that look alike.

>>> import numpy as np, nlmeans
>>> noisy = np.random.default_rng(0).normal(100, 10, (64, 64))
>>> clean = nlmeans.denoise(noisy)
>>> clean.shape
(64, 64)

The noise is estimated, unless ``sigma=`` (in the image's units) or ``noise=`` says what it is. A colour picture needs
``channel_axis=-1``; a volume, a video or separate images ``axes="ZYX"``, ``"TYX"`` or ``"NYX"``. Three options matter
most: ``quality`` ("preview", "fast", "balanced", "best"), ``method`` ("nlm"; "ridge" is slower and better; "learned" is
a trained network) and ``strength``, where the default is too weak or too strong.

To begin with
    denoise : remove noise; its docstring is the reference
    plan : what `denoise` would do, without doing it
    Denoiser : the same call again and again, for loops
    explore : choose by looking, in a Jupyter notebook
    estimate_sigma, estimate_noise : how strong the noise is
    weight_map : which pixels one pixel is averaged with

Modules
    noise : models of noise (photons, MRI, cameras), and what an image's noise looks like
    io, raw : pictures in files with all that they say; camera RAW
    large, tiled : files that do not fit into memory; dask arrays
    compat, convert : calls and strengths of scikit-image, OpenCV and others
    datasets : named sets of images
    extend, pairwise : methods, noise models and formats of your own; the core

In a shell, ``nlmeans --help``. The learned block for PyTorch is the package `nonlocal_block`.
"""

import lazy_loader

from . import plan  # the package first: its name is then the function's
from ._version import __version__ as __version__
from .denoise import denoise as denoise
from .denoise import plan as plan  # noqa: F811

# All other names, and where they come from, stand in __init__.pyi: what they need is imported when they are used.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
MODULES = ("compat", "convert", "datasets", "extend", "io", "large", "noise", "pairwise", "tiled")
__all__ = sorted({*__all__}.difference(MODULES))  # what `import *` brings: no `io` in the place of Python's own
