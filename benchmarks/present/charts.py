"""Charts as SVG, to stand in a page: text is text, ink takes the page's colour, points say their numbers."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import Any

from ..harness.fits import exponent

INK = "#010203"
"""Stands for the page's own colour while a chart is drawn."""
COLOURS = ("#d9582b", "#2f86c9", "#2c9c6a", "#b0608f", "#a0801c", "#7a6fd0", "#7d8590", "#c23b5c")
"""Clear of white and of black paper alike."""
OWN, OTHERS, FRONT = "#d9582b", "#2f86c9", "#7d8590"
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
SIZE = (7.2, 4.6)
AROUND = ((8, -3, "left"), (-8, -3, "right"), (0, 8, "center"), (0, -15, "center"), (8, 8, "left"), (-8, 8, "right"))
ABOVE = ((-7, 6, "right"), (0, 9, "center"), (8, 8, "left"), (8, -15, "left"))
"""Where a name may stand, in points from its point: first of the others, then of those on the front's dashed line."""
STYLE: dict[str, Any] = {
    "svg.fonttype": "none", "svg.hashsalt": "charts", "font.family": "sans-serif", "font.size": 11, "text.color": INK,
    "axes.labelcolor": INK, "axes.edgecolor": INK, "xtick.color": INK, "ytick.color": INK, "axes.spines.top": False,
    "axes.spines.right": False, "axes.grid": True, "grid.color": INK, "grid.alpha": 0.12, "axes.linewidth": 0.8,
    "legend.frameon": False, "figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none",
}  # fmt: skip


@dataclass(frozen=True)
class Point:
    """A method in a chart of dB against time."""

    name: str
    seconds: float
    psnr: float
    own: bool


@contextmanager
def _axes(title: str, chart: list[str], tips: dict[str, str]) -> Iterator[Any]:
    """Give axes to draw on, and leave the chart as SVG in ``chart``."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=SIZE, layout="constrained")
        yield figure.add_subplot()
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    svg = re.sub(r"^.*?(?=<svg)", "", file.getvalue(), count=1, flags=re.DOTALL)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = svg.replace("<svg", f'<svg role="img" aria-label="{escape(title)}"', 1).replace(INK, "currentColor")
    for name, tip in tips.items():
        svg = svg.replace(f'<g id="{name}">', f'<g id="{name}"><title>{escape(tip)}</title>')
    salt = re.sub(r"\W+", "-", title)
    svg = re.sub(r'id="([^"]+)"', rf'id="{salt}-\1"', svg)  # several charts of a page must not share names
    svg = re.sub(r"(xlink:href=\"#|url\(#)", rf"\g<1>{salt}-", svg)
    chart.append(svg)


def pareto(title: str, points: Sequence[Point]) -> str:
    """Return a chart of dB against milliseconds, with the front of those that no other beats in both."""
    chart: list[str] = []
    tips = {f"point-{k}": f"{p.name}: {p.psnr:.2f} dB, {1e3 * p.seconds:.3g} ms" for k, p in enumerate(points)}
    with _axes(title, chart, tips) as axes:
        best = front(points)
        line = [(1e3 * p.seconds, p.psnr) for p in best]
        axes.step(*zip(*line, strict=True), where="post", color=FRONT, linewidth=1.2, linestyle=(0, (4, 3)), zorder=1)
        for k, point in enumerate(points):
            colour = OWN if point.own else OTHERS
            size, edge = (70, INK) if point in best else (45, "none")
            marker = "o" if point.own else "s"
            place = 1e3 * point.seconds, point.psnr
            axes.scatter(
                *place, s=size, c=colour, marker=marker, edgecolors=edge, linewidths=0.8, gid=f"point-{k}", zorder=3
            )
        axes.set_xscale("log")
        axes.set_xlabel("milliseconds a picture (left is faster)")
        axes.set_ylabel("PSNR in dB (up is better)")
        axes.margins(0.12, 0.1)
        _decimal(axes.xaxis)
        _labels(axes, [(1e3 * p.seconds, p.psnr, p.name, p in best) for p in points])
    return chart[0]


def front(points: Sequence[Point]) -> list[Point]:
    """Return the points that no other beats in both time and dB, the fastest first."""
    best: list[Point] = []
    for point in sorted(points, key=lambda p: (p.seconds, -p.psnr)):
        if not best or point.psnr > best[-1].psnr:
            best.append(point)
    return best


def curves(
    title: str, series: Mapping[str, Sequence[tuple[float, float]]], across: str, up: str, *, fitted: bool = False,
    levels: Mapping[str, float] | None = None,
) -> str:  # fmt: skip
    """Return a chart of curves over a logarithmic axis; with ``fitted`` both axes are, and each has its power law.

    ``levels`` are drawn as lines from side to side.
    """
    chart: list[str] = []
    tips: dict[str, str] = {}
    with _axes(title, chart, tips) as axes:
        for k, (name, points) in enumerate(series.items()):
            colour, marker = COLOURS[k % len(COLOURS)], MARKERS[k % len(MARKERS)]
            x, y = zip(*points, strict=True)
            label = name
            if fitted and len(points) > 1:
                power, factor = exponent(x, y)
                ends = (x[0], x[-1])
                axes.plot(ends, [factor * end**power for end in ends], color=colour, linewidth=1.4)
                label = f"{name}: ∝ {across.split(' (')[0]}^{power:.2f}"
            axes.plot(
                x, y, color=colour, marker=marker, markersize=6, linewidth=0 if fitted else 1.6, label=label,
                gid=f"series-{k}",
            )  # fmt: skip
            tips[f"series-{k}"] = f"{name}: " + ", ".join(f"{b:.4g} at {a:g}" for a, b in points)
        for name, level in (levels or {}).items():
            axes.axhline(level, color=FRONT, linewidth=1, linestyle=(0, (4, 3)))
            across_axes = axes.get_yaxis_transform()
            axes.text(0.01, level, name, transform=across_axes, va="bottom", fontsize=10)
        axes.set_xscale("log")
        if fitted:
            axes.set_yscale("log")
            _decimal(axes.yaxis)
        _decimal(axes.xaxis)
        axes.set_xlabel(across)
        axes.set_ylabel(up)
        if len(series) > 1 or fitted:
            axes.legend(fontsize=10)
    return chart[0]


def _decimal(axis: Any) -> None:
    """Write 10 and 0.1, not powers of ten; and 2 and 5, too, where there are few decades."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    def written(value: float, _: Any) -> str:
        return f"{value / 1e6:g} M" if value >= 1e6 else f"{value / 1e3:g} k" if value >= 1e4 else f"{value:g}"

    low, high = axis.get_data_interval()
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 100 * low else (1,)))
    axis.set_major_formatter(FuncFormatter(written))
    axis.set_minor_formatter(NullFormatter())


def _labels(axes: Any, named: Sequence[tuple[float, float, str, bool]]) -> None:
    """Write names next to points where they cover neither points nor each other."""
    from matplotlib.transforms import Bbox

    figure = axes.figure
    figure.draw_without_rendering()
    spots = [axes.transData.transform((x, y)) for x, y, *_ in named]
    taken = [Bbox.from_bounds(x - 5, y - 5, 10, 10) for x, y in spots]
    frame = axes.get_window_extent()
    for x, y, name, chief in sorted(named, key=lambda point: not point[3]):
        chosen = None
        for dx, dy, side in ABOVE if chief else AROUND:
            text = axes.annotate(
                name, (x, y), (dx, dy), textcoords="offset points", ha=side, fontsize=10,
                fontweight="bold" if chief else "normal",
            )  # fmt: skip
            box = text.get_window_extent()
            inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 + 40
            if inside and not any(box.overlaps(other) for other in taken):
                chosen = box
                break
            text.remove()
        if chosen is None:
            text = axes.annotate(name, (x, y), AROUND[0][:2], textcoords="offset points", fontsize=10)
            chosen = text.get_window_extent()
        taken.append(chosen)
