"""LIF, the projects of Leica's microscopes, by liffile: images of up to ten axes, mapped from the file."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import Source
from ..picture import Request
from ..readers import Arrangement, NamedSource, OnlyRead, called, one_of

MAGIC = b"\x70\x00\x00\x00"
TEST = b"\x2a"  # which stands before the length of the text
WAVELENGTHS = "λΛ"
MICROMETRES = 1e6  # in a metre


class Lif(OnlyRead):
    """An image of a project: what is scanned along wavelengths has these as channels, tiles are separate images."""

    name, endings = "LIF", (".lif",)
    needs, extra = "liffile", "lif"
    has_series = True
    loses = "written as OME: all but axes, a pixel's size and names of channels; lifetimes (FLIM) are not read"

    def recognises(self, head: bytes, path: Path) -> bool:
        """Whether a file begins as a LIF."""
        return head.startswith(MAGIC) and head[8:9] == TEST

    def open(self, request: Request) -> Source:
        """Read the project's description, and choose an image."""
        with self.library().LifFile(request.path, squeeze=False) as file:
            images = [image for image in file.images if not image.is_flim]
            number = one_of(request, [image.path for image in images], "a LIF")
            image = images[number]
            sizes, dtype = image.sizes, image.dtype
            waves = [name for name in sizes if name in WAVELENGTHS and sizes[name] > 1]
            spectral = waves[0] if waves and "C" not in sizes else None
            names = ["C" if name == spectral else name for name in sizes]
            shape = tuple(sizes.values())
            arrangement = Arrangement(tuple(names), shape)
            channels = None if spectral else _channels(image.xml_element)
            sides = {axis: (_side(place), "µm") for axis, place in image.coords.items()}
        return NamedSource.of(
            request, arrangement, dtype, _mapped, number, chunks=(1,) * len(shape), sides=sides, channels=channels
        )


FORMAT = Lif()


@lru_cache(maxsize=16)
def _mapped(path: Path, modified: int, number: int) -> Any:
    """Return an image, which stays in the file where it lies there in one piece."""
    with FORMAT.library().LifFile(path, squeeze=False) as file:
        image = [image for image in file.images if not image.is_flim][number]
        return image.asarray() if "S" in image.sizes else image.asarray(out="memmap")


def _side(places: np.ndarray) -> float:
    """Return how far apart pixels are, of which the first and the last have their places."""
    return abs(float(places[-1]) - float(places[0])) / max(len(places) - 1, 1) * MICROMETRES


def _channels(element: Any) -> tuple[str, ...] | None:
    """Return what channels are called: by the dye, or else by the colour that they are shown in."""
    names = []
    for channel in element.findall("./Data/Image/ImageDescription/Channels/ChannelDescription"):
        said = {each.findtext("Key"): each.findtext("Value") for each in channel.findall("ChannelProperty")}
        names.append(said.get("DyeName") or channel.get("NameOfMeasuredQuantity") or channel.get("LUTName") or "")
    return called(names)
