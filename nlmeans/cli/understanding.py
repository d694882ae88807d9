"""What a file was understood to be: its axes, sizes and noise, of a large one without reading all of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import nlmeans

from .. import formats
from ..formats.arrays import ArrayInfo
from ..formats.picture import times
from ..formats.table import to_read
from ..plan.plan import Plan
from .console import FORESEEN, in_flags, reason
from .options import Filtering, Reading
from .paths import in_blocks

Facts = dict[str, Any]
"""What is known of a file, as JSON can hold it."""


def understood(path: Path, reading: Reading) -> Facts:
    """Return what is known of a file.

    Raises
    ------
    PictureError, OSError
        If it cannot be read.
    """
    if in_blocks(path, path, reading.given["series"]):
        return _by_regions(path, reading)
    fmt, picture = to_read(path), reading.read(path)
    axes = picture.dimensions
    facts = {"file": str(path), "format": fmt.name, "axes": axes, "axes_said": picture.axes is not None}
    facts |= {"shape": [*picture.pixels.shape], "dtype": picture.pixels.dtype.name}
    facts |= _sizes(axes, picture.spacing, picture.unit) | {"channels": picture.channels}
    facts |= {"missing": _missing(picture), "kept": _kept(picture), "by_regions": fmt.can("open")}
    options = Filtering().options(picture, {})
    if options["noise"] is None:
        options["noise"] = "auto"
    return facts | _noise(path, lambda: nlmeans.plan(picture.pixels, **options))


def _by_regions(path: Path, reading: Reading) -> Facts:
    from ..large.files import open_source
    from ..large.run import sampled

    given = reading.given
    info: ArrayInfo = open_source(path, given["max_pixels"], series=given["series"]).info
    axes = given["axes"] or info.axes
    facts = {"file": str(path), "format": to_read(path, "open").name, "axes": axes, "axes_said": axes is not None}
    facts |= {"shape": [*info.shape], "dtype": info.dtype.name, "chunks": [*info.chunks]}
    order = "".join(axis for axis in "ZYX" if axis in (axes or ""))
    facts |= _sizes(order, info.spacing, info.unit) | {"channels": info.channels}
    facts |= {"missing": None if info.nodata is None else {"value": info.nodata}, "kept": [], "by_regions": True}
    return facts | _noise(path, lambda: sampled(path, noise="auto", **given).plan)


def _sizes(axes: str, spacing: Sequence[float] | None, unit: str | None) -> Facts:
    space = [axis for axis in axes if axis in "XYZ"]
    return {"spacing": dict(zip(space, spacing, strict=False)) if spacing else None, "unit": unit}


def _missing(picture: formats.Picture) -> Facts | None:
    """Return how many pixels are none, by what the file declares or since they are not finite."""
    pixels, there = picture.pixels, picture.known
    count = 0 if there is None else there.size - int(np.count_nonzero(there))
    wrong = pixels.size - int(np.count_nonzero(np.isfinite(pixels))) if pixels.dtype.kind == "f" else 0
    if picture.nodata is None and not wrong:
        return None
    return {"value": picture.nodata, "pixels": count, "not_finite": wrong}


def _kept(picture: formats.Picture) -> list[str]:
    """Return what else was read, and is written back."""
    alpha = picture.alpha
    kept = [] if alpha is None else [f"samples that are no colours ({alpha.shape[-1]})"]
    named = (("colour profile", picture.icc), ("EXIF", picture.exif), ("resolution", picture.dpi))
    return kept + [name for name, value in named if value is not None]


def _noise(path: Path, plan: Any) -> Facts:
    """Return the noise of a plan that can be made, else why there is none."""
    try:
        chosen: Plan = plan()
    except FORESEEN as error:
        return {"noise": None, "sigma": None, "notes": [reason(error, path)]}
    notes = [in_flags(note) for note in chosen.notes]
    return {"noise": chosen.noise, "sigma": [float(f"{sigma:.6g}") for sigma in chosen.sigma], "notes": notes}


def shown(facts: Facts) -> str:
    """Return what is known of a file as a table."""
    from .tables import drawn, table

    chart = table()
    for name, value in _rows(facts):
        chart.add_row(name, value)
    return f"{facts['file']}\n{drawn(chart)}\n"


def _rows(facts: Facts) -> list[tuple[str, str]]:
    axes = facts["axes"] or "not said: name them by --axes"
    if facts["axes"] and not facts["axes_said"]:
        axes += " (the file does not say)"
    rows = [("format", facts["format"]), ("axes", axes)]
    rows += [("shape", times(facts["shape"])), ("type", facts["dtype"])]
    if facts["spacing"]:
        sides = " × ".join(f"{axis} {side:.6g}" for axis, side in facts["spacing"].items())
        rows.append(("pixel size", f"{sides} {facts['unit'] or '(no unit)'}"))
    if facts["channels"]:
        rows.append(("channels", ", ".join(facts["channels"])))
    if facts["missing"]:
        rows.append(("missing", _told(facts["missing"])))
    if facts["kept"]:
        rows.append(("kept too", ", ".join(facts["kept"])))
    if facts["by_regions"]:
        chunks = f", in chunks of {times(facts['chunks'])}" if set(facts.get("chunks", (1,))) != {1} else ""
        rows.append(("by regions", f"yes{chunks}"))
    rows.append(("noise", facts["noise"] or "none could be estimated"))
    return rows + [("note", note) for note in facts["notes"]]


def _told(missing: Facts) -> str:
    parts = []
    if missing["value"] is not None:
        count = f" (pixels: {missing['pixels']:,})" if "pixels" in missing else ""
        parts.append(f"what has the value {missing['value']:g}, as the file declares{count}")
    if missing.get("not_finite"):
        parts.append(f"what is not finite (values: {missing['not_finite']:,})")
    return "; ".join(parts)
