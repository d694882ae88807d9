"""ANTs' non-local means, with the name and arguments that it has in antspyx 0.6.

>>> from nlmeans.compat.ants import denoise_image

Not reproduced: what lies outside an image and counts as black, which darkens its borders; 0 as the result for whole
numbers of more than 8 bits; σ anew for each neighbourhood (it is one number here, unless ``sigma`` is a map); and
``shrink_factor``, which saves ANTs time by looking at fewer voxels: all are denoised, in less.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _checks
from .._axes import Layout
from .._defaults import or_default
from ..denoise import denoise
from ..noise.models import Gaussian, Rician

if TYPE_CHECKING:
    from .._typing import Companion, ImageT, Radius

__all__ = ["denoise_image"]

MODELS = {"Rician": Rician, "Gaussian": Gaussian}


@or_default
def denoise_image(
    image: ImageT,
    mask: Companion | None = None,
    shrink_factor: int = 1,
    p: Radius | str = 1,
    r: Radius | str = 2,
    noise_model: str = "Rician",
    v: int = 0,
) -> ImageT:
    """Denoise a picture or a volume as `ants.denoise_image` is meant to.

    Parameters
    ----------
    image : ANTsImage or array_like
        A picture or a volume, without channels.
    mask : ANTsImage or array_like, optional
        Where it is 0, pixels stay as they are and contribute to no other.
    shrink_factor : int, default 1
        At least 1; all pixels are denoised whatever it is.
    p : int, sequence of int or str, default 1
        Radius of the patches that are compared: for all axes, or one each, also as in "1x1x2".
    r : int, sequence of int or str, default 2
        Radius of the search window, likewise.
    noise_model : {"Rician", "Gaussian"}, default "Rician"
        The noise, whose σ is estimated. Rician noise makes dark voxels brighter, which is undone.
    v : int, default 0
        Whether to show a bar on standard error.

    Returns
    -------
    ANTsImage or ndarray
        In the image's shape and type of pixels; whole numbers are rounded. An ANTsImage keeps its place in space.

    Raises
    ------
    TypeError, ValueError
        For an image or a number that cannot be meant.

    Notes
    -----
    The filter is `nlmeans.denoise` with these radii, where a Wiener step follows the average. ANTs' own is that of
    J. V. Manjón et al., "Adaptive non-local means denoising of MR images with spatially varying noise levels", JMRI
    2010, doi:10.1002/jmri.22003: another filter with the same radii.

    Examples
    --------
    >>> import numpy as np
    >>> noisy = np.random.default_rng(0).normal(100, 5, (32, 32, 32)).astype("float32")
    >>> bool(denoise_image(noisy, noise_model="Gaussian").std() < 2)
    True
    """
    pixels = _pixels(image, "the image")
    axes = {2: "YX", 3: "ZYX"}.get(pixels.ndim)
    if axes is None or getattr(image, "components", 1) != 1:
        raise ValueError(f"the image must have 2 or 3 dimensions and no channels; got shape {pixels.shape}")
    if _checks.integer(shrink_factor, "shrink_factor") < 1:
        raise ValueError(f"shrink_factor must be at least 1; got {shrink_factor}")
    model = MODELS[_checks.choice(noise_model, "noise_model", tuple(MODELS))]
    result: Any = denoise(
        pixels, noise=model(), axes=axes, patch_radius=_radii(p, "p", axes), search_radius=_radii(r, "r", axes),
        mask=None if mask is None else _pixels(mask, "mask") != 0, fill=False, progress=bool(v),
    )  # fmt: skip
    return image.new_image_like(result) if hasattr(image, "new_image_like") else result


def _pixels(image: Any, name: str) -> np.ndarray:
    """Return the array of an ANTsImage, or of what is one already."""
    return image.numpy() if hasattr(image, "new_image_like") else _checks.unmasked(image, name)


def _radii(value: Any, name: str, axes: str) -> tuple[int, ...]:
    """Return radii, also from text such as "1x1x2"."""
    if isinstance(value, str):
        if not re.fullmatch(r"\d+(x\d+)*", value):
            raise ValueError(f"{name} must be a radius, or one for each axis as in '1x1x2'; got {value!r}")
        value = [int(part) for part in value.split("x")] if "x" in value else int(value)
    return _checks.radii(value, name, Layout(axes))
