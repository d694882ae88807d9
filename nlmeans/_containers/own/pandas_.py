"""Tables of pandas."""

from __future__ import annotations

from typing import Any

from ..container import Container
from ..table import within


def opened(image: Any) -> Container | None:
    """Open a table; its labels come back."""
    if not (hasattr(image, "to_numpy") and hasattr(image, "columns") and hasattr(image, "index")):
        return None

    def close(result: Any) -> Any:
        table = type(image)(result, index=image.index, columns=image.columns)
        table.attrs = dict(getattr(image, "attrs", {}))
        return table

    return within(image.to_numpy(), close)
