"""Cards: what an object is, as HTML for notebooks: a table, and small pictures beside it.

All is drawn in the page's own ink, without paper, so that it can be read on light and on dark.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape

import numpy as np

from .canvas import FAINT, INK, Canvas, Colour, Point, Scale, curve, frame

SIDE = 144
"""Pixels along the longer side of a picture."""
WIDTH, HEIGHT = 300, 190
LEFT, RIGHT, TOP, BOTTOM = 52, 286, 30, 138
ABOVE = 1.15
CELL = "padding: .1em 1.2em .1em 0; text-align: left; vertical-align: top; border: 0; background: none"
FILLED: Colour = (128, 128, 128)
COLOURS: tuple[Colour, ...] = ((217, 89, 43), (44, 156, 106), (47, 134, 201))


def card(title: str, rows: Iterable[tuple[str, str]], figures: Sequence[str] = (), about: str = "") -> str:
    """Return a card.

    Parameters
    ----------
    title, about : str
        What the object is, and a sentence on it.
    rows : iterable of pairs of str
        Names and values.
    figures : sequence of str
        Pictures, as `thumbnail`, `chart` and `windows` return them.

    Returns
    -------
    str
        HTML that runs nothing and loads nothing.

    Examples
    --------
    >>> from nlmeans.show import card
    >>> "&lt;b&gt;" in card("noise", [("sigma", "<b>")])
    True
    """
    lines = "".join(
        f'<tr style="background: none"><th style="{CELL}; font-weight: 400; opacity: .7">{escape(name)}</th>'
        f'<td style="{CELL}">{escape(value)}</td></tr>'
        for name, value in rows
    )
    said = f'<div style="opacity: .7">{escape(about)}</div>' if about else ""
    return (
        '<div style="max-width: 60em; margin: .3em 0; line-height: 1.4; font-family: system-ui, sans-serif; '
        f'font-size: .9em"><div style="font-weight: 600">{escape(title)}</div>{said}'
        '<div style="display: flex; flex-wrap: wrap; gap: .8em 1.6em; align-items: flex-start">'
        f'<table style="border: 0; border-collapse: collapse; margin: .3em 0"><tbody>{lines}</tbody></table>'
        f"{''.join(figures)}</div></div>"
    )


def thumbnail(plane: np.ndarray, caption: str) -> str:
    """Return a small grey picture of a plane (Y, X), from its least to its greatest number."""
    from PIL import Image

    step = max(-(-max(plane.shape) // SIDE), 1)
    some = plane[::step, ::step].astype(np.float64)
    finite = some[np.isfinite(some)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    share = np.nan_to_num((some - low) / ((high - low) or 1.0), nan=0.0, posinf=1.0, neginf=0.0)
    file = io.BytesIO()
    Image.fromarray(np.rint(255 * np.clip(share, 0, 1)).astype(np.uint8)).save(file, "png")
    source = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")
    shown = SIDE / max(some.shape)
    picture = (
        f'<img src="{source}" alt="{escape(caption)}" width="{round(shown * some.shape[1]) or 1}" '
        f'height="{round(shown * some.shape[0]) or 1}" style="image-rendering: pixelated; max-width: none">'
    )
    return _captioned(picture, f"{caption}: {low:.4g} (black) to {high:.4g}")


def chart(curves: Sequence[tuple[np.ndarray, np.ndarray]], title: str, below: str) -> str:
    """Return a small chart of curves, each given as its places across and up."""
    canvas = Canvas(WIDTH, HEIGHT)
    low, high = (float(end([end(x) for x, _ in curves])) for end in (np.min, np.max))
    across = Scale(low, high if high > low else low + 1, LEFT, RIGHT)
    up = Scale(0, ABOVE * max(float(y.max()) for _, y in curves) or 1.0, BOTTOM, TOP)
    frame(canvas, across, up, title, below)
    for k, (x, y) in enumerate(curves):
        points: list[Point] = list(zip(x.tolist(), y.tolist(), strict=True))
        curve(canvas, across, up, points, INK if len(curves) == 1 else COLOURS[k % len(COLOURS)], 2.0)
    return canvas.svg(inline=True)


def windows(passes: Sequence[tuple[Sequence[int], Sequence[int]]]) -> str:
    """Return the window that is averaged around a pixel, and the patch around it, to scale.

    Each pass has the radii of its patches and of its window, of which the last two are drawn.
    """
    largest = max(max(search[-2:]) for _, search in passes)
    unit, gap = 110 / (2 * largest + 1), 16
    canvas = Canvas(gap + len(passes) * (110 + gap), 152)
    middle = 30 + 55
    for k, (patch, search) in enumerate(passes):
        centre = gap + k * (110 + gap) + 55.0
        canvas.text(centre, 12, f"pass {k + 1}" if len(passes) > 1 else "window and patch", FAINT, "m")
        for radii, filled in ((search, False), (patch, True), ((0, 0), False)):
            down, wide = (unit * (2 * r + 1) / 2 for r in (radii if len(radii) > 1 else (0, *radii))[-2:])
            left, top, right, bottom = centre - wide, middle - down, centre + wide, middle + down
            if filled:
                canvas.box(left, top, right, bottom, FILLED)
            canvas.line([(left, top), (right, top), (right, bottom), (left, bottom), (left, top)], INK, 1.2)
    return canvas.svg(inline=True)


def middle(array: np.ndarray) -> np.ndarray:
    """Return the plane (Y, X) in the middle of an array whose last axes these are."""
    return array[tuple(n // 2 for n in array.shape[:-2])]


def _captioned(picture: str, caption: str) -> str:
    return (
        f'<figure style="margin: .3em 0; width: min-content; min-width: {SIDE}px">{picture}'
        f'<figcaption style="opacity: .7; font-size: .9em">{escape(caption)}</figcaption></figure>'
    )
