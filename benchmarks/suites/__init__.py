"""What is measured, one suite a file: a module here offers a ``SUITE``, and ``TABLES`` of its committed results."""

from __future__ import annotations

import sys
from functools import cache

from ..harness.discovery import modules
from ..harness.suite import Suite


@cache
def all_suites() -> tuple[Suite, ...]:
    """Return the suites in the order in which they are run."""
    return tuple(sorted((module.SUITE for module in modules(sys.modules[__name__])), key=lambda suite: suite.place))
