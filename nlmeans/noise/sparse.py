"""Sparse images: counts of few photons, and others that are one exact value almost everywhere.

The flattest of their patches are those that hold few of the events, so that nothing can be learned from these. But
in a square of 2 x 2 pixels that share one brightness, the events of one sum fall on the pixels by chance alone: for
counted photons the square of the difference between its diagonals is, on average, this very sum, for each sum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from .patches import Channel

if TYPE_CHECKING:
    from .patches import Array

# Counts are looked for where this share of the pixels is 0, which is else taken as clipped in integers; other sparse
# images where almost all are.
ZEROS: Final = 0.002
EMPTY: Final = 0.75
WHOLE: Final = 0.01  # of a step between grey levels: values are multiples of the step within this
MOST: Final = 1e4  # steps
AGREES: Final = 0.3  # relative, of squared differences and what counts would make them
LESS: Final = 0.15  # ... where they are less: texture only adds
LEAST_SQUARES: Final = 50
MOSTLY: Final = 0.8  # share of all events that lie in squares that agree, and of dark squares
DARK: Final = 5  # octaves: up to 31 events, among which there may be zeros
EDGE: Final = 9.0  # squared differences from which on, in units of what counts make on average, there is an edge


@dataclass(frozen=True)
class Sparse:
    """Noise of a sparse channel.

    Attributes
    ----------
    gain : float
        Image units a count; 0 where they are no counts.
    sigma : float
        Standard deviation over all pixels.
    """

    gain: float
    sigma: float


def sparse(channel: Channel) -> Sparse | None:
    """Return the noise of a channel whose pixels are 0 in large part; None where it is not known in this way."""
    values = channel.values
    zeros = int(np.count_nonzero(values == 0))
    if channel.constant or float(values.min()) < 0 or zeros <= ZEROS * values.size:
        return None
    total, details = _squares(channel)
    if len(total) < LEAST_SQUARES:
        return None
    if (step := _step(values)) > 0:
        # Rows or columns of a square that differ by far more than counts do lie at an edge.
        inner = (np.square(details[1:]) <= EDGE * step * total).all(0)
        if _are_counts(total[inner] / step, details[0, inner] / step):
            return Sparse(step, math.sqrt(step * float(total[inner].mean()) / 4))
    power = np.square(details).mean(1) / 4
    if zeros > EMPTY * values.size and power.max() < (1 + AGREES) * power.min():
        return Sparse(0.0, math.sqrt(float(power.mean())))
    return None


def _squares(channel: Channel) -> tuple[Array, Array]:
    """Return the sums of squares of 2 x 2 pixels, and differences along and between diagonals, rows and columns."""
    z, y, x = (channel.volume.shape[0], channel.volume.shape[1] // 2, channel.volume.shape[2] // 2)

    def squares(volume: Array) -> Array:
        return volume[:, : 2 * y, : 2 * x].reshape(z, y, 2, x, 2).swapaxes(2, 3).reshape(z * y * x, 4)

    a, b, c, d = squares(channel.volume)[squares(channel.known).all(1)].astype(np.float64).T
    return a + b + c + d, np.stack([a - b - c + d, a + b - c - d, a - b + c - d])


def _step(values: Array) -> float:
    """Return the step between grey levels, 0 where they have none."""
    step = float(values[values > 0].min())
    if float(values.max()) > MOST * step or np.abs(values / step - np.rint(values / step)).max() > WHOLE:
        return 0.0
    return step


def _are_counts(total: Array, detail: Array) -> bool:
    """Whether squares, by the octave of their sums, have the differences of counted photons."""
    if total.sum() == 0:
        return False
    octave = np.zeros(len(total), np.intp)
    octave[total > 0] = np.log2(total[total > 0] + 0.5).astype(np.intp) + 1  # 1 for one event, 2 for two, three
    squares, events, number = (np.bincount(octave, weights) for weights in (np.square(detail), total, None))
    many = (number >= LEAST_SQUARES) & (events > 0)
    chance = np.sqrt(2 / np.maximum(number, 1))  # standard error of the mean of so many squares, relative
    excess = squares / np.where(many, events, 1) - 1
    agree = many & (excess < AGREES + 2 * chance) & (excess > -LESS - 2 * chance)
    dark = slice(1, DARK + 1)
    darkly = number[dark][agree[dark]].sum() > MOSTLY * number[dark].sum()
    return bool(darkly and events[agree].sum() > MOSTLY * events.sum())
