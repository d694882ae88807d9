"""One page, made of the result files and the pictures of a folder: ``python -m benchmarks report FOLDER``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from nlmeans.show import page as pages

from .. import studies
from ..harness import files, schema
from ..harness.discovery import modules
from ..harness.fits import NO_POWER, fits
from ..harness.fits import curves as swept
from ..harness.published import Published, Row
from ..harness.timing import mean
from . import show
from .charts import Point, curves, front, pareto

TITLE = "Which denoiser for my picture?"
MIDDLE = 25.0
"""The noise level that charts show."""
VARIANTS = ("-estimated", "-sure", "-j-invariant")
"""Ends of names of methods that are given less or choose more: they stand in the table alone."""
NOT_IN_CHARTS = ("noisy", "gaussian-blur", "median-filter")
FORMS = {"astronaut": "colour", "Kodak24": "colour", "phantom": "volume", "small-phantom": "small volume"}
HIDDEN, SEEN = 0.3, 1.0
"""dB that are hard to see, and dB that are not."""


def write_page(folder: Path) -> Path | str:
    """Make ``report.html`` of all result files in a folder, and return its path; or why there is none."""
    try:
        text = page(folder)
    except ImportError as error:
        return f"no report.html: {error.name} is not installed: pip install 'nlmeans[bench]'"
    except ValueError as error:  # what was measured is in its files, and must not end in a traceback
        return f"no report.html: {error}"
    target = folder / "report.html"
    files.write(target, text)
    return target


def page(folder: Path) -> str:
    """Return the page.

    Raises
    ------
    ImportError
        If Jinja2 or matplotlib is not installed.
    ValueError
        If there is no result file in the folder, or one of them is none.
    """
    results = schema.results(folder)
    if not results:
        raise ValueError(f"a page needs result files; there are none in {folder}")
    suites = merged(results)
    quality = [case for name in ("quality", "real") if name in suites for case in suites[name]["cases"]]
    chosen = groups(quality)
    text: str = pages.environment("benchmarks.present").get_template("report.html").render(
        title=TITLE,
        quick=any(result["quick"] for result in suites.values()),
        charts=[(title, pareto(title, points)) for title, points in chosen.items()],
        advice=[sentence for title, points in chosen.items() for sentence in [advice(title, points)] if sentence],
        scenes=scenes(folder / "pictures", quality),
        quality=quality_rows(quality),
        worsened=worsened(quality),
        speed=[(result, timed_rows(result)) for result in suites.values() if timed_rows(result)],
        scaling=scaling_charts(suites.get("scaling")),
        fits=fit_rows(suites.get("scaling")),
        radius=radius_charts(suites.get("locality")),
        weights=weights(folder),
        absent=absent(suites.values()),
        footers=[(result["suite"], show.footer(result)) for result in results],
        studies=study_tables(),
    )  # fmt: skip
    return text


def merged(results: Sequence[schema.Record]) -> dict[str, schema.Record]:
    """Return one result a suite: of a case that was measured twice, the later one."""
    by_suite: dict[str, schema.Record] = {}
    for result in sorted(results, key=lambda result: str(result["date"])):
        suite = by_suite.setdefault(result["suite"], {**result, "cases": []})
        again = {(case["name"], case["threads"]) for case in result["cases"]}
        kept = [case for case in suite["cases"] if (case["name"], case["threads"]) not in again]
        suite["cases"] = [*kept, *result["cases"]]
        suite["quick"] = suite["quick"] or result["quick"]
        suite["fits"] = fits(suite["cases"])
    return by_suite


def form(case: schema.Record) -> str:
    """Return what kind of pictures a case has."""
    return FORMS.get(case["parameters"]["source"], "grey")


def measured(case: schema.Record) -> list[schema.Record]:
    """Return the methods that have figures."""
    return [method for method in case["methods"] if method["status"] == "measured" and "psnr" in method["measures"]]


def _charted(case: schema.Record) -> list[schema.Record]:
    """Return the methods that have a place in a chart: with a time, and under a name of their own."""
    return [
        method
        for method in measured(case)
        if "seconds" in method["measures"]
        and method["name"] not in NOT_IN_CHARTS
        and not method["name"].endswith(VARIANTS)
    ]


def groups(cases: Sequence[schema.Record]) -> dict[str, list[Point]]:
    """Return dB and seconds at the noise level nearest to `MIDDLE`, by kind of picture: means over sets."""
    by_kind: dict[str, list[schema.Record]] = {}
    plain = [case for case in cases if case["parameters"].get("known") and _charted(case)]
    for kind in dict.fromkeys(map(form, plain)):
        levels = {case["parameters"]["sigma"] for case in plain if form(case) == kind}
        level = min(levels, key=lambda sigma: abs(sigma - MIDDLE))
        by_kind[kind] = [c for c in plain if form(c) == kind and c["parameters"]["sigma"] == level]
    charts = {}
    for kind, members in by_kind.items():
        names = set.intersection(*({method["name"] for method in _charted(case)} for case in members))
        points = []
        for method in _charted(members[0]):
            name = method["name"]
            if name not in names:
                continue
            same = [m["measures"] for case in members for m in _charted(case) if m["name"] == name]
            seconds = float(np.mean([measures["seconds"]["median"] for measures in same]))
            points.append(Point(name, seconds, float(np.mean([mean(m["psnr"]) for m in same])), method["own"]))
        sets = ", ".join(dict.fromkeys(case["parameters"]["source"] for case in members))
        if points:
            charts[f"{kind.capitalize()}, σ = {members[0]['parameters']['sigma']:g}: {sets}"] = points
    return charts


def advice(title: str, points: Sequence[Point]) -> dict[str, Any] | None:
    """Return what a reader may conclude from a chart: the best method, quicker ones that are nearly as good."""
    best = front(points)
    top = best[-1]
    near, fair = (next(point for point in best if point.psnr >= top.psnr - loss) for loss in (HIDDEN, SEEN))
    return {"title": title, "best": top, "near": near, "fair": fair, "quickest": best[0]}


def quality_rows(cases: Sequence[schema.Record]) -> list[dict[str, Any]]:
    """Return the table of dB, SSIM and time: a row a case and method."""
    return [
        {
            "method": method["name"],
            "dB": round(mean(method["measures"]["psnr"]), 3),
            "SSIM": round(mean(method["measures"]["ssim"]), 4),
            "ms": round(1e3 * method["measures"]["seconds"]["median"], 2) if "seconds" in method["measures"] else None,
            "pictures": case["title"],
            "worsened": None if (names := lost(case, method)) is None else len(names),
            "threads": method["threads"],
            "note": method["note"],
        }
        for case in cases
        for method in measured(case)
    ]


def lost(case: schema.Record, method: schema.Record) -> list[str] | None:
    """Return the pictures that came out with fewer dB than they went in; None where that is not known."""
    before = next((m for m in case["methods"] if m["name"] == "noisy" and m["status"] == "measured"), None)
    if before is None:
        return None
    pairs = zip(before["measures"]["psnr"]["values"], method["measures"]["psnr"]["values"], strict=True)
    return [name for name, (was, now) in zip(case["pictures"], pairs, strict=True) if now < was - 0.005]


def worsened(cases: Sequence[schema.Record]) -> list[tuple[str, str, str]]:
    """Return the case, the method and the names, for our own methods, of pictures that came out worse."""
    return [
        (case["title"], method["name"], ", ".join(names))
        for case in cases
        for method in measured(case)
        if method["own"] and (names := lost(case, method))
    ]


def timed_rows(result: schema.Record) -> list[dict[str, Any]]:
    """Return a table of what was timed or counted, but for suites that have sections of their own."""
    if result["suite"] in ("quality", "real", "scaling"):
        return []
    rows = []
    for case in result["cases"]:
        if case["kind"] == "pictures":
            continue
        for method in case["methods"]:
            if method["status"] == "measured":
                cells = show.rows({"methods": [method]})[0]
                rows.append(
                    {
                        "case": case["name"], "what": case["title"], "threads": method["threads"],
                        "method": method["name"], "median (middle half)": cells[2], "times as fast as": cells[3],
                    }
                )  # fmt: skip
    return rows


def scaling_charts(result: schema.Record | None) -> list[tuple[str, str]]:
    """Return a chart for each sweep of time, and one of memory against pixels."""
    if result is None:
        return []
    sweeps: dict[tuple[str, str], dict[str, list[tuple[float, float]]]] = {}
    for (sweep, method, measure), points in swept(result["cases"]).items():
        several = len({at for at, _ in points}) > 1
        if several and (measure == "seconds" or sweep == "pixels") and sweep not in NO_POWER:
            scale = 1.0 if measure == "seconds" else 1e-6
            sweeps.setdefault((sweep, measure), {})[method] = [(at, value * scale) for at, value in points]
    units = {"seconds": "seconds", "extra_memory": "MB beyond the input"}
    return [
        (title, curves(title, series, sweep, units[measure], fitted=True))
        for (sweep, measure), series in sweeps.items()
        for title in [f"{'Seconds' if measure == 'seconds' else 'Memory'} by {sweep}"]
    ]


def fit_rows(result: schema.Record | None) -> list[dict[str, Any]]:
    """Return the exponents as a table."""
    names = {"seconds": "seconds", "extra_memory": "memory"}
    return [
        {
            "what": names[fit["measure"]], "grows with": fit["sweep"], "method": fit["method"],
            "exponent": round(fit["exponent"], 2), "between the last two": round(fit["last_exponent"], 2),
            "points": fit["points"],
        }
        for fit in (result or {}).get("fits", ())
    ]  # fmt: skip


def radius_charts(result: schema.Record | None) -> list[tuple[str, str]]:
    """Return the charts of dB against search radius, and of filters that see neighbours alone."""
    charts = []
    for case in (result or {}).get("cases", ()):
        if not case["name"].startswith("radius-"):
            continue
        methods = {method["name"]: mean(method["measures"]["psnr"]) for method in measured(case)}
        side = case["parameters"]["side"]
        points = []
        for name, value in methods.items():
            if name.startswith("radius-"):
                reach = name.removeprefix("radius-")
                points.append((float(side) if reach == "image" else float(reach), value))
        levels = {name: value for name, value in methods.items() if not name.startswith("radius-")}
        title = f"{case['title']}: how far to search"
        across = f"search radius in pixels ({side}: every pixel of the picture)"
        charts.append(
            (title, curves(title, {"non-local means, one pass": points}, across, "PSNR in dB", levels=levels))
        )
    return charts


def scenes(folder: Path, cases: Sequence[schema.Record]) -> list[Any]:
    """Return the gallery: the first picture of every case that was kept."""
    gallery = []
    for case in cases:
        place = next(iter(sorted((folder / case["name"]).glob("*/clean.png"))), None)
        if place is None:
            continue
        shots: dict[str, pages.Shot] = {}
        for method in measured(case):
            name, path = method["name"], place.with_name(f"{method['name']}.png")
            if path.exists() and not name.endswith(VARIANTS):
                shots[name] = pages.Shot(name, load(path), note(method))
        noisy = shots.pop("noisy", None)
        if noisy is None or not shots:
            continue
        ours = [name for name in shots if name.startswith("learned")]
        order = [*(name for name in shots if name not in ours), *reversed(ours)]
        truth = pages.Shot("clean", load(place), "the truth")
        gallery.append(pages.Scene(case["title"], noisy, tuple(shots[name] for name in order), truth))
    return gallery


def note(method: schema.Record) -> str:
    """Return a method's figures for the first picture."""
    measures = method["measures"]
    words = [f"{measures['psnr']['values'][0]:.2f} dB", f"SSIM {measures['ssim']['values'][0]:.3f}"]
    if "seconds" in measures:
        words.append(f"{1e3 * measures['seconds']['values'][0]:.3g} ms")
    return " · ".join(words)


def load(path: Path) -> np.ndarray:
    """Return a picture's bytes."""
    from PIL import Image

    with Image.open(path) as file:
        return np.asarray(file)


def weights(folder: Path) -> np.ndarray | None:
    """Return the drawing of one pixel's weights, where ``weights`` has made it."""
    path = folder / "weights.png"
    return load(path) if path.exists() else None


def study_tables() -> list[tuple[str, list[Row]]]:
    """Return what studies offer for the page of their committed results."""
    offered = ((title, rows) for module in modules(studies) for title, rows in getattr(module, "PAGE", {}).items())
    return [(title, rows(Published())) for title, rows in sorted(offered, key=itemgetter(0))]


def absent(results: Any) -> list[Mapping[str, str]]:
    """Return what was skipped or failed, once for each reason."""
    reasons: dict[tuple[str, str], dict[str, str]] = {}
    for result in results:
        for case in result["cases"]:
            for method in case["methods"]:
                if method["status"] != "measured":
                    row = {
                        "method": method["name"], "in": case["name"], "status": method["status"],
                        "reason": method["reason"], "install": method["install"] or "",
                    }  # fmt: skip
                    reasons.setdefault((method["name"], method["reason"]), row)
            for picture in case.get("unreadable", ()):
                row = {"method": "–", "in": case["name"], "status": "unreadable", "reason": picture["reason"]}
                reasons[case["name"], picture["name"]] = {**row, "install": ""}
    return list(reasons.values())


def main(arguments: list[str] | None = None) -> int:
    """Make the page of a folder."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks report", description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of result files; report.html is made in it")
    options = parser.parse_args(arguments)
    try:
        made = write_page(options.folder)
    except OSError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    print(made, file=sys.stdout if isinstance(made, Path) else sys.stderr)
    return 0 if isinstance(made, Path) else 1
