"""NumPy's masked arrays, and astropy's."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from ..container import Container
from ..table import within


def opened(image: Any) -> Container | None:
    """Open an array whose mask is True where a pixel does not count."""
    if not isinstance(image, np.ndarray) or not hasattr(image, "mask"):
        return None
    if "numpy.ma" in sys.modules and isinstance(image, np.ma.MaskedArray):  # naming it would import it
        mask = np.ma.getmask(image)

        def close(result: Any) -> Any:
            own = mask if mask is np.ma.nomask else mask.copy()
            with np.errstate(over="ignore"):  # NumPy's own fill value of float16
                return np.ma.MaskedArray(result, mask=own, fill_value=image.fill_value, hard_mask=image.hardmask)

        inside = image.data if type(image.data) is np.ndarray else np.asarray(image.data)
        return within(inside, close, mask=None if mask is np.ma.nomask else ~mask)
    if not hasattr(image, "unmasked"):
        return None
    own: Any = type(image)
    return within(
        image.unmasked, lambda result: own.from_unmasked(result, image.mask.copy()), mask=~np.asarray(image.mask)
    )
