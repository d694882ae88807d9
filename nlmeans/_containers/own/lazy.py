"""Other packages' containers of dask arrays."""

from __future__ import annotations

from typing import Any

from ... import _checks
from ..container import Container
from ..table import within


def opened(image: Any) -> Container | None:
    """Open what holds a dask array."""
    graph = getattr(image, "__dask_graph__", None)
    if _checks.is_dask(image) or not (callable(graph) and hasattr(image, "chunks") and graph() is not None):
        return None
    if not _checks.is_dask(getattr(image, "data", None)):
        raise TypeError(
            f"a lazy image must be a dask array, or hold one as its data; got {_checks.called(image)}: compute it, or "
            "pass its dask array"
        )
    return within(image.data, lambda result: result)
