"""Containers: images that are more than their pixels, opened before the work and closed after it.

Nothing is imported for that: each kind is recognised by its attributes or its module's name, so that none of the
packages that they come from need be installed.
"""

from __future__ import annotations

from .container import Container, Unit, unit_of
from .table import opened, several, taken

__all__ = ["Container", "Unit", "opened", "several", "taken", "unit_of"]
