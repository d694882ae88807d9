"""Plan: from an image's noise to patch, search window and strength."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import _checks
from .layout import Layout
from .noise import NoiseEstimate, estimate_planes
from .pairwise.spec import Centre, PairwiseSpec

DEFAULTS_VERSION = 1
"""Raised whenever a default changes, since changed defaults change results."""
SAMPLE = 1 << 16
"""Pixels of a channel from which the signal's variance is taken."""


@dataclass(frozen=True)
class Defaults:
    """A row of the table of defaults: good up to ``noise``, the ratio of σ to the standard deviation of the signal."""

    noise: float
    patch_radius: int
    search_radius: int
    strength: float


# Tuned on training pictures only (`python -m benchmarks.tune`; every score is in benchmarks/results/0.1.0/tune.json).
# A search radius of 14 gains at most 0.08 dB over 10, below σ = 15, and takes twice the time.
GREY = (
    Defaults(0.16, 1, 10, 0.45),  # σ = 5 of 255: 35.95 dB against 35.88 for 5×5 patches
    Defaults(0.45, 1, 10, 0.80),  # σ = 10 and 15: 0.55 and 0.43 dB above 5×5
    Defaults(0.95, 2, 10, 0.60),  # σ = 25: level with 3×3; σ = 35: 0.25 dB above it
    Defaults(math.inf, 3, 10, 0.50),
)
COLOUR = (
    Defaults(0.16, 1, 10, 0.40),  # σ = 5: 36.24 dB against 35.95 for 5×5 patches
    Defaults(1.30, 1, 10, 0.60),  # σ = 10 to 50: 0.6 dB above 5×5 at 10, equal at 50
    Defaults(math.inf, 2, 10, 0.45),
)
VOLUME = (Defaults(math.inf, 1, 5, 0.50),)


@dataclass(frozen=True)
class Plan:
    """What `denoise` does with an image.

    Attributes
    ----------
    axes : str
        The names of the image's axes.
    sigma : tuple of float
        Standard deviation of the noise in the image's units, one a channel.
    estimated : bool
        Whether σ was estimated from the image.
    correlated : bool
        Whether neighbouring pixels were found to share noise, as after JPEG or demosaicking. Non-local means takes
        such noise for detail; a larger strength helps.
    patch_radius, search_radius : tuple of int
        Half-widths along the spatial axes, in pixels.
    strength : float
        h/σ: the larger, the smoother.
    bias : bool
        Whether the noise's own share 2σ² is taken from patch distances.
    centre : {"max", "one", "zero"}
        Rule for a pixel's own weight.
    defaults_version : int
        Version of the table that the parameters left out were taken from.
    """

    axes: str
    sigma: tuple[float, ...]
    estimated: bool
    correlated: bool
    patch_radius: tuple[int, ...]
    search_radius: tuple[int, ...]
    strength: float
    bias: bool
    centre: Centre
    defaults_version: int = DEFAULTS_VERSION

    @property
    def spec(self) -> PairwiseSpec:
        """The core's recipe for features in units of σ."""
        layout = Layout(self.axes)
        unit = PairwiseSpec(layout.radii(self.patch_radius), layout.radii(self.search_radius), scale=1.0)
        terms = unit.patch_size * len(self.sigma)
        return PairwiseSpec(
            unit.patch_radius,
            unit.search_radius,
            scale=1 / (self.strength**2 * terms),
            bias=2.0 * terms if self.bias else 0.0,
            centre=self.centre,
        )

    def rows(self) -> list[tuple[str, str]]:
        """Return names and values as text, for printing."""
        sigma = " ".join(f"{s:.4g}" for s in self.sigma)
        space = Layout(self.axes).space

        def widths(radii: tuple[int, ...]) -> str:
            size = " × ".join(str(2 * r + 1) for r in radii)
            return f"{size} ({space}; radius {', '.join(map(str, dict.fromkeys(radii)))})"

        rows = [
            ("axes", self.axes),
            ("sigma", f"{sigma} ({'estimated' if self.estimated else 'given'})"),
            ("patch", widths(self.patch_radius)),
            ("search window", widths(self.search_radius)),
            ("strength h/σ", f"{self.strength:g}"),
            ("bias 2σ²", "taken off" if self.bias else "left in"),
            ("centre weight", self.centre),
            ("defaults version", str(self.defaults_version)),
        ]
        if self.correlated:
            rows.append(("note", "the noise is spatially correlated (JPEG, demosaicking): try a larger strength"))
        return rows

    def __str__(self) -> str:
        return table(self.rows())


def table(rows: list[tuple[str, str]]) -> str:
    """Return rows of a name and a value as aligned text."""
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


@dataclass(frozen=True)
class Options:
    """Checked arguments that `denoise` and `plan` share."""

    layout: Layout
    limits: tuple[float, float]
    sigma: tuple[float, ...] | None
    strength: float | None
    patch_radius: tuple[int, ...] | None
    search_radius: tuple[int, ...] | None
    bias: bool
    centre: Centre | None

    @classmethod
    def check(
        cls,
        image: np.ndarray,
        sigma: Any,
        axes: Any,
        channel_axis: Any,
        strength: Any,
        patch_radius: Any,
        search_radius: Any,
        bias: Any,
        centre: Any,
    ) -> Options:
        """Refuse what is wrong, and return the rest parsed."""
        layout = _checks.layout(image, axes, channel_axis)
        limits = _checks.limits(image)
        channels = 1 if layout.channel_axis is None else image.shape[layout.channel_axis]
        return cls(
            layout=layout,
            limits=limits,
            sigma=None if sigma is None else _checks.sigma(sigma, channels, *limits),
            strength=_checks.strength(strength),
            patch_radius=_checks.radii(patch_radius, "patch_radius", layout),
            search_radius=_checks.radii(search_radius, "search_radius", layout),
            bias=_checks.flag(bias, "bias"),
            centre=None if centre is None else _checks.centre(centre),
        )


def make(planes: np.ndarray, options: Options, saturation: tuple[float, float] | None) -> Plan:
    """Choose what the caller left open, for one image (C, Z, Y, X) of floating-point numbers."""
    if options.sigma is None:
        estimate = estimate_planes(planes, None, saturation=saturation)
    else:
        estimate = NoiseEstimate(options.sigma, correlated=False)
    layout = options.layout
    row = _row(planes, estimate.sigma, layout)
    patch, search = [row.patch_radius] * len(layout.space), [row.search_radius] * len(layout.space)
    if layout.space[0] == "T":  # a patch that spans frames would tie a still background to what moves before it
        patch[0] = 0
    search = [min(r, max(n - 1, 0)) for r, n in zip(search, planes.shape[-len(layout.space) :], strict=True)]
    return Plan(
        axes=layout.axes,
        sigma=estimate.sigma,
        estimated=options.sigma is None,
        correlated=estimate.correlated,
        patch_radius=options.patch_radius or tuple(patch),
        search_radius=options.search_radius or tuple(search),
        strength=options.strength or row.strength,
        bias=options.bias,
        centre=options.centre or "max",
    )


def _row(planes: np.ndarray, sigma: tuple[float, ...], layout: Layout) -> Defaults:
    rows = VOLUME if len(layout.space) == 3 else GREY if len(sigma) == 1 else COLOUR
    variance = np.asarray([_variance(channel) for channel in planes])
    noise = np.square(sigma)
    signal = float(np.maximum(variance - noise, 0).mean())
    ratio = math.sqrt(float(noise.mean()) / signal) if signal > 0 else math.inf
    return next(row for row in rows if ratio <= row.noise)


def _variance(channel: np.ndarray) -> float:
    """Return the variance of an even sample of a channel: a row of the table asks for no more."""
    pixels = channel.reshape(-1)
    return float(pixels[:: pixels.size // SAMPLE | 1].var(dtype=np.float64))  # odd: in step with few patterns


def plan(
    image: Any,
    sigma: Any = None,
    *,
    axes: str | None = None,
    channel_axis: int | None = None,
    strength: float | None = None,
    patch_radius: Any = None,
    search_radius: Any = None,
    bias: bool = True,
    centre: Centre | None = None,
) -> Plan:
    """Choose parameters as `denoise` would, without denoising.

    Parameters
    ----------
    image, sigma, axes, channel_axis, strength, patch_radius, search_radius, bias, centre
        As for `denoise`.

    Returns
    -------
    Plan
        What `denoise` would do; prints as a small table. Of separate images (axis N), the first one's.

    Raises
    ------
    TypeError, ValueError
        As `denoise`.

    Examples
    --------
    >>> import numpy as np, nlmeans
    >>> noisy = np.random.default_rng(0).normal(100, 10, (64, 64))
    >>> nlmeans.plan(noisy, sigma=10, strength=0.5).strength
    0.5
    """
    array = _checks.image(image)
    options = Options.check(
        array, sigma, axes, channel_axis, strength, patch_radius, search_radius, bias, centre
    )  # fmt: skip
    return make(as_float(options.layout.planes(array)[0]), options, saturation(array.dtype))


def as_float(planes: np.ndarray) -> np.ndarray:
    """Return planes as C-contiguous float32, or float64 where float32 would lose bits."""
    exact = (planes.dtype.kind == "f" and planes.dtype.itemsize <= 4) or planes.dtype.itemsize <= 2
    return np.ascontiguousarray(planes, np.float32 if exact else np.float64)


def saturation(dtype: np.dtype) -> tuple[float, float] | None:
    """Return the values at which an integer type clips."""
    if dtype.kind == "f":
        return None
    info = np.iinfo(dtype)
    return float(info.min), float(info.max)
