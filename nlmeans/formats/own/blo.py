"""BLO, the blockfiles of NanoMegas, by RosettaSciIO: a diffraction pattern at each place of a scan."""

from __future__ import annotations

from ..signals import Signals


class Blockfile(Signals):
    """Diffraction patterns, each a separate image."""

    name, endings, magic = "BLO", (".blo",), (b"IMGBLO",)
    reader = "blockfile"


FORMAT = Blockfile()
