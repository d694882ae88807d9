"""What a noise model answers: the protocol that this library's models and other packages' share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from .._notes import Note
from ..show.card import card, chart, middle, thumbnail
from .fitted import FittedNoise
from .numbers import listed
from .patches import Evidence
from .units import TOO_STRONG, above_range
from .vst import Stabiliser


@dataclass(frozen=True, eq=False)
class NoiseModel:
    """Noise that an image may have.

    A model is a frozen dataclass that derives from this class. Its fields are its numbers, each a float, a tuple with
    one a channel, a map (an array with one a pixel), or None, which leaves it to the image. It must have a
    `stabiliser`, and if its numbers can be estimated from an image, `estimate`; with maps, `even` and `placed`. The
    rest is as below unless it says otherwise. Planes are arrays (C, Z, Y, X) in the image's units where NaN marks what
    is missing.

    Attributes
    ----------
    name : str
        What the command line calls it.
    grouped : bool
        Whether groups of similar patches take the image as it is, each pixel with its own `variance`, and only averages
        need the stabiliser.
    processed : bool
        Whether the noise is that of processed photographs, which looks like detail.

    Examples
    --------
    Noise whose σ is a share of the signal becomes Gaussian in the logarithm:

    >>> import numpy as np, nlmeans
    >>> from dataclasses import dataclass
    >>> from nlmeans.extend import NoiseModel, Stabiliser
    >>> @dataclass(frozen=True)
    ... class Speckle(NoiseModel):
    ...     share: float | None = None
    ...     def stabiliser(self):
    ...         forward = lambda x: np.log(np.maximum(x, 1)) / self.share
    ...         inverse = lambda y: np.exp(y * self.share + self.share**2 / 2)
    ...         return Stabiliser("speckle", (forward,), (inverse,))
    >>> noisy = 100 * np.random.default_rng(0).normal(1, 0.2, (64, 64))
    >>> clean = nlmeans.denoise(noisy, noise=Speckle(0.2))
    >>> bool(clean.std() < 0.3 * noisy.std())
    True
    """

    name: ClassVar[str] = ""
    grouped: ClassVar[bool] = False
    processed: ClassVar[bool] = False

    @property
    def complete(self) -> bool:
        """Whether its numbers are there, not left to the image."""
        return all(getattr(self, field.name) is not None for field in fields(self))

    @property
    def largest(self) -> float | None:
        """The largest σ that it names in the image's units, by which mistakes of units are noticed; None without."""
        return None

    @cached_property
    def maps(self) -> dict[str, np.ndarray]:
        """Its numbers that are one a pixel, by their names."""
        values = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: value for name, value in values if isinstance(value, np.ndarray)}

    def even(self) -> NoiseModel:
        """Return the model with one number a channel in the place of each map."""
        return self

    def seen(self, noise: FittedNoise, planes: np.ndarray) -> FittedNoise:
        """Return the noise as it is in an image, or in what it is judged by; with a ``reach`` it will be `placed`."""
        return noise

    def placed(
        self, noise: FittedNoise, maps: Mapping[str, np.ndarray], planes: np.ndarray
    ) -> tuple[FittedNoise, np.ndarray]:
        """Return the noise of a region, and its planes as the filter is to take them, by its part of the maps.

        That is done where there are maps, or a reach. The model has been made `even`; each map is planes (1 or C, Z, Y,
        X). A pixel may depend on those up to ``noise.reach`` around it.
        """
        raise NotImplementedError(f"{type(self).__name__} has no place")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        pairs = [(getattr(self, field.name), getattr(other, field.name)) for field in fields(self)]
        return all(type(mine) is type(theirs) and np.array_equal(mine, theirs) for mine, theirs in pairs)

    def __hash__(self) -> int:
        values = [getattr(self, field.name) for field in fields(self)]
        return hash((type(self), *(v.tobytes() if isinstance(v, np.ndarray) else v for v in values)))

    def shown(self) -> dict[str, Any]:
        """Return its numbers by their names, as far as they are worth showing."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __repr__(self) -> str:
        def short(value: Any) -> str:
            if not isinstance(value, np.ndarray):
                return repr(value)
            return f"<map of {' x '.join(map(str, value.shape))}, {value.min():.4g} to {value.max():.4g}>"

        values = (f"{name}={short(value)}" for name, value in self.shown().items())
        return f"{type(self).__name__}({', '.join(values)})"

    @property
    def text(self) -> str:
        """The model with its numbers, short."""
        values = (f"{name} {_short(value)}" for name, value in self.shown().items())
        return f"{type(self).__name__}, {', '.join(values)}"

    def curves(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return brightnesses and the σ of the noise there, for each channel; none where that is no model of it."""
        return []

    def figures(self) -> list[str]:
        """Return small pictures, in HTML: σ against brightness, and maps."""
        curves = self.curves() if self.complete else []
        drawn = [chart(curves, "standard deviation", "brightness")] if curves else []
        return drawn + [thumbnail(middle(values), name) for name, values in self.maps.items()]

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        values = self.shown().items()
        rows = [(name, "left to the image" if value is None else _short(value)) for name, value in values]
        about = (type(self).__doc__ or "").partition("\n")[0]
        return card(type(self).__name__, rows, self.figures(), "" if "(" in about.partition(" ")[0] else about)

    def for_risk(self) -> NoiseModel:
        """Return the model, or another one where it is not one of white noise, which Stein's estimate is made for."""
        return self

    def check(self, planes: np.ndarray) -> None:
        """Refuse an image that cannot have this noise."""

    def check_channels(self, count: int) -> None:
        """Refuse an image of so many channels, where the model is of others."""

    def stabiliser(self) -> Stabiliser:
        """Return what makes the noise Gaussian with σ = 1, and back."""
        raise NotImplementedError(f"{type(self).__name__} must have a stabiliser")

    def estimate(self, evidence: Evidence) -> NoiseModel:
        """Return the model with the numbers that an image shows."""
        raise ValueError(f"{type(self).__name__} noise cannot be estimated from an image: give its numbers")

    def given(self, planes: np.ndarray) -> FittedNoise:
        """Return the noise of an image by the numbers that the model has."""
        return FittedNoise(self, (1.0,) * len(planes), stabiliser=self.stabiliser())

    def fit(self, evidence: Evidence) -> FittedNoise:
        """Return the noise of an image by what it shows."""
        model = self if self.complete else self.estimate(evidence)
        return replace(model.given(evidence.planes), estimated=True, outliers=evidence.outliers)

    def fitted(
        self, planes: np.ndarray, known: np.ndarray | None = None, saturation: tuple[float, float] | None = None
    ) -> FittedNoise:
        """Return the noise of an image: by the model's numbers, or by what the pixels that are ``known`` show."""
        self.check_channels(len(planes))
        self.check(planes)
        if not self.complete:
            return self.fit(Evidence.of(planes, known, saturation))
        noise = self.given(planes)
        strong = self.largest is not None and above_range(self.largest, planes)
        return replace(noise, notes=(*noise.notes, TOO_STRONG)) if strong else noise

    def variance(self, signal: np.ndarray) -> np.ndarray:
        """Return the variance of the noise at each pixel of a signal (C, Z, Y, X), if the model is ``grouped``."""
        raise NotImplementedError(f"{type(self).__name__} has no variance of its own for each pixel")

    def against_groups(self, variance: np.ndarray) -> Note | None:
        """Return why groups do worse than averages at a mean variance of each channel (C,); None where they do not."""
        return None

    def brightened(self, result: np.ndarray, known: bool) -> np.ndarray:
        """Return what groups made of an image without the bias that this noise gives them.

        ``known`` says whether the model's numbers were given, rather than estimated.
        """
        return result


def _short(value: Any) -> str:
    """Return a number, one a channel or a map in few letters."""
    if isinstance(value, np.ndarray):
        return f"map of {value.min():.4g} to {value.max():.4g}"
    each = value if isinstance(value, tuple) else (value,)
    if not all(isinstance(one, int | float) for one in each):  # another package's
        return str(value)
    return listed(each if len(set(each)) > 1 else each[:1])
