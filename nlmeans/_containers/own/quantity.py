"""Arrays with a unit: astropy's, pint's and unyt's."""

from __future__ import annotations

from typing import Any

from ..container import Container, unit_of
from ..table import within


def opened(image: Any) -> Container | None:
    """Open an array with a unit."""
    unit = None if hasattr(image, "dims") else unit_of(image)
    if unit is None:
        return None
    inside = image.magnitude if hasattr(image, "magnitude") else unit.of(image, unit.name)
    return within(inside, lambda result: type(image)(result, unit.name), unit=unit)
