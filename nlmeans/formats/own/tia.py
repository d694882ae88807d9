"""SER and EMI, the files of FEI's TIA, by RosettaSciIO; an EMI names the SER files beside it, which hold its pixels."""

from __future__ import annotations

from pathlib import Path

from ..signals import Signals

SER, EMI = b"II\x97\x01", b"JK\0\2"


class Tia(Signals):
    """Images and series of them."""

    name, endings = "SER/EMI", (".ser", ".emi")
    reader = "tia"

    def recognises(self, head: bytes, path: Path) -> bool:
        """Whether a file begins as one of the two, and is named so: the library goes by that."""
        return head.startswith((SER, EMI)) and path.name.lower().endswith(self.endings)


FORMAT = Tia()
