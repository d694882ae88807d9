"""Variance-stabilising transforms: noise that depends on brightness becomes noise of standard deviation 1, and back.

A curve bends the grey scale until the noise is the same everywhere. Averaging the bent values and bending back would
be biased, for the mean of a curve is not the curve of the mean. The inverse here is therefore the exact unbiased one:
it returns the signal whose noisy, bent values have that mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import numpy as np

from .. import _checks

__all__ = ["Stabiliser", "anscombe", "rician"]

Curve = Callable[[np.ndarray], np.ndarray]

# From this variance on, in counts, the closed form of the inverse is off by less than 0.001 of a count.
TABULATED: Final = 200.0
NODES: Final = 4.5  # quadrature reaches this many standard deviations of a normal variable to either side, ...
STEP: Final = 0.09  # ... in steps of this
# The Rician curve is tabulated up to this signal in units of σ, from where on it is a straight line.
FAR: Final = 30.0
BEND: Final = 9.0  # signals up to which the curve is refined
GROUND: Final = 0.05  # means up to this much above that of noise alone, in units of its deviation, are taken for it
# Results up to this much above that, in units of the noise, are averaged with their like up to this far around them; of
# those up to twice as much above, less and less. The way back is steep there.
DARK: Final = 0.35
AROUND: Final = 2
ROUNDS: Final = 1  # more bring the noise nearer to 1, at the cost of a curve that wavers
MOST_READ: Final = 1e150  # read noise, in units of the gain, whose square is a number
MOST_OFFSET: Final = 1e70  # the same of an offset, whose root float32 holds
LEAST: Final = 1e-300  # a standard deviation of magnitudes in units of which others are numbers


@dataclass(frozen=True)
class Stabiliser:
    """A pair of functions for planes (C, ...) of floating-point numbers, with one curve a channel or one for all.

    Attributes
    ----------
    name : str
        What it was built for.

    Examples
    --------
    >>> import numpy as np
    >>> from nlmeans.noise import Rician
    >>> stabiliser = Rician(10).stabiliser()
    >>> planes = np.array([[[[50.0, 100.0, 200.0]]]])
    >>> np.allclose(stabiliser.inverse(stabiliser.forward(planes)), planes, rtol=0.03)
    True
    """

    name: str
    _forward: tuple[Curve, ...] = field(repr=False)
    _inverse: tuple[Curve, ...] = field(repr=False)
    _ground: float | None = field(default=None, repr=False)

    @property
    def around(self) -> int:
        """How far around a pixel `settled` reaches, along y and x."""
        return 0 if self._ground is None else AROUND

    def forward(self, planes: np.ndarray) -> np.ndarray:
        """Return planes whose noise has a standard deviation of about 1; the dtype stays."""
        return _apply(self._forward, planes)

    def inverse(self, planes: np.ndarray) -> np.ndarray:
        """Return the signal whose noisy, transformed values have these means; the dtype stays."""
        return _apply(self._inverse, planes)

    def settled(self, planes: np.ndarray) -> np.ndarray:
        """Return transformed results (C, Z, Y, X) ready for `inverse`: averages, where they are next to noise alone.

        There the inverse leaves its ground with an infinite slope, and makes signal of what noise a filter has left.
        Pixels are averaged within slices, with those that are as dark; NaN stays, and counts for no one.
        """
        return planes if self._ground is None else np.stack([_settled(plane, self._ground) for plane in planes])


def anscombe(
    gain: float | Sequence[float], offset: float | Sequence[float], sigma: float | Sequence[float]
) -> Stabiliser:
    """Build the generalised Anscombe transform for x = gain · Poisson(y) + offset + σ·N(0, 1).

    Parameters
    ----------
    gain, offset, sigma : float or sequence of float
        As in `nlmeans.noise.PoissonGaussian`, in the image's units; for all channels or one a channel. ``gain`` is
        above 0.

    Returns
    -------
    Stabiliser
        Its ``inverse`` gives the unbiased mean gain · y + offset, in the image's units. Below the value that no light
        at all has on average it goes on as a straight line.

    Notes
    -----
    Time is proportional to the pixels; a table is computed once for each σ / gain, in milliseconds. The noise is
    stabilised from about 3 counts on; below, its standard deviation falls to 0 with the counts unless read noise fills
    in.

    References
    ----------
    M. Mäkitalo, A. Foi, "Optimal inversion of the Anscombe transformation in low-count Poisson image denoising", IEEE
    TIP 2011, doi:10.1109/TIP.2010.2056693; "Optimal inversion of the generalized Anscombe transformation for
    Poisson-Gaussian noise", IEEE TIP 2013, doi:10.1109/TIP.2012.2202675. The tables are computed here.

    Examples
    --------
    >>> import numpy as np
    >>> from nlmeans.noise.vst import anscombe
    >>> counts = np.random.default_rng(0).poisson(30, (1, 200, 200)).astype(float)
    >>> bent = anscombe(1, 0, 0).forward(counts)
    >>> round(float(bent.std()), 1)
    1.0
    """
    curves = [_anscombe(*numbers) for numbers in zip(*_together(gain, offset, sigma), strict=True)]
    return Stabiliser("Poisson-Gaussian noise", *_columns(curves))


def rician(sigma: float | Sequence[float], coils: int = 1) -> Stabiliser:
    """Build a stabilising transform for magnitudes x = |y + σ·N(0, 1) + i·σ·N(0, 1)|, of one coil or several.

    Parameters
    ----------
    sigma : float or sequence of float
        As in `nlmeans.noise.Rician`, in the image's units, above 0; for all channels or one a channel.
    coils : int, default 1
        How many images are put together as the root of their sum of squares (noncentral chi noise).

    Returns
    -------
    Stabiliser
        Its ``inverse`` gives the unbiased true magnitude y; what lies below the mean of noise alone, or so little above
        it that averages scatter as far, becomes 0: signals of less than about σ/3 (with 32 coils, 3 σ/4).

    Notes
    -----
    Time is proportional to the pixels; one table serves every σ of as many coils. The curve starts as the integral of
    1 / standard deviation over the mean and is refined once, after which the noise has a standard deviation of 0.94 to
    1.07 at the weakest signals and of 1 within 1 % from 3 σ on.

    References
    ----------
    After A. Foi, "Noise estimation and removal in MR imaging: the variance-stabilization approach", ISBI 2011,
    doi:10.1109/ISBI.2011.5872758, whose idea this is; the curve is computed here, from the Rician density.

    Examples
    --------
    >>> import numpy as np
    >>> from nlmeans.noise.vst import rician
    >>> stabiliser = rician(2.0)
    >>> noise = np.random.default_rng(0).normal(0, 2, (2, 1, 200, 200))
    >>> round(float(stabiliser.forward(np.hypot(6 + noise[0], noise[1])).std()), 1)
    1.0
    """
    curves = [_rician(s, coils) for (s,) in zip(*_together(sigma), strict=True)]
    return Stabiliser("Rician noise", *_columns(curves), float(_magnitude_table(coils)[3][0]))


def stabilised_variance(signal: np.ndarray, gain: float, offset: float, sigma: float) -> np.ndarray:
    """Return the variance of counts of a mean ``signal`` after `anscombe`: 1, but for few of them less."""
    signals, _, variances = _counts_table((sigma / gain) ** 2)
    return np.interp(np.maximum((signal - offset) / gain, 0), signals, variances, right=1.0)


def _apply(curves: tuple[Curve, ...], planes: np.ndarray) -> np.ndarray:
    _checks.dtype(planes.dtype)
    if len(curves) not in (1, len(planes)):
        raise ValueError(
            f"a stabiliser must have one curve, or one a channel: {len(curves)} for {len(planes)} channels"
        )
    result = np.empty_like(planes)
    for channel, plane in enumerate(planes):
        with np.errstate(over="ignore", invalid="ignore"):  # what is NaN or infinite stays so
            result[channel] = curves[channel % len(curves)](plane)
    return result


def _settled(plane: np.ndarray, ground: float) -> np.ndarray:
    from scipy.ndimage import uniform_filter

    above = plane - plane.dtype.type(ground)
    share = np.clip(2 - above / DARK, 0, 1)
    if np.isnan(share.min()):
        known = np.isfinite(share)
        share, above = np.where(known, share, 0), np.where(known, above, 0)
    if not share.any():
        return plane
    sides = (1, 2 * AROUND + 1, 2 * AROUND + 1)
    weight, total = (uniform_filter(part, sides, mode="constant") for part in (share, share * above))
    result: np.ndarray = plane + share * (total / np.maximum(weight, np.finfo(plane.dtype).tiny) - above)
    return result


def _together(*values: float | Sequence[float]) -> list[tuple[float, ...]]:
    """Return sequences of one length."""
    rows = [[_checks.real(v, "each number") for v in np.atleast_1d(np.asarray(value))] for value in values]
    if len({len(row) for row in rows} - {1}) > 1:
        raise ValueError(
            f"there must be one number, or one a channel; got {' and '.join(str(len(row)) for row in rows)}"
        )
    return [tuple(row) for row in np.atleast_2d(np.broadcast_arrays(*rows)).astype(float)]


def _columns(pairs: list[tuple[Curve, Curve]]) -> tuple[tuple[Curve, ...], tuple[Curve, ...]]:
    return tuple(forward for forward, _ in pairs), tuple(inverse for _, inverse in pairs)


def _anscombe(gain: float, offset: float, sigma: float) -> tuple[Curve, Curve]:
    if gain <= 0 or sigma < 0:
        raise ValueError(f"gain must be above 0 and sigma at least 0; got {gain:g} and {sigma:g}")
    if sigma / MOST_READ > gain:
        raise ValueError(f"sigma must be at most {MOST_READ:g} times the gain; got {sigma:g} and {gain:g}")
    if abs(offset) / MOST_OFFSET > gain:
        raise ValueError(f"offset must be at most {MOST_OFFSET:g} times the gain; got {offset:g} and {gain:g}")
    read = (sigma / gain) ** 2
    signals, means, _ = _counts_table(read)
    start = math.sqrt(0.375 + read)

    def forward(values: np.ndarray) -> np.ndarray:
        return _root((values.astype(np.float64) - offset) / gain, read)

    def inverse(values: np.ndarray) -> np.ndarray:
        bent = values.astype(np.float64)
        counts = bent * (bent / 4 + start) + 0.25
        inside = bent < means[-1]
        counts[inside] = np.interp(bent[inside], means, signals)
        slope = (signals[1] - signals[0]) / (means[1] - means[0])
        below = bent < means[0]
        counts[below] = signals[0] + slope * (bent[below] - means[0])
        return gain * counts + offset

    return forward, inverse


def _root(counts: np.ndarray, read: float) -> np.ndarray:
    """Return 2·sqrt(counts + 3/8 + read), less its value at 0 counts: read noise may dwarf the rest."""
    start = 0.375 + read
    counts = np.maximum(counts, -start)
    return 2 * counts / (np.sqrt(counts + start) + math.sqrt(start))


@lru_cache(maxsize=16)
def _counts_table(read: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return signals in counts, and means and variances of their transformed values, for read noise of a variance."""
    from scipy.special import gammaln

    end = max(TABULATED - read, 4.0)
    signals = np.square(np.linspace(0, math.sqrt(end), 600))
    most = int(end + NODES * 2 * math.sqrt(end) + 20)
    counts = np.arange(most + 1)
    nodes, weights = _normal(math.sqrt(read))
    each = _root(counts[:, None] + nodes, read)
    bent, square = each @ weights, np.square(each) @ weights
    log = np.log(np.maximum(signals, 1e-300))[:, None] * counts - signals[:, None] - gammaln(counts + 1)
    chance = np.exp(log)
    means = chance @ bent
    return signals, means, chance @ square - np.square(means)


def _normal(sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and weights of an average over a normal variable."""
    if sigma == 0:
        return np.zeros(1), np.ones(1)
    nodes = np.arange(-NODES, NODES + STEP / 2, STEP)
    weights = np.exp(-np.square(nodes) / 2)
    return sigma * nodes, weights / weights.sum()


def _rician(sigma: float, coils: int) -> tuple[Curve, Curve]:
    if not sigma >= LEAST:
        raise ValueError(f"sigma must be at least {LEAST:g}; got {sigma:g}: scale the image, and sigma")
    levels, bent, signals, means = _magnitude_table(coils)
    lift = coils - 0.5  # far out, the mean of a magnitude is y + lift / y

    def forward(values: np.ndarray) -> np.ndarray:
        unit = values.astype(np.float64) / sigma
        return np.interp(unit, levels, bent) + (
            np.maximum(unit - levels[-1], 0) + np.minimum(unit, 0) * bent[1] / levels[1]
        )

    def inverse(values: np.ndarray) -> np.ndarray:
        unit = values.astype(np.float64)
        # The curve leaves the ground with an infinite slope, that makes signal of what noise an average has left.
        above = unit - means[0]
        signal = np.interp(np.where(above < 3 * GROUND, 1.5 * (above - GROUND), above) + means[0], means, signals)
        far = unit > means[-1]
        # There the curve is a line of slope 1.
        mean = unit[far] - means[-1] + signals[-1] + lift / signals[-1]
        signal[far] = mean * (1 + np.sqrt(1 - 4 * lift / mean / mean)) / 2
        return sigma * signal

    return forward, inverse


@lru_cache(maxsize=8)
def _magnitude_table(coils: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return levels and their transformed values, and signals and the means of theirs, all for σ = 1."""
    step, ground = 0.02, 2 * (math.sqrt(2 * coils) - math.sqrt(2))  # what black looks like grows with the coils
    bend, end = BEND + ground, FAR + 2 * ground
    levels = np.arange(0, end + NODES * 2 + ground, step)
    signals = np.concatenate([np.square(np.linspace(0, math.sqrt(bend), 120)), np.arange(bend, end, 0.25)[1:], [end]])
    density = magnitudes(levels, signals, coils) * step
    mean = density @ levels
    spread = np.sqrt(density @ np.square(levels) - np.square(mean))
    slope = np.interp(levels, mean, 1 / spread)
    far = levels > bend
    slope[far] = 1 + (coils - 0.5) / (2 * np.square(levels[far]))
    for _ in range(ROUNDS):
        bent = _integral(slope, step)
        spread = np.sqrt(density @ np.square(bent) - np.square(density @ bent))
        slope *= np.where(far, 1, np.interp(levels, mean, 1 / spread))
    bent = _integral(slope, step)
    return levels, bent, signals, density @ bent


def _integral(slope: np.ndarray, step: float) -> np.ndarray:
    return np.concatenate([[0.0], np.cumsum(slope[1:] + slope[:-1]) * step / 2])


def magnitudes(levels: np.ndarray, signals: np.ndarray, coils: int) -> np.ndarray:
    """Return the density of magnitudes of σ = 1, a row a signal, scaled to a sum of 1 over the levels of step 1."""
    from scipy.special import gammaln, ive

    order, signals, levels = coils - 1, np.maximum(signals, 1e-6)[:, None], np.maximum(levels, 1e-9)
    argument = levels * signals
    with np.errstate(divide="ignore", under="ignore"):  # of orders that are large for the argument
        bessel = np.log(ive(order, argument))
        first = order * np.log(argument / 2) - gammaln(coils) - argument  # of the series
        log = np.where(np.isfinite(bessel), bessel, first) - np.square(levels - signals) / 2
        row = np.exp(log + np.log(levels) + order * np.log(levels / signals))
    return row / (row.sum(1, keepdims=True) * (levels[1] - levels[0]))
