"""How fast time and memory grow along a curve: the exponent p of at**p, by least squares in logarithms."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from .schema import Record

FITTED = ("seconds", "extra_memory")
NO_POWER = ("dimensions",)
"""What no power law is fitted to."""


def exponent(at: Sequence[float], values: Sequence[float]) -> tuple[float, float]:
    """Return p and c of c·at**p.

    Parameters
    ----------
    at, values : sequence of float
        At least two points, all above 0; not all at one place.
    """
    x, y = ([math.log(value) for value in numbers] for numbers in (at, values))
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    spread = sum((value - mean_x) ** 2 for value in x)
    power = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / spread
    return power, math.exp(mean_y - power * mean_x)


def curves(cases: Iterable[Record]) -> dict[tuple[str, str, str], list[tuple[float, float]]]:
    """Return the points (at, median) of every sweep, method and measure, in the order of ``at``."""
    result: dict[tuple[str, str, str], list[tuple[float, float]]] = {}
    for case in cases:
        sweep, at = case["parameters"].get("sweep"), case["parameters"].get("at")
        if not sweep or at is None:
            continue
        for method in case["methods"]:
            for measure in FITTED:
                if measure in method["measures"]:
                    points = result.setdefault((sweep, method["name"], measure), [])
                    points.append((float(at), float(method["measures"][measure]["median"])))
    return {key: sorted(points) for key, points in result.items()}


def fits(cases: Iterable[Record]) -> list[Record]:
    """Return the exponents of all curves with at least two points, as they stand in result files."""
    records = []
    for (sweep, method, measure), points in curves(cases).items():
        at, values = zip(*points, strict=True)
        if len(set(at)) < 2 or sweep in NO_POWER:
            continue
        power, factor = exponent(at, values)
        ends = [points[-2], points[-1]]
        last = exponent([x for x, _ in ends], [y for _, y in ends])[0] if ends[0][0] != ends[1][0] else power
        numbers = {"exponent": round(power, 4), "last_exponent": round(last, 4), "factor": factor}
        records.append({"sweep": sweep, "method": method, "measure": measure, "points": len(points), **numbers})
    return records
