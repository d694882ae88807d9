"""DM3 and DM4, the files of Gatan's DigitalMicrograph, by RosettaSciIO."""

from __future__ import annotations

from pathlib import Path

from ...arrays import Source
from ...picture import Request
from ...signals import Signals
from . import tags


class DigitalMicrograph(Signals):
    """Images, stacks and spectrum images; their thumbnail and plots are left out."""

    name, endings = "DM3/DM4", (".dm3", ".dm4")
    reader = "digitalmicrograph"

    def recognises(self, head: bytes, path: Path) -> bool:
        """Whether a file begins with a version, a length and an order of bytes, and a group of tags."""
        return tags.begin(head)

    def open(self, request: Request) -> Source:
        """Look whether the tags are whole, since the library would count whatever they claim, and read them."""
        with request.path.open("rb") as file:
            tags.check(file)
        return super().open(request)


FORMAT = DigitalMicrograph()
