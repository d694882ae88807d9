"""A sheet of lines and texts, as pixels or as SVG, and axes to draw curves in."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise
from typing import Any

import numpy as np

PAPER, INK, FAINT, GRID = (255, 255, 255), (25, 25, 25), (115, 115, 115), (226, 226, 226)
TEXT = 13
"""Height of letters, in the units of the sheet."""
ZOOM, FINER = 1.5, 2
"""Pixels a unit, and how many times finer lines are drawn before they are averaged: Pillow's are jagged."""
ANCHORS = {"l": "start", "m": "middle", "r": "end"}
NEAR = 1e-9

Colour = tuple[int, int, int]
Point = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """A line through points; ``dashes`` are lengths on and off."""

    points: tuple[Point, ...]
    colour: Colour
    width: float
    dashes: tuple[float, ...]


@dataclass(frozen=True)
class Text:
    """A text with its left, middle or right ("l", "m", "r") at a place, and the middle of its letters."""

    place: Point
    words: str
    colour: Colour
    anchor: str


@dataclass(frozen=True)
class Box:
    """A filled rectangle: left, top, right, bottom."""

    sides: tuple[float, float, float, float]
    colour: Colour


@dataclass
class Canvas:
    """A white sheet of so many units, and what is drawn on it, in this order; texts come on top of all else."""

    width: float
    height: float = 0.0
    shapes: list[Line | Box] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)

    def line(
        self, points: Sequence[Point], colour: Colour = INK, width: float = 1.0, dashes: tuple[float, ...] = ()
    ) -> None:
        """Draw a line."""
        self.shapes.append(Line(tuple(points), colour, width, dashes))

    def box(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        """Draw a filled rectangle."""
        self.shapes.append(Box((left, top, right, bottom), colour))

    def text(self, x: float, y: float, words: str, colour: Colour = INK, anchor: str = "l") -> None:
        """Write a text."""
        self.texts.append(Text((x, y), words, colour, anchor))

    def pixels(self) -> np.ndarray:
        """Return the sheet as (rows, columns, 3) bytes."""
        from PIL import Image, ImageDraw

        size = (round(self.width * ZOOM), round(self.height * ZOOM))
        sheet = Image.new("RGB", (size[0] * FINER, size[1] * FINER), PAPER)
        pen, unit = ImageDraw.Draw(sheet), ZOOM * FINER
        for shape in self.shapes:
            if isinstance(shape, Box):
                left, top, right, bottom = (round(side * unit) for side in shape.sides)
                pen.rectangle((left, top, max(right - 1, left), max(bottom - 1, top)), shape.colour)
                continue
            for part in dashed(shape.points, shape.dashes):
                at = [(x * unit, y * unit) for x, y in part]
                pen.line(at, shape.colour, max(round(shape.width * unit), 1), joint="curve")
        sheet = sheet.resize(size, Image.Resampling.BOX)
        pen, font = ImageDraw.Draw(sheet), letters(ZOOM)
        for text in self.texts:
            x, y = (place * ZOOM for place in text.place)
            pen.text((x, y), text.words, text.colour, font, anchor=f"{text.anchor}m")
        return np.asarray(sheet)

    def svg(self, *, inline: bool = False) -> str:
        """Return the sheet as a file of its own, or ``inline``, without paper and in the ink of the page around it."""
        ink = _own if inline else _hex
        sides = f' width="{self.width:g}" style="max-width: 100%; height: auto"' if inline else ""
        lines = [
            f'<svg xmlns="http://www.w3.org/2000/svg"{sides} viewBox="0 0 {self.width:g} {self.height:g}" '
            f'font-family="sans-serif" font-size="{TEXT}" fill="none" stroke-linejoin="round">',
        ]
        if not inline:
            lines.append(f'<rect width="{self.width:g}" height="{self.height:g}" fill="{_hex(PAPER)}"/>')
        for shape in self.shapes:
            if isinstance(shape, Box):
                left, top, right, bottom = shape.sides
                place = f'x="{left:.2f}" y="{top:.2f}" width="{right - left:.2f}" height="{bottom - top:.2f}"'
                lines.append(f'<rect {place} fill="{ink(shape.colour)}"/>')
                continue
            at = " ".join(f"{x:.2f},{y:.2f}" for x, y in shape.points)
            dashes = f' stroke-dasharray="{" ".join(f"{n:g}" for n in shape.dashes)}"' if shape.dashes else ""
            stroke = f'stroke="{ink(shape.colour)}" stroke-width="{shape.width:g}"'
            lines.append(f'<polyline points="{at}" {stroke}{dashes}/>')
        for text in self.texts:
            (x, y), words = text.place, escape(text.words)
            place = f'x="{x:.2f}" y="{y + 0.35 * TEXT:.2f}" text-anchor="{ANCHORS[text.anchor]}"'
            lines.append(f'<text {place} fill="{ink(text.colour)}">{words}</text>')
        return "\n".join([*lines, "</svg>", ""])


@dataclass(frozen=True)
class Scale:
    """An axis: where its numbers, from ``low`` to ``high``, lie from ``start`` to ``stop``."""

    low: float
    high: float
    start: float
    stop: float
    logarithmic: bool = False

    def at(self, value: float) -> float:
        """Return where a number lies."""
        value, low, high = (math.log(n) if self.logarithmic else n for n in (value, self.low, self.high))
        return self.start + (value - low) / (high - low) * (self.stop - self.start)

    def ticks(self, most: int) -> list[float]:
        """Return round numbers, at most so many or a few more."""
        return _decades(self.low, self.high, most) if self.logarithmic else _steps(self.low, self.high, most)


def frame(canvas: Canvas, across: Scale, up: Scale, title: str, below: str) -> None:
    """Draw axes with round numbers, a title above and what goes across below."""
    left, right, bottom, top = across.start, across.stop, up.start, up.stop
    for value in up.ticks(5):
        canvas.line([(left, up.at(value)), (right, up.at(value))], GRID)
        canvas.text(left - 7, up.at(value), number(value), FAINT, "r")
    for value in across.ticks(6):
        x = across.at(value)
        canvas.line([(x, bottom), (x, top)], GRID)
        canvas.text(x, bottom + 14, number(value), FAINT, "m")
    canvas.line([(left, top), (left, bottom), (right, bottom)], FAINT)
    canvas.text(left, top - 18, title)
    canvas.text((left + right) / 2, bottom + 34, below, FAINT, "m")


def curve(
    canvas: Canvas, across: Scale, up: Scale, points: Sequence[Point], colour: Colour, width: float = 1.6,
    dashes: tuple[float, ...] = (),
) -> None:  # fmt: skip
    """Draw a curve as far as it lies between the ends of the axis that goes up."""
    at = [(across.at(x), up.at(y)) for x, y in points]
    for part in between(at, up.stop, up.start):
        canvas.line(part, colour, width, dashes)


def between(points: Sequence[Point], top: float, bottom: float) -> Iterator[list[Point]]:
    """Yield the parts of a line that lie between two heights."""
    part: list[Point] = []
    for k, (x, y) in enumerate(points):
        if k:
            px, py = points[k - 1]
            cuts = [side for side in (top, bottom) if (py - side) * (y - side) < 0]
            for side in sorted(cuts, key=lambda side: abs(side - py)):
                part.append((px + (side - py) / (y - py) * (x - px), side))
                if len(part) > 1:
                    yield part
                    part = []
        if top <= y <= bottom:
            part.append((x, y))
    if part:
        yield part if len(part) > 1 else [(part[0][0] - 2, part[0][1]), (part[0][0] + 2, part[0][1])]


def dashed(points: Sequence[Point], dashes: Sequence[float]) -> Iterator[list[Point]]:
    """Yield the dashes of a line."""
    if not dashes:
        yield list(points)
        return
    turn, left, part = 0, dashes[0], [points[0]]
    for (x, y), (next_x, next_y) in pairwise(points):
        length = math.hypot(next_x - x, next_y - y)
        done = 0.0
        while length - done > left + NEAR:
            done += left
            place = (x + done / length * (next_x - x), y + done / length * (next_y - y))
            if turn % 2 == 0:
                yield [*part, place]
            turn, part = turn + 1, [place]
            left = dashes[turn % len(dashes)]
        left -= length - done
        if turn % 2 == 0:
            part.append((next_x, next_y))
    if turn % 2 == 0 and len(part) > 1:
        yield part


def letters(zoom: float = 1.0) -> Any:
    """Return Pillow's font: it has no Greek letters, and few signs."""
    from PIL import ImageFont

    return ImageFont.load_default(size=TEXT * zoom)


def number(value: float) -> str:
    """Return a number in few letters."""
    if 1e4 <= abs(value) < 1e6:
        return f"{value / 1e3:g}k"
    return f"{value:.4g}".replace("e-0", "e-").replace("e+0", "e")


def _steps(low: float, high: float, most: int) -> list[float]:
    """Return multiples of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - NEAR))
    first, last = math.ceil(low / step - NEAR), math.floor(high / step + NEAR)
    return [k * step for k in range(first, last + 1)]


def _decades(low: float, high: float, most: int) -> list[float]:
    """Return powers of ten, and 2 and 5 times these where there are few."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    factors = (1, 2, 5) if last - first <= most // 2 else (1,)
    step = max((last - first) // most, 1)
    every = [factor * 10.0**power for power in range(first, last + 1, step) for factor in factors]
    return [value for value in every if low * (1 - NEAR) <= value <= high * (1 + NEAR)]


def _own(colour: Colour) -> str:
    """Return a colour that stands out from light and from dark as it does from paper."""
    if colour == INK:
        return "currentColor"
    return "rgb(128 128 128 / 30%)" if colour == GRID else _hex(colour)


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
