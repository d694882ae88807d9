"""Whether windows are to follow what moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..motion import moving
from .average import gains_of

if TYPE_CHECKING:
    from ..plan.options import Options
    from .sample import Sample

LEAST = 0.01
"""Share of the cells of a sample that must move."""


def follows(sample: Sample, options: Options) -> bool:
    """Return whether the windows of a video follow what moves: as the caller says, or where frames of a sample move."""
    radii = (options.search_radius or ())[1:]
    if options.layout.space[0] != "T" or any(r >= n - 1 for r, n in zip(radii, sample.sides[1:], strict=False)):
        return False  # a window as wide as a frame has it all
    if options.motion is not None or sample.sides[0] == 1:
        return options.motion is True and sample.sides[0] > 1
    planes, gains = sample.judged, gains_of(sample.noise.sigma, len(sample.judged))
    depth = planes.shape[1] // len(sample.tiles)
    shares = [moving(planes[:, k : k + depth], gains) for k in range(0, planes.shape[1], depth)]
    return sum(shares) > LEAST * len(shares)
