"""The one place that refuses bad arguments. Each check returns the value normalised, or states the rule and the value.

Arrays that must fit an image (mask, guide, map of σ) are checked in `nlmeans._companions`.
"""

from .arrays import *  # noqa: F403
from .values import *  # noqa: F403
