"""scikit-image's calls of non-local means, dispatched to this library where the user asks for it.

Set the environment variable NLMEANS_SKIMAGE to 1 before scikit-image is imported, and its own
``skimage.restoration.denoise_nl_means`` is computed by `nlmeans.compat.skimage.denoise_nl_means`, in the releases of
scikit-image that dispatch it: 0.26 asks backends for two metrics alone. Without the variable nothing is offered, since
a package that is merely installed must not change anyone's results. SKIMAGE_NO_DISPATCHING=1 is scikit-image's own way
to refuse all backends.

``estimate_sigma`` is not offered: ours is another estimator, and numbers derived from scikit-image's would change.

The entry points of groups ``skimage_backends`` and ``skimage_backend_infos`` name this module. scikit-image loads it on
import, so it imports NumPy alone.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _checks

__all__ = ["BackendInformation", "can_has", "get_implementation", "information"]

SWITCH = "NLMEANS_SKIMAGE"
"""The environment variable; "1" is on."""
FUNCTION = "skimage.restoration:denoise_nl_means"


@dataclass(frozen=True)
class BackendInformation:
    """The description of a backend for scikit-image.

    Attributes
    ----------
    supported_functions : tuple of str
        Names such as ``"skimage.restoration:denoise_nl_means"``.
    """

    supported_functions: tuple[str, ...]


def information() -> BackendInformation:
    """Return the functions on offer: none, unless the environment variable NLMEANS_SKIMAGE is 1.

    Examples
    --------
    >>> information().supported_functions
    ()
    """
    return BackendInformation((FUNCTION,) if os.environ.get(SWITCH) == "1" else ())


def can_has(name: str, *args: Any, **kwargs: Any) -> bool:
    """Return whether a call is taken: one that our function computes rather than refuses.

    Parameters
    ----------
    name : str
        As in `BackendInformation`.
    *args, **kwargs
        The arguments of the call. Only dtype and shape of the image are read, not its pixels.

    Returns
    -------
    bool
        False for functions not on offer, for images other than plain arrays of a dtype and shape that our function
        takes, and for arguments that it refuses.

    Examples
    --------
    >>> can_has("skimage.restoration:estimate_sigma")
    False
    """
    if name not in information().supported_functions:
        return False
    try:
        call = inspect.signature(get_implementation(name)).bind(*args, **kwargs)
        call.apply_defaults()
        return _is_ours(**call.arguments)
    except (TypeError, ValueError):
        return False


def get_implementation(name: str) -> Callable[..., Any]:
    """Return our implementation of scikit-image's function of this name.

    Parameters
    ----------
    name : str
        As in `BackendInformation`.

    Returns
    -------
    callable
        It takes the same arguments.

    Raises
    ------
    ValueError
        For a function that is not offered.

    Examples
    --------
    >>> get_implementation("skimage.restoration:denoise_nl_means").__name__
    'denoise_nl_means'
    """
    if name != FUNCTION:
        raise ValueError(f"the function must be {FUNCTION}; got {name!r}")
    from .skimage import denoise_nl_means

    return denoise_nl_means


def _is_ours(
    image: Any,
    patch_size: Any,
    patch_distance: Any,
    h: Any,
    fast_mode: Any,
    sigma: Any,
    preserve_range: Any,
    channel_axis: Any,
) -> bool:
    """Whether our function takes these arguments; raises TypeError or ValueError for some that it does not."""
    if type(image) is not np.ndarray:
        return False
    if image.dtype.kind != "b":
        _checks.image(image)
    if channel_axis is not None:
        _checks.layout(image, None, channel_axis)
    _checks.flag(fast_mode, "fast_mode")
    _checks.flag(preserve_range, "preserve_range")
    return (
        image.size > 0
        and 2 <= image.ndim - (channel_axis is not None) <= 3
        and _checks.real(h, "h") > 0
        and _checks.real(sigma, "sigma") >= 0
        and _checks.integer(patch_size, "patch_size") >= 1
        and _checks.integer(patch_distance, "patch_distance") >= 0
    )
