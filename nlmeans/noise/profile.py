"""What an image's noise looks like, measured without a model: by brightness, frequency, scale and channel."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from ..show.card import card
from ..show.noise import noise_sheet
from .fitted import MOST_TURNED
from .image import evidence_in
from .scale import ENDS, NoiseAtScale, Pixels, measured
from .shared import correlation

if TYPE_CHECKING:
    from .._typing import Companion, ImageLike
    from .patches import Array, Evidence

SCALES: Final = 3
NAMES: Final = {1: "full", 2: "half", 4: "quarter"}
"""What scales are called, by the pixels along a side of what is averaged."""


@dataclass(frozen=True, eq=False)
class NoiseProfile:
    """What the noise of an image looks like; printed, an aligned table.

    Attributes
    ----------
    scales : tuple of NoiseAtScale
        The noise at full, half and quarter size: of pixels, and of means of 2 × 2 and 4 × 4; without those at which
        no pixels are left.
    correlation : ndarray, shape (C, C)
        The correlation of the channels' noise.

    Examples
    --------
    >>> import numpy as np
    >>> from nlmeans.noise import noise_profile
    >>> noisy = np.random.default_rng(0).normal(100, 10, (256, 256, 2))
    >>> noisy[..., 1] = 0.6 * noisy[..., 0] + 0.8 * noisy[..., 1]
    >>> profile = noise_profile(noisy, channel_axis=-1)
    >>> profile.white, round(float(profile.correlation[0, 1]), 1)
    (True, 0.6)
    """

    scales: tuple[NoiseAtScale, ...]
    correlation: Array

    @classmethod
    def of(cls, evidence: Evidence) -> NoiseProfile:
        """Measure the noise in what an image is judged by."""
        sizes = [Pixels.of(evidence.channels)]
        while len(sizes) < SCALES and min(sizes[-1].planes.shape[2:]) > 1:
            sizes.append(sizes[-1].halved())
        scales: list[NoiseAtScale] = []
        shared = None
        for pixels in reversed(sizes):  # what a patch is too small to show, the coarser scale does
            scale, shared = measured(pixels, scales[0] if scales else None)
            scales.insert(0, scale)
        result = cls(tuple(scales), _correlation(evidence.planes, scales[0], shared))
        return result if evidence.factor == 1 else result._times(evidence.factor)

    @property
    def white(self) -> bool:
        """Whether the noise of all channels is white at full size."""
        return not any(self.scales[0].correlated)

    def _times(self, unit: float) -> NoiseProfile:
        """Return this in other units."""
        scales = tuple(
            replace(
                scale,
                sigma=tuple(unit * s for s in scale.sigma),
                brightness=tuple(unit * numbers for numbers in scale.brightness),
                deviation=tuple(unit * numbers for numbers in scale.deviation),
                power=unit * scale.power * unit,
            )
            for scale in self.scales
        )
        return replace(self, scales=scales)

    def rows(self) -> list[tuple[str, ...]]:
        """Return a head and a row for each scale and channel, as text."""
        head = ("size", "channel", "sigma", "darkest", "middle", "brightest", "low : high", "correlation")
        rows: list[tuple[str, ...]] = [head]
        for scale in self.scales:
            for c, sigma in enumerate(scale.sigma):
                mean, deviation, power = scale.brightness[c], scale.deviation[c], scale.power[c]
                some = [f"{deviation[k]:.3g} at {mean[k]:.3g}" for k in (0, len(mean) // 2, -1)] if len(mean) else []
                high = power[-ENDS:].mean() if power.size else 0.0
                ratio = f"{power[:ENDS].mean() / high:.3g}" if high > 0 else "-"
                shared = " ".join(f"{value:.2f}" for value in self.correlation[c]) if scale.size == 1 else ""
                rows.append((NAMES[scale.size], str(c), f"{sigma:.4g}", *(some or ["-"] * 3), ratio, shared))
        return rows

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        rows = self.rows()[1:]
        named = [(f"{size}, channel {c}", f"sigma {sigma}") for size, c, sigma, *_ in rows]
        return card(type(self).__name__, named, [noise_sheet(self).svg(inline=True)])

    def __str__(self) -> str:
        rows = self.rows()
        wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, wide, strict=True)).rstrip() for row in rows]
        return "\n".join(lines)


def noise_profile(
    image: ImageLike, *, axes: str | None = None, channel_axis: int | None = None, mask: Companion | None = None
) -> NoiseProfile:
    """Measure what the noise of one image looks like, without a model.

    Parameters
    ----------
    image : array_like
        As for `nlmeans.denoise`; slices of a volume and separate images are pooled. NaN and infinity are left out.
    axes : str, optional
        Names of the axes, as for `nlmeans.denoise`.
    channel_axis : int, optional
        The axis of colours or other channels; short for ``axes``.
    mask : array_like of bool, optional
        True where a pixel counts; of the image's shape, without the channels.

    Returns
    -------
    NoiseProfile
        Standard deviation by brightness and power by frequency, of each channel at full, half and quarter size, and
        the correlation of channels. σ is 0 for a constant image.

    Raises
    ------
    TypeError, ValueError
        As for `nlmeans.denoise`, and for a mask of another shape or type.

    Notes
    -----
    All is measured in the flattest patches of 8 × 8 pixels: those of each brightness, and those of the whole image for
    frequencies. Where the noise is white, its strength is that in the quietest directions, which texture hardly
    reaches; where it is not, that over all frequencies, to which texture adds. White noise has half of its standard
    deviation at half size, and a quarter at quarter size; noise with more there is smooth, as of demosaicked pictures.
    What JPEG has removed where it is flat is not seen. Saturated pixels are left out. Time grows with the pixels up to
    about 500 × 500, from where on an even sample is taken.

    See Also
    --------
    nlmeans.estimate_sigma, estimate_noise : a model's numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from nlmeans.noise import noise_profile
    >>> ramp = np.linspace(20, 100, 256) * np.ones((256, 1))
    >>> profile = noise_profile(1.0 * np.random.default_rng(0).poisson(ramp))
    >>> full = profile.scales[0]
    >>> bool(full.deviation[0][-1] > 1.8 * full.deviation[0][0])
    True
    """
    return NoiseProfile.of(evidence_in(image, axes, channel_axis, mask)[0])


def _correlation(planes: Array, scale: NoiseAtScale, covariance: Array | None) -> Array:
    """Return the correlation of the channels' noise; channels without noise share none."""
    sigma, count = np.asarray(scale.sigma), len(scale.sigma)
    result, noisy = np.eye(count), np.flatnonzero(sigma > 0)
    if len(noisy) < 2:
        return result
    if covariance is not None and (any(scale.correlated) or len(noisy) > MOST_TURNED):
        own = np.sqrt(np.diag(covariance)[noisy])
        own = np.where(own > 0, own, 1)
        among = covariance[np.ix_(noisy, noisy)] / np.outer(own, own)
        among[np.diag_indices(len(noisy))] = 1
    elif len(noisy) <= MOST_TURNED:
        among = correlation(planes[noisy], sigma[noisy].tolist())
    else:
        return result
    result[np.ix_(noisy, noisy)] = among
    return result
