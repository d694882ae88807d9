"""Scenes and shots: the contents of a gallery."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Shot:
    """One picture of a scene.

    Attributes
    ----------
    name : str
        Its name in the lists to choose from.
    pixels : ndarray of uint8
        Grey (height, width) or RGB (height, width, 3).
    note : str
        The caption below the name, such as "29.74 dB · SSIM 0.86 · 21 ms".

    Raises
    ------
    ValueError
        For pixels of another dtype or shape.
    """

    name: str
    pixels: np.ndarray
    note: str = ""

    def __post_init__(self) -> None:
        shape = self.pixels.shape
        plain = len(shape) == 2 or (len(shape) == 3 and shape[2] == 3)
        if self.pixels.dtype != np.uint8 or not plain or not self.pixels.size:
            raise ValueError(
                "pixels of a shot must be uint8 of shape (height, width) or (height, width, 3); "
                f"{self.name!r} has {self.pixels.dtype} of shape {shape}"
            )


@dataclass(frozen=True, eq=False)
class Scene:
    """Pictures of the same thing, to be laid over each other.

    Attributes
    ----------
    title : str
        The heading.
    noisy : Shot
        The noisy picture.
    results : tuple of Shot
        The methods' results; the last one is at first compared with the noisy picture.
    truth : Shot, optional
        The picture without noise, where it is known.
    note : str
        A sentence below the heading.

    Raises
    ------
    ValueError
        If there is no result, two shots have one name, or their shapes differ.
    """

    title: str
    noisy: Shot
    results: tuple[Shot, ...]
    truth: Shot | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if not self.results:
            raise ValueError(f"a scene must have at least one result; {self.title!r} has none")
        names: set[str] = set()
        for shot in self.shots:
            if shot.name in names:
                raise ValueError(
                    f"shots of a scene must have names of their own; {self.title!r} has {shot.name!r} twice"
                )
            names.add(shot.name)
            if shot.pixels.shape != self.noisy.pixels.shape:
                raise ValueError(
                    f"shots of a scene must have one shape; in {self.title!r}, {self.noisy.name!r} has "
                    f"{self.noisy.pixels.shape} and {shot.name!r} {shot.pixels.shape}"
                )

    @property
    def shots(self) -> tuple[Shot, ...]:
        """All pictures: noisy, results, truth."""
        return (self.noisy, *self.results, *(() if self.truth is None else (self.truth,)))

    @property
    def width(self) -> int:
        """Pixels across."""
        return self.noisy.pixels.shape[1]

    @property
    def height(self) -> int:
        """Pixels down."""
        return self.noisy.pixels.shape[0]
