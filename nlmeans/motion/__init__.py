"""Motion between the frames of a video: found by `motion_of`, tile by tile, and taken out by `Motion.followed`.

`spec` says how it is sought, `naive` defines it in plain NumPy, and `kernels` compute it.
"""

from .run import Motion, motion_of, moving
from .spec import FARTHEST, REACH

__all__ = ["FARTHEST", "REACH", "Motion", "motion_of", "moving"]
