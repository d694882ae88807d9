"""From scenes and figures to the text of a page."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np

from .gallery import Scene

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

LARGEST_WEBP = 16383
"""The longest side, in pixels, that the format can hold."""
FORMATS = {"dB": ".2f", "SSIM": ".3f", "seconds": ".3f"}
"""Formats of the numbers in a table's columns; others are written in the shortest way."""


def environment(*packages: str) -> Environment:
    """Return templates: those of other packages, and ``base.html`` to extend.

    Templates have the functions ``gallery(scenes, level=2)``, whose scenes have headings of that level,
    ``table(rows, caption)`` and ``data_uri(pixels)``. ``base.html`` has the blocks ``title``, ``head`` (for styles of
    one's own), ``main`` and ``footer``; it sorts each ``table.sortable``, which belongs into a ``div.wide``: by the
    cells' texts, or their ``data-value``.

    Parameters
    ----------
    *packages : str
        Packages with a folder ``templates``, searched before this one's.

    Raises
    ------
    ImportError
        If Jinja2 is not installed.
    """
    try:
        from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
    except ImportError:
        raise ImportError(
            "the page needs Jinja2, which is not installed: pip install 'nlmeans[page]'", name="jinja2"
        ) from None

    templates = Environment(
        loader=ChoiceLoader([PackageLoader(package) for package in (*packages, __package__)]),
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip

    def gallery(scenes: Sequence[Scene], level: int = 2) -> Markup:
        return _part(templates, "gallery.html", scenes=scenes, level=level)

    def table(rows: Sequence[Mapping[str, Any]], caption: str) -> Markup:
        columns = _columns(rows)
        return _part(templates, "table.html", columns=columns, rows=rows, caption=caption, written=_written)

    templates.globals.update(asset=_asset, data_uri=data_uri, gallery=gallery, table=table)
    return templates


def page(
    scenes: Sequence[Scene], title: str, sentences: Sequence[str] = (), rows: Sequence[Mapping[str, Any]] = ()
) -> str:
    """Return a whole page: sentences, the gallery and a table that can be sorted.

    Parameters
    ----------
    scenes : sequence of Scene
        The pictures.
    title : str
        The page's title.
    sentences : sequence of str
        The text above the gallery, a paragraph each.
    rows : sequence of mapping
        The table's rows, values by the names of columns, which all rows share; numbers are aligned and sorted as
        such, None is a dash. The first column is the rows' heading.

    Raises
    ------
    ImportError
        If Jinja2 is not installed.
    ValueError
        If rows differ in their columns.
    """
    template = environment().get_template("compare.html")
    return template.render(scenes=scenes, title=title, sentences=sentences, rows=rows)


def data_uri(pixels: np.ndarray) -> str:
    """Return 8-bit pixels, grey or RGB, as the data URI of a lossless image."""
    from PIL import Image

    file = io.BytesIO()
    encoding = "webp" if max(pixels.shape[:2]) <= LARGEST_WEBP else "png"
    Image.fromarray(pixels).save(file, encoding, lossless=True)
    return f"data:image/{encoding};base64," + base64.b64encode(file.getvalue()).decode("ascii")


def _part(templates: Environment, name: str, **values: Any) -> Markup:
    from markupsafe import Markup

    return Markup(templates.get_template(name).render(**values))


def _asset(name: str) -> Markup:
    """Return a style sheet or script of this package, to stand in the page itself."""
    from markupsafe import Markup

    return Markup((resources.files(__package__) / name).read_text(encoding="utf-8"))


def _columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, bool]:
    """Return whether each column, by its name, holds numbers."""
    names = list(rows[0])
    for row in rows:
        if list(row) != names:
            raise ValueError(f"rows of a table must have the columns {names}; one has {list(row)}")
    return {name: not any(isinstance(row[name], str) for row in rows) for name in names}


def _written(column: str, value: Any) -> str:
    if value is None:
        return "–"
    return value if isinstance(value, str) else format(value, FORMATS.get(column, "g"))
