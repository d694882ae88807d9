"""DM3 and DM4, the files of Gatan's DigitalMicrograph, by RosettaSciIO."""

from __future__ import annotations

from pathlib import Path

from ..signals import Signals

ORDERS = (b"\0\0\0\0", b"\0\0\0\1")


class DigitalMicrograph(Signals):
    """Images, stacks and spectrum images; their thumbnail and plots are left out."""

    name, endings = "DM3/DM4", (".dm3", ".dm4")
    reader = "digitalmicrograph"

    def recognises(self, head: bytes, path: Path) -> bool:
        """Whether a file begins with a version, a length and an order of bytes, and a group of tags."""
        version = head[:4]
        start = {b"\0\0\0\3": 8, b"\0\0\0\4": 12}.get(version)
        return start is not None and head[start : start + 4] in ORDERS and head[start + 4 : start + 6] in BEGUN


BEGUN = (b"\0\0", b"\1\0", b"\0\1", b"\1\1")
FORMAT = DigitalMicrograph()
