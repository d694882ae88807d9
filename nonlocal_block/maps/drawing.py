"""Cards and the contact sheet: a digit, where the convolutions found it, and what the block looked at."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from nlmeans.show import glow

from .looking import BOX, GRID, Look

SCALE = 5
TILE = 28 * SCALE
GAP, LINE, MARGIN = 6, 22, 18
PAPER, INK, FAINT, RED = (255, 255, 255), (25, 25, 25), (110, 110, 110), (235, 20, 30)
DIM = 0.55  # of the ink under a heat map


def tiles(look: Look) -> list[tuple[str, np.ndarray]]:
    """Return a digit's pictures, each with what it shows, all of one size."""
    ink = np.repeat(_enlarged(look.digit)[..., None], 3, axis=2)
    found = [("the digit", ink), ("block 2", _boxed(_attention(look, ink), look))]
    if look.wrong:
        found.append((f"heat for {look.label}", _boxed(_heated(look.heat_true, ink), look)))
    return [*found, (f"heat for {look.predicted}", _boxed(_heated(look.heat, ink), look))]


def caption(look: Look) -> str:
    """Return what a digit is and was read as."""
    if look.wrong:
        return (
            f"#{look.index}  a {look.label} ({100 * look.doubt:.0f} %), "
            f"read as {look.predicted} ({100 * look.confidence:.0f} %)"
        )
    return f"#{look.index}  a {look.label}, read right ({100 * look.confidence:.0f} %)"


def card(look: Look) -> np.ndarray:
    """Return a digit's pictures side by side."""
    space = np.full((TILE, GAP, 3), PAPER, np.uint8)
    parts = [part for _, picture in tiles(look) for part in (picture, space)]
    return np.concatenate(parts[:-1], axis=1)


def contact_sheet(looks: Sequence[Look], title: str) -> np.ndarray:
    """Return all cards with captions below a title, and a legend."""
    from PIL import Image, ImageDraw

    width = max((card(look).shape[1] for look in looks), default=4 * TILE + 3 * GAP)
    columns = _columns(len(looks))
    rows = math.ceil(len(looks) / columns)
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
    for k, look in enumerate(looks):
        x, y = MARGIN + (k % columns) * (width + 2 * MARGIN), top + (k // columns) * step
        pen.text((x, y), caption(look), INK, _font(16))
        sheet.paste(Image.fromarray(card(look)), (x, y + LINE))
        for j, (name, _) in enumerate(tiles(look)):
            pen.text((x + j * (TILE + GAP), y + LINE + TILE + 2), name, FAINT, small)
    return np.asarray(sheet)


def _columns(count: int) -> int:
    """Return how many cards stand in a row, so that the sheet is no more than about twice as high as wide."""
    return 1 if count <= 1 else 2 if count <= 12 else 3 if count <= 42 else 4


def _enlarged(plane: np.ndarray) -> np.ndarray:
    return plane.repeat(SCALE, axis=0).repeat(SCALE, axis=1)


def _heated(heat: np.ndarray, ink: np.ndarray) -> np.ndarray:
    """Paint a heat map over the dimmed digit; one that is 0 everywhere leaves it bare."""
    return _painted(_enlarged(heat / (heat.max() or 1)), ink)


def _attention(look: Look, ink: np.ndarray) -> np.ndarray:
    """Paint the keys' attention over the digit; the last rows and columns belong to no key."""
    low, high = look.attention.min(), look.attention.max()
    share = np.zeros(look.digit.shape)
    side = GRID * BOX
    share[:side, :side] = ((look.attention - low) / ((high - low) or 1)).repeat(BOX, axis=0).repeat(BOX, axis=1)
    return _painted(_enlarged(share), ink)


def _painted(share: np.ndarray, ink: np.ndarray) -> np.ndarray:
    colour, cover = glow(share)
    cover = 0.75 * cover
    return np.rint(DIM * ink * (1 - cover) + colour * cover).astype(np.uint8)


def _boxed(picture: np.ndarray, look: Look) -> np.ndarray:
    top, left, bottom, right = (SCALE * k for k in look.box)
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
