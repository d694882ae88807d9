"""Sheets of pictures with titles."""

from __future__ import annotations

from typing import Any

import numpy as np

ZOOM, GAP, HEAD = 2, 10, 24
PAPER, INK = (255, 255, 255), (25, 25, 25)


def sheet(rows: list[list[tuple[str, np.ndarray]]], zoom: int = ZOOM, legend: str = "") -> np.ndarray:
    """Return all rows of titled pictures as one, every pixel ``zoom`` times as large; below, a line."""
    from PIL import Image, ImageDraw, ImageFont

    height, width = (zoom * side for side in rows[0][0][1].shape[:2])
    size = (GAP + len(rows[0]) * (width + GAP), len(rows) * (height + HEAD + GAP) + (HEAD if legend else 0))
    paper = Image.new("RGB", size, PAPER)
    pen, font = ImageDraw.Draw(paper), ImageFont.load_default(size=15)
    for i, columns in enumerate(rows):
        for k, (title, pixels) in enumerate(columns):
            x, y = GAP + k * (width + GAP), i * (height + HEAD + GAP)
            pen.text((x, y + HEAD - 6), title, INK, font, anchor="ls")
            picture: Any = Image.fromarray(pixels).resize((width, height), Image.Resampling.NEAREST)
            paper.paste(picture, (x, y + HEAD))
    if legend:
        pen.text((GAP, size[1] - GAP), legend, INK, font, anchor="ls")
    return np.asarray(paper)
