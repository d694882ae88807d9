"""Which channels of an OpenEXR belong together: colours, vectors, and what is alone."""

from __future__ import annotations

from dataclasses import dataclass

from .headers import Part

COLOURS = ("R", "G", "B")
GROUPS = (COLOURS, ("X", "Y", "Z"), ("U", "V"), ("Y",))
"""Ends of the names of channels that are one image."""


@dataclass(frozen=True)
class Layer:
    """Channels of a part that are one image, and its opacity."""

    name: str
    part: int
    channels: tuple[str, ...]
    alpha: str | None = None

    @property
    def coloured(self) -> bool:
        """Whether they are red, green and blue."""
        return len(self.channels) == 3 and self.channels[0].upper().endswith("R")

    @property
    def is_main(self) -> bool:
        """Whether they are the picture that a viewer shows: of the first part, and of no layer in it."""
        shown = self.coloured or self.channels in (("Y",), ("y",))
        return shown and not self.part and "." not in self.channels[0]


def layers(parts: list[Part]) -> list[Layer]:
    """Return the layers of a file: the picture that a viewer shows, if there is one, and the others in their order."""
    found = [layer for index, part in enumerate(parts) for layer in _of(part, index, len(parts) > 1)]
    return sorted(found, key=lambda layer: not layer.is_main)


def _of(part: Part, index: int, several: bool) -> list[Layer]:
    bases: dict[str, dict[str, str]] = {}
    for channel in part.channels:
        base, _, end = channel.name.rpartition(".")
        bases.setdefault(base, {})[end] = channel.name
    result = []
    for base, left in bases.items():
        name = base
        if several and base != part.name and not base.startswith(f"{part.name}."):
            name = f"{part.name}.{base}" if base else part.name
        grouped = False
        for group in GROUPS:
            ends = {end.upper(): end for end in left}
            if not all(end in ends for end in group):
                continue
            alpha = left.pop(ends["A"]) if group in (COLOURS, ("Y",)) and "A" in ends else None
            result.append(Layer(name, index, tuple(left.pop(ends[end]) for end in group), alpha))
            grouped = True
            break
        alone = len(left) == 1 and not grouped and name
        result += [
            Layer(name if alone else ".".join(filter(None, (name, end))), index, (channel,))
            for end, channel in left.items()
        ]
    return result
