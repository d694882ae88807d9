"""The page: all cards and the numbers in one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .drawing import caption, tiles
from .reading import Look


def page(looks: Sequence[Look], title: str, sentences: Sequence[str], figures: Mapping[str, Any]) -> str:
    """Return an HTML page.

    Parameters
    ----------
    looks : sequence of Look
        The digits that it shows, grouped by what they are.
    title : str
        The page's title.
    sentences : sequence of str
        What comes first.
    figures : mapping
        `reading.compare` of groups of digits, by the group's name.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    templates = Environment(
        loader=PackageLoader("nonlocal_block.maps"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    groups: dict[int, list[dict[str, Any]]] = {}
    for look in sorted(looks, key=lambda one: (one.label, one.predicted, one.index)):
        shown = [{"name": name, "source": _source(picture)} for name, picture in tiles(look)]
        groups.setdefault(look.label, []).append({"caption": caption(look), "tiles": shown, "index": look.index})
    rows = [
        {"group": group, "picture": picture.replace("_", " "), **found}
        for group, compared in figures.items()
        for picture, found in compared.items()
    ]
    text: str = templates.get_template("page.html").render(title=title, sentences=sentences, rows=rows, groups=groups)
    return text


def _source(picture: np.ndarray) -> str:
    """Return a picture as the address of an image that holds it."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")
