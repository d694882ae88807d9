"""The noise of one image, with all its numbers: what the filter works with is Gaussian noise of known strength."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..pixels.outliers import Outliers
from ..show.card import card, thumbnail
from .numbers import listed
from .shared import Turn, correlation, first_of_each, turn_of

if TYPE_CHECKING:
    from .._notes import Note
    from ..pairwise.tiles import Tile
    from .model import NoiseModel
    from .vst import Stabiliser

UNEVEN = 4096.0
"""Ratio of variances in one image up to which float32 holds the scores of all."""
MOST_TURNED = 16
"""Channels up to which noise that they share is asked for: every pair is compared."""
FAINT = 2.0**-32
"""Standard deviation of noise, in units of the range, that counts as none, as a weight of so much does."""
SAMPLE = 1 << 12


@dataclass(frozen=True, eq=False)
class FittedNoise:
    """The noise of one image, as the filter takes it.

    Attributes
    ----------
    model : NoiseModel
        The model, its numbers filled in.
    sigma : tuple of float
        Standard deviation a plane that the filter takes, after ``stabiliser`` and ``turn``; of a map, the root of the
        mean variance.
    channels : tuple of float
        The same of the image's channels, before the turn.
    variance : ndarray, shape (1, Z, Y, X), or None
        Of a map: each pixel's variance in units of the mean one.
    still : ndarray, shape (1 or C, Z, Y, X), or None
        Of a map: where there is no noise.
    uneven : bool
        Of a map: whether variances differ so much that float32 cannot hold the scores of all.
    bands : ndarray, shape (planes with noise, 8, 8), or None
        Of correlated noise: its power in each cosine band, as in `BandNoise`.
    power : ndarray, shape (planes with noise, Y, X), or None
        Of correlated noise whose spectrum was given: its power at the frequencies of `numpy.fft.fft2` in each plane
        that the filter takes, whose mean is 1.
    turn : Turn or None
        What makes the noise of channels that share some independent, and back; before `turned` that of those with
        correlated noise alone.
    mixed : tuple of float
        Where what channels share is known before `turned`: the deviations of its mixes, or without a turn of channels.
    stabiliser : Stabiliser or None
        What makes the noise Gaussian with σ = 1, and back.
    reach : int
        How far around itself a pixel's place in maps of the model has a say in how the filter takes it.
    estimated : bool
        Whether a number was estimated from the image.
    outliers : Outliers or None
        What stood out where the noise was estimated, and did not count.
    coarser : FittedNoise or None
        The noise of the half-size image, where that is removed first; this is then what is left of it.
    notes : tuple of Note
        What a user should know.

    Examples
    --------
    >>> import numpy as np
    >>> from nlmeans.noise import PoissonGaussian
    >>> counts = np.random.default_rng(0).poisson(30, (1, 1, 64, 64)).astype(float)
    >>> noise = PoissonGaussian(gain=1).fitted(counts)
    >>> noise.sigma, noise.estimated, round(float(noise.stabilise(counts).std()), 1)
    ((1.0,), False, 1.0)
    """

    model: NoiseModel
    sigma: tuple[float, ...]
    channels: tuple[float, ...] = ()
    variance: np.ndarray | None = None
    still: np.ndarray | None = None
    uneven: bool = False
    bands: np.ndarray | None = None
    power: np.ndarray | None = None
    turn: Turn | None = None
    mixed: tuple[float, ...] = ()
    stabiliser: Stabiliser | None = None
    reach: int = 0
    estimated: bool = False
    outliers: Outliers | None = None
    coarser: FittedNoise | None = None
    notes: tuple[Note, ...] = ()

    def __post_init__(self) -> None:
        if not self.channels:
            object.__setattr__(self, "channels", self.sigma)

    @property
    def mixes(self) -> bool:
        """Whether the planes that the filter takes are mixes of channels."""
        return self.turn is not None and self.turn.mixes

    @property
    def text(self) -> str:
        """The model with its numbers, short."""
        return self.model.text

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        rows = [
            ("model", self.text),
            ("sigma", f"{listed(self.channels)} ({'estimated' if self.estimated else 'given'})"),
        ]
        if self.coarser is not None:
            rows.append(("at half size", listed(self.coarser.channels)))
        figures = self.model.figures()
        if self.bands is not None:
            figures.append(thumbnail(np.log10(np.maximum(self.bands.mean(axis=0), 1e-9)), "log power, by frequency"))
        return card("Fitted noise", [*rows, *(("note", note) for note in self.notes)], figures)

    @property
    def plain(self) -> bool:
        """Whether the noise is Gaussian in the image's units, and the filter takes the image as it is."""
        return self.stabiliser is None

    @property
    def around(self) -> int:
        """How far around a pixel of the result, along y and x, `restore` reaches."""
        return 0 if self.stabiliser is None else self.stabiliser.around

    @property
    def grouped(self) -> bool:
        """Whether groups of similar patches take the image as it is, each pixel with a variance of its own."""
        return self.model.grouped

    def weaker(self, factor: float) -> FittedNoise:
        """Return this noise with a part of its σ, for a filter that removes enough by that."""
        return replace(self, sigma=tuple(factor * sigma for sigma in self.sigma))

    def coarseness(self, patch: tuple[int, int]) -> float:
        """Return by how much distances of patches (rows, columns) scatter more than those of white noise do."""
        if self.power is None:
            return 1.0
        from .spectrum import coarseness

        return math.sqrt(coarseness(self.power, patch))

    def mapped(self, square: np.ndarray, dtype: np.dtype) -> FittedNoise:
        """Return this noise with a map of the variance (1 or C, Z, Y, X) in the image's units squared.

        The map may be a piece of the one that ``sigma`` was taken from.
        """
        power = np.square(self.channels).reshape(-1, 1, 1, 1)[: len(square)]
        if not power.any():
            return self
        relative = (square / np.where(power > 0, power, 1))[power[:, 0, 0, 0] > 0]
        variance = relative.mean(axis=0, keepdims=True).astype(dtype)
        still, uneven = square == 0, bool(variance.max() > UNEVEN * variance.min())
        return replace(self, variance=variance, still=still if still.any() else None, uneven=self.uneven or uneven)

    def audible(self, planes: np.ndarray) -> FittedNoise:
        """Return this noise without what is negligible in planes, as the filter takes them.

        So it is on a constant whose type has no numbers so close.
        """
        most = float(np.finfo(planes.dtype).max) ** 0.75  # its inverse is a number, too; all weights are 1 before that
        pairs = zip(self.sigma, planes, strict=True)
        sigma = tuple(0.0 if s <= _least(plane) else min(s, most) for s, plane in pairs)
        return self if sigma == self.sigma else replace(self, sigma=sigma)

    def within(self, tile: Tile) -> FittedNoise:
        """Return the noise of a tile of the image."""
        if self.variance is None:
            return self
        still = None if self.still is None else tile.of(self.still)
        maps = {name: tile.of(values) for name, values in self.model.maps.items()} if self.grouped else {}
        model = replace(self.model, **maps) if maps else self.model
        return replace(self, model=model, variance=tile.of(self.variance), still=still)

    def stabilise(self, planes: np.ndarray) -> np.ndarray:
        """Return planes whose noise is Gaussian, in numbers that are wide enough for its range."""
        if self.stabiliser is not None:
            planes = self.stabiliser.forward(planes)
        if self.turn is not None:
            planes = self.turn.turned(planes)
        return planes.astype(np.float64) if self.uneven else planes

    def restore(self, result: np.ndarray, measured: np.ndarray) -> np.ndarray:
        """Undo `stabilise`: return the image of a result, where ``measured`` is what that was made from."""
        if self.turn is not None:
            planes = measured if self.stabiliser is None else self.stabiliser.forward(measured)
            result = self.turn.channels(result, planes)
        return result if self.stabiliser is None else self.stabiliser.inverse(self.stabiliser.settled(result))

    @property
    def known(self) -> bool:
        """Whether what the channels share is known already."""
        return self.bands is not None or bool(self.mixed)

    def noisy(self, planes: np.ndarray) -> list[int]:
        """Return the channels (C, Z, Y, X) that vary and have noise."""
        return [c for c, plane in enumerate(planes) if self.sigma[c] > 0 and 0 < _span(plane) < math.inf]

    def turned(self, planes: np.ndarray) -> FittedNoise:
        """Return this noise with channels turned where they share noise, and without those that are constant.

        Judged by the image, planes (C, Z, Y, X) or a sample of them.
        """
        if self.coarser is not None or (len(planes) == 1 and self.bands is None):
            return self
        if self.stabiliser is not None:
            planes = self.stabiliser.forward(planes)
        ranges = [_span(plane) for plane in planes]
        live = [c for c, span in enumerate(ranges) if 0 < span < math.inf]
        noisy = [c for c in live if self.sigma[c] > (0 if self.known else FAINT * ranges[c])]
        if not noisy or any(len(values) > 1 for values in self.model.maps.values()):
            return self
        turn, power = self._turn(planes if len(noisy) == len(planes) else planes[noisy], [self.sigma[c] for c in noisy])
        if turn is None and len(live) == len(planes):
            return self
        if turn is None:
            turn, power = Turn.apart(len(noisy)), np.square([self.sigma[c] for c in noisy])
        still = [c for c in live if c not in noisy]
        sigma = (*np.sqrt(power).tolist(), *(0.0 for _ in still))
        return replace(self, turn=turn.within(noisy, still, planes), sigma=sigma, channels=self.sigma)

    def _turn(self, planes: np.ndarray, sigma: list[float]) -> tuple[Turn | None, np.ndarray]:
        """Return the turn of channels with noise, and the variance of its mixes; None where they share little."""
        if self.known:
            return self.turn, np.square(self.mixed)
        none, first = (None, np.empty(0)), first_of_each(planes, sigma)
        own = sorted(set(first))
        if len(own) < len(first):
            turn, power = self._turn(planes[own], [sigma[c] for c in own])
            if turn is None:
                turn, power = Turn.apart(len(own)), np.square([sigma[c] for c in own])
            return turn.repeated(first), power
        if not 1 < len(planes) <= MOST_TURNED or _partly(planes):  # a mix would miss what any of its channels misses
            return none
        return turn_of(correlation(planes, sigma), np.asarray(sigma), planes) or none


def _partly(planes: np.ndarray) -> bool:
    """Whether some pixels are missing in some channels only."""
    if not np.isnan(planes.min()):
        return False
    unknown = np.isnan(planes)
    return bool((unknown.any(axis=0) != unknown.all(axis=0)).any())


def _least(plane: np.ndarray) -> float:
    """Return the standard deviation of noise that counts as none in a plane."""
    span = _span(plane)
    if span > 0:
        return FAINT * span
    numbers = np.finfo(plane.dtype)  # a constant plane
    return max(float(numbers.eps) * abs(float(np.fmax.reduce(plane, axis=None))), float(numbers.tiny))


def _span(plane: np.ndarray) -> float:
    """Return the range of a plane's pixels, by a sample; infinite where it has none."""
    pixels = plane.reshape(-1)
    for known in (pixels[:: pixels.size // SAMPLE | 1], pixels):
        low = float(known.min())
        if math.isnan(low):
            known = known[np.isfinite(known)]
            low = float(known.min(initial=math.inf))
        if known.size and (span := float(known.max()) - low):
            return span
    return 0.0 if known.size else math.inf
