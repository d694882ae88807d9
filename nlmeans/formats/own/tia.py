"""SER and EMI, the files of FEI's TIA, by RosettaSciIO; an EMI names the SER files beside it, which hold its pixels."""

from __future__ import annotations

from glob import escape
from pathlib import Path

from ..arrays import Source
from ..picture import PictureError, Request
from ..signals import Signals

SER, EMI = b"II\x97\x01", b"JK\0\2"


class Tia(Signals):
    """Images and series of them."""

    name, endings = "SER/EMI", (".ser", ".emi")
    reader = "tia"

    def recognises(self, head: bytes, path: Path) -> bool:
        """Whether a file begins as one of the two, and is named so: the library goes by that."""
        return head.startswith((SER, EMI)) and path.name.lower().endswith(self.endings)

    def open(self, request: Request) -> Source:
        """Read the headers; refuse an EMI without its companions."""
        path = request.path
        if path.suffix.lower() == ".emi" and not any(path.parent.glob(f"{escape(path.stem)}_*.[sS][eE][rR]")):
            raise PictureError(f"an EMI holds no pixels: {path.stem}_1.ser and others like it must lie beside it")
        return super().open(request)


FORMAT = Tia()
