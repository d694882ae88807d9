"""The page: all cards and the numbers in one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .drawing import caption, tiles
from .reading import Reading


def page(digits: Sequence[Reading], title: str, sentences: Sequence[str], figures: Mapping[str, Any]) -> str:
    """Return an HTML page.

    Parameters
    ----------
    digits : sequence of Reading
        The digits to show, which it groups by their true class.
    title : str
        The page's title.
    sentences : sequence of str
        The text above them.
    figures : mapping
        `reading.compare` of groups of digits, by the group's name.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    templates = Environment(
        loader=PackageLoader("nonlocal_block.maps"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    groups: dict[int, list[dict[str, Any]]] = {}
    for digit in sorted(digits, key=lambda one: (one.label, one.predicted, one.index)):
        shown = [{"name": name, "source": _source(picture)} for name, picture in tiles(digit)]
        groups.setdefault(digit.label, []).append({"caption": caption(digit), "tiles": shown, "index": digit.index})
    rows = [
        {"group": group, "picture": picture.replace("_", " "), **overlap}
        for group, compared in figures.items()
        for picture, overlap in compared.items()
    ]
    text: str = templates.get_template("page.html").render(title=title, sentences=sentences, rows=rows, groups=groups)
    return text


def _source(picture: np.ndarray) -> str:
    """Return a picture as a data URI."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")
