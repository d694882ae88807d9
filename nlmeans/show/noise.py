"""Draw what an image's noise looks like: by brightness, by frequency, and shared by channels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .canvas import FAINT, INK, TEXT, Canvas, Colour, Point, Scale, curve, frame, letters

if TYPE_CHECKING:
    from ..noise.profile import NoiseProfile

    Variance = Callable[[np.ndarray], np.ndarray]

TOP, BOTTOM = 48, 330
BRIGHTNESS, FREQUENCY, SHARED = (64, 520), (600, 1000), 1064
"""Left and right of the panels with axes, and left of the matrix."""
CELL, GAP, LINE = 44, 24, 24
COLOURS: tuple[Colour, ...] = (
    (217, 89, 43), (44, 156, 106), (47, 134, 201), (176, 96, 143), (160, 128, 28), (122, 111, 208), (125, 133, 144),
    (194, 59, 92),
)  # fmt: skip
"""Of channels, the first three as of red, green and blue."""
DASHES: dict[int, tuple[float, ...]] = {1: (), 2: (7, 4), 4: (2, 3)}
SIZES = {1: "full size", 2: "half size", 4: "quarter size"}
MOST = 8
"""Channels that are drawn; of more, evenly spread ones."""
ABOVE = 1.2
"""Room above the highest curve; a few bins that texture has lifted far beyond all others are cut off."""
USUAL = 0.9
DECADES = 1e-4
"""Least power that is drawn, in units of the greatest."""
NOTHING, NONE = "too few flat patches to tell", "no noise"
"""What is said where there is no curve to draw."""


def noise_sheet(profile: NoiseProfile, variance: Variance | None = None) -> Canvas:
    """Draw a profile of noise.

    Parameters
    ----------
    profile : NoiseProfile
        As `nlmeans.noise.noise_profile` returns it.
    variance : callable, optional
        The variance of a signal (C, Z, Y, X) by a model whose curve is drawn too, as `PoissonGaussian.variance`.

    Returns
    -------
    Canvas
        Three panels: σ against brightness, power against frequency with the level that white noise of the same σ would
        have, and the channels' correlation, if there are several. `Canvas.pixels` and `Canvas.svg` make a picture.

    Examples
    --------
    >>> import numpy as np
    >>> from nlmeans.noise import noise_profile
    >>> from nlmeans.show import noise_sheet
    >>> profile = noise_profile(np.random.default_rng(0).normal(100, 10, (128, 128)))
    >>> noise_sheet(profile).pixels().dtype.name
    'uint8'
    """
    count = len(profile.correlation)
    shown = [int(c) for c in np.linspace(0, count - 1, min(count, MOST)).round()]
    colours = [INK] if count == 1 else list(COLOURS[: len(shown)])
    width = FREQUENCY[1] + GAP if count == 1 else SHARED + max(len(shown), 4) * CELL + GAP
    canvas = Canvas(width)
    fitted = _by_brightness(canvas, profile, shown, colours, variance)
    _by_frequency(canvas, profile, shown, colours)
    if count > 1:
        _shared(canvas, profile.correlation, shown, colours)
    _legend(canvas, profile, shown, colours, fitted)
    return canvas


def _by_brightness(
    canvas: Canvas, profile: NoiseProfile, shown: Sequence[int], colours: Sequence[Colour], variance: Variance | None
) -> bool:
    """Draw σ against brightness; return whether there was a model's curve to draw."""
    title, below = "standard deviation", "brightness"
    used = [(scale, c) for scale in profile.scales for c in shown if len(scale.brightness[c])]
    if not used:
        _empty(canvas, BRIGHTNESS, title, profile)
        return False
    means = np.concatenate([scale.brightness[c] for scale, c in used])
    heights = np.concatenate([scale.deviation[c] for scale, c in used])
    low, high = float(means.min()), float(means.max())
    if low == high:
        low, high = low - 1, high + 1
    top = float(np.quantile(heights, USUAL)) if len(heights) > 1 / (1 - USUAL) else float(heights.max())
    grid, model = np.linspace(low, high, 100), None
    if variance is not None:
        planes = np.broadcast_to(grid, (len(profile.correlation), 1, 1, len(grid)))
        model = np.sqrt(np.broadcast_to(variance(planes), planes.shape))[shown, 0, 0]
        top = max(top, float(model.max()))
    across, up = Scale(low, high, *BRIGHTNESS), Scale(0, ABOVE * top or 1.0, BOTTOM, TOP)
    frame(canvas, across, up, title, below)
    for scale, c in used:
        points = list(zip(scale.brightness[c].tolist(), scale.deviation[c].tolist(), strict=True))
        curve(canvas, across, up, points, colours[shown.index(c)], dashes=DASHES[scale.size])
    if model is not None:
        for colour, line in zip(colours, model, strict=True):
            curve(canvas, across, up, list(zip(grid.tolist(), line.tolist(), strict=True)), colour, 0.7)
    return model is not None


def _by_frequency(canvas: Canvas, profile: NoiseProfile, shown: Sequence[int], colours: Sequence[Colour]) -> None:
    """Draw power against frequency, and the level of white noise of the same σ."""
    title, below = "power", "cycles a pixel"
    full = profile.scales[0]
    used = [scale for scale in profile.scales if scale.frequency.size and scale.density[shown].any()]
    if not used:
        _empty(canvas, FREQUENCY, title, profile)
        return
    levels = [full.sigma[c] ** 2 for c in shown]
    most = max(*(float(scale.density[shown].max()) for scale in used), *levels)
    least = min(value for scale in used for value in scale.density[shown].ravel() if value > DECADES * most)
    least = min([least, *(level for level in levels if level > DECADES * most)])
    ends = [float(scale.frequency[k]) for scale in used for k in (0, -1)]
    across = Scale(min(ends), max(ends), *FREQUENCY, logarithmic=True)
    up = Scale(least / 2, 2 * most, BOTTOM, TOP, logarithmic=True)
    frame(canvas, across, up, title, below)
    for level, colour in zip(levels, colours, strict=True):
        if up.low < level:
            curve(canvas, across, up, [(across.low, level), (across.high, level)], colour, 0.7)
    for scale in used:
        for c, colour in zip(shown, colours, strict=True):
            points: list[Point] = list(
                zip(scale.frequency.tolist(), np.maximum(scale.density[c], up.low / 10).tolist(), strict=True)
            )
            curve(canvas, across, up, points, colour, dashes=DASHES[scale.size])


def _shared(canvas: Canvas, correlation: np.ndarray, shown: Sequence[int], colours: Sequence[Colour]) -> None:
    """Draw the correlation of channels: the darker, the more of it."""
    canvas.text(SHARED, TOP - 18, "correlation of channels")
    first = TOP + LINE
    for i, (c, colour) in enumerate(zip(shown, colours, strict=True)):
        canvas.text(SHARED + (i + 0.5) * CELL, TOP + LINE / 2 - 2, str(c), colour, "m")
        canvas.text(SHARED - 8, first + (i + 0.5) * CELL, str(c), colour, "r")
        for k, other in enumerate(shown):
            value = float(correlation[c, other])
            shade = round(245 - 170 * min(abs(value), 1.0))
            left, top = SHARED + k * CELL, first + i * CELL
            fill = (shade, shade, 245) if value >= 0 else (245, shade, shade)
            canvas.box(left, top, left + CELL - 2, top + CELL - 2, fill)
            ink = INK if abs(value) < 0.6 else (255, 255, 255)
            canvas.text(left + CELL / 2 - 1, top + CELL / 2 - 1, f"{value:.2f}".replace("-0.00", "0.00"), ink, "m")


def _empty(canvas: Canvas, sides: tuple[float, float], title: str, profile: NoiseProfile) -> None:
    """Draw a panel that has nothing to show."""
    left, right = sides
    canvas.text(left, TOP - 18, title)
    canvas.line([(left, TOP), (left, BOTTOM), (right, BOTTOM)], FAINT)
    canvas.text((left + right) / 2, (TOP + BOTTOM) / 2, NOTHING if any(profile.scales[0].sigma) else NONE, FAINT, "m")


def _legend(
    canvas: Canvas, profile: NoiseProfile, shown: Sequence[int], colours: Sequence[Colour], fitted: bool
) -> None:
    """Say what colours and dashes stand for, and how strong the noise is."""
    entries: list[tuple[str, Colour, float, tuple[float, ...]]] = []
    if len(shown) > 1:
        entries += [(f"channel {c}", colour, 4, ()) for c, colour in zip(shown, colours, strict=True)]
    for scale in profile.scales:
        sigma = " ".join(f"{scale.sigma[c]:.3g}" for c in shown)
        entries.append((f"{SIZES[scale.size]}: sigma {sigma}", INK, 1.6, DASHES[scale.size]))
    thin = "white noise of this sigma" + (", and the fitted model" if fitted else "")
    entries.append((thin, INK, 0.7, ()))
    matrix = len(shown) * CELL if len(shown) > 1 else 0
    font, x, y = letters(), float(BRIGHTNESS[0]), float(max(BOTTOM + 64, TOP + 2 * LINE + matrix))
    places: list[Point] = []
    for entry in entries:
        length = 42 + font.getlength(entry[0])
        if places and x + length > canvas.width - GAP:
            x, y = BRIGHTNESS[0], y + LINE
        places.append((x, y))
        x += length + GAP
    for (words, colour, wide, dashes), (x, y) in zip(entries, places, strict=True):
        canvas.line([(x, y), (x + 34, y)], colour, wide, dashes)
        canvas.text(x + 42, y, words)
    canvas.height = y + TEXT + GAP / 2
