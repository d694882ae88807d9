"""Denoising as xarray's users write it: importing this gives every DataArray ``array.nlmeans.denoise()``."""

from __future__ import annotations

from typing import Any

import xarray

from ..denoise import denoise, plan
from ..noise import estimate_noise, estimate_sigma

__all__ = ["Accessor"]


@xarray.register_dataarray_accessor("nlmeans")
class Accessor:
    """What can be done with a DataArray; arguments are those of the functions of the same names.

    Examples
    --------
    >>> import xarray
    >>> import numpy as np, nlmeans.compat.xarray
    >>> noisy = np.random.default_rng(0).normal(100, 10, (64, 64))
    >>> array = xarray.DataArray(noisy, dims=("y", "x"), attrs={"units": "counts"})
    >>> clean = array.nlmeans.denoise(sigma=10)
    >>> clean.dims, clean.attrs["units"], bool(clean.std() < 3)
    (('y', 'x'), 'counts', True)
    """

    def __init__(self, array: xarray.DataArray) -> None:
        self._array = array

    def denoise(self, sigma: Any = None, **options: Any) -> Any:
        """Denoise, as `nlmeans.denoise`; lazily where the array holds dask's."""
        return denoise(self._array, sigma, **options)

    def plan(self, sigma: Any = None, **options: Any) -> Any:
        """Choose parameters, as `nlmeans.plan`."""
        return plan(self._array, sigma, **options)

    def estimate_sigma(self, **options: Any) -> Any:
        """Estimate the noise's standard deviation, as `nlmeans.estimate_sigma`."""
        return estimate_sigma(self._array, **options)

    def estimate_noise(self, **options: Any) -> Any:
        """Estimate the noise, as `nlmeans.estimate_noise`."""
        return estimate_noise(self._array, **options)
