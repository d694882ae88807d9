"""Draw which pixels one pixel was averaged with, and their weights."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

GAP, EDGE, LINE, TEXT = 16, 8, 26, 16
ALONE, DETAILED, MOST = 720, 480, 1400  # longer side of the drawn picture: at least, at least with a detail, at most
PAPER, INK, CASING = (255, 255, 255), (25, 25, 25), (0, 0, 0)
PATCH, MATCH, UNLIKE = (255, 255, 255), (70, 215, 255), (255, 95, 50)
NEAR_ZERO = 1e-3  # of the largest weight
CONTEXT = 3  # least number of patches shown to each side
EXTREMES = (0.5, 99.5)  # percentiles of the picture that are drawn as its darkest and lightest
LUMA = (0.2126, 0.7152, 0.0722)
OPAQUE = 0.85  # opacity of the largest weight
SHADES = (20.0, 205.0)  # of the picture: the brightest weights are brighter

Place = tuple[int, int]


@dataclass(frozen=True)
class Mark:
    """A boxed patch."""

    place: Place
    weight: float
    colour: tuple[int, int, int]


@dataclass(frozen=True)
class View:
    """A part of the picture, from ``low`` to before ``high``, drawn at ``scale``."""

    low: Place
    high: Place
    scale: float

    def sides(self) -> Place:
        """Return height and width on the sheet."""
        height, width = (max(round((b - a) * self.scale), 1) for a, b in zip(self.low, self.high, strict=True))
        return height, width

    def box(self, low: Place, high: Place) -> tuple[int, int, int, int]:
        """Return left, top, and the last column and row, of the visible part of a box."""
        top, left = (round((max(p, a) - a) * self.scale) for p, a in zip(low, self.low, strict=True))
        bottom, right = (
            round((min(p, b) - a) * self.scale) - 1 for p, a, b in zip(high, self.low, self.high, strict=True)
        )
        return left, top, max(right, left), max(bottom, top)


def draw(
    image: np.ndarray, weights: np.ndarray, at: Sequence[int], patch_radius: int | Sequence[int], *, matches: int = 3
) -> np.ndarray:
    """Draw the weights of one pixel over the picture, and box the best matches and a patch that hardly counts.

    Where the window is a small part of the picture, it is also drawn enlarged next to the picture, first without and
    then with the weights. Small pictures are enlarged by whole factors, large ones reduced.

    Parameters
    ----------
    image : ndarray, shape (H, W) or (H, W, 3)
        A grey or colour picture of any real dtype; its range without the 1 % of extreme values is drawn.
    weights : ndarray, shape (H, W) or (1, H, W)
        The pixel's weights, as `nlmeans.pairwise.weights.pixel_weights` returns them.
    at : sequence of int
        The pixel (y, x), or (z, y, x).
    patch_radius : int or sequence of int
        Half-width of the patches in pixels, or one along (y, x), or (z, y, x).
    matches : int, default 3
        How many of the patches with the largest weights are boxed; they do not overlap.

    Returns
    -------
    ndarray of uint8, shape (rows, columns, 3)
        The drawing, with a legend below.

    Raises
    ------
    ValueError
        If the image is not one grey or RGB picture, the weights do not fit it, or the pixel lies outside.

    Notes
    -----
    After figure 2 of A. Buades, B. Coll, J.-M. Morel, *A non-local algorithm for image denoising*, 2005,
    doi:10.1109/CVPR.2005.38.
    """
    picture = shown(image)
    height, width, _ = picture.shape
    if weights.shape not in ((height, width), (1, height, width)):
        raise ValueError(f"weights must be one for each of {height}×{width} pixels; got shape {weights.shape}")
    plane = weights.reshape(height, width).astype(np.float64)
    y, x = (int(k) for k in tuple(at)[-2:])
    if not (0 <= y < height and 0 <= x < width):
        raise ValueError(f"the pixel must lie within {height}×{width}; got {tuple(at)}")
    radii = np.atleast_1d(patch_radius)
    radius = (int(radii[-2:][0]), int(radii[-1]))
    marks = choose(picture, plane, (y, x), radius, matches)
    top = _top(plane, (y, x))
    heated = heat(picture, plane / top)
    whole, detail = views((height, width), *window(plane, (y, x), context(radius)), radius)
    if detail is None:
        panels = [_panel(heated, whole, marks, radius, labels=True)]
    else:
        panels = [
            _panel(picture, whole, marks[:1], radius, frame=detail),
            _panel(picture, detail, marks, radius),
            _panel(heated, detail, marks, radius, labels=True),
        ]
    return _sheet(panels, functools.partial(_legend, marks=marks, top=top, clipped=plane[y, x] > top))


def shown(image: np.ndarray) -> np.ndarray:
    """Return a grey or RGB picture as (H, W, 3) bytes, dark enough for weights to stand out."""
    array = np.asarray(image)
    if array.dtype.kind not in "uif" or array.ndim not in (2, 3) or array.shape[2:] not in ((), (3,)):
        raise ValueError(f"the image must be (H, W) or (H, W, 3) real numbers; got {array.dtype}, shape {array.shape}")
    array = array.astype(np.float64)
    finite = array[np.isfinite(array)]
    low, high = np.percentile(finite, EXTREMES) if finite.size else (0.0, 0.0)
    share = (np.nan_to_num(array, nan=low, posinf=high, neginf=low) - low) / ((high - low) or 1.0)
    dark, light = SHADES
    pixels = np.rint(dark + np.clip(share, 0, 1) * (light - dark)).astype(np.uint8)
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)


def glow(share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return colour and opacity of a weight, given as a share of the largest.

    From violet over red to yellow, with even steps of lightness in Oklab (B. Ottosson, 2020,
    https://bottosson.github.io/posts/oklab/); a weight of 0 is transparent.
    """
    t = np.clip(share, 0, 1)[..., None]
    hue = np.deg2rad(305 + 155 * t)
    chroma = 0.21 - 0.07 * t
    lightness = 0.42 + 0.5 * t
    lab = np.concatenate((lightness, chroma * np.cos(hue), chroma * np.sin(hue)), axis=-1)
    linear = np.clip((lab @ _TO_CONES.T) ** 3 @ _TO_RGB.T, 0, 1)
    colour = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return 255 * colour, OPAQUE * np.sqrt(t)


_TO_CONES = np.array(
    [[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728], [1, -0.0894841775, -1.2914855480]]
)
_TO_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


def heat(picture: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Return the picture in grey with weights over it, given as shares of the largest."""
    colour, cover = glow(share)
    grey = picture @ LUMA
    return np.rint(grey[..., None] * (1 - cover) + colour * cover).astype(np.uint8)


def window(weights: np.ndarray, at: Place, least: Place = (0, 0)) -> tuple[Place, Place]:
    """Return begin and end of the smallest window that holds all weights above 0.

    ``least`` is its least radius.
    """
    far = np.abs(np.argwhere(weights > 0) - at).max(axis=0, initial=0)
    (y, x), (height, width), (down, across) = at, weights.shape, np.maximum(far, least).tolist()
    return (max(y - down, 0), max(x - across, 0)), (min(y + down + 1, height), min(x + across + 1, width))


def context(radius: Place) -> Place:
    """Return the least distance around the pixel that is shown."""
    return CONTEXT * (2 * radius[0] + 1), CONTEXT * (2 * radius[1] + 1)


def choose(picture: np.ndarray, weights: np.ndarray, at: Place, radius: Place, matches: int) -> list[Mark]:
    """Return the pixel's patch, those of the largest weights, and the most different of those that hardly count."""
    free = np.ones(weights.shape, bool)
    marks: list[Mark] = []

    def add(place: Place, colour: tuple[int, int, int]) -> None:
        marks.append(Mark(place, float(weights[place]), colour))
        free[tuple(slice(max(p - 2 * r, 0), p + 2 * r + 1) for p, r in zip(place, radius, strict=True))] = False

    add(at, PATCH)
    (top, left), (bottom, right) = window(weights, at)
    part = (slice(top, bottom), slice(left, right))
    distances = _distances(picture, at, radius, part)
    for _ in range(matches):
        best = np.where(free[part], weights[part], 0.0)
        if best.any():  # of several with the largest weight, the most similar
            y, x = _first(-np.where(best == best.max(), distances, np.inf))
            add((top + y, left + x), MATCH)
    if free[part].any():
        limit = max(NEAR_ZERO * weights.max(), weights[part][free[part]].min())
        y, x = _first(np.where(free[part] & (weights[part] <= limit), distances, -1.0))
        add((top + y, left + x), UNLIKE)
    return marks


def views(sides: Sequence[int], low: Place, high: Place, radius: Place) -> tuple[View, View | None]:
    """Return the view of the whole picture, and one of the window if this is a small part of it."""
    first = (max(low[0] - radius[0] - 1, 0), max(low[1] - radius[1] - 1, 0))
    last = (min(high[0] + radius[0] + 1, sides[0]), min(high[1] + radius[1] + 1, sides[1]))
    small = all(2 * (b - a) <= side for a, b, side in zip(first, last, sides, strict=True))
    longest = max(sides)
    scale = 1 / math.ceil(longest / MOST) if longest > MOST else math.ceil((DETAILED if small else ALONE) / longest)
    whole = View((0, 0), (sides[0], sides[1]), scale)
    if not small:
        return whole, None
    height = min(max(whole.sides()[0], DETAILED // 2), MOST // 2)
    return whole, View(first, last, max(round(height / (last[0] - first[0])), 1))


def _top(weights: np.ndarray, at: Place) -> float:
    """Return the largest weight of other pixels; the pixel's own if there are none."""
    others = weights.copy()
    others[at] = 0.0
    return float(others.max() or weights[at] or 1.0)


def _first(values: np.ndarray) -> Place:
    y, x = np.unravel_index(int(values.argmax()), values.shape)
    return int(y), int(x)


def _distances(picture: np.ndarray, at: Place, radius: Place, part: tuple[slice, slice]) -> np.ndarray:
    """Return the squared distances, in drawn colours, of the patches of a part of the picture from the pixel's."""
    border = [(r, r) for r in radius]
    padded = np.pad(picture.astype(np.float64), [*border, (0, 0)], mode="reflect")
    rows, columns = part
    total = np.zeros((rows.stop - rows.start, columns.stop - columns.start))
    for i in range(2 * radius[0] + 1):
        for j in range(2 * radius[1] + 1):
            moved = padded[rows.start + i : rows.stop + i, columns.start + j : columns.stop + j]
            total += ((moved - padded[at[0] + i, at[1] + j]) ** 2).sum(-1)
    return total


def _sheet(panels: list[Any], legend: Callable[[int], Any]) -> np.ndarray:
    """Put panels side by side, and the legend below."""
    from PIL import Image

    width = max(sum(panel.width for panel in panels), DETAILED) + 2 * EDGE
    strip = legend(width)
    height = max(panel.height for panel in panels) + EDGE
    sheet = Image.new("RGB", (width, height + strip.height), PAPER)
    left = EDGE
    for panel in panels:
        sheet.paste(panel, (left, EDGE))
        left += panel.width
    sheet.paste(strip, (0, height))
    return np.asarray(sheet)


def _panel(
    picture: np.ndarray,
    view: View,
    marks: list[Mark],
    radius: Place,
    *,
    frame: View | None = None,
    labels: bool = False,
) -> Any:
    """Draw a view with boxes in it, and a margin around it."""
    from PIL import Image, ImageDraw

    height, width = view.sides()
    rows, columns = (slice(a, b) for a, b in zip(view.low, view.high, strict=True))
    part = Image.fromarray(np.ascontiguousarray(picture[rows, columns]))
    filtering = Image.Resampling.BOX if view.scale < 1 else Image.Resampling.NEAREST
    panel = Image.new("RGB", (width + 2 * EDGE, height + 2 * EDGE), PAPER)
    panel.paste(part.resize((width, height), filtering), (EDGE, EDGE))
    pen = ImageDraw.Draw(panel)
    boxes = [view.box(*_patch(mark.place, radius)) for mark in marks]
    if frame is not None:
        _outline(pen, view.box(frame.low, frame.high), PATCH)
    for mark, box in reversed(list(zip(marks, boxes, strict=True))):
        _outline(pen, box, mark.colour)
    if labels:
        _label(pen, marks, boxes, (width, height))
    return panel


def _patch(place: Place, radius: Place) -> tuple[Place, Place]:
    (y, x), (ry, rx) = place, radius
    return (y - ry, x - rx), (y + ry + 1, x + rx + 1)


def _outline(pen: Any, box: tuple[int, int, int, int], colour: tuple[int, int, int]) -> None:
    """Draw a box around, not over, its pixels."""
    left, top, right, bottom = (k + EDGE for k in box)
    pen.rectangle((left - 4, top - 4, right + 4, bottom + 4), outline=CASING, width=4)
    pen.rectangle((left - 3, top - 3, right + 3, bottom + 3), outline=colour, width=2)


def _label(pen: Any, marks: list[Mark], boxes: list[tuple[int, int, int, int]], sides: tuple[int, int]) -> None:
    """Write each weight next to its box, where there is room."""
    font = _font()
    taken = [tuple(k + EDGE + grow for k, grow in zip(box, (-5, -5, 5, 5), strict=True)) for box in boxes]
    for mark, box in zip(marks, boxes, strict=True):
        text = figure(mark.weight)
        _, _, wide, tall = pen.textbbox((0, 0), text, font, stroke_width=2)
        spots = list(_spots(tuple(k + EDGE for k in box), wide, tall))
        inside = [
            (x, y)
            for x, y in spots
            if x >= EDGE and y >= EDGE and x + wide <= EDGE + sides[0] and y + tall <= EDGE + sides[1]
        ]
        clear = [(x, y) for x, y in inside if not any(_meet((x, y, x + wide, y + tall), other) for other in taken)]
        x, y = (clear or inside or spots)[0]
        pen.text((x, y), text, mark.colour, font, stroke_width=2, stroke_fill=CASING)
        taken.append((x, y, x + wide, y + tall))


def _spots(box: tuple[int, ...], wide: int, tall: int) -> Iterator[tuple[int, int]]:
    """Yield places for a text: right, left, below and above a box, and at its corners, the nearest first."""
    left, top, right, bottom = box
    for gap in (7, 7 + tall):
        xs = (right + gap, left - gap - wide, (left + right - wide) // 2)
        ys = (bottom + gap, top - gap - tall, (top + bottom - tall) // 2)
        for column, row in ((0, 2), (1, 2), (2, 0), (2, 1), (0, 0), (0, 1), (1, 0), (1, 1)):
            yield xs[column], ys[row]


def _meet(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]


def figure(weight: float) -> str:
    """Return a weight with two significant digits."""
    if weight == 0:
        return "0"
    if weight < 1e-4:
        return f"{weight:.1e}".replace("e-0", "e-")
    return f"{weight:.{max(3, 1 - math.floor(math.log10(weight)))}f}"


def _font() -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size=TEXT)


def _legend(width: int, *, marks: list[Mark], top: float, clipped: bool) -> Any:
    """Draw the legend, in as many lines as it takes."""
    from PIL import Image, ImageDraw

    font = _font()
    count = sum(mark.colour == MATCH for mark in marks)
    texts = {
        PATCH: f"patch at row {marks[0].place[0]}, column {marks[0].place[1]}",
        MATCH: f"the {count} best matches" if count > 1 else "the best match",
        UNLIKE: "the least alike",
    }
    entries: list[tuple[Any, str]] = [
        (_swatch(colour), text) for colour, text in texts.items() if any(mark.colour == colour for mark in marks)
    ]
    entries.append((_ramp(), f"weight, 0 to {figure(top)}{' and more' if clipped else ''}; all add up to 1"))
    x, y, places = GAP, 0, []
    for icon, text in entries:
        length = icon.width + 8 + math.ceil(font.getlength(text))
        if x > GAP and x + length > width - GAP:
            x, y = GAP, y + LINE
        places.append((x, y))
        x += length + 2 * GAP
    strip = Image.new("RGB", (width, y + LINE + GAP // 2), PAPER)
    pen = ImageDraw.Draw(strip)
    for (icon, text), (x, y) in zip(entries, places, strict=True):
        strip.paste(icon, (x, y + (LINE - icon.height) // 2))
        pen.text((x + icon.width + 8, y + LINE // 2), text, INK, font, anchor="lm")
    return strip


def _swatch(colour: tuple[int, int, int]) -> Any:
    from PIL import Image, ImageDraw

    icon = Image.new("RGB", (18, 18), (120, 120, 120))
    pen = ImageDraw.Draw(icon)
    pen.rectangle((0, 0, 17, 17), outline=CASING, width=4)
    pen.rectangle((1, 1, 16, 16), outline=colour, width=2)
    return icon


def _ramp() -> Any:
    """Draw the colours of weights, from 0, over a middle grey of the picture."""
    from PIL import Image

    grey = np.full((16, 120, 3), round(sum(SHADES) / 2), np.uint8)
    return Image.fromarray(heat(grey, np.tile(np.linspace(0, 1, 120), (16, 1))))
