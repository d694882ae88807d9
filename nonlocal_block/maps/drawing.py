"""Cards and the contact sheet: a digit, the convolutions' heat map, and the block's attention."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from nlmeans.show import glow

from .reading import BOX, GRID, Reading

SCALE = 5
TILE = 28 * SCALE
GAP, LINE, MARGIN = 6, 22, 18
PAPER, INK, FAINT, RED = (255, 255, 255), (25, 25, 25), (110, 110, 110), (235, 20, 30)
DIM = 0.55  # of the ink under a heat map


def tiles(digit: Reading) -> list[tuple[str, np.ndarray]]:
    """Return a digit's pictures with their titles, all of one size."""
    ink = np.repeat(_enlarged(digit.digit)[..., None], 3, axis=2)
    pictures = [("the digit", ink), ("block 2", _boxed(_attention(digit, ink), digit))]
    if digit.wrong:
        pictures.append((f"heat for {digit.label}", _boxed(_heated(digit.heat_true, ink), digit)))
    return [*pictures, (f"heat for {digit.predicted}", _boxed(_heated(digit.heat, ink), digit))]


def caption(digit: Reading) -> str:
    """Return the true class of a digit and the one that was read."""
    if digit.wrong:
        return (
            f"#{digit.index}  a {digit.label} ({100 * digit.doubt:.0f} %), "
            f"read as {digit.predicted} ({100 * digit.confidence:.0f} %)"
        )
    return f"#{digit.index}  a {digit.label}, read right ({100 * digit.confidence:.0f} %)"


def card(digit: Reading) -> np.ndarray:
    """Return a digit's pictures side by side."""
    space = np.full((TILE, GAP, 3), PAPER, np.uint8)
    parts = [part for _, picture in tiles(digit) for part in (picture, space)]
    return np.concatenate(parts[:-1], axis=1)


def contact_sheet(digits: Sequence[Reading], title: str) -> np.ndarray:
    """Return all cards with captions below a title, and a legend."""
    from PIL import Image, ImageDraw

    width = max((card(digit).shape[1] for digit in digits), default=4 * TILE + 3 * GAP)
    columns = _columns(len(digits))
    rows = math.ceil(len(digits) / columns)
    step = 2 * LINE + TILE + 2 * GAP
    legend = (
        "Red box: the key that the second non-local block looks at most, on average over its 49 pixels; block 2: how "
        "much it looks at each of the nine, from least to most.",
        "Heat: Grad-CAM of the last convolution for a class, violet little, yellow most, each on a scale of its own.",
    )
    large, small = _font(20), _font(14)
    least = max(small.getlength(line) for line in (*legend, "")) if columns > 1 else 0
    total = max(2 * MARGIN + columns * width + (columns - 1) * 2 * MARGIN, math.ceil(least) + 2 * MARGIN)
    lines = _wrapped(legend, small, total - 2 * MARGIN)
    head = _wrapped([title], large, total - 2 * MARGIN)
    top = MARGIN + 30 * len(head) + LINE * len(lines) + MARGIN
    sheet = Image.new("RGB", (total, top + rows * step + MARGIN), PAPER)
    pen = ImageDraw.Draw(sheet)
    for k, line in enumerate(head):
        pen.text((MARGIN, MARGIN + 30 * k), line, INK, large)
    for k, line in enumerate(lines):
        pen.text((MARGIN, MARGIN + 30 * len(head) + LINE * k), line, FAINT, small)
    for k, digit in enumerate(digits):
        x, y = MARGIN + (k % columns) * (width + 2 * MARGIN), top + (k // columns) * step
        pen.text((x, y), caption(digit), INK, _font(16))
        sheet.paste(Image.fromarray(card(digit)), (x, y + LINE))
        for j, (name, _) in enumerate(tiles(digit)):
            pen.text((x + j * (TILE + GAP), y + LINE + TILE + 2), name, FAINT, small)
    return np.asarray(sheet)


def _columns(count: int) -> int:
    """Return the number of cards in a row, so that the sheet is at most about twice as high as wide."""
    return 1 if count <= 1 else 2 if count <= 12 else 3 if count <= 42 else 4


def _enlarged(plane: np.ndarray) -> np.ndarray:
    return plane.repeat(SCALE, axis=0).repeat(SCALE, axis=1)


def _heated(heat: np.ndarray, ink: np.ndarray) -> np.ndarray:
    """Paint a heat map over the dimmed digit; one that is 0 everywhere leaves it bare."""
    return _painted(_enlarged(heat / (heat.max() or 1)), ink)


def _attention(digit: Reading, ink: np.ndarray) -> np.ndarray:
    """Paint the keys' attention over the digit; the last rows and columns belong to no key."""
    low, high = digit.attention.min(), digit.attention.max()
    share = np.zeros(digit.digit.shape)
    side = GRID * BOX
    share[:side, :side] = ((digit.attention - low) / ((high - low) or 1)).repeat(BOX, axis=0).repeat(BOX, axis=1)
    return _painted(_enlarged(share), ink)


def _painted(share: np.ndarray, ink: np.ndarray) -> np.ndarray:
    colour, cover = glow(share)
    cover = 0.75 * cover
    return np.rint(DIM * ink * (1 - cover) + colour * cover).astype(np.uint8)


def _boxed(picture: np.ndarray, digit: Reading) -> np.ndarray:
    top, left, bottom, right = (SCALE * k for k in digit.box)
    boxed = picture.copy()
    boxed[top:bottom, left:right] = RED
    inner = (slice(top + 3, bottom - 3), slice(left + 3, right - 3))
    boxed[inner] = picture[inner]
    return boxed


def _wrapped(texts: Sequence[str], font: Any, width: float) -> list[str]:
    """Return texts in lines that are not longer than allowed."""
    lines = []
    for text in texts:
        line = ""
        for word in text.split(" "):
            longer = f"{line} {word}".strip()
            if line and font.getlength(longer) > width:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
    return lines


def _font(size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size=size)
