"""Who is measured: this library, those one would use instead, and what each is called with.

A module here offers ``METHODS``, a tuple; its methods say by ``enters`` where they take part.
"""

from __future__ import annotations

import sys
from typing import TypeVar

from ..harness.discovery import modules
from ..harness.methods import Method

Kind = TypeVar("Kind", bound=Method)


def methods(kind: type[Kind]) -> dict[str, Kind]:
    """Return all methods of a kind by name."""
    offered = (method for module in modules(sys.modules[__name__]) for method in getattr(module, "METHODS", ()))
    return {method.name: method for method in offered if isinstance(method, kind)}


def entering(kind: type[Method], contest: str) -> tuple[str, ...]:
    """Return the names of a kind's methods that take part in a contest of their own accord."""
    return tuple(name for name, method in methods(kind).items() if contest in method.enters)
